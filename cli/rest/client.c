#include "cli/rest/client.h"

#include "cli/rest/problem.h"

#include <curl/curl.h>
#include <errno.h>
#include <skerry/clock.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define CONNECT_TIMEOUT_MS     10000
#define HTTP_CONFLICT          409
#define HTTP_TOO_MANY_REQUESTS 429
#define HEADER_MAX             640
#define COOKIE_MAX             128
#define CSRF_MAX               65 /* SHA-256 in hexadecimal digits */
/* A watch hears a bookmark every 15 s at least; three of them missing is a dead connection. */
#define SILENCE_MAX_S  45
#define PROBLEM_MAX    (64 << 10)
#define PAGE_SIZE_TEXT "1000"

struct skr_client {
    CURL *curl;
    char *url, *token, *ca_pem;
    int64_t retry_until_ns;                  /* 0: SKR_RETRY_MAX_MS from the beginning of each request */
    char cookie[COOKIE_MAX], csrf[CSRF_MAX]; /* of a session; "" = none */
    char reason[CURL_ERROR_SIZE];
};

/* An answer while it arrives. */
struct arriving {
    struct skr_client *client;
    char *text;
    size_t size, capacity;
    struct skr_answer answer;
    unsigned retry_after_s; /* of a refusal; 0 = it does not say */
    skr_client_data_fn *on_data;
    void *arg;
    int stopped; /* what on_data returned */
};

void skr_answer_done(struct skr_answer *answer)
{
    json_decref(answer->body);
    answer->body = NULL;
}

int skr_client_new(const struct skr_settings *settings, struct skr_client **ret, struct skr_error *error)
{
    struct skr_client *client = calloc(1, sizeof(*client));
    if (!client)
        abort();
    client->curl = curl_easy_init();
    client->url = strdup(settings->url);
    client->token = settings->token ? strdup(settings->token) : NULL;
    client->ca_pem = settings->ca_pem ? strdup(settings->ca_pem) : NULL;
    if (!client->curl) {
        skr_client_free(client);
        skr_error_set(error, SKR_ERROR_INTERNAL, "libcurl cannot be started");
        return -ENOMEM;
    }
    *ret = client;
    return 0;
}

void skr_client_free(struct skr_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    free(client->url);
    if (client->token)
        explicit_bzero(client->token, strlen(client->token));
    explicit_bzero(client->cookie, sizeof(client->cookie));
    free(client->token);
    free(client->ca_pem);
    free(client);
}

static void append(struct arriving *arriving, const char *data, size_t size)
{
    if (arriving->size + size + 1 > arriving->capacity) {
        size_t capacity = arriving->capacity ? arriving->capacity : 4096;
        while (capacity < arriving->size + size + 1)
            capacity *= 2;
        arriving->text = realloc(arriving->text, capacity);
        if (!arriving->text)
            abort();
        arriving->capacity = capacity;
    }
    memcpy(arriving->text + arriving->size, data, size);
    arriving->size += size;
}

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
    (void)one;
    struct arriving *arriving = arg;
    long status = 0;
    curl_easy_getinfo(arriving->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (arriving->on_data && status == 200) {
        arriving->stopped = arriving->on_data(arriving->arg, data, size);
        return arriving->stopped ? CURL_WRITEFUNC_ERROR : size;
    }
    if (arriving->size + size > (arriving->on_data ? PROBLEM_MAX : SKR_ANSWER_MAX))
        return CURL_WRITEFUNC_ERROR;
    append(arriving, data, size);
    return size;
}

