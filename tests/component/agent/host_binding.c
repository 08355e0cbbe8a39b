/* Adapters find their interfaces: in the order of docs/design/datapath.md, over netlink, in a namespace of the test's
 * own. */
#include "tests/support/agent/host_world.h"
#include "tests/support/agent/programs.h"

#include <criterion/criterion.h>

static struct world world;

static void setup(void)
{
    world_new(&world);
}

static void teardown(void)
{
    world_free(&world);
}

TestSuite(host_binding, .init = setup, .fini = teardown);

static struct skr_uuid adapter(uint32_t number)
{
    return test_id(0xad, number);
}

static void add_port(Skerry__V1__Delta *delta, uint32_t number, uint32_t mac, const char *interface)
{
    Skerry__V1__Port *port = (Skerry__V1__Port *)body_port(test_id(0x4d, number), 5000 + number, mac);
    if (interface) {
        free(port->interface);
        port->interface = strdup(interface);
    }
    delta_upsert(delta, PORT, adapter(number), &port->base);
}

static void set_port(uint32_t number, uint32_t mac, const char *interface)
{
    Skerry__V1__Delta *delta = world_delta(&world);
    add_port(delta, number, mac, interface);
    world_apply(&world, delta);
}

static void remove_port(uint32_t number)
{
    Skerry__V1__Delta *delta = world_delta(&world);
    delta_delete(delta, PORT, adapter(number));
    world_apply(&world, delta);
}

static void alias(const char *interface, uint32_t number)
{
    char text[SKR_UUID_TEXT_MAX];
    struct skr_uuid id = adapter(number);
    programs_shell("ip link set %s up && ip link set %s alias skerry:%s", interface, interface,
                   skr_uuid_format(&id, text));
}

Test(host_binding, by_name_before_and_after_the_interface)
{
    set_port(1, 1, "v1");
    world_until_unbound(&world, adapter(1), "no_interface");
    programs_shell("ip link add v1 type veth peer name v1x");
    world_until_bound(&world, adapter(1), "v1");
    cr_assert(world_shell("ip link show v1 | grep -q '[<,]UP'"), "binding sets the host side up");
    cr_assert(world_shell("test $(cat /proc/sys/net/ipv6/conf/v1/disable_ipv6) = 1"));
    programs_shell("ip link del v1");
    world_until_unbound(&world, adapter(1), "no_interface");
}

Test(host_binding, an_interface_made_anew_is_bound_with_its_new_ifindex)
{
    programs_shell("ip link add v1 type veth peer name v1x");
    set_port(1, 1, "v1");
    world_until_bound(&world, adapter(1), "v1");
    uint32_t before = world_ifindex("v1");
    programs_shell("ip link del v1 && ip link add d0 type bridge && ip link add v1 type veth peer name v1x");
    cr_assert_neq(before, world_ifindex("v1"));
    world_drain(&world);
    world_until_bound(&world, adapter(1), "v1");
}

Test(host_binding, a_rename_is_told)
{
    programs_shell("ip link add v1 type veth peer name v1x");
    alias("v1", 1);
    set_port(1, 1, NULL);
    world_until_bound(&world, adapter(1), "v1");
    programs_shell("ip link set v1 down && ip link set v1 name v2");
    world_until_bound(&world, adapter(1), "v2");
    set_port(2, 2, "v3");
    programs_shell("ip link add v3 type veth peer name v3x");
    world_until_bound(&world, adapter(2), "v3");
    programs_shell("ip link set v3 down && ip link set v3 name v4");
    world_until_unbound(&world, adapter(2), "no_interface");
}

