/* 64 clients change the same few objects at once, each change on top of what it read: none is lost. */
#include "tests/component/controller/api_client.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define CLIENTS 64
#define OBJECTS 32
#define STAY    5 /* changes of one object before the next */

static struct api_server server;
static char ids[OBJECTS][37];
static atomic_llong model[OBJECTS]; /* successful changes */
static atomic_llong refused;
static int updates;

/* The object as a client last read it. */
struct copy {
    char etag[32];
    long long value;
};

static int read_copy(struct copy *copy, const struct api_reply *reply)
{
    if (reply->status != 200)
        return -1;
    snprintf(copy->etag, sizeof(copy->etag), "%s", reply->etag);
    copy->value = strtoll(api_text(reply->json, "description"), NULL, 10);
    return 0;
}

/* One more on top of the copy: 1 when it was taken, and the copy is the answer's; 0 when somebody was faster. */
static int swap(CURL *handle, const char *path, struct copy *copy)
{
    char line[64], body[64];
    snprintf(line, sizeof(line), "If-Match: %s", copy->etag);
    int size = snprintf(body, sizeof(body), "{\"description\": \"%lld\"}", copy->value + 1);
    const char *const headers[] = {line, NULL};
    API_REPLY reply = api_call_on(handle, &server, "PATCH", path, body, (size_t)size, headers);
    if (reply.status == 412)
        return 0;
    return read_copy(copy, &reply) < 0 ? -1 : 1;
}

/* Some changes of one object in turn; whoever is not alone there reads again now and then. */
static int change(CURL *handle, unsigned object, int changes)
{
    char path[80];
    struct copy copy;
    int r = 0;
    snprintf(path, sizeof(path), "/v1/tenants/%s", ids[object]);
    for (int done = 0; done < changes && r >= 0;) {
        if (r == 0) {
            API_REPLY now = api_call_on(handle, &server, "GET", path, NULL, 0, NULL);
            r = read_copy(&copy, &now);
        }
        r = r < 0 ? r : swap(handle, path, &copy);
        if (r == 0)
            atomic_fetch_add(&refused, 1);
        if (r == 1)
            atomic_fetch_add(&model[object], 1);
        done += r == 1;
    }
    return r < 0 ? r : 0;
}

static void *client(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    CURL *handle = api_handle_new(&server);
    long failed = 0;
    for (int done = 0; done < updates && !failed; done += STAY)
        failed = change(handle, (unsigned)rand_r(&seed) % OBJECTS, STAY) < 0;
    curl_easy_cleanup(handle);
    return (void *)failed;
}

Test(api_swap, no_update_is_lost, .timeout = 1800)
{
    const char *given = getenv("SKERRY_LONG");
    pthread_t threads[CLIENTS];
    long long sum = 0;
    updates = given && *given ? 10000 : 40;
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
        snprintf(path, sizeof(path), "/v1/tenants/%.36s", ids[i]);
        API_REPLY now = api_call(&server, "GET", path, NULL, NULL);
        cr_assert_eq(strtoll(api_text(now.json, "description"), NULL, 10), atomic_load(&model[i]));
        sum += atomic_load(&model[i]);
    }
    cr_assert_eq(sum, (long long)CLIENTS * updates);
    cr_log_info("%lld changes, %lld refused", sum, atomic_load(&refused));
    cr_assert_gt(atomic_load(&refused), CLIENTS, "the clients were in each other's way");
    api_server_stop(&server);
}
