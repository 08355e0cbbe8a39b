/* 64 clients change the same few objects at once, each change on top of what it read: none is lost. */
#include "tests/component/controller/api_client.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define CLIENTS 64
#define OBJECTS 32

static struct api_server server;
static char ids[OBJECTS][37];
static atomic_llong model[OBJECTS]; /* successful changes */
static int updates;

/* One attempt: 1 when it was taken. */
static int swap(CURL *handle, unsigned object)
{
    char path[80], line[64], body[64];
    snprintf(path, sizeof(path), "/v1/tenants/%s", ids[object]);
    API_REPLY now = api_call_on(handle, &server, "GET", path, NULL, 0, NULL);
    if (now.status != 200)
        return -1;
    snprintf(line, sizeof(line), "If-Match: %s", now.etag);
    int size = snprintf(body, sizeof(body), "{\"description\": \"%lld\"}",
                        strtoll(api_text(now.json, "description"), NULL, 10) + 1);
    const char *const headers[] = {line, NULL};
    API_REPLY reply = api_call_on(handle, &server, "PATCH", path, body, (size_t)size, headers);
    return reply.status == 200 ? 1 : reply.status == 412 ? 0 : -1;
}

static void *client(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    CURL *handle = api_handle_new(&server);
    long failed = 0;
    for (int done = 0; done < updates && !failed;) {
        unsigned object = (unsigned)rand_r(&seed) % OBJECTS;
        int r = swap(handle, object);
        failed = r < 0;
        done += r == 1;
        if (r == 1)
            atomic_fetch_add(&model[object], 1);
    }
    curl_easy_cleanup(handle);
    return (void *)failed;
}

Test(api_swap, no_update_is_lost, .timeout = 1800)
{
    const char *given = getenv("SKERRY_LONG");
    pthread_t threads[CLIENTS];
    long long sum = 0;
    updates = given && *given ? 10000 : 100;
    api_server_start(&server, &(struct skr_api_options){.requests_per_second = 1000000}, NULL);
    for (int i = 0; i < OBJECTS; i++) {
        char body[64];
        snprintf(body, sizeof(body), "{\"name\": \"t%d\", \"description\": \"0\"}", i);
        api_create(&server, "tenants", body, ids[i]);
    }
    for (uintptr_t i = 0; i < CLIENTS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, client, (void *)(i + 1)), 0);
    for (int i = 0; i < CLIENTS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        cr_assert_null(failed, "a client was answered neither 200 nor 412");
    }
    for (int i = 0; i < OBJECTS; i++) {
        char path[80];
        snprintf(path, sizeof(path), "/v1/tenants/%s", ids[i]);
        API_REPLY now = api_call(&server, "GET", path, NULL, NULL);
        cr_assert_eq(strtoll(api_text(now.json, "description"), NULL, 10), atomic_load(&model[i]));
        sum += atomic_load(&model[i]);
    }
    cr_assert_eq(sum, (long long)CLIENTS * updates);
    api_server_stop(&server);
}