Test(host_binding, claims_come_and_go_with_the_alias)
{
    struct skr_uuid id = adapter(1);
    programs_shell("ip link add v1 type bridge");
    world_drain(&world);
    cr_assert_null(world_last(&world, TOLD_CLAIM, NULL, NULL));
    alias("v1", 1);
    world_drain(&world);
    const struct world_told *told = world_last(&world, TOLD_CLAIM, &id, NULL);
    cr_assert(told && told->present);
    cr_assert_str_eq(told->text, "v1");
    alias("v1", 2);
    world_drain(&world);
    cr_assert_not(world_last(&world, TOLD_CLAIM, &id, NULL)->present);
    id = adapter(2);
    cr_assert(world_last(&world, TOLD_CLAIM, &id, NULL)->present);
    programs_shell("ip link add v2 type bridge");
    alias("v2", 2);
    programs_shell("ip link del v1");
    world_drain(&world);
    told = world_last(&world, TOLD_CLAIM, &id, NULL);
    cr_assert(told->present && !strcmp(told->text, "v2"), "the next interface takes the claim over");
    programs_shell("ip link del v2");
    world_drain(&world);
    cr_assert_not(world_last(&world, TOLD_CLAIM, &id, NULL)->present);
}

Test(host_binding, a_claim_stands_at_start)
{
    struct skr_uuid id = adapter(7);
    programs_shell("ip link add v7 type bridge");
    alias("v7", 7);
    world_restart_host(&world);
    cr_assert(world_last(&world, TOLD_CLAIM, &id, NULL)->present);
}

Test(host_binding, an_alias_is_found_on_an_interface_that_is_down)
{
    char text[SKR_UUID_TEXT_MAX];
    struct skr_uuid id = adapter(1);
    set_port(1, 1, NULL);
    programs_shell("ip link add v1 type bridge");
    world_drain(&world);
    programs_shell("ip link set v1 alias skerry:%s", skr_uuid_format(&id, text));
    world_until_bound(&world, adapter(1), "v1");
}

/* Only then is the kernel silent about an alias; a host whose interfaces are all up sleeps. */
Test(host_binding, interfaces_are_read_again_only_while_one_is_down)
{
    char text[SKR_UUID_TEXT_MAX];
    struct skr_uuid id = adapter(1);
    set_port(1, 1, NULL);
    programs_shell("ip link set lo up && ip link add v1 type bridge");
    world_drain(&world);
    int64_t due = skr_host_deadline_ns(world.host);
    cr_assert_lt(due, INT64_MAX);
    programs_shell("ip link set v1 alias skerry:%s", skr_uuid_format(&id, text));
    world_drain(&world);
    size_t told = world_count(&world, TOLD_BINDING);
    skr_host_run(world.host, due - 1);
    cr_expect_eq(world_count(&world, TOLD_BINDING), told, "read too soon");
    skr_host_run(world.host, due);
    cr_expect_gt(world_count(&world, TOLD_BINDING), told, "not read again");
    programs_shell("ip link set v1 up");
    world_drain(&world);
    cr_expect_eq(skr_host_deadline_ns(world.host), INT64_MAX);
    programs_shell("ip link set v1 down");
    world_drain(&world);
    cr_expect_lt(skr_host_deadline_ns(world.host), INT64_MAX);
    programs_shell("ip link delete v1");
    world_drain(&world);
    cr_expect_eq(skr_host_deadline_ns(world.host), INT64_MAX);
}

Test(host_binding, a_tap_by_its_mac_whatever_the_first_octet)
{
    programs_shell("ip tuntap add t1 mode tap && ip link set t1 address fe:00:00:00:00:01");
    programs_shell("ip link add v1 type bridge && ip link set v1 address fe:00:00:00:00:02");
    set_port(1, 1, NULL);
    set_port(2, 2, NULL);
    world_until_bound(&world, adapter(1), "t1");
    world_until_unbound(&world, adapter(2), "no_interface");
    programs_shell("ip link set v1 address 02:00:00:00:00:02");
    world_until_bound(&world, adapter(2), "v1");
}

Test(host_binding, an_alias_beats_the_mac_and_a_name_beats_both)
{
    programs_shell("ip tuntap add t1 mode tap && ip link set t1 address fe:00:00:00:00:01");
    set_port(1, 1, NULL);
    world_until_bound(&world, adapter(1), "t1");
    set_port(2, 9, NULL);
    alias("t1", 2);
    world_until_bound(&world, adapter(2), "t1");
    world_until_unbound(&world, adapter(1), "no_interface");
    set_port(3, 8, "t1");
    world_until_bound(&world, adapter(3), "t1");
    world_until_unbound(&world, adapter(2), "interface_in_use");
    remove_port(3);
    world_until_bound(&world, adapter(2), "t1");
    remove_port(2);
    programs_shell("ip link set t1 alias ''");
    world_until_bound(&world, adapter(1), "t1");
}

