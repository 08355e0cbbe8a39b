/* The bpf provider on the kernel: tables, adoption by pin and by attached program, filters beside foreign ones. */
#include "agent/fastpath/fastpath.h"
#include "tests/support/agent/programs.h"

#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/skerry-test-XXXXXX";
static char pins[64];
static struct skr_fastpath_options options;

static void setup(void)
{
    programs_namespace();
    cr_assert(mkdtemp(directory));
    snprintf(pins, sizeof(pins), "%s/a/b", directory);
    options = (struct skr_fastpath_options){.pin_directory = pins, .records_max = 1000};
    programs_shell("ip link add p1 type veth peer name x1 && ip link set p1 up && ip link set x1 up");
}

static void teardown(void)
{
    programs_shell("umount %s 2>/dev/null; rm -rf %s", pins, directory);
}

TestSuite(fastpath_bpf, .init = setup, .fini = teardown);

static struct skr_fastpath *open_provider(void)
{
    struct skr_fastpath *fastpath = NULL;
    struct skr_error error = {0};

    cr_assert_eq(skr_fastpath_bpf_new(&options, &fastpath, &error), 0, "%s", error.detail);
    return fastpath;
}

static struct skr_abi_ca_key ca_key(uint32_t n)
{
    return (struct skr_abi_ca_key){.vsid = 5001, .ca = programs_v4(n)};
}

static int put_record(struct skr_fastpath *fastpath, uint32_t n)
{
    struct skr_abi_ca_key key = ca_key(n);
    struct skr_abi_ca_record record = {.flags = n};

    return fastpath->ops->put(fastpath, SKR_TABLE_RECORDS_CA, &key, &record);
}

static int get_record(struct skr_fastpath *fastpath, uint32_t n, uint32_t *ret_flags)
{
    struct skr_abi_ca_key key = ca_key(n);
    struct skr_abi_ca_record record;
    int result = fastpath->ops->get(fastpath, SKR_TABLE_RECORDS_CA, &key, &record);

    if (!result)
        *ret_flags = record.flags;
    return result;
}

static int count_entry(void *arg, const void *key, const void *value)
{
    (void)key;
    (void)value;
    ++*(unsigned *)arg;
    return 0;
}

static int stop_entry(void *arg, const void *key, const void *value)
{
    count_entry(arg, key, value);
    return 7;
}

Test(fastpath_bpf, every_table_keeps_entries)
{
    struct skr_fastpath *fastpath = open_provider();

    for (int table = 0; table < SKR_TABLE_COUNT; table++) {
        const struct skr_fastpath_table_info *info = skr_fastpath_table_info(table);
        unsigned char key[64] = {0}, value[128] = {0}, found[128];
        unsigned count = 0;

        if (table == SKR_TABLE_ROUTES)
            key[0] = 128;
        memset(value, 0x5a, info->value_size);
        memset(found, 0xee, sizeof(found));
        cr_assert_eq(fastpath->ops->get(fastpath, table, key, found), -ENOENT, "%s", info->name);
        cr_assert_eq(found[0], 0xee);
        cr_assert_eq(fastpath->ops->put(fastpath, table, key, value), 0, "%s", info->name);
        value[0] = 1;
        cr_assert_eq(fastpath->ops->put(fastpath, table, key, value), 0);
        cr_assert_eq(fastpath->ops->get(fastpath, table, key, found), 0, "%s", info->name);
        cr_assert_arr_eq(found, value, info->value_size);
        cr_assert_eq(fastpath->ops->walk(fastpath, table, count_entry, &count), 0);
        cr_assert_eq(count, 1);
        cr_assert_eq(fastpath->ops->remove(fastpath, table, key), 0);
        cr_assert_eq(fastpath->ops->remove(fastpath, table, key), 0, "what is not there");
        cr_assert_eq(fastpath->ops->get(fastpath, table, key, found), -ENOENT);
    }
    fastpath->ops->free(fastpath);
}

Test(fastpath_bpf, route_get_is_exact)
{
    struct skr_fastpath *fastpath = open_provider();
    struct skr_abi_route_key wide = {.prefix_bits = 32 + 104, .destination = programs_v4(0x0a000000)}, narrow = wide;
    struct skr_abi_route route = {.vsid = 5001}, found;

    narrow.prefix_bits = 32 + 120;
    cr_assert_eq(fastpath->ops->put(fastpath, SKR_TABLE_ROUTES, &wide, &route), 0);
    cr_assert_eq(fastpath->ops->get(fastpath, SKR_TABLE_ROUTES, &narrow, &found), -ENOENT);
    cr_assert_eq(fastpath->ops->get(fastpath, SKR_TABLE_ROUTES, &wide, &found), 0);
    cr_assert_eq(found.vsid, 5001);
    fastpath->ops->free(fastpath);
}