static size_t on_header(char *data, size_t one, size_t size, void *arg)
{
    (void)one;
    struct arriving *arriving = arg;
    struct skr_answer *answer = &arriving->answer;
    char line[256];
    if (size >= sizeof(line))
        return size;
    memcpy(line, data, size);
    line[size] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (strncasecmp(line, "ETag: \"", 7) == 0) {
        line[7 + strcspn(line + 7, "\"")] = '\0';
        snprintf(answer->etag, sizeof(answer->etag), "%.31s", line + 7);
    }
    if (strncasecmp(line, "Skerry-Revision: ", 17) == 0)
        answer->revision = strtoll(line + 17, NULL, 10);
    if (strncasecmp(line, "Retry-After: ", 13) == 0)
        arriving->retry_after_s = (unsigned)strtoul(line + 13, NULL, 10);
    if (strncasecmp(line, "Set-Cookie: ", 12) == 0)
        snprintf(arriving->client->cookie, sizeof(arriving->client->cookie), "%.*s", (int)strcspn(line + 12, ";"),
                 line + 12);
    if (strncasecmp(line, "Location: /v1/jobs/", 19) == 0)
        snprintf(answer->job, sizeof(answer->job), "%.36s", line + 19);
    return size;
}

static void add_header(struct curl_slist **headers, const char *format, ...) SKR_PRINTF(2, 3);
static void add_header(struct curl_slist **headers, const char *format, ...)
{
    char line[HEADER_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    struct curl_slist *longer = curl_slist_append(*headers, line);
    if (!longer)
        abort();
    *headers = longer;
}

/* The server must show a certificate for the name it was called by: of the pinned authority, where there is one. */
static void set_trust(CURL *curl, const char *ca_pem)
{
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!ca_pem)
        return;
    struct curl_blob blob = {.data = (void *)ca_pem, .len = strlen(ca_pem), .flags = CURL_BLOB_COPY};
    curl_easy_setopt(curl, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
}

static struct curl_slist *prepare(struct skr_client *client, const char *path, struct arriving *arriving)
{
    CURL *curl = client->curl;
    struct curl_slist *headers = NULL;
    char *url = NULL;
    if (asprintf(&url, "%s%s", client->url, path) < 0)
        abort();
    curl_easy_reset(curl); /* keeps the connection */
    curl_easy_setopt(curl, CURLOPT_URL, url);
    free(url);
    set_trust(curl, client->ca_pem);
    client->reason[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->reason);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "skerryctl/" SKR_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, arriving);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, arriving);
    if (client->token)
        add_header(&headers, "Authorization: Bearer %.512s", client->token);
    if (client->csrf[0]) {
        add_header(&headers, "Cookie: %s", client->cookie);
        add_header(&headers, "X-CSRF-Token: %s", client->csrf);
    }
    add_header(&headers, "Expect:");
    return headers;
}

static int unreachable(const struct skr_client *client, CURLcode code, struct skr_error *error)
{
    const char *reason = client->reason[0] ? client->reason : curl_easy_strerror(code);
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        return skr_error_set(error, SKR_ERROR_UNAVAILABLE,
                             "%.200s is not the controller you trust (%.150s); log in again with --ca FILE or "
                             "--ca-hash SHA256 of its authority, under a name that its certificate holds",
                             client->url, reason);
    return skr_error_set(error, SKR_ERROR_UNAVAILABLE, "%.200s cannot be reached: %.200s", client->url, reason);
}

static int judge(struct skr_client *client, CURLcode code, struct arriving *arriving, struct skr_error *error)
{
    long status = 0;
    if (code != CURLE_OK)
        return unreachable(client, code, error);
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    arriving->answer.status = status;
    json_t *body = arriving->size ? json_loadb(arriving->text, arriving->size, JSON_DECODE_ANY, NULL) : NULL;
    if (status < 200 || status > 299) {
        int r = skr_problem_to_error(status, body, error);
        json_decref(body);
        return r;
    }
    if (arriving->size && !body)
        return skr_error_set(error, SKR_ERROR_INTERNAL,
                             "%.200s answered something that is not JSON; is it a controller?", client->url);
    arriving->answer.body = body;
    return 0;
}

/* ---- waiting for one's turn ---- */

void skr_client_retry_for(struct skr_client *client, int64_t ms)
{
    client->retry_until_ns = skr_clock_monotonic_ns() + ms * SKR_NS_PER_MS;
}

/* How long one request waits for refusals that pass: for its turn, and for what was freed (RESTING). */
struct patience {
    int64_t turn_until_ns, rest_until_ns;
};

