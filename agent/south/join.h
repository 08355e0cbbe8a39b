/* Enrolment (docs/design/southbound.md): from a join string to an enrolled identity. Blocking, for the command line and
 * for tests; every wait has a limit. */
#pragma once

#include "agent/south/identity.h"
#include <skerry/v1/southbound.pb-c.h>
#include <stdbool.h>

#define SKR_JOIN_STRING_MAX 1024

struct skr_join_string {
    char controller[300]; /* host:port */
    struct skr_uuid token_id;
    char secret[128];
    uint8_t pin[SKR_TLS_HASH_SIZE];
};
/* skerry://<host>:<port>/<token id>.<secret>#<sha256 of the authority's key>; white space around it is ignored. */
int skr_join_string_parse(const char *text, struct skr_join_string *ret, struct skr_error *error);

struct skr_join_options {
    struct skr_join_string string;
    const char *host_name; /* NULL: the kernel's */
    char *const *uplinks;
    size_t uplink_count;
    Skerry__V1__Interface *const *interfaces; /* inventory, may be empty */
    size_t interface_count;
    int64_t retry_ms;                             /* between two tries; 0 = 2 s, and 5 s for an approval */
    int64_t timeout_ms;                           /* for reaching the controller; 0 = two minutes */
    void (*waiting)(void *arg, const char *what); /* once for each reason to wait; may be NULL */
    void *arg;
};
/* The same key is used again until the answer has been kept, so a lost answer costs no token. *ret_host_name: the name
 * that the controller gave, for free(); NULL when the controller is too old to say it. */
int skr_join(struct skr_identity *identity, const struct skr_join_options *options, char **ret_host_name,
             struct skr_error *error);
