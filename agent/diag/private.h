/* The inside of the diag room. */
#pragma once

#include "agent/diag/diag.h"
#include "agent/fastpath/fastpath.h"

/* tables.c: answers about what is programmed. */
json_t *skr_diag_records(const struct skr_diag_options *options, const json_t *request);
json_t *skr_diag_routes(const struct skr_diag_options *options, const json_t *request);
json_t *skr_diag_ports(const struct skr_diag_options *options, const json_t *request);
json_t *skr_diag_provider_addresses(const struct skr_diag_options *options, const json_t *request);
/* stats.c */
json_t *skr_diag_stats(const struct skr_diag_options *options, const json_t *request);

json_t *skr_diag_error(const char *tag, const char *detail);
/* Name of an interface, "" when it is not known. */
const char *skr_diag_interface(const struct skr_diag_options *options, uint32_t ifindex);

/* ping.c: one echo to a provider address at full size with DF set, from our own PA. `done` gets the answer (a new
 * reference) on the loop, within a second; the ping is gone then. */
struct skr_diag_ping;
typedef void skr_diag_ping_fn(void *arg, json_t *answer);
int skr_diag_ping(const struct skr_diag_options *options, const json_t *request, skr_diag_ping_fn *done, void *arg,
                  struct skr_diag_ping **ret, struct skr_error *error);
void skr_diag_ping_free(struct skr_diag_ping *ping);
