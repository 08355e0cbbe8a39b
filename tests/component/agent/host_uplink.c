/* Uplinks as the kernel has them: promiscuity while ports of VLANs are bound, host switches, provider addresses on a
 * tagged VLAN. u0 is the uplink, and "fabric" a namespace behind it. */
#include "tests/support/agent/host_world.h"
#include "tests/support/agent/programs.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <skerry/frame.h>
#include <sys/socket.h>
#include <unistd.h>

#define PA_1 0xc0000205u /* 192.0.2.5 */
#define CA   0x0a090005u
#define VLAN 100

static struct world world;

static void setup(void)
{
    world_new(&world);
    programs_shell("mount -t tmpfs none /run && ip netns add fabric && ip link add u0 type veth peer name f0 netns "
                   "fabric && ip -n fabric link set lo up && ip -n fabric link set f0 up && ip link set u0 up && "
                   "ip link add t0 type veth peer name y0 && ip link set t0 up && ip link add t1 type veth peer name "
                   "y1 && ip link set t1 up");
    world_drain(&world);
    world_uplinks(&world, true, "u0", NULL);
}

static void teardown(void)
{
    world_free(&world);
}

TestSuite(host_uplink, .init = setup, .fini = teardown);

static void give(Skerry__V1__ObjectType type, struct skr_uuid id, void *body)
{
    Skerry__V1__Delta *delta = world_delta(&world);
    if (body)
        delta_upsert(delta, type, id, body);
    else
        delta_delete(delta, type, id);
    world_apply(&world, delta);
    world_drain(&world);
}

static void give_port(uint32_t number, const char *interface)
{
    Skerry__V1__Port *port = body_vlan_port("u0", 10, number, CA + number);
    free(port->interface);
    port->interface = strdup(interface);
    give(PORT, test_id(0xad, number), port);
}

static bool promiscuous(void)
{
    return world_shell("ip -o link show dev u0 | grep -q PROMISC");
}

static bool marked(void)
{
    return world_shell("ip link show dev u0 | grep -q 'altname skerry-promiscuous-%u$'", world_ifindex("u0"));
}

static char found[512];

static void on_difference(void *arg, const struct skr_host_difference *difference)
{
    size_t used = strlen(found);
    (void)arg;
    snprintf(found + used, sizeof(found) - used, "%s %s %s->%s;", difference->object, difference->field,
             difference->expected, difference->found);
    if (!strcmp(difference->field, "promiscuous"))
        cr_assert_eq(skr_host_repair(world.host, difference), 0);
}

static const char *audited(void)
{
    found[0] = 0;
    skr_host_audit(world.host, on_difference, NULL);
    return found;
}

Test(host_uplink, promiscuous_while_ports_of_vlans_are_bound)
{
    struct skr_host_removed removed;
    give_port(1, "t0");
    world_until_bound(&world, test_id(0xad, 1), "t0");
    cr_assert(promiscuous() && marked());
    give_port(2, "t1");
    give(PORT, test_id(0xad, 1), NULL);
    cr_assert(promiscuous());
    programs_shell("ip link set u0 promisc off");
    cr_assert_str_eq(audited(), "u0 promiscuous on->off;");
    cr_assert(promiscuous(), "put back");
    cr_assert_str_eq(audited(), "");
    world_restart_host(&world);
    world_until_bound(&world, test_id(0xad, 2), "t1");
    skr_host_remove_unintended(world.host, &removed);
    cr_assert(removed.promiscuous == 0 && promiscuous() && marked());
    give(PORT, test_id(0xad, 2), NULL);
    cr_assert(!promiscuous() && !marked());
}

Test(host_uplink, what_an_earlier_agent_left_is_taken_back)
{
    struct skr_host_removed removed;
    give_port(1, "t0");
    world_until_bound(&world, test_id(0xad, 1), "t0");
    skr_host_free(world.host);
    skr_desired_free(world.desired);
    world_open(&world);
    cr_assert(promiscuous(), "nothing changes before desired state is known");
    skr_host_remove_unintended(world.host, &removed);
    cr_assert_eq(removed.promiscuous, 1);
    cr_assert(!promiscuous() && !marked());
}