Test(host_binding, the_first_of_two_with_one_name_keeps_it)
{
    programs_shell("ip link add v1 type bridge");
    set_port(1, 1, "v1");
    set_port(2, 2, "v1");
    world_until_bound(&world, adapter(1), "v1");
    world_until_unbound(&world, adapter(2), "interface_in_use");
    remove_port(1);
    world_until_unbound(&world, adapter(1), "removed");
    world_until_bound(&world, adapter(2), "v1");
}

Test(host_binding, an_interface_passes_on_within_one_delta)
{
    programs_shell("ip link add v1 type bridge");
    set_port(1, 1, "v1");
    world_until_bound(&world, adapter(1), "v1");
    Skerry__V1__Delta *delta = world_delta(&world);
    add_port(delta, 2, 2, "v1");
    delta_delete(delta, PORT, adapter(1));
    world_apply(&world, delta);
    world_until_bound(&world, adapter(2), "v1");
}

Test(host_binding, two_taps_of_one_mac_are_ambiguous_until_one_goes)
{
    programs_shell("ip tuntap add t1 mode tap && ip link set t1 address fe:00:00:00:00:01 && "
                   "ip tuntap add t2 mode tap && ip link set t2 address 52:00:00:00:00:01");
    world_drain(&world);
    set_port(1, 1, NULL);
    world_until_unbound(&world, adapter(1), "ambiguous_binding");
    programs_shell("ip link del t2");
    world_until_bound(&world, adapter(1), "t1");
}

Test(host_binding, a_second_interface_does_not_unbind_the_first)
{
    programs_shell("ip tuntap add t1 mode tap && ip link set t1 address fe:00:00:00:00:01");
    set_port(1, 1, NULL);
    world_until_bound(&world, adapter(1), "t1");
    size_t told = world_count(&world, TOLD_BINDING);
    programs_shell("ip tuntap add t2 mode tap && ip link set t2 address 52:00:00:00:00:01");
    world_drain(&world);
    cr_assert_eq(world_count(&world, TOLD_BINDING), told);
    programs_shell("ip link del t1");
    world_until_bound(&world, adapter(1), "t2");
}

Test(host_binding, two_adapters_of_one_mac_are_ambiguous_until_told_apart)
{
    Skerry__V1__Delta *delta = world_delta(&world);
    add_port(delta, 1, 1, NULL);
    add_port(delta, 2, 1, NULL);
    world_apply(&world, delta);
    programs_shell("ip tuntap add t1 mode tap && ip link set t1 address fe:00:00:00:00:01");
    world_until_unbound(&world, adapter(1), "ambiguous_binding");
    world_until_unbound(&world, adapter(2), "ambiguous_binding");
    alias("t1", 2);
    world_until_bound(&world, adapter(2), "t1");
    world_until_unbound(&world, adapter(1), "no_interface");
    programs_shell("ip tuntap add t2 mode tap && ip link set t2 address fe:00:00:00:00:01");
    world_until_bound(&world, adapter(1), "t2");
}

Test(host_binding, what_an_earlier_agent_had_bound_is_not_ambiguous)
{
    programs_shell("ip tuntap add t1 mode tap && ip link set t1 address fe:00:00:00:00:01");
    world_drain(&world);
    struct skr_uuid first = adapter(1);
    skr_host_remember(world.host, &first, world_ifindex("t1"));
    Skerry__V1__Delta *delta = world_delta(&world);
    add_port(delta, 2, 1, NULL);
    add_port(delta, 1, 1, NULL);
    world_apply(&world, delta);
    world_until_bound(&world, adapter(1), "t1");
    world_until_unbound(&world, adapter(2), "no_interface");
}