Test(fastpath_bpf, full_table_says_so_and_walks_whole)
{
    struct skr_fastpath *fastpath = open_provider();
    unsigned count = 0;

    for (uint32_t n = 0; n < 1000; n++)
        cr_assert_eq(put_record(fastpath, n), 0);
    cr_assert_eq(put_record(fastpath, 1000), -E2BIG);
    cr_assert_eq(fastpath->ops->walk(fastpath, SKR_TABLE_RECORDS_CA, count_entry, &count), 0);
    cr_assert_eq(count, 1000);
    count = 0;
    cr_assert_eq(fastpath->ops->walk(fastpath, SKR_TABLE_RECORDS_CA, stop_entry, &count), 7);
    cr_assert_eq(count, 1);
    fastpath->ops->free(fastpath);
}

Test(fastpath_bpf, pinned_tables_are_adopted)
{
    struct skr_fastpath *fastpath = open_provider();
    uint32_t flags = 0;

    cr_assert_eq(put_record(fastpath, 5), 0);
    fastpath->ops->free(fastpath);
    fastpath = open_provider();
    cr_assert_eq(get_record(fastpath, 5, &flags), 0);
    cr_assert_eq(flags, 5);
    fastpath->ops->free(fastpath);
}

Test(fastpath_bpf, another_capacity_keeps_entries)
{
    struct skr_fastpath *fastpath = open_provider();
    uint32_t flags = 0;

    cr_assert_eq(put_record(fastpath, 5), 0);
    fastpath->ops->free(fastpath);
    options.records_max = 2000;
    fastpath = open_provider();
    cr_assert_eq(get_record(fastpath, 5, &flags), 0);
    for (uint32_t n = 0; n < 2000; n++)
        cr_assert_eq(put_record(fastpath, n), 0);
    fastpath->ops->free(fastpath);
}