Test(host_uplink, an_administrators_own_setting_stays)
{
    programs_shell("ip link set u0 promisc on");
    world_drain(&world);
    give_port(1, "t0");
    world_until_bound(&world, test_id(0xad, 1), "t0");
    cr_assert(promiscuous() && !marked());
    give(PORT, test_id(0xad, 1), NULL);
    cr_assert(promiscuous());
}

static const char *switch_failure(void)
{
    static char text[256];
    struct skr_uuid host = test_id(0x05, 1), id = test_id(0x5a, 1);
    Skerry__V1__Envelope *envelope = skr_desired_applied(world.desired, HOST_SCOPE, &host);
    text[0] = 0;
    for (size_t i = 0; i < envelope->applied->n_failures; i++)
        if (!memcmp(envelope->applied->failures[i]->id.data, id.bytes, 16))
            snprintf(text, sizeof(text), "%s", envelope->applied->failures[i]->reason);
    skr_envelope_free(envelope);
    return text;
}

static void give_switch(Skerry__V1__HostSwitch *host_switch)
{
    give(HOST_SWITCH, test_id(0x5a, 1), host_switch);
}

Test(host_uplink, host_switches)
{
    Skerry__V1__HostSwitch *large = body_host_switch("u0", NULL);
    programs_shell("ip link add u9 mtu 1400 type veth peer name y9");
    world_drain(&world);
    give_switch(body_host_switch("u9", NULL));
    cr_assert_str_eq(switch_failure(), "");
    cr_assert(world_last(&world, TOLD_UPLINK, NULL, NULL)->present, "the interface of a switch is an uplink");
    cr_assert_str_eq(world_last(&world, TOLD_UPLINK, NULL, NULL)->text, "u9");
    give_switch(body_host_switch("u9", "u0"));
    cr_assert_str_eq(switch_failure(), "not_supported: a team of several uplinks is not supported by this agent");
    cr_assert(!world_last(&world, TOLD_UPLINK, NULL, NULL)->present);
    give_switch(body_host_switch("nothing", NULL));
    cr_assert_str_eq(switch_failure(), "no_uplink: this host has no interface nothing");
    large->mtu = 9000;
    give_switch(large);
    cr_assert_str_eq(switch_failure(), "uplink_mtu: the interface u0 has an MTU of 1500, and 9000 are needed");
    cr_assert_str_eq(audited(), "u0 mtu 9000->1500;");
    programs_shell("ip -n fabric link set f0 mtu 9000 && ip link set u0 mtu 9000");
    world_drain(&world);
    cr_assert_str_eq(switch_failure(), "");
    cr_assert_str_eq(audited(), "");
    world_restart_host(&world);
    cr_assert_str_eq(switch_failure(), "");
    give_switch(NULL);
}

Test(host_uplink, what_of_host_switches_is_not_supported)
{
    static const char *const texts[] = {"type internal",      "type private",   "minimum_bandwidth_mode", "sriov",
                                        "a switch extension", "a host adapter", "without an uplink"};
    for (int i = 0; i < 7; i++) {
        Skerry__V1__HostSwitch *host_switch = body_host_switch(i == 6 ? NULL : "u0", NULL);
        host_switch->type = i < 2 ? 2 + i : 1;
        host_switch->minimum_bandwidth_mode = i == 2;
        host_switch->sriov = i == 3;
        if (i == 4) {
            host_switch->extensions = malloc(sizeof(char *));
            host_switch->extensions[host_switch->n_extensions++] = strdup("filter");
        }
        if (i == 5) {
            host_switch->host_adapters = malloc(sizeof(*host_switch->host_adapters));
            host_switch->host_adapters[host_switch->n_host_adapters] =
                    TEST_NEW(Skerry__V1__HostAdapter, skerry__v1__host_adapter__init);
            host_switch->host_adapters[host_switch->n_host_adapters++]->name = strdup("management");
        }
        give_switch(host_switch);
        cr_assert(strstr(switch_failure(), "not_supported: ") && strstr(switch_failure(), texts[i]), "%s: %s", texts[i],
                  switch_failure());
    }
}

