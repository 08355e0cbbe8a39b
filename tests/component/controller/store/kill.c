/* kill -9 at a random moment under load: what was acknowledged is there afterwards, and nothing is half there. */
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <skerry/clock.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS           30
#define CLIENTS          8
#define ACKNOWLEDGED_MAX 100000

struct acknowledged {
    uint32_t round, client, number;
};

struct client {
    struct skr_store *store;
    struct acknowledged next;
    int pipe;
};

/* Two tenants a write: both or none. */
static int insert_pair(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    const struct acknowledged *next = arg;
    int r = 0;
    for (int i = 0; !r && i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "%u/%u/%u/%c", next->round, next->client, next->number, "ab"[i]);
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = skr_test_object(SKR_TENANT, name);
        r = skr_txn_insert(txn, tenant, error);
    }
    return r;
}

static void *client_main(void *arg)
{
    struct client *client = arg;
    for (;; client->next.number++) {
        if (skr_store_write_wait(client->store, insert_pair, &client->next, NULL, NULL))
            _exit(3);
        /* shorter than PIPE_BUF: whole or not at all */
        if (write(client->pipe, &client->next, sizeof client->next) != sizeof client->next)
            _exit(4);
    }
    return NULL;
}

static void child_main(const char *path, uint32_t round, int pipe_end)
{
    static struct client clients[CLIENTS];
    struct skr_store_options options = {.path = path};
    struct skr_store *store = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (skr_store_open(&options, &store, NULL))
        _exit(2);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        pthread_t thread;
        clients[i] = (struct client){.store = store, .next = {.round = round, .client = i}, .pipe = pipe_end};
        if (pthread_create(&thread, NULL, client_main, &clients[i]))
            _exit(5);
    }
    for (;;)
        pause();
}

/* Reads acknowledgements until the child is gone; kills it after `life_ns` from the first one. */
static size_t run_child(const char *path, uint32_t round, int64_t life_ns, struct acknowledged *ret)
{
    int ends[2];
    size_t count = 0;
    int64_t deadline_ns = 0;
    bool killed = false;
    cr_assert(eq(int, pipe(ends), 0));
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        child_main(path, round, ends[1]);
    }
    close(ends[1]);
    while (count < ACKNOWLEDGED_MAX) {
        struct pollfd readable = {.fd = ends[0], .events = POLLIN};
        int64_t left_ns = deadline_ns - skr_clock_monotonic_ns();
        struct timespec left = {.tv_sec = 20};
        if (deadline_ns)
            left = (struct timespec){.tv_nsec = left_ns > 0 ? left_ns : 0};
        if (!killed && ppoll(&readable, 1, &left, NULL) == 0) {
            kill(child, SIGKILL);
            killed = true;
            cr_assert(gt(i64, deadline_ns, 0), "nothing was acknowledged in 20 s");
        }
        if (read(ends[0], &ret[count], sizeof ret[count]) != sizeof ret[count])
            break;
        count++;
        if (!deadline_ns)
            deadline_ns = skr_clock_monotonic_ns() + life_ns;
        else if (!killed && skr_clock_monotonic_ns() >= deadline_ns)
            killed = kill(child, SIGKILL) == 0;
    }
    int status = 0;
    kill(child, SIGKILL);
    cr_assert(eq(int, waitpid(child, &status, 0), child));
    bool signalled = WIFSIGNALED(status);
    cr_assert(signalled, "the child ended by itself: %d", status);
    close(ends[0]);
    return count;
}

static bool has(struct skr_store *store, const struct acknowledged *it, char half)
{
    char name[64];
    snprintf(name, sizeof name, "%u/%u/%u/%c", it->round, it->client, it->number, half);
    return skr_test_has_tenant(store, name);
}

Test(kill, loses_no_acknowledged_write, .timeout = 110)
{
    struct skr_test_store test;
    SKR_CLEANUP(skr_free_cleanup) struct acknowledged *list = calloc(ACKNOWLEDGED_MAX + 1, sizeof *list);
    unsigned seed = 20260131;
    size_t total = 0;
    skr_test_store_open(&test, NULL);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        int64_t life_ns = (rand_r(&seed) % 60) * SKR_NS_PER_MS + rand_r(&seed) % SKR_NS_PER_MS;
        skr_test_store_close(&test);
        size_t count = run_child(test.path, round, life_ns, list);
        skr_test_store_reopen(&test, NULL);
        uint32_t last[CLIENTS] = {0};
        for (size_t i = 0; i < count; i++) {
            cr_assert(has(test.store, &list[i], 'a') && has(test.store, &list[i], 'b'), "round %u lost %u of client %u",
                      round, list[i].number, list[i].client);
            last[list[i].client] = list[i].number + 1;
        }
        /* what was under way is whole or not there */
        for (uint32_t client = 0; client < CLIENTS; client++) {
            struct acknowledged next = {round, client, last[client]};
            cr_assert(eq(int, has(test.store, &next, 'a'), has(test.store, &next, 'b')));
        }
        total += count;
    }
    cr_assert(gt(sz, total, ROUNDS));
    skr_test_store_remove(&test);
}
