/* Why one network adapter can reach another, or cannot: what the model says, checked in the order a packet meets it.
 * Facts are objects as the controller shows them; the result is a list of findings. A pure function: skerryctl collects
 * the facts, tests make them up. It judges what was asked for and whether the hosts have applied it; what the fast
 * path of a host really does with a packet, only that host knows. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum skr_finding_state {
    SKR_FINDING_FINE,
    SKR_FINDING_STOPS,    /* here it ends */
    SKR_FINDING_UNCERTAIN /* it depends on something that was not said, or that the controller does not know */
};

/* One end. Borrowed; NULL: there is none, or it may not be seen. */
struct skr_explain_end {
    const char *name;            /* for sentences */
    const json_t *adapter;       /* NULL: no adapter has the address */
    const json_t *host;          /* where it is placed; NULL: tenants do not see hosts */
    const json_t *adapter_lists; /* array of access control lists attached to the adapter */
    const json_t *subnet_lists;  /* array of those attached to its VM subnet */
    const char *address;         /* NULL: it has none */
};

struct skr_explain_facts {
    struct skr_explain_end from, to;
    const json_t *routes; /* effective routes of `from`'s VM network */
    int protocol;         /* IP protocol number, -1: not said */
    int port;             /* of the destination, -1: not said */
};

/* New reference: [{"state": 0, "text": "..."}], in order, ending at the first that stops it. */
json_t *skr_explain(const struct skr_explain_facts *facts);
/* Where the last finding leaves it: STOPS, else UNCERTAIN if any is, else FINE. */
enum skr_finding_state skr_explain_verdict(const json_t *findings);
/* "tcp", "udp", "icmp", "icmpv6" or a number; -1: none of these. */
int skr_protocol_parse(const char *text);
