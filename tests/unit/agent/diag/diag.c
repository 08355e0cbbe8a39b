#include "agent/diag/diag.h"
#include "tests/unit/agent/build.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct event_base *base;
static struct skr_desired *desired;
static struct skr_fastpath *fastpath;
static struct skr_program *program;
static struct skr_diag *diag;
static struct skr_error error;
static char path[] = "/tmp/skerry-diag-XXXXXX";

static json_t *status(void *arg)
{
    (void)arg;
    return json_pack("{s:s}", "session", "connected");
}

static void deliver(Skerry__V1__Delta *delta)
{
    bool complete;
    cr_assert_neq(skr_desired_delta(desired, delta, &complete, &error), -EBADMSG);
    delta_free(delta);
}

static void setup(void)
{
    struct skr_uuid database = test_id(0xdb, 1), host = test_id(5, 1), network = test_id(0xaa, 1),
                    adapter = test_id(0xad, 1);
    struct skr_uuid logical = test_id(0x77, 1);
    base = event_base_new();
    skr_desired_new(&desired);
    skr_desired_set_controller(desired, &database, 1, &test_key);
    skr_fastpath_memory_new(NULL, &fastpath, NULL);
    skr_program_new(fastpath, desired, &program);
    skr_desired_listen(desired, skr_program_changes, program);
    Skerry__V1__Delta *delta = delta_new(HOST_SCOPE, host, 0, 1);
    delta_upsert(delta, HOST, host, body_host("h1"));
    delta_upsert(delta, PA, test_id(0x9a, 1), body_pa(0xc0000201, logical));
    delta_upsert(delta, PORT, adapter, body_port(network, 5001, 1));
    deliver(delta);
    delta = delta_new(DOMAIN_SCOPE, network, 0, 1);
    delta_upsert(delta, DOMAIN_OBJECT, network, body_domain(9, logical));
    delta_upsert(delta, SUBNET, test_id(0x5b, 1), body_subnet(5001, 0x0a000000, 24));
    delta_upsert(delta, RECORD, test_id(0xec, 1), body_record(5001, 0x0a000005, 1, 0xc0000201, host, adapter));
    delta_upsert(delta, RECORD, test_id(0xec, 2), body_record(5001, 0, 2, 0xc0000202, test_id(5, 2), test_id(0xad, 2)));
    deliver(delta);
    skr_program_bind(program, &adapter, 11, false);
    close(mkstemp(path));
    unlink(path);
    struct skr_diag_options options = {
            .base = base, .path = path, .desired = desired, .program = program, .fastpath = fastpath, .status = status};
    cr_assert_eq(skr_diag_new(&options, &diag, &error), 0, "%s", error.detail);
}

static void teardown(void)
{
    skr_diag_free(diag);
    skr_program_free(program);
    fastpath->ops->free(fastpath);
    skr_desired_free(desired);
    event_base_free(base);
}

TestSuite(diag, .init = setup, .fini = teardown);

static char *reply;
static atomic_bool done;

/* The client's side: one request, then lines until the answer is whole. */
static void *ask_in_thread(void *arg)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = 0, room = 1 << 20;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, path);
    reply = calloc(1, room);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && write(fd, arg, strlen(arg)) > 0)
        while (size < room - 1 && !memchr(reply, '\n', size)) {
            ssize_t n = read(fd, reply + size, room - 1 - size);
            if (n <= 0)
                break;
            size += (size_t)n;
        }
    close(fd);
    atomic_store(&done, true);
    return NULL;
}

static json_t *ask(const char *line)
{
    pthread_t thread;
    atomic_store(&done, false);
    pthread_create(&thread, NULL, ask_in_thread, (void *)line);
    for (int turn = 0; turn < 1000 && !atomic_load(&done); turn++) {
        struct timeval limit = {.tv_usec = 10000};
        event_base_loopexit(base, &limit);
        event_base_dispatch(base);
    }
    cr_assert(atomic_load(&done), "no answer to %s", line);
    pthread_join(thread, NULL);
    json_t *answer = json_loads(reply, 0, NULL);
    cr_assert(answer, "no JSON: %s", reply);
    free(reply);
    return answer;
}