/* ---- a tagged site ---- */

static int fabric_socket(void)
{
    int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = open("/run/netns/fabric", O_RDONLY | O_CLOEXEC);
    cr_assert_eq(setns(there, CLONE_NEWNET), 0);
    struct sockaddr_ll at = {
            .sll_family = AF_PACKET, .sll_protocol = htons(0x0003), .sll_ifindex = (int)world_ifindex("f0")};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
    cr_assert_eq(setns(here, CLONE_NEWNET), 0);
    close(here);
    close(there);
    return fd;
}

/* The tag of the next ARP that the fabric hears; -1: there is none waiting. */
static int heard_tag(int fd)
{
    uint8_t bytes[128], control[256];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    for (;;) {
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        if (recvmsg(fd, &message, MSG_DONTWAIT) < 42)
            return -1;
        const struct tpacket_auxdata *aux = (const void *)CMSG_DATA(CMSG_FIRSTHDR(&message));
        if (bytes[12] == 8 && bytes[13] == 6)
            return aux->tp_status & TP_STATUS_VLAN_VALID ? aux->tp_vlan_tci : 0;
    }
}

static void say_arp(int fd, uint16_t vlan, uint32_t sender)
{
    static const uint8_t mac[6] = {2, 7, 7, 7, 7, 7}, everybody[6] = {255, 255, 255, 255, 255, 255};
    uint8_t frame[64];
    size_t length = programs_arp(frame, everybody, mac, 1, sender, sender);
    memmove(frame + 16, frame + 12, length - 12);
    memcpy(frame + 12, (uint8_t[]){0x81, 0, (uint8_t)(vlan >> 8), (uint8_t)vlan}, 4);
    cr_assert_eq(send(fd, frame, length + 4, 0), (ssize_t)length + 4);
}

static void give_tagged_pa(void)
{
    Skerry__V1__ProviderAddress *pa = (void *)body_pa(PA_1, test_id(0x11, 1));
    free(pa->uplink);
    pa->uplink = strdup("u0");
    pa->vlan_id = VLAN;
    give(PA, test_id(0xaa, 1), &pa->base);
}

Test(host_uplink, a_tagged_provider_address)
{
    int fabric = fabric_socket();
    const struct world_told *tagging;
    give_tagged_pa();
    world_until_pa(&world, PA_1, true);
    cr_assert_eq(heard_tag(fabric), VLAN, "the probes carry the site's tag");
    tagging = world_last(&world, TOLD_TAGGING, NULL, NULL);
    cr_assert(tagging && tagging->present && tagging->ifindex == world_ifindex("u0"));
    cr_assert_str_eq(audited(), "");
    world_restart_host(&world);
    world_until_pa(&world, PA_1, true);
    cr_assert(world_last(&world, TOLD_TAGGING, NULL, NULL)->present);
    give(PA, test_id(0xaa, 1), NULL);
    cr_assert(!world_last(&world, TOLD_TAGGING, NULL, NULL)->present);
    close(fabric);
}

static bool is_duplicate(struct world *w, void *arg)
{
    const struct world_told *told = world_last(w, TOLD_PA, NULL, NULL);
    (void)arg;
    return told && strstr(told->text, "duplicate_address");
}

Test(host_uplink, who_holds_the_address_in_another_vlan_is_no_matter)
{
    int fabric = fabric_socket();
    give_tagged_pa();
    say_arp(fabric, VLAN + 1, PA_1);
    say_arp(fabric, 0, PA_1);
    world_until_pa(&world, PA_1, true);
    give(PA, test_id(0xaa, 1), NULL);
    give_tagged_pa();
    say_arp(fabric, VLAN, PA_1);
    world_until(&world, is_duplicate, NULL, "the address is a duplicate");
    close(fabric);
}
