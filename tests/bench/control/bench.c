#include "tests/bench/control/bench.h"
#include <curl/curl.h>
#include <skerry/clock.h>
#include <skerry/file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (8 * 1024 * 1024)
#define TOKEN_MAX  256
#define CONNECT_S  10L
#define ANSWER_S   60L

struct bench_client {
    CURL *curl;
    size_t size;
    char answer[ANSWER_MAX];
};

void bench_must(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "bench: %s\n", what);
        exit(1);
    }
}

double bench_ms_since(int64_t begun_ns)
{
    return (double)(skr_clock_monotonic_ns() - begun_ns) / SKR_NS_PER_MS;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_quantile(double *values, unsigned count, double share)
{
    qsort(values, count, sizeof(*values), compare);
    return values[(unsigned)(share * (count - 1) + 0.5)];
}

static size_t collect(char *data, size_t size, size_t count, void *arg)
{
    struct bench_client *client = arg;
    if (client->size + size * count >= sizeof(client->answer))
        return 0;
    memcpy(client->answer + client->size, data, size * count);
    client->size += size * count;
    client->answer[client->size] = '\0';
    return size * count;
}

struct bench_client *bench_client_new(const char *ca_file)
{
    struct bench_client *client = malloc(sizeof(*client));
    bench_must(client != NULL, "memory");
    client->curl = curl_easy_init();
    bench_must(client->curl != NULL, "curl");
    if (ca_file)
        curl_easy_setopt(client->curl, CURLOPT_CAINFO, ca_file);
    else
        curl_easy_setopt(client->curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(client->curl, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, ANSWER_S);
    return client;
}

void bench_client_free(struct bench_client *client)
{
    curl_easy_cleanup(client->curl);
    free(client);
}

const char *bench_client_call(struct bench_client *client, const char *token, const char *url, const char *body,
                              double *ret_ms)
{
    char line[TOKEN_MAX + 64];
    struct curl_slist *headers = NULL;
    snprintf(line, sizeof(line), "Authorization: Bearer %s", token);
    headers = curl_slist_append(headers, line);
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:"); /* no round trip before a long body */
    curl_easy_setopt(client->curl, CURLOPT_URL, url);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    if (body)
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
    else
        curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
    client->size = 0;
    int64_t begun_ns = skr_clock_monotonic_ns();
    CURLcode code = curl_easy_perform(client->curl);
    if (ret_ms)
        *ret_ms = bench_ms_since(begun_ns);
    curl_slist_free_all(headers);
    bench_must(code == CURLE_OK, curl_easy_strerror(code));
    return client->answer;
}

char *bench_token(const char *file)
{
    uint8_t *token = NULL;
    size_t size = 0;
    bench_must(skr_file_read(file, TOKEN_MAX, &token, &size) == 0, "cannot read the token");
    token[strcspn((char *)token, "\n")] = '\0';
    return (char *)token;
}
