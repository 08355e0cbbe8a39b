#include "controller/api/http.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <skerry/log.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define LISTEN_BACKLOG 1024
/* Ciphers that authenticate what they encrypt, and keys that last no longer than their connection. TLS 1.2 is for
 * clients that know no better; its renegotiation ends the connection. */
#define TLS_PRIORITIES                                                                                                 \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:"             \
    "-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-MAC-ALL:+AEAD"
/* How long a stop waits for writes that the writer has taken, and then for answers to leave. */
#define STOP_WRITES_MS  5000
#define STOP_ANSWERS_MS 1000

/* ---- what libmicrohttpd calls, always on the worker that owns the connection ---- */

static void on_connection(void *arg, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        skr_http_peer_started(arg, connection, socket_context);
    else if (*socket_context)
        skr_http_peer_closed(socket_context);
}

/* The request line is here: from now on the headers have their time, also on a connection that was idle. */
static void *on_request_line(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct skr_api *api = arg;
    struct skr_http_peer *peer =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    peer->bad_target = !skr_http_target_is_good(uri);
    skr_http_peer_deadline(peer, skr_clock_monotonic_ns() + api->deadlines.headers * SKR_NS_PER_MS);
    return NULL;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void)connection, (void)code;
    struct skr_api *api = arg;
    struct skr_http_request *request = SKR_TAKE(*context);
    if (!request)
        return;
    skr_http_count_answer(request);
    skr_http_wait_abandon(request);
    /* A watch's answer holds the request, so the request must let go of the answer first. */
    skr_http_request_drop_response(request);
    skr_http_peer_deadline(request->peer, skr_clock_monotonic_ns() + api->deadlines.idle * SKR_NS_PER_MS);
    skr_http_request_unref(request);
    pthread_mutex_lock(&api->peers_lock);
    if (--api->requests == 0)
        pthread_cond_broadcast(&api->drained);
    pthread_mutex_unlock(&api->peers_lock);
}

static enum MHD_Result queue_answer(struct skr_http_request *request)
{
    skr_http_peer_deadline(request->peer, skr_clock_monotonic_ns() + request->api->deadlines.answer * SKR_NS_PER_MS);
    if (request->closes || atomic_load(&request->api->stopping))
        skr_http_add_header(request, "Connection", "close");
    return MHD_queue_response(request->connection, request->status, request->response);
}

static enum MHD_Result begin(struct skr_api *api, struct MHD_Connection *connection, const char *path,
                             const char *method, const char *version, void **context)
{
    struct skr_http_request *request = skr_http_request_new(api, connection);
    *context = request;
    pthread_mutex_lock(&api->peers_lock);
    api->requests++;
    pthread_mutex_unlock(&api->peers_lock);
    skr_http_request_begin(request, path, method, version);
    if (request->has_body)
        skr_http_peer_deadline(request->peer, request->started_ns + api->deadlines.body * SKR_NS_PER_MS);
    if (!request->closes && (!request->refused || !request->has_body))
        return MHD_YES;
    /* A client that asks before it sends, or would send for long, hears the refusal now and loses its connection; so
     * does one of which nobody knows where its body ends. */
    const char *length = skr_http_header(request, "Content-Length");
    if (!request->closes && !skr_http_header(request, "Expect") &&
        (!length || strtoull(length, NULL, 10) <= SKR_HTTP_DRAIN_MAX))
        return MHD_YES;
    skr_http_answer_error(request, &request->error);
    return queue_answer(request);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *data, size_t *size, void **context)
{
    struct skr_http_request *request = *context;
    if (!request)
        return begin(arg, connection, path, method, version, context);
    if (*size) {
        skr_http_request_body(request, data, *size);
        *size = 0;
        return MHD_YES;
    }
    skr_http_peer_deadline(request->peer, skr_clock_monotonic_ns() + request->api->deadlines.answer * SKR_NS_PER_MS);
    skr_http_step_fn *next = SKR_TAKE(request->next);
    if (next)
        next(request);
    else if (request->refused)
        skr_http_answer_error(request, &request->error);
    else if (request->route.kind == SKR_ROUTE_FIXED)
        request->route.fixed->handle(request);
    else if (skr_route_is_public(&request->route, request->method))
        skr_http_login(request);
    else if (request->method != SKR_HTTP_GET)
        skr_http_hash_passwords(request, skr_http_write);
    else if (request->route.kind == SKR_ROUTE_OBJECT)
        skr_http_get(request);
    else
        skr_http_list(request);
    /* Without an answer it is suspended, and we are called again when it has been completed. */
    return request->response ? queue_answer(request) : MHD_YES;
}

