#include "tests/component/controller/api_client.h"

#include "controller/model/model.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <skerry/clock.h>
#include <skerry/tls.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#define DAY_MS (24 * 3600 * 1000LL)

static int first_token(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    free(*(char **)arg);
    *(char **)arg = NULL;
    return skr_model_first_token(txn, arg, error);
}

static void make_identity(struct api_server *server, char **ret_key, char **ret_certificate)
{
    static const char *const names[] = {"localhost", "127.0.0.1"};
    struct skr_tls_identity *authority SKR_CLEANUP(skr_tls_identity_cleanup) = NULL;
    struct skr_tls_identity *identity SKR_CLEANUP(skr_tls_identity_cleanup) = NULL;
    int64_t now_ms = skr_clock_wall_ms();
    cr_assert_eq(skr_tls_authority_new("test", now_ms, &authority, NULL), 0);
    cr_assert_eq(skr_tls_sign_server(authority, names, 2, now_ms, DAY_MS, &identity, NULL), 0);
    cr_assert_eq(skr_tls_identity_certificate_pem(authority, &server->authority_pem), 0);
    cr_assert_eq(skr_tls_identity_key_pem(identity, ret_key), 0);
    cr_assert_eq(skr_tls_identity_certificate_pem(identity, ret_certificate), 0);
}

static bool is_ready(void *arg)
{
    return ((struct api_server *)arg)->ready;
}

/* The API over the store as it stands, on a port of its own. */
static void open_api(struct api_server *server, const struct skr_api_options *given)
{
    static const uint8_t hash[32] = {0xab};
    char *key SKR_CLEANUP(skr_free_cleanup) = NULL, *certificate SKR_CLEANUP(skr_free_cleanup) = NULL;
    struct skr_api_options options = given ? *given : (struct skr_api_options){0};
    struct skr_error error = {0};
    cr_assert_eq(skr_realization_table_new(&server->realizations), 0);
    make_identity(server, &key, &certificate);
    options.listen = "127.0.0.1:0";
    options.key_pem = key;
    options.certificate_pem = certificate;
    options.store = server->database.store;
    options.realizations = server->realizations;
    options.south_address = "controller.test:6653";
    options.authority_key_hash = hash;
    options.ready = is_ready;
    options.ready_arg = server;
    cr_assert_eq(skr_api_new(&options, &server->api, &error), 0, "%s", error.detail);
    skr_store_listen(server->database.store, skr_api_changes, server->api);
    skr_realization_listen(server->realizations, skr_api_realizations, server->api);
    snprintf(server->url, sizeof(server->url), "https://127.0.0.1:%u", skr_api_port(server->api));
}

void api_server_start(struct api_server *server, const struct skr_api_options *given, const char *vfs)
{
    struct skr_error error = {0};
    *server = (struct api_server){.ready = true};
    curl_global_init(CURL_GLOBAL_ALL);
    skr_test_store_open(&server->database, vfs);
    struct skr_store *store = server->database.store;
    cr_assert_eq(skr_store_write_wait(store, skr_model_bootstrap, NULL, NULL, &error), 0, "%s", error.detail);
    cr_assert_eq(skr_store_write_wait(store, first_token, &server->token, NULL, &error), 0, "%s", error.detail);
    open_api(server, given);
}

void api_server_restart(struct api_server *server, const struct skr_api_options *given)
{
    skr_api_stop(server->api);
    skr_test_store_close(&server->database);
    skr_api_free(server->api);
    skr_realization_table_free(server->realizations);
    free(SKR_TAKE(server->authority_pem));
    skr_test_store_reopen(&server->database, NULL);
    open_api(server, given);
}

void api_server_stop(struct api_server *server)
{
    skr_api_stop(server->api);
    skr_test_store_remove(&server->database);
    skr_api_free(server->api);
    skr_realization_table_free(server->realizations);
    free(server->token);
    free(server->authority_pem);
}

void api_expect_no_leak(void)
{
#ifdef __SANITIZE_ADDRESS__
    cr_assert_eq(__lsan_do_recoverable_leak_check(), 0, "memory is lost");
#endif
}

/* ---- raw connections ---- */

int api_raw_socket(const struct api_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(skr_api_port(server->api))};
    struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