static json_t *items(json_t *answer, size_t count)
{
    json_t *list = json_object_get(answer, "items");
    cr_assert_eq(json_array_size(list), count, "%s", json_dumps(answer, 0));
    return json_array_get(list, 0);
}

static const char *text(const json_t *row, const char *name)
{
    return json_string_value(json_object_get(row, name));
}

Test(diag, lists_records)
{
    json_t *answer = ask("{\"command\": \"records\"}\n"), *row = items(answer, 2);
    cr_assert_str_eq(text(row, "customer_address"), "10.0.0.5");
    cr_assert_str_eq(text(row, "provider_address"), "192.0.2.1");
    cr_assert_str_eq(text(row, "type"), "static");
    cr_assert(json_is_true(json_object_get(row, "programmed")));
    json_decref(answer);
    answer = ask("{\"command\": \"records\", \"vsid\": 5002}\n");
    items(answer, 0);
    json_decref(answer);
}

Test(diag, shows_what_the_fast_path_lacks)
{
    uint32_t ifindex = 11;
    fastpath->ops->remove(fastpath, SKR_TABLE_PORTS, &ifindex);
    json_t *answer = ask("{\"command\": \"ports\"}\n"), *row = items(answer, 1);
    cr_assert(json_is_true(json_object_get(row, "bound")));
    cr_assert(json_is_false(json_object_get(row, "programmed")));
    cr_assert_str_eq(text(row, "mac"), "02:00:00:00:00:01");
    json_decref(answer);
}

Test(diag, answers_every_command)
{
    json_t *answer = ask("{\"command\": \"routes\"}\n");
    cr_assert_str_eq(text(items(answer, 1), "destination"), "10.0.0.0/24");
    json_decref(answer);
    answer = ask("{\"command\": \"provider-addresses\"}\n");
    cr_assert_str_eq(text(items(answer, 1), "address"), "192.0.2.1");
    json_decref(answer);
    answer = ask("{\"command\": \"stats\"}\n");
    cr_assert_eq(json_array_size(json_object_get(answer, "tables")), SKR_TABLE_COUNT);
    cr_assert_eq(json_array_size(json_object_get(answer, "meters")), 1);
    json_decref(answer);
    answer = ask("{\"command\": \"status\"}\n");
    cr_assert_str_eq(text(answer, "session"), "connected");
    cr_assert_str_eq(text(answer, "fastpath"), "memory");
    json_decref(answer);
    answer = ask("{\"command\": \"drift\"}\n");
    items(answer, 0);
    json_decref(answer);
}

Test(diag, refuses_what_it_does_not_know)
{
    static const char *const bad[] = {"nonsense\n",
                                      "[]\n",
                                      "{}\n",
                                      "{\"command\": 1}\n",
                                      "{\"command\": \"x\"}\n",
                                      "{\"command\": \"ping-pa\"}\n",
                                      "{\"command\": \"ping-pa\", \"address\": \"300.1.1.1\"}\n",
                                      "{\"command\": \"ping-pa\", \"address\": \"fd00::1\"}\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *answer = ask(bad[i]);
        cr_assert(text(json_object_get(answer, "error"), "detail"), "%s", bad[i]);
        json_decref(answer);
    }
}

Test(diag, is_for_root_alone_and_leaves_foreign_files)
{
    struct stat there;
    struct skr_diag *second;
    struct skr_diag_options options = {.base = base,
                                       .path = "/tmp/skerry-diag-file",
                                       .desired = desired,
                                       .program = program,
                                       .fastpath = fastpath};
    cr_assert_eq(stat(path, &there), 0);
    cr_assert_eq(there.st_mode & 0777, 0600);
    FILE *file = fopen(options.path, "w");
    fclose(file);
    cr_assert_eq(skr_diag_new(&options, &second, &error), -EEXIST);
    cr_assert_eq(unlink(options.path), 0);
}
