/* HTTPS to the controller over libcurl. One connection, kept alive, used by one thread. Answers are JSON; what the
 * controller refuses comes back as a struct skr_error, like everything else that goes wrong. Ownership: an answer's
 * body belongs to the caller (skr_answer_done). */
#pragma once

#include "cli/rest/settings.h"

#include <jansson.h>
#include <skerry/tls.h>
#include <skerry/uuid.h>
#include <stdbool.h>
#include <stdint.h>

#define SKR_ANSWER_MAX         (256 << 20) /* bytes of one answer */
#define SKR_CLIENT_TIMEOUT_MS  70000       /* beyond the controller's own deadline for answers */
#define SKR_ETAG_TEXT_MAX      32
#define SKR_REQUEST_PATH_MAX   8192
#define SKR_REALIZED_MAX_MS    300000 /* the longest wait the controller takes */
#define SKR_RETRY_MAX_MS       30000  /* how long a request may wait as Retry-After says, unless told otherwise */
#define SKR_RESTING_MAX_MS     3000   /* for what was freed: a host that is connected lets go of it within a second */
#define SKR_REALIZED_MARGIN_MS 15000  /* how much later than a wait's end its answer may come */

struct skr_client;

/* A path with its query; names and values are escaped. */
struct skr_request_path {
    char text[SKR_REQUEST_PATH_MAX];
    bool has_query;
};
void skr_path_set(struct skr_request_path *path, const char *format, ...) SKR_PRINTF(2, 3);
void skr_path_add(struct skr_request_path *path, const char *name, const char *value);

struct skr_request {
    const char *method;      /* "GET" */
    const char *path;        /* "/v1/tenants?limit=10" */
    const json_t *body;      /* NULL: none */
    const char *etag;        /* If-Match, without its quotes; NULL: none */
    bool if_none_match;      /* If-None-Match: * */
    unsigned patient_for_ms; /* how long the controller was asked to wait before it answers */
};

struct skr_answer {
    long status;
    json_t *body; /* NULL: none */
    char etag[SKR_ETAG_TEXT_MAX];
    int64_t revision;            /* Skerry-Revision of a write, 0 = none */
    char job[SKR_UUID_TEXT_MAX]; /* of a 202: the job that carries on; "" = none */
};
void skr_answer_done(struct skr_answer *answer);

/* `settings` is copied from. */
int skr_client_new(const struct skr_settings *settings, struct skr_client **ret, struct skr_error *error);
void skr_client_free(struct skr_client *client);
static inline void skr_client_cleanup(struct skr_client **client)
{
    skr_client_free(*client);
}

/* From now on requests wait as Retry-After says until so many milliseconds from now, instead of SKR_RETRY_MAX_MS each.
 */
void skr_client_retry_for(struct skr_client *client, int64_t ms);

/* 0 on 2xx. Else error: the controller's, or UNAVAILABLE when nobody answers; *ret stays untouched. A request that is
 * refused with Retry-After is sent again then, if there is time for that; the error says when it would be. */
int skr_client_send(struct skr_client *client, const struct skr_request *request, struct skr_answer *ret,
                    struct skr_error *error);
/* As a user with a password instead of a token (`settings` held none): POST of a session. Its cookie goes along with
 * every later request, and its CSRF token with those that write. */
int skr_client_log_in(struct skr_client *client, const json_t *body, struct skr_error *error);
/* GET. */
int skr_client_get(struct skr_client *client, const char *path, json_t **ret, struct skr_error *error);
/* All pages of a list; `each` returning non-zero ends it with that value. *ret_revision: of the last page; may be NULL.
 */
typedef int skr_client_page_fn(void *arg, json_t *items, struct skr_error *error);
int skr_client_list(struct skr_client *client, const struct skr_request_path *path, skr_client_page_fn *each, void *arg,
                    int64_t *ret_revision, struct skr_error *error);

/* GET of a stream. Data goes to `on_data` as it comes; its returning non-zero ends the stream with that value. 0 when
 * the controller or the clock (timeout_ms, 0 = none) ended it; UNAVAILABLE when the connection failed. */
typedef int skr_client_data_fn(void *arg, const char *data, size_t size);
int skr_client_stream(struct skr_client *client, const char *path, int64_t timeout_ms, skr_client_data_fn *on_data,
                      void *arg, struct skr_error *error);

/* The certificate of the authority whose key hash is `pin`, as the server at `url` shows it. Nothing secret is sent:
 * who answers is not known yet. FORBIDDEN when it shows none. */
int skr_client_fetch_authority(const char *url, const uint8_t pin[static SKR_TLS_HASH_SIZE], char **ret_pem,
                               struct skr_error *error);