struct api_raw api_raw_open(const struct api_server *server)
{
    struct api_raw raw = {.context = SSL_CTX_new(TLS_client_method()), .fd = api_raw_socket(server)};
    raw.ssl = SSL_new(raw.context);
    SSL_set_fd(raw.ssl, raw.fd);
    cr_assert_eq(SSL_connect(raw.ssl), 1);
    return raw;
}

void api_raw_send(struct api_raw *raw, const char *text)
{
    cr_assert_eq(SSL_write(raw->ssl, text, (int)strlen(text)), (int)strlen(text));
}

void api_raw_close(struct api_raw *raw)
{
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->context);
    close(raw->fd);
}

/* ---- calls ---- */

struct growing {
    char *text;
    size_t size;
};

static size_t take_body(char *data, size_t one, size_t count, void *arg)
{
    struct growing *growing = arg;
    size_t size = one * count;
    growing->text = realloc(growing->text, growing->size + size + 1);
    memcpy(growing->text + growing->size, data, size);
    growing->size += size;
    growing->text[growing->size] = '\0';
    return size;
}

static void take_value(const char *line, size_t size, const char *name, char *out, size_t room)
{
    size_t length = strlen(name);
    if (size <= length + 1 || strncasecmp(line, name, length) != 0 || line[length] != ':')
        return;
    const char *value = line + length + 1, *end = line + size;
    while (value < end && *value == ' ')
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n'))
        end--;
    snprintf(out, room, "%.*s", (int)(end - value), value);
}

static size_t take_header(char *data, size_t one, size_t count, void *arg)
{
    struct api_reply *reply = arg;
    size_t size = one * count;
    char revision[32] = "";
    take_value(data, size, "ETag", reply->etag, sizeof(reply->etag));
    take_value(data, size, "Location", reply->location, sizeof(reply->location));
    take_value(data, size, "Content-Type", reply->content_type, sizeof(reply->content_type));
    take_value(data, size, "Retry-After", reply->retry_after, sizeof(reply->retry_after));
    take_value(data, size, "Allow", reply->allow, sizeof(reply->allow));
    take_value(data, size, "WWW-Authenticate", reply->authenticate, sizeof(reply->authenticate));
    take_value(data, size, "Set-Cookie", reply->cookie, sizeof(reply->cookie));
    take_value(data, size, "Skerry-Revision", revision, sizeof(revision));
    if (revision[0])
        reply->revision = strtoll(revision, NULL, 10);
    return size;
}

CURL *api_handle_new(struct api_server *server)
{
    CURL *handle = curl_easy_init();
    struct curl_blob authority = {.data = server->authority_pem, .len = strlen(server->authority_pem)};
    curl_easy_setopt(handle, CURLOPT_CAINFO_BLOB, &authority);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, 30000L);
    return handle;
}

static struct curl_slist *make_headers(struct api_server *server, const char *body, const char *const *headers)
{
    struct curl_slist *list = NULL;
    bool authorized = false, typed = false;
    char line[256];
    for (const char *const *header = headers; header && *header; header++) {
        authorized |= strncasecmp(*header, "Authorization:", 14) == 0;
        typed |= strncasecmp(*header, "Content-Type:", 13) == 0;
        list = curl_slist_append(list, *header);
    }
    snprintf(line, sizeof(line), "Authorization: Bearer %s", server->token);
    if (!authorized)
        list = curl_slist_append(list, line);
    if (!typed)
        list = curl_slist_append(list, body ? "Content-Type: application/json" : "Content-Type:");
    return list;
}

struct api_reply api_call_on(CURL *handle, struct api_server *server, const char *method, const char *path,
                             const char *body, size_t size, const char *const *headers)
{
    struct api_reply reply = {.revision = -1};
    struct growing growing = {0};
    char url[4096];
    struct curl_slist *list = make_headers(server, body, headers);
    snprintf(url, sizeof(url), "%s%s", server->url, path);
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, (long)size);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body);
    if (!body)
        curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &growing);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, &reply);
    CURLcode code = curl_easy_perform(handle);
    if (code == CURLE_OK || growing.size)
        curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &reply.status);
    curl_slist_free_all(list);
    reply.text = growing.text;
    if (growing.size && strstr(reply.content_type, "json"))
        reply.json = json_loadb(growing.text, growing.size, JSON_REJECT_DUPLICATES, NULL);
    return reply;
}

