/* HTTP: routes, JSON <-> objects, authorization, problem+json, paging, watch by SSE, waits. libmicrohttpd with its own
 * TLS, epoll worker threads, suspend and resume: no handler ever waits. No rules and no SQL here. */
#pragma once

#include "controller/model/model.h"
#include "controller/store/store.h"
#include <skerry/realization.h>
#include <stdio.h>

struct skr_api;

/* Deadlines in milliseconds; 0 = the value named beside it. */
struct skr_api_deadlines {
    unsigned headers;   /* 10,000: handshake and headers */
    unsigned body;      /* 30,000 */
    unsigned answer;    /* 60,000: from the whole request to the whole answer, waits apart */
    unsigned idle;      /* 75,000: between two requests of a connection */
    unsigned bookmark;  /* 15,000: of a watch without news */
    unsigned sse_write; /* 30,000: for a watcher to take one write */
};

struct skr_api_options {
    const char *listen;                    /* "127.0.0.1:8443", "[::]:8443" */
    const char *key_pem, *certificate_pem; /* of the API's server certificate, chain included */
    unsigned workers;                      /* 0 = 2 */
    struct skr_store *store;
    struct skr_realization_table *realizations;
    const char *south_address;         /* host:port agents use, for join commands: GET /v1/controller */
    const uint8_t *authority_key_hash; /* 32 bytes, for join commands and login */
    bool (*ready)(void *arg);          /* /readyz; NULL = always */
    void *ready_arg;
    void (*metrics)(void *arg, FILE *out); /* more lines for /metrics from other rooms; may be NULL */
    void *metrics_arg;
    unsigned connections_per_address_max; /* 0 = 512 */
    unsigned requests_per_second;         /* of one principal, 0 = 10,000; bursts of twice as many */
    struct skr_api_deadlines deadlines;
};

int skr_api_new(const struct skr_api_options *options, struct skr_api **ret, struct skr_error *error);
/* The port it listens on (when 0 was asked for). */
uint16_t skr_api_port(const struct skr_api *api);
/* Quiesces, completes every suspended request, stops. Afterwards skr_api_changes does nothing, so a store that still
 * has writes to answer may go on calling it. */
void skr_api_stop(struct skr_api *api);
/* Stops if that has not been done. Not before the store will make no more calls to skr_api_changes. NULL is fine. */
void skr_api_free(struct skr_api *api);
/* An skr_commit_fn: wakes watchers and forgets changed tokens. Listen after the policy, so that what a watcher reads is
 * not behind what the policy knows. */
void skr_api_changes(void *api, const struct skr_change *changes, size_t count);
/* An skr_realization_listener_fn: watches hear when only realization changed. */
void skr_api_realizations(void *api, const struct skr_realization_change *changes, size_t count);
