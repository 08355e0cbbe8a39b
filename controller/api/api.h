/* HTTP: routes, JSON <-> objects, authorization, problem+json, paging, watch by SSE, waits. libmicrohttpd with its own
 * TLS, epoll worker threads, suspend and resume: no handler ever waits. No rules and no SQL here. */
#pragma once

#include "controller/model/model.h"
#include "controller/store/store.h"
#include <skerry/realization.h>

struct skr_api;
struct skr_api_options {
    const char *listen;          /* "127.0.0.1:8443", "[::]:8443" */
    const char *key_pem, *certificate_pem; /* of the API's server certificate, chain included */
    unsigned workers;            /* 0 = 2 */
    struct skr_store *store;
    struct skr_realization_table *realizations;
    const char *south_address;   /* host:port agents use, for join commands: GET /v1/controller */
    const uint8_t *authority_key_hash; /* 32 bytes, for join commands and login */
    /* Extra lines for /metrics from other rooms, NULL-terminated list of functions appending to a growing text. */
    bool (*ready)(void *arg);    /* /readyz */
    void *ready_arg;
};

int skr_api_new(const struct skr_api_options *options, struct skr_api **ret, struct skr_error *error);
/* The port it listens on (when 0 was asked for). */
uint16_t skr_api_port(const struct skr_api *api);
/* Quiesces, completes every suspended request, stops. */
void skr_api_free(struct skr_api *api);
/* An skr_commit_fn: wakes watchers. */
void skr_api_changes(void *api, const struct skr_change *changes, size_t count);