Test(host_binding, an_uplink_never_binds)
{
    programs_shell("ip link add u0 type bridge && ip link set u0 address 02:00:00:00:00:01");
    world_uplinks(&world, true, "u0", NULL);
    set_port(1, 1, NULL);
    set_port(2, 2, "u0");
    world_drain(&world);
    world_until_unbound(&world, adapter(1), "no_interface");
    world_until_unbound(&world, adapter(2), "interface_is_uplink");
    world_uplinks(&world, true, NULL, NULL);
    world_until_bound(&world, adapter(2), "u0");
    world_uplinks(&world, true, "u0", NULL);
    world_until_unbound(&world, adapter(2), "interface_is_uplink");
}

Test(host_binding, a_peer_that_leaves_for_a_namespace_is_told)
{
    programs_shell("ip link add v1 type veth peer name v1x && ip link set v1x up");
    set_port(1, 1, "v1");
    world_until_bound(&world, adapter(1), "v1");
    cr_assert_not(skr_host_interface(world.host, world_ifindex("v1"))->peer_elsewhere);
    size_t told = world_count(&world, TOLD_BINDING);
    programs_shell("mount -t tmpfs none /run && ip netns add guest && ip link set v1x netns guest && "
                   "ip -n guest link set v1x up");
    world_drain(&world);
    cr_assert_gt(world_count(&world, TOLD_BINDING), told);
    cr_assert(skr_host_interface(world.host, world_ifindex("v1"))->peer_elsewhere);
}

Test(host_binding, a_storm_of_links_loses_nothing)
{
    /* More notifications than the socket holds: the inventory is read again. */
    set_port(1, 1, "last");
    programs_shell("for i in $(seq 1 200); do echo link add x$i type bridge; done | ip -batch - && "
                   "for n in $(seq 1 60); do for i in $(seq 1 200); do echo link set x$i mtu $((1000 + n)); done; done "
                   "| ip -batch - && ip link add last type bridge && ip link del x7");
    world_until_bound(&world, adapter(1), "last");
    const struct skr_host_interface *all;
    world_drain(&world);
    size_t count = skr_host_interfaces(world.host, &all);
    cr_assert(world_shell("test $(ip -o link | wc -l) = %zu", count), "%zu", count);
    cr_assert_null(skr_host_interface(world.host, world_ifindex("x7")));
    cr_assert_eq(skr_host_interface(world.host, world_ifindex("x200"))->mtu, 1060);
}

/* ---- what is closed ---- */

static const struct world_told *guest_told(const char *interface)
{
    uint32_t ifindex = world_ifindex(interface);
    for (size_t i = world.told_count; i-- > 0;)
        if (world.told[i].what == TOLD_GUEST && world.told[i].ifindex == ifindex)
            return &world.told[i];
    return NULL;
}

static void count_closed(void *arg, const struct skr_host_closed *closed)
{
    (void)closed;
    ++*(size_t *)arg;
}

static size_t closed_count(int64_t since_ns)
{
    size_t count = 0;
    skr_host_closed_each(world.host, since_ns, count_closed, &count);
    return count;
}

Test(host_binding, an_interface_of_a_guest_is_closed_unless_it_is_bound)
{
    programs_shell("ip link add v1 type bridge && ip link add v2 type bridge && ip link add v3 type bridge");
    alias("v1", 1);
    world_drain(&world);
    cr_assert_null(guest_told("v1"), "not before what earlier agents knew is told");
    skr_host_guests_begin(world.host);
    cr_assert_eq(guest_told("v1")->guest, SKR_GUEST_CLOSED);
    cr_assert_null(guest_told("v2"), "an interface of the host itself");
    set_port(1, 1, NULL);
    world_until_bound(&world, adapter(1), "v1");
    cr_assert_eq(guest_told("v1")->guest, SKR_GUEST_BOUND);
    remove_port(1);
    cr_assert_eq(guest_told("v1")->guest, SKR_GUEST_CLOSED);
    /* It was bound: without an alias, too, it stays a guest's. */
    programs_shell("ip link set v1 alias ''");
    world_drain(&world);
    cr_assert_eq(guest_told("v1")->guest, SKR_GUEST_CLOSED);
    /* An interface that never was bound is the host's own again when its alias goes. */
    alias("v3", 9);
    world_drain(&world);
    cr_assert_eq(guest_told("v3")->guest, SKR_GUEST_CLOSED);
    cr_assert_eq(closed_count(INT64_MAX), 2);
    cr_assert_eq(closed_count(0), 0, "not for a while yet");
}

