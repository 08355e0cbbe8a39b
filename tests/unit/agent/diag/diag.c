#include "agent/diag/diag.h"
#include "tests/unit/agent/build.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
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

/* ---- what the kernel counts, told by a fast path that counts as the test says ---- */

static struct skr_fastpath_ops counting;

static int count_drops(struct skr_fastpath *f,
                       void (*each)(void *arg, uint32_t reason, uint32_t ifindex, uint64_t count), void *arg)
{
    (void)f;
    each(arg, 1, 11, 5);
    each(arg, 1, 12, 7);
    each(arg, 2, 11, 1);
    each(arg, 60000, 11, 3);
    return 0;
}

static int count_packets(struct skr_fastpath *f, uint32_t ifindex, struct skr_abi_meter *ret)
{
    (void)f;
    cr_assert_eq(ifindex, 11);
    *ret = (struct skr_abi_meter){.tx_packets = 1, .tx_bytes = 60, .rx_packets = 2, .rx_bytes = 3000};
    return 0;
}

static int count_nothing(struct skr_fastpath *f, uint32_t ifindex, struct skr_abi_meter *ret)
{
    (void)f, (void)ifindex, (void)ret;
    return -ENOENT;
}

static void count_with(int (*meter)(struct skr_fastpath *, uint32_t, struct skr_abi_meter *))
{
    counting = *fastpath->ops;
    counting.drops = count_drops;
    counting.meter = meter;
    fastpath->ops = &counting;
}

static long long number(const json_t *row, const char *name)
{
    return json_integer_value(json_object_get(row, name));
}

Test(diag, drops_are_summed_by_reason_and_split_by_interface)
{
    count_with(count_packets);
    json_t *answer = ask("{\"command\": \"stats\"}\n"), *drops = json_object_get(answer, "drops");
    cr_assert_eq(json_array_size(drops), 3, "%s", json_dumps(answer, 0));
    const json_t *first = json_array_get(drops, 0), *last = json_array_get(drops, 2);
    cr_expect_eq(number(first, "packets"), 12);
    cr_expect_gt(strlen(text(first, "reason")), 0);
    cr_expect_str_neq(text(first, "reason"), text(json_array_get(drops, 1), "reason"));
    const json_t *interfaces = json_object_get(first, "interfaces");
    cr_assert_eq(json_array_size(interfaces), 2);
    cr_expect_eq(number(json_array_get(interfaces, 0), "ifindex"), 11);
    cr_expect_eq(number(json_array_get(interfaces, 1), "packets"), 7);
    cr_expect_str_eq(text(last, "reason"), "unknown");
    cr_expect_eq(number(last, "packets"), 3);
    json_decref(answer);
}

Test(diag, meters_are_of_ports_that_have_one)
{
    count_with(count_packets);
    json_t *answer = ask("{\"command\": \"stats\"}\n"), *meters = json_object_get(answer, "meters");
    cr_assert_eq(json_array_size(meters), 1);
    const json_t *meter = json_array_get(meters, 0);
    cr_expect_eq(number(meter, "tx_packets"), 1);
    cr_expect_eq(number(meter, "tx_bytes"), 60);
    cr_expect_eq(number(meter, "rx_packets"), 2);
    cr_expect_eq(number(meter, "rx_bytes"), 3000);
    json_decref(answer);
    count_with(count_nothing);
    answer = ask("{\"command\": \"stats\"}\n");
    cr_expect_eq(json_array_size(json_object_get(answer, "meters")), 0, "a port without a meter has no row");
    json_decref(answer);
}

/* The second record has a MAC alone. */
Test(diag, ids_and_records_without_an_address_are_told)
{
    char id[SKR_UUID_TEXT_MAX];
    struct skr_uuid adapter = test_id(0xad, 1);
    json_t *answer = ask("{\"command\": \"records\"}\n");
    items(answer, 2);
    const json_t *row = json_array_get(json_object_get(answer, "items"), 1);
    cr_expect(json_is_null(json_object_get(row, "customer_address")));
    cr_expect_str_eq(text(row, "mac"), "02:00:00:00:00:02");
    cr_expect(json_is_true(json_object_get(row, "programmed")));
    json_decref(answer);
    answer = ask("{\"command\": \"ports\"}\n");
    cr_expect_str_eq(text(items(answer, 1), "adapter_id"), skr_uuid_format(&adapter, id));
    json_decref(answer);
}

/* Exactly those that the port has, by the names that documents use. */
Test(diag, flags_are_those_of_the_port)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } known[] = {{SKR_PORT_ARP_ND_INSPECTION, "arp_nd_inspection"},
                 {SKR_PORT_DHCP_GUARD, "dhcp_guard"},
                 {SKR_PORT_ROUTER_GUARD, "router_guard"},
                 {SKR_PORT_CLOSED, "closed"}};
    uint32_t ifindex = 11;
    struct skr_abi_port port;
    cr_assert_eq(fastpath->ops->get(fastpath, SKR_TABLE_PORTS, &ifindex, &port), 0);
    json_t *answer = ask("{\"command\": \"ports\"}\n"), *flags = json_object_get(items(answer, 1), "flags");
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        bool told = false;
        for (size_t k = 0; k < json_array_size(flags); k++)
            told |= strcmp(json_string_value(json_array_get(flags, k)), known[i].name) == 0;
        cr_expect_eq(told, (port.flags & known[i].flag) != 0, "%s: %s", known[i].name, json_dumps(flags, 0));
    }
    json_decref(answer);
}

/* In a network namespace of the test's own, whose loopback interface carries both provider addresses. */
static void make_network(void)
{
    cr_assert_eq(unshare(CLONE_NEWNET), 0, "%s", strerror(errno));
    cr_assert_eq(system("ip link set lo up && ip addr add 192.0.2.1/32 dev lo && ip addr add 192.0.2.2/32 dev lo && "
                        "ip route add unreachable 192.0.2.3"),
                 0);
}

Test(diag, ping_is_answered_by_who_was_asked)
{
    make_network();
    json_t *answer = ask("{\"command\": \"ping-pa\", \"address\": \"192.0.2.2\"}\n");
    cr_expect(json_is_true(json_object_get(answer, "answered")), "%s", json_dumps(answer, 0));
    cr_expect_str_eq(text(answer, "source"), "192.0.2.1");
    cr_expect_eq(number(answer, "size"), 1500);
    cr_expect(json_is_real(json_object_get(answer, "ms")));
    json_decref(answer);
    answer = ask("{\"command\": \"ping-pa\", \"address\": \"192.0.2.3\"}\n");
    cr_expect(text(json_object_get(answer, "error"), "detail"), "%s", json_dumps(answer, 0));
    json_decref(answer);
}

/* Answers to every ping of this host arrive at the socket. Ours, which has full size, is dropped on its way here. */
Test(diag, an_answer_to_another_ping_is_not_ours)
{
    make_network();
    cr_assert_eq(system("nft add table t && "
                        "nft 'add chain t i { type filter hook input priority 0 ; }' && "
                        "nft add rule t i ip length gt 1000 icmp type echo-request drop"),
                 0);
    cr_assert_eq(system("ping -q -i 0.1 -c 15 -I 192.0.2.1 192.0.2.2 > /dev/null &"), 0);
    json_t *answer = ask("{\"command\": \"ping-pa\", \"address\": \"192.0.2.2\"}\n");
    cr_expect_not(json_is_true(json_object_get(answer, "answered")), "%s", json_dumps(answer, 0));
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
