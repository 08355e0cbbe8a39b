/* A controller's API on a real socket with a real database and real TLS, and a client for it (libcurl). What the tests
 * are not about ends the process when it fails. */
#pragma once

#include "controller/api/api.h"
#include "tests/support/test_store.h"
#include <curl/curl.h>
#include <jansson.h>
#include <openssl/ssl.h>

struct api_server {
    struct skr_test_store database;
    struct skr_realization_table *realizations;
    struct skr_api *api;
    char *authority_pem; /* what clients trust */
    char *token;         /* of the administrator */
    char url[64];
    bool ready;
};

/* `options` NULL: the defaults. Listening address, keys, store and table are filled in here. `vfs` NULL: SQLite's own.
 */
void api_server_start(struct api_server *server, const struct skr_api_options *options, const char *vfs);
void api_server_stop(struct api_server *server);
/* Stops and starts over the same database: another port, another authority, the same tokens. */
void api_server_restart(struct api_server *server, const struct skr_api_options *options);

/* For the test that is about leaks: Criterion itself passes a test whose process leaks at its end, and tests/run sees
 * that by the sanitizer's log. */
void api_expect_no_leak(void);

struct api_reply {
    long status; /* 0: no answer */
    json_t *json;
    char *text;
    char etag[32], location[160], content_type[80], retry_after[16], allow[80], authenticate[80], cookie[400];
    long long revision; /* Skerry-Revision, -1 = none */
};
void api_reply_done(struct api_reply *reply);
#define API_REPLY struct api_reply __attribute__((cleanup(api_reply_done)))

/* `headers`: lines, NULL-terminated list, may be NULL. The administrator's token is sent unless `headers` names
 * Authorization. `body` NULL = none; it is sent as application/json unless headers say otherwise. */
struct api_reply api_call(struct api_server *server, const char *method, const char *path, const char *body,
                          const char *const *headers);
/* On a handle of one's own, for connections that stay open and for threads. */
CURL *api_handle_new(struct api_server *server);
struct api_reply api_call_on(CURL *handle, struct api_server *server, const char *method, const char *path,
                             const char *body, size_t size, const char *const *headers);

/* GET, POST, ...: the status must be as said; the answer's JSON is borrowed from `reply`. */
const char *api_text(const json_t *object, const char *name);
/* Creates and returns the id. */
void api_create(struct api_server *server, const char *collection, const char *body, char id[static 37]);

/* A TLS connection on which the test writes bytes of its own. Reads give up after 20 s. */
struct api_raw {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};
int api_raw_socket(const struct api_server *server); /* TCP alone, without a handshake */
struct api_raw api_raw_open(const struct api_server *server);
void api_raw_send(struct api_raw *raw, const char *text);
void api_raw_close(struct api_raw *raw);

/* A watch on a connection of its own: reads events as they come. */
struct api_event {
    char type[16];
    long long id; /* -1 = none */
    json_t *data;
};
struct api_watch;
/* `last_event_id` NULL = not sent. */
struct api_watch *api_watch_open(struct api_server *server, const char *path, const char *last_event_id);
/* Waits for the next event, at most `ms`; false: none, or the stream ended. The caller frees event->data. */
bool api_watch_next(struct api_watch *watch, unsigned ms, struct api_event *event);
bool api_watch_ended(const struct api_watch *watch);
/* The bytes that came and are no event: where the watch was refused, they are the answer. */
const char *api_watch_rest(const struct api_watch *watch);
void api_watch_close(struct api_watch *watch);