Test(host_binding, a_port_that_goes_is_closed_before_its_adapter_is_told)
{
    programs_shell("ip link add v1 type bridge");
    skr_host_guests_begin(world.host);
    set_port(1, 1, "v1");
    world_until_bound(&world, adapter(1), "v1");
    world.told_count = 0;
    remove_port(1);
    cr_assert_eq(world.told[0].what, TOLD_GUEST);
    cr_assert_eq(world.told[0].guest, SKR_GUEST_CLOSED);
    cr_assert_eq(world.told[1].what, TOLD_BINDING);
}

Test(host_binding, a_served_port_waits_for_desired_state)
{
    programs_shell("ip link add v1 type bridge && ip link add v2 type bridge && ip link add v3 type bridge");
    alias("v1", 1);
    world_drain(&world);
    skr_host_guest_remember(world.host, world_ifindex("v1"), true, false, true);
    skr_host_guest_remember(world.host, world_ifindex("v2"), true, true, false);
    skr_host_guest_remember(world.host, world_ifindex("v3"), false, false, true); /* as an uplink's is */
    skr_host_guest_remember(world.host, 4711, true, false, false);
    cr_assert_eq(world.told[world.told_count - 1].ifindex, 4711);
    cr_assert_eq(world.told[world.told_count - 1].guest, SKR_GUEST_NONE, "it is gone");
    skr_host_guests_begin(world.host);
    cr_assert_null(guest_told("v1"), "an earlier agent's program serves it");
    skr_host_guests_settled(world.host);
    cr_assert_eq(guest_told("v1")->guest, SKR_GUEST_CLOSED);
    cr_assert_null(guest_told("v2"), "an administrator released it");
    cr_assert_eq(guest_told("v3")->guest, SKR_GUEST_NONE, "it never was a guest's");
    alias("v2", 3); /* it says anew that it is one */
    world_drain(&world);
    cr_assert_eq(guest_told("v2")->guest, SKR_GUEST_CLOSED);
}

Test(host_binding, a_release_lasts_until_the_interface_is_a_guests_again)
{
    struct skr_error error = {0};
    programs_shell("ip link add v1 type bridge");
    alias("v1", 1);
    world_drain(&world);
    skr_host_guests_begin(world.host);
    cr_assert_eq(skr_host_guest_release(world.host, "v1", &error), 0, "%s", error.detail);
    cr_assert_eq(guest_told("v1")->guest, SKR_GUEST_RELEASED);
    cr_assert_lt(skr_host_guest_release(world.host, "v1", &error), 0);
    cr_assert_eq(error.tag, SKR_ERROR_NOT_FOUND);
    set_port(1, 1, NULL);
    world_until_bound(&world, adapter(1), "v1");
    cr_assert_lt(skr_host_guest_release(world.host, "v1", &error), 0);
    cr_assert_eq(error.tag, SKR_ERROR_CONFLICT);
    remove_port(1);
    cr_assert_eq(guest_told("v1")->guest, SKR_GUEST_CLOSED);
}

Test(host_binding, an_uplink_is_never_closed)
{
    programs_shell("ip link add v1 type bridge");
    alias("v1", 1);
    world_drain(&world);
    skr_host_guests_begin(world.host);
    cr_assert_eq(guest_told("v1")->guest, SKR_GUEST_CLOSED);
    world_uplinks(&world, false, "v1", NULL);
    cr_assert_eq(guest_told("v1")->guest, SKR_GUEST_NONE);
    cr_assert_eq(closed_count(INT64_MAX), 0);
}