Test(fastpath_bpf, another_version_starts_empty)
{
    struct skr_fastpath *fastpath = open_provider();
    uint32_t flags, zero = 0;
    struct skr_abi_info info = {.version = SKR_ABI_VERSION + 1};
    char path[128];
    int fd;

    cr_assert_eq(put_record(fastpath, 5), 0);
    fastpath->ops->free(fastpath);
    snprintf(path, sizeof(path), "%s/info", pins);
    fd = bpf_obj_get(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(bpf_map_update_elem(fd, &zero, &info, BPF_ANY), 0);
    close(fd);
    fastpath = open_provider();
    cr_assert_eq(get_record(fastpath, 5, &flags), -ENOENT);
    fastpath->ops->free(fastpath);
}

/* The pins may be in a mount namespace that is gone; what is attached has the tables. */
Test(fastpath_bpf, tables_of_attached_programs_are_adopted)
{
    struct skr_fastpath *fastpath = open_provider();
    uint32_t flags = 0;

    cr_assert_eq(put_record(fastpath, 5), 0);
    cr_assert_eq(fastpath->ops->attach(fastpath, SKR_HOOK_PORT, if_nametoindex("p1")), 0);
    cr_assert_eq(fastpath->ops->attach(fastpath, SKR_HOOK_UPLINK, if_nametoindex("x1")), 0);
    fastpath->ops->free(fastpath);
    programs_shell("umount %s", pins);
    fastpath = open_provider();
    cr_assert_eq(get_record(fastpath, 5, &flags), 0);
    fastpath->ops->free(fastpath);
}

Test(fastpath_bpf, filters_beside_foreign_ones)
{
    struct skr_fastpath *fastpath = open_provider(), *other;
    uint32_t p1 = if_nametoindex("p1");
    struct skr_fastpath_attachment found;

    cr_assert_eq(fastpath->ops->inspect(fastpath, SKR_HOOK_PORT, p1, &found), 0);
    cr_assert(!found.qdisc && !found.attached && !found.foreign);
    programs_shell("tc qdisc add dev p1 clsact && tc filter add dev p1 ingress prio 10 u32 match u32 0 0 action ok "
                   "2>/dev/null "
                   "|| tc filter add dev p1 ingress prio 10 u32 match u32 0 0");
    cr_assert_eq(fastpath->ops->attach(fastpath, SKR_HOOK_PORT, p1), 0);
    cr_assert_eq(fastpath->ops->attach(fastpath, SKR_HOOK_PORT, p1), 0, "in place");
    cr_assert_eq(fastpath->ops->inspect(fastpath, SKR_HOOK_PORT, p1, &found), 0);
    cr_assert(found.qdisc && found.attached && found.ours);
    cr_assert_gt(found.foreign, 0);
    other = open_provider();
    cr_assert_eq(other->ops->inspect(other, SKR_HOOK_PORT, p1, &found), 0);
    cr_assert(found.attached && !found.ours, "another load is another program");
    cr_assert_eq(other->ops->attach(other, SKR_HOOK_PORT, p1), 0);
    cr_assert_eq(other->ops->inspect(other, SKR_HOOK_PORT, p1, &found), 0);
    cr_assert(found.ours);
    other->ops->free(other);
    cr_assert_eq(fastpath->ops->detach(fastpath, SKR_HOOK_PORT, p1), 0);
    cr_assert_eq(fastpath->ops->detach(fastpath, SKR_HOOK_PORT, p1), 0, "what is not there");
    cr_assert_eq(fastpath->ops->inspect(fastpath, SKR_HOOK_PORT, p1, &found), 0);
    cr_assert(found.qdisc && !found.attached);
    cr_assert_gt(found.foreign, 0, "foreign filters stay");
    cr_assert_eq(fastpath->ops->inspect(fastpath, SKR_HOOK_PORT, 9999, &found), -ENODEV);
    cr_assert_eq(fastpath->ops->attach(fastpath, SKR_HOOK_PORT, 9999), -ENODEV);
    cr_assert_eq(fastpath->ops->detach(fastpath, SKR_HOOK_PORT, 9999), 0);
    fastpath->ops->free(fastpath);
}

struct drops {
    uint64_t count;
    uint32_t reason, ifindex;
};

static void take_drops(void *arg, uint32_t reason, uint32_t ifindex, uint64_t count)
{
    struct drops *drops = arg;

    *drops = (struct drops){.count = drops->count + count, .reason = reason, .ifindex = ifindex};
}

static void take_event(void *arg, const struct skr_abi_event *event)
{
    *(struct skr_abi_event *)arg = *event;
}

/* A real frame through a real interface: counters, an event, and that they go with the port. */
Test(fastpath_bpf, state_of_a_port)
{
    struct skr_fastpath *fastpath = open_provider();
    uint32_t p1 = if_nametoindex("p1"), vsid = 5001;
    struct skr_abi_port port = {
            .domain = 7, .vsid = vsid, .flags = SKR_PORT_GUEST_SPECIFIED_IPS | SKR_PORT_MAC_SPOOFING};
    struct skr_abi_subnet subnet = {.domain = 7, .gateway = programs_v4(0x0a000001), .prefix_length = 120, .mtu = 1458};
    struct skr_abi_meter meter;
    struct skr_abi_event event = {0};
    struct drops drops = {0};
    struct pollfd ready = {.fd = fastpath->ops->events_fd(fastpath), .events = POLLIN};

    cr_assert_eq(fastpath->ops->put(fastpath, SKR_TABLE_PORTS, &p1, &port), 0);
    cr_assert_eq(fastpath->ops->put(fastpath, SKR_TABLE_SUBNETS, &vsid, &subnet), 0);
    cr_assert_eq(fastpath->ops->attach(fastpath, SKR_HOOK_PORT, p1), 0);
    cr_assert_eq(fastpath->ops->meter(fastpath, p1, &meter), -ENOENT);
    programs_shell("ip addr add 10.0.0.5/24 dev x1 && ip neigh add 10.0.0.6 dev x1 lladdr 02:01:00:00:00:06 && "
                   "ping -c 1 -W 1 10.0.0.6 >/dev/null; true");
    cr_assert_eq(poll(&ready, 1, 5000), 1);
    cr_assert_gt(fastpath->ops->events_poll(fastpath, take_event, &event), 0);
    cr_assert_eq(event.ifindex, p1);
    cr_assert_eq(fastpath->ops->drops(fastpath, take_drops, &drops), 0);
    cr_assert_gt(drops.count, 0);
    cr_assert_eq(drops.ifindex, p1);
    cr_assert_eq(fastpath->ops->meter(fastpath, p1, &meter), 0);
    cr_assert_eq(fastpath->ops->remove(fastpath, SKR_TABLE_PORTS, &p1), 0);
    cr_assert_eq(fastpath->ops->meter(fastpath, p1, &meter), -ENOENT);
    fastpath->ops->free(fastpath);
}

Test(fastpath_bpf, object_from_a_file)
{
    struct skr_fastpath *fastpath = NULL;
    struct skr_error error = {0};

    options.object_path = "/nonexistent/skerry.bpf.o";
    cr_assert_lt(skr_fastpath_bpf_new(&options, &fastpath, &error), 0);
    cr_assert(strstr(error.detail, options.object_path), "%s", error.detail);
    cr_assert_null(fastpath);
    options.object_path = SKR_BUILD_DIR "/ebpf/skerry.bpf.o";
    fastpath = open_provider();
    fastpath->ops->free(fastpath);
}

Test(fastpath_bpf, uninstall_leaves_nothing_of_ours)
{
    struct skr_fastpath *fastpath = open_provider();
    uint32_t p1 = if_nametoindex("p1"), flags;
    struct skr_fastpath_attachment found;
    struct skr_error error = {0};

    cr_assert_eq(put_record(fastpath, 5), 0);
    cr_assert_eq(fastpath->ops->attach(fastpath, SKR_HOOK_PORT, p1), 0);
    fastpath->ops->free(fastpath);
    cr_assert_eq(skr_fastpath_bpf_uninstall(&options, &error), 0, "%s", error.detail);
    fastpath = open_provider();
    cr_assert_eq(get_record(fastpath, 5, &flags), -ENOENT);
    cr_assert_eq(fastpath->ops->inspect(fastpath, SKR_HOOK_PORT, p1, &found), 0);
    cr_assert(found.qdisc && !found.attached);
    fastpath->ops->free(fastpath);
}