struct api_reply api_call(struct api_server *server, const char *method, const char *path, const char *body,
                          const char *const *headers)
{
    CURL *handle = api_handle_new(server);
    struct api_reply reply = api_call_on(handle, server, method, path, body, body ? strlen(body) : 0, headers);
    curl_easy_cleanup(handle);
    return reply;
}

void api_reply_done(struct api_reply *reply)
{
    json_decref(reply->json);
    free(reply->text);
}

const char *api_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

void api_create(struct api_server *server, const char *collection, const char *body, char id[static 37])
{
    char path[64];
    snprintf(path, sizeof(path), "/v1/%s", collection);
    API_REPLY reply = api_call(server, "POST", path, body, NULL);
    cr_assert_eq(reply.status, 201, "%s: %s", path, reply.text);
    snprintf(id, 37, "%s", api_text(reply.json, "id"));
}

/* ---- watches ---- */

struct api_watch {
    CURL *handle;
    CURLM *multi;
    struct curl_slist *headers;
    struct growing growing;
    bool ended;
};

struct api_watch *api_watch_open(struct api_server *server, const char *path, const char *last_event_id)
{
    struct api_watch *watch = calloc(1, sizeof(*watch));
    char line[256], url[512];
    watch->handle = api_handle_new(server);
    watch->multi = curl_multi_init();
    watch->headers = make_headers(server, NULL, NULL);
    if (last_event_id) {
        snprintf(line, sizeof(line), "Last-Event-ID: %s", last_event_id);
        watch->headers = curl_slist_append(watch->headers, line);
    }
    snprintf(url, sizeof(url), "%s%s", server->url, path);
    curl_easy_setopt(watch->handle, CURLOPT_URL, url);
    curl_easy_setopt(watch->handle, CURLOPT_TIMEOUT_MS, 0L);
    curl_easy_setopt(watch->handle, CURLOPT_HTTPHEADER, watch->headers);
    curl_easy_setopt(watch->handle, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(watch->handle, CURLOPT_WRITEDATA, &watch->growing);
    curl_multi_add_handle(watch->multi, watch->handle);
    return watch;
}

static bool take_event(struct api_watch *watch, struct api_event *event)
{
    char *text = watch->growing.text, *end = text ? strstr(text, "\n\n") : NULL;
    if (!end)
        return false;
    *event = (struct api_event){.id = -1};
    *end = '\0';
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n"))) {
        if (strncmp(line, "id: ", 4) == 0)
            event->id = strtoll(line + 4, NULL, 10);
        if (strncmp(line, "event: ", 7) == 0)
            snprintf(event->type, sizeof(event->type), "%s", line + 7);
        if (strncmp(line, "data: ", 6) == 0)
            event->data = json_loads(line + 6, JSON_REJECT_DUPLICATES, NULL);
    }
    watch->growing.size -= (size_t)(end + 2 - text);
    memmove(text, end + 2, watch->growing.size + 1);
    return true;
}

bool api_watch_next(struct api_watch *watch, unsigned ms, struct api_event *event)
{
    int64_t deadline_ns = skr_clock_monotonic_ns() + ms * SKR_NS_PER_MS;
    while (!take_event(watch, event)) {
        int running = 0;
        int64_t left_ns = deadline_ns - skr_clock_monotonic_ns();
        if (left_ns <= 0 || watch->ended)
            return false;
        curl_multi_perform(watch->multi, &running);
        if (!running)
            watch->ended = true;
        else if (!watch->growing.size || !strstr(watch->growing.text, "\n\n"))
            curl_multi_poll(watch->multi, NULL, 0, (int)(left_ns / SKR_NS_PER_MS) + 1, NULL);
    }
    return true;
}

bool api_watch_ended(const struct api_watch *watch)
{
    return watch->ended;
}

const char *api_watch_rest(const struct api_watch *watch)
{
    return watch->growing.text ? watch->growing.text : "";
}

void api_watch_close(struct api_watch *watch)
{
    curl_multi_remove_handle(watch->multi, watch->handle);
    curl_easy_cleanup(watch->handle);
    curl_multi_cleanup(watch->multi);
    curl_slist_free_all(watch->headers);
    free(watch->growing.text);
    free(watch);
}