static struct patience patience_of(const struct skr_client *client)
{
    int64_t now_ns = skr_clock_monotonic_ns();
    return (struct patience){.turn_until_ns = client->retry_until_ns
                                                      ? client->retry_until_ns
                                                      : now_ns + (int64_t)SKR_RETRY_MAX_MS * SKR_NS_PER_MS,
                             .rest_until_ns = now_ns + (int64_t)SKR_RESTING_MAX_MS * SKR_NS_PER_MS};
}

/* After a refusal that passes: waits for its time and says true when that is soon enough. */
static bool waited(const struct arriving *arriving, const struct patience *patience, struct skr_error *error)
{
    struct timespec pause = {.tv_sec = arriving->retry_after_s};
    bool turn = arriving->answer.status == HTTP_TOO_MANY_REQUESTS;
    int64_t until_ns = turn ? patience->turn_until_ns : patience->rest_until_ns;
    if ((!turn && arriving->answer.status != HTTP_CONFLICT) || !arriving->retry_after_s)
        return false;
    if (skr_clock_monotonic_ns() + (int64_t)arriving->retry_after_s * SKR_NS_PER_S > until_ns) {
        size_t length = error ? strlen(error->detail) : 0;
        if (error && turn)
            snprintf(error->detail + length, sizeof(error->detail) - length, " (Retry-After: %u s)",
                     arriving->retry_after_s);
        return false;
    }
    nanosleep(&pause, NULL);
    skr_error_clear(error);
    return true;
}

static int send_once(struct skr_client *client, const struct skr_request *request, const struct patience *patience,
                     bool *ret_again, struct skr_answer *ret, struct skr_error *error)
{
    struct arriving arriving = {.client = client};
    struct curl_slist *headers = prepare(client, request->path, &arriving);
    char *body SKR_CLEANUP(skr_free_cleanup) = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;
    CURL *curl = client->curl;
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     request->patient_for_ms ? (long)(request->patient_for_ms + SKR_REALIZED_MARGIN_MS)
                                             : (long)SKR_CLIENT_TIMEOUT_MS);
    if (body || strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body ? body : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, body ? (long)strlen(body) : 0L);
        add_header(&headers, "Content-Type: application/%s",
                   strcmp(request->method, "PATCH") == 0 ? "merge-patch+json" : "json");
    }
    if (request->etag)
        add_header(&headers, "If-Match: \"%.40s\"", request->etag);
    if (request->if_none_match)
        add_header(&headers, "If-None-Match: *");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    int r = judge(client, curl_easy_perform(curl), &arriving, error);
    curl_slist_free_all(headers);
    free(arriving.text);
    *ret_again = r < 0 && waited(&arriving, patience, error);
    if (r == 0)
        *ret = arriving.answer;
    return r;
}

int skr_client_send(struct skr_client *client, const struct skr_request *request, struct skr_answer *ret,
                    struct skr_error *error)
{
    struct patience patience = patience_of(client);
    bool again;
    int r;
    do
        r = send_once(client, request, &patience, &again, ret, error);
    while (again);
    return r;
}

int skr_client_log_in(struct skr_client *client, const json_t *body, struct skr_error *error)
{
    struct skr_answer answer = {0};
    struct skr_request request = {.method = "POST", .path = "/v1/sessions", .body = body};
    int r = skr_client_send(client, &request, &answer, error);
    const char *csrf = json_string_value(json_object_get(answer.body, "csrf_token"));
    if (r == 0)
        snprintf(client->csrf, sizeof(client->csrf), "%s", csrf ? csrf : "");
    skr_answer_done(&answer);
    return r;
}

int skr_client_get(struct skr_client *client, const char *path, json_t **ret, struct skr_error *error)
{
    struct skr_answer answer = {0};
    int r = skr_client_send(client, &(struct skr_request){.method = "GET", .path = path}, &answer, error);
    if (r == 0)
        *ret = SKR_TAKE(answer.body);
    return r;
}