SKR_PRINTF(2, 0) static void on_log(void *arg, const char *format, va_list arguments)
{
    (void)arg;
    static struct skr_log_limit limit;
    char text[256];
    vsnprintf(text, sizeof(text), format, arguments);
    text[strcspn(text, "\n")] = '\0';
    if (skr_log_allowed(&limit, 5))
        skr_log(SKR_LOG_DEBUG, "http", "text='%s'", text);
}

/* ---- start ---- */

/* "127.0.0.1:8443", "[::]:8443", "localhost:0". */
static int open_listener(const char *listen_on, int *ret_fd, uint16_t *ret_port, struct skr_error *error)
{
    char host[256];
    const char *colon = strrchr(listen_on, ':');
    size_t length = colon ? (size_t)(colon - listen_on) : 0;
    if (!colon || !length || length >= sizeof(host))
        return skr_error_set(error, SKR_ERROR_INVALID,
                             "'%s' is no address to listen on; write 127.0.0.1:8443 or [::]:8443", listen_on);
    bool bracketed = listen_on[0] == '[' && listen_on[length - 1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(bracketed ? length - 2 : length), listen_on + bracketed);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    int r = getaddrinfo(host, colon + 1, &hints, &found);
    if (r)
        return skr_error_set(error, SKR_ERROR_INVALID, "'%s' is no address to listen on: %s", listen_on,
                             gai_strerror(r));
    int fd SKR_CLEANUP(skr_close_cleanup) = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {0};
    socklen_t size = sizeof(bound);
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0 &&
                getsockname(fd, &bound.any, &size) == 0;
    int failed = errno;
    freeaddrinfo(found);
    if (!good)
        return skr_error_set(error, SKR_ERROR_UNAVAILABLE, "Cannot listen on %s: %s", listen_on, strerror(failed));
    *ret_port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
    *ret_fd = skr_take_fd(&fd);
    return 0;
}

static unsigned or_default(unsigned value, unsigned fallback)
{
    return value ? value : fallback;
}

static void take_options(struct skr_api *api, const struct skr_api_options *options)
{
    struct skr_uuid database_id = skr_store_database_id(options->store);
    struct skr_digest_key key = skr_store_digest_key(options->store);
    api->store = options->store;
    api->realizations = options->realizations;
    api->south_address = strdup(options->south_address ? options->south_address : "");
    if (options->authority_key_hash)
        memcpy(api->authority_key_hash, options->authority_key_hash, sizeof(api->authority_key_hash));
    api->ready = options->ready;
    api->ready_arg = options->ready_arg;
    api->metrics = options->metrics;
    api->metrics_arg = options->metrics_arg;
    api->deadlines = (struct skr_api_deadlines){.headers = or_default(options->deadlines.headers, 10000),
                                                .body = or_default(options->deadlines.body, 30000),
                                                .answer = or_default(options->deadlines.answer, 60000),
                                                .idle = or_default(options->deadlines.idle, 75000),
                                                .bookmark = or_default(options->deadlines.bookmark, 15000),
                                                .sse_write = or_default(options->deadlines.sse_write, 30000)};
    skr_http_pools_new(api->pools);
    api->limits = skr_http_limits_new(or_default(options->requests_per_second, 10000));
    api->auth = skr_http_auth_new();
    api->passwords = skr_http_passwords_new();
    api->slow = skr_http_slow_new();
    api->watches = skr_http_watches_new();
    api->page_key = skr_page_key_make(&database_id, &key);
    api->openapi = skr_openapi_text();
}

static struct MHD_Daemon *start_daemon(struct skr_api *api, const struct skr_api_options *options, int fd)
{
    return MHD_start_daemon(
            MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TLS | MHD_USE_ERROR_LOG, 0, NULL, NULL,
            on_request, api, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
            MHD_OPTION_THREAD_POOL_SIZE, or_default(options->workers, 2), MHD_OPTION_HTTPS_MEM_KEY, options->key_pem,
            MHD_OPTION_HTTPS_MEM_CERT, options->certificate_pem, MHD_OPTION_HTTPS_PRIORITIES, TLS_PRIORITIES,
            MHD_OPTION_NOTIFY_CONNECTION, on_connection, api, MHD_OPTION_NOTIFY_COMPLETED, on_completed, api,
            MHD_OPTION_URI_LOG_CALLBACK, on_request_line, api, MHD_OPTION_STRICT_FOR_CLIENT, 1,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SKR_HTTP_MEMORY_MAX, MHD_OPTION_CONNECTION_LIMIT,
            (unsigned)SKR_HTTP_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
            or_default(options->connections_per_address_max, 512), MHD_OPTION_END);
}