int skr_client_list(struct skr_client *client, const struct skr_request_path *path, skr_client_page_fn *each, void *arg,
                    int64_t *ret_revision, struct skr_error *error)
{
    char *token SKR_CLEANUP(skr_free_cleanup) = NULL;
    int r;
    do {
        json_t *page = NULL;
        struct skr_request_path next = *path;
        skr_path_add(&next, "limit", PAGE_SIZE_TEXT);
        if (token)
            skr_path_add(&next, "page_token", token);
        r = skr_client_get(client, next.text, &page, error);
        if (r < 0)
            return r;
        free(token);
        const char *following = json_string_value(json_object_get(page, "next_page_token"));
        token = following ? strdup(following) : NULL;
        if (ret_revision)
            *ret_revision = json_integer_value(json_object_get(page, "revision"));
        r = each(arg, json_object_get(page, "items"), error);
        json_decref(page);
    } while (r == 0 && token);
    return r;
}

static int stream_once(struct skr_client *client, const char *path, int64_t timeout_ms, const struct patience *patience,
                       bool *ret_again, skr_client_data_fn *on_data, void *arg, struct skr_error *error)
{
    struct arriving arriving = {.client = client, .on_data = on_data, .arg = arg};
    struct curl_slist *headers = prepare(client, path, &arriving);
    CURL *curl = client->curl;
    add_header(&headers, "Accept: text/event-stream");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_MAX_S);
    CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    int r = arriving.stopped;
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    /* The caller asked for the end by the clock; silence is a failure. */
    bool in_time = code == CURLE_OPERATION_TIMEDOUT && status == 200 && timeout_ms &&
                   strstr(client->reason, "too slow") == NULL;
    if (!r && !in_time)
        r = judge(client, code, &arriving, error);
    *ret_again = r < 0 && waited(&arriving, patience, error);
    skr_answer_done(&arriving.answer);
    free(arriving.text);
    return r;
}

int skr_client_stream(struct skr_client *client, const char *path, int64_t timeout_ms, skr_client_data_fn *on_data,
                      void *arg, struct skr_error *error)
{
    struct patience patience = patience_of(client);
    bool again;
    int r;
    do
        r = stream_once(client, path, timeout_ms, &patience, &again, on_data, arg, error);
    while (again);
    return r;
}

/* ---- login by hash ---- */

static int find_authority(const struct curl_certinfo *shown, const uint8_t pin[static SKR_TLS_HASH_SIZE],
                          char **ret_pem)
{
    for (int i = 0; shown && i < shown->num_of_certs; i++)
        for (const struct curl_slist *line = shown->certinfo[i]; line; line = line->next) {
            uint8_t hash[SKR_TLS_HASH_SIZE];
            if (strncmp(line->data, "Cert:", 5) != 0 || skr_tls_certificate_key_hash(line->data + 5, hash, NULL) < 0 ||
                !skr_secret_equal(hash, pin, SKR_TLS_HASH_SIZE))
                continue;
            *ret_pem = strdup(line->data + 5);
            return 0;
        }
    return -ENOENT;
}

int skr_client_fetch_authority(const char *url, const uint8_t pin[static SKR_TLS_HASH_SIZE], char **ret_pem,
                               struct skr_error *error)
{
    struct skr_client *client SKR_CLEANUP(skr_client_cleanup) = NULL;
    struct skr_settings settings = {.url = (char *)url};
    struct arriving arriving = {0};
    struct curl_certinfo *shown = NULL;
    int r = skr_client_new(&settings, &client, error);
    if (r < 0)
        return r;
    arriving.client = client;
    struct curl_slist *headers = prepare(client, "/healthz", &arriving);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(client->curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(client->curl, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(client->curl, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, (long)SKR_CLIENT_TIMEOUT_MS);
    CURLcode code = curl_easy_perform(client->curl);
    curl_slist_free_all(headers);
    free(arriving.text);
    if (code != CURLE_OK)
        return unreachable(client, code, error);
    curl_easy_getinfo(client->curl, CURLINFO_CERTINFO, &shown);
    if (find_authority(shown, pin, ret_pem) < 0)
        return skr_error_set(
                error, SKR_ERROR_FORBIDDEN,
                "%.200s shows no certificate with that key hash; it is not the controller you mean, or the "
                "hash is not its authority's",
                url);
    return 0;
}