int skr_api_new(const struct skr_api_options *options, struct skr_api **ret, struct skr_error *error)
{
    struct skr_api *api = calloc(1, sizeof(*api));
    pthread_condattr_t monotonic;
    int fd = -1;
    if (!api)
        abort();
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&api->peers_lock, NULL);
    pthread_cond_init(&api->timer_wake, &monotonic);
    pthread_cond_init(&api->drained, &monotonic);
    pthread_condattr_destroy(&monotonic);
    skr_http_forget_what_is_freed();
    take_options(api, options);
    int r = open_listener(options->listen, &fd, &api->port, error);
    if (r == 0) {
        r = skr_http_timer_start(api);
        if (r < 0)
            skr_error_set(error, SKR_ERROR_INTERNAL, "Cannot start the timer thread: %s", strerror(-r));
    }
    if (r == 0) {
        api->daemon = start_daemon(api, options, fd);
        if (api->daemon)
            fd = -1;
        else
            r = skr_error_set(
                    error, SKR_ERROR_INTERNAL,
                    "The HTTPS server does not start; look whether its key and certificate are PEM that belong "
                    "together");
    }
    skr_close_cleanup(&fd);
    if (r < 0) {
        skr_api_free(api);
        return r;
    }
    *ret = api;
    return 0;
}

uint16_t skr_api_port(const struct skr_api *api)
{
    return api->port;
}

/* ---- stop ---- */

static void wait_drained(struct skr_api *api, unsigned ms)
{
    int64_t deadline_ns = skr_clock_monotonic_ns() + ms * SKR_NS_PER_MS;
    struct timespec until = {.tv_sec = deadline_ns / SKR_NS_PER_S, .tv_nsec = deadline_ns % SKR_NS_PER_S};
    pthread_mutex_lock(&api->peers_lock);
    while (api->requests && pthread_cond_timedwait(&api->drained, &api->peers_lock, &until) == 0)
        ;
    pthread_mutex_unlock(&api->peers_lock);
}

void skr_api_stop(struct skr_api *api)
{
    if (atomic_exchange(&api->stopping, SKR_HTTP_NOTHING_NEW))
        return;
    if (api->daemon) {
        int fd = MHD_quiesce_daemon(api->daemon);
        /* Watches and waits end now; a write that was taken is answered with the truth if that comes soon. */
        skr_http_complete_all(api, true);
        wait_drained(api, STOP_WRITES_MS);
        atomic_store(&api->stopping, SKR_HTTP_NOTHING_WAITS);
        skr_http_complete_all(api, false);
        wait_drained(api, STOP_ANSWERS_MS);
        MHD_stop_daemon(SKR_TAKE(api->daemon));
        if (fd >= 0)
            close(fd);
    }
    skr_http_timer_stop(api);
    skr_http_slow_free(SKR_TAKE(api->slow));
    skr_http_passwords_free(SKR_TAKE(api->passwords));
}

void skr_api_free(struct skr_api *api)
{
    if (!api)
        return;
    skr_api_stop(api);
    skr_http_watches_free(api->watches);
    skr_http_auth_free(api->auth);
    skr_http_limits_free(api->limits);
    skr_http_pools_free(api->pools);
    pthread_cond_destroy(&api->drained);
    pthread_cond_destroy(&api->timer_wake);
    pthread_mutex_destroy(&api->peers_lock);
    free(api->south_address);
    free(api->openapi);
    free(api);
}

void skr_api_changes(void *arg, const struct skr_change *changes, size_t count)
{
    struct skr_api *api = arg;
    for (size_t i = 0; i < count; i++)
        if (changes[i].resource == SKR_TOKEN || changes[i].resource == SKR_TENANT ||
            (changes[i].resource == SKR_SESSION && changes[i].op != SKR_CHANGE_STATUS)) {
            skr_http_auth_forget(api->auth);
            break;
        }
    if (!atomic_load(&api->stopping))
        skr_http_watches_changes(api->watches, changes, count);
}

void skr_api_realizations(void *arg, const struct skr_realization_change *changes, size_t count)
{
    struct skr_api *api = arg;
    if (!atomic_load(&api->stopping))
        skr_http_watches_realizations(api->watches, changes, count);
}
