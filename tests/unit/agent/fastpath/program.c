#include "agent/fastpath/program.h"
#include "tests/unit/agent/build.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/frame.h>

#define VSID   5001
#define OTHER  5002
#define OWN    0xc0000201u /* 192.0.2.1 */
#define REMOTE 0xc0000202u
#define THIRD  0xc0000203u

static const struct skr_uuid network = {{0xaa}}, self = {{0x05, [15] = 1}}, peer_host = {{0x05, [15] = 2}},
                             third_host = {{0x05, [15] = 3}}, logical = {{0x77}};
static struct skr_fastpath *fastpath;
static struct skr_desired *desired;
static struct skr_program *program;
static struct skr_error error;
static int needed;

static struct skr_address needed_from; /* the source told last */

static void remote_pa(void *arg, const struct skr_address *pa, const struct skr_address *source)
{
    static struct skr_address there[64];
    int at = 0;
    (void)arg;
    while (at < needed && skr_address_compare(&there[at], pa) != 0)
        at++;
    if (source)
        needed_from = *source;
    if (source && at == needed)
        there[needed++] = *pa;
    else if (!source)
        there[at] = there[--needed];
    cr_assert(needed >= 0 && needed < 64);
}

static void start(uint32_t records_max)
{
    struct skr_fastpath_options options = {.records_max = records_max};
    struct skr_uuid database = test_id(0xdb, 1);
    needed = 0;
    cr_assert_eq(skr_fastpath_memory_new(&options, &fastpath, &error), 0);
    skr_desired_new(&desired);
    skr_desired_set_controller(desired, &database, 7, &test_key);
    skr_program_new(fastpath, desired, &program);
    skr_desired_listen(desired, skr_program_changes, program);
    skr_program_on_remote_pa(program, remote_pa, NULL);
}

static void setup(void)
{
    start(0);
}

static void teardown(void)
{
    skr_program_free(program);
    skr_desired_free(desired);
    fastpath->ops->free(fastpath);
}

TestSuite(program, .init = setup, .fini = teardown);

/* The digest is nobody's concern here: the result may be -ESTALE. */
static void deliver(Skerry__V1__Delta *delta)
{
    bool complete;
    int r = skr_desired_delta(desired, delta, &complete, &error);
    cr_assert(r == 0 || r == -ESTALE, "%s", error.detail);
    delta_free(delta);
}

static void host_scope(bool with_pa)
{
    Skerry__V1__Delta *delta = delta_new(HOST_SCOPE, self, 0, 1);
    delta_upsert(delta, HOST, self, body_host("h1"));
    if (with_pa)
        delta_upsert(delta, PA, test_id(0x9a, 1), body_pa(OWN, logical));
    delta_upsert(delta, PORT, test_id(0xad, 1), body_port(network, VSID, 1));
    deliver(delta);
}

static void domain_scope(void)
{
    uint32_t own = OWN, remote[] = {REMOTE, THIRD}, vsids[] = {VSID, OTHER, VSID};
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, 1);
    delta_upsert(delta, DOMAIN_OBJECT, network, body_domain(9, logical));
    delta_upsert(delta, SUBNET, test_id(0x5b, 1), body_subnet(VSID, 0x0a000000, 24));
    delta_upsert(delta, SUBNET, test_id(0x5b, 2), body_subnet(OTHER, 0x0a000100, 24));
    delta_upsert(delta, MEMBER, self, body_member(&own, 1, vsids, 1));
    delta_upsert(delta, MEMBER, peer_host, body_member(remote, 2, vsids, 3));
    delta_upsert(delta, RECORD, test_id(0xec, 1), body_record(VSID, 0x0a000005, 1, OWN, self, test_id(0xad, 1)));
    delta_upsert(delta, RECORD, test_id(0xec, 2),
                 body_record(VSID, 0x0a000006, 2, REMOTE, peer_host, test_id(0xad, 2)));
    deliver(delta);
}

static struct skr_abi_address abi(uint32_t v4)
{
    struct skr_address a = test_address(v4);
    struct skr_abi_address out;
    memcpy(out.bytes, a.bytes, 16);
    return out;
}

static bool get(enum skr_fastpath_table table, const void *key, void *value)
{
    return fastpath->ops->get(fastpath, table, key, value) == 0;
}

static int add_one(void *arg, const void *key, const void *value)
{
    (void)key;
    (void)value;
    (*(unsigned *)arg)++;
    return 0;
}

static unsigned entries(enum skr_fastpath_table table)
{
    unsigned count = 0;
    fastpath->ops->walk(fastpath, table, add_one, &count);
    return count;
}

static const char *failure_of(Skerry__V1__ScopeKind kind, const struct skr_uuid *scope, struct skr_uuid id)
{
    static char text[256];
    Skerry__V1__Envelope *envelope = skr_desired_applied(desired, kind, scope);
    text[0] = 0;
    for (size_t i = 0; envelope && i < envelope->applied->n_failures; i++)
        if (memcmp(envelope->applied->failures[i]->id.data, id.bytes, 16) == 0)
            snprintf(text, sizeof(text), "%s", envelope->applied->failures[i]->reason);
    skr_envelope_free(envelope);
    return text;
}

static struct skr_abi_mac_record mac_record(uint32_t vsid, uint32_t mac, bool *there)
{
    struct skr_abi_mac_key key = {.vsid = vsid, .mac = {2, 0, 0, 0, 0, (uint8_t)mac}};
    struct skr_abi_mac_record value = {0};
    *there = get(SKR_TABLE_RECORDS_MAC, &key, &value);
    return value;
}

/* An uplink that carries less than the fabric: what fits is said, in the network's encapsulation. */
Test(program, an_uplink_smaller_than_the_fabric)
{
    struct skr_address own = test_address(OWN);
    struct skr_abi_subnet subnet;
    uint32_t vsid = VSID;

    host_scope(true);
    domain_scope();
    skr_program_own_pa(program, &own, 3, 1500);
    cr_assert(get(SKR_TABLE_SUBNETS, &vsid, &subnet) && subnet.mtu == 1458 && subnet.flags == 0);
    skr_program_uplink(program, "up", 3, 1400);
    cr_assert(get(SKR_TABLE_SUBNETS, &vsid, &subnet));
    cr_assert(subnet.mtu == 1400 - 42 && subnet.flags == SKR_SUBNET_UPLINK_MTU, "%u", subnet.mtu);
    skr_program_uplink(program, "up", 3, 1600);
    cr_assert(get(SKR_TABLE_SUBNETS, &vsid, &subnet) && subnet.mtu == 1458 && subnet.flags == 0);
    skr_program_own_pa(program, &own, 0, 0);
    skr_program_uplink(program, "up", 3, 1300);
    cr_assert(get(SKR_TABLE_SUBNETS, &vsid, &subnet) && subnet.flags == 0, "it stands on no uplink");
    skr_program_own_pa(program, &own, 3, 1500);
    cr_assert(get(SKR_TABLE_SUBNETS, &vsid, &subnet));
    cr_assert(subnet.mtu == 1300 - 42 && subnet.flags == SKR_SUBNET_UPLINK_MTU);
}

Test(program, compiles_everything)
{
    host_scope(true);
    domain_scope();
    struct skr_address own = test_address(OWN);
    struct skr_uuid adapter = test_id(0xad, 1);
    skr_program_own_pa(program, &own, 3, 1400);
    skr_program_bind(program, &adapter, 11, true);

    uint32_t ifindex = 11, vsid = VSID;
    struct skr_abi_port port;
    cr_assert(get(SKR_TABLE_PORTS, &ifindex, &port));
    cr_assert(port.vsid == VSID && port.domain == 9 && port.flags == (SKR_PORT_DHCP_GUARD | SKR_PORT_PEER));
    struct skr_abi_subnet subnet;
    cr_assert(get(SKR_TABLE_SUBNETS, &vsid, &subnet));
    cr_assert(subnet.domain == 9 && subnet.prefix_length == 120 && subnet.mtu == 1458 && subnet.flags == 0);
    struct skr_abi_address pa = abi(OWN);
    cr_assert_arr_eq(subnet.source_pa.bytes, pa.bytes, 16);
    struct skr_abi_route_key route_key = {.prefix_bits = 32 + 120, .domain = htonl(9), .destination = abi(0x0a000100)};
    struct skr_abi_route route;
    cr_assert(get(SKR_TABLE_ROUTES, &route_key, &route) && route.vsid == OTHER);
    struct skr_abi_own_pa own_pa;
    cr_assert(get(SKR_TABLE_OWN_PAS, &pa, &own_pa) && own_pa.ifindex == 3 && own_pa.mtu == 1400);
    struct skr_abi_peer_key peer_key = {.domain = 9, .pa = abi(THIRD)};
    struct skr_abi_peer peer;
    cr_assert(get(SKR_TABLE_PEERS, &peer_key, &peer));
    cr_assert_eq(entries(SKR_TABLE_PEERS), 2, "not ourselves");
    bool there;
    struct skr_abi_mac_record local = mac_record(VSID, 1, &there);
    cr_assert(there && local.ifindex == 11);
    struct skr_abi_mac_record remote = mac_record(VSID, 2, &there);
    cr_assert(there && remote.ifindex == 0 && remote.pa.bytes[15] == 2);
    struct skr_abi_ca_key ca = {.vsid = VSID, .ca = abi(0x0a000006)};
    struct skr_abi_ca_record record;
    cr_assert(get(SKR_TABLE_RECORDS_CA, &ca, &record) && record.mac[5] == 2);
    /* Remote chains of two VSIDs (head and one receiver) and a local one (head and port). */
    cr_assert_eq(entries(SKR_TABLE_FLOOD), 6);
    cr_assert_eq(needed, 2);
    cr_assert_eq(skr_address_compare(&needed_from, &own), 0);
    cr_assert_str_eq(failure_of(HOST_SCOPE, &self, adapter), "");
}

Test(program, who_sends_to_a_remote_address_is_told_when_it_is_known)
{
    static const struct skr_address nobody;
    struct skr_address own = test_address(OWN);
    domain_scope();
    cr_assert_eq(needed, 2);
    cr_assert_arr_eq(needed_from.bytes, nobody.bytes, 16);
    host_scope(true);
    cr_assert_eq(needed, 2);
    cr_assert_eq(skr_address_compare(&needed_from, &own), 0);
}

Test(program, floods_in_ascending_order)
{
    host_scope(true);
    domain_scope();
    uint32_t third = THIRD, vsid = VSID;
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, 2);
    delta_upsert(delta, MEMBER, third_host, body_member(&third, 1, &vsid, 1));
    deliver(delta);
    struct skr_abi_flood_key key = {.vsid = VSID};
    struct skr_abi_flood value;
    cr_assert(get(SKR_TABLE_FLOOD, &key, &value) && value.next.bytes[15] == 2);
    key.receiver = value.next;
    cr_assert(get(SKR_TABLE_FLOOD, &key, &value) && value.next.bytes[15] == 3);
    key.receiver = value.next;
    cr_assert(get(SKR_TABLE_FLOOD, &key, &value) && value.next.bytes[15] == 0);
    delta = delta_new(DOMAIN_SCOPE, network, 0, 3);
    delta_delete(delta, MEMBER, peer_host);
    deliver(delta);
    key = (struct skr_abi_flood_key){.vsid = VSID};
    cr_assert(get(SKR_TABLE_FLOOD, &key, &value) && value.next.bytes[15] == 3);
    cr_assert_eq(entries(SKR_TABLE_FLOOD), 2);
}

Test(program, an_address_that_moves_is_one_replaced_entry)
{
    host_scope(true);
    domain_scope();
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, 2);
    delta_upsert(delta, RECORD, test_id(0xec, 3),
                 body_record(VSID, 0x0a000006, 3, THIRD, third_host, test_id(0xad, 3)));
    delta_delete(delta, RECORD, test_id(0xec, 2));
    deliver(delta);
    struct skr_abi_ca_key ca = {.vsid = VSID, .ca = abi(0x0a000006)};
    struct skr_abi_ca_record record;
    cr_assert(get(SKR_TABLE_RECORDS_CA, &ca, &record) && record.mac[5] == 3);
    cr_assert_eq(entries(SKR_TABLE_RECORDS_CA), 2);
    cr_assert_eq(entries(SKR_TABLE_RECORDS_MAC), 2);
}

Test(program, unbinding_leaves_an_unbound_record)
{
    host_scope(true);
    domain_scope();
    struct skr_uuid adapter = test_id(0xad, 1);
    skr_program_bind(program, &adapter, 11, false);
    skr_program_bind(program, &adapter, 12, false);
    cr_assert_eq(entries(SKR_TABLE_PORTS), 1);
    bool there;
    cr_assert_eq(mac_record(VSID, 1, &there).ifindex, 12);
    skr_program_bind(program, &adapter, 0, false);
    cr_assert_eq(entries(SKR_TABLE_PORTS), 0);
    cr_assert_eq(mac_record(VSID, 1, &there).ifindex, 0);
    cr_assert(there);
}

Test(program, says_what_it_waits_for)
{
    struct skr_uuid adapter = test_id(0xad, 1);
    host_scope(false);
    skr_program_bind(program, &adapter, 11, false);
    cr_assert(strstr(failure_of(HOST_SCOPE, &self, adapter), "waiting: "));
    uint32_t ifindex = 11;
    struct skr_abi_port port;
    cr_assert(get(SKR_TABLE_PORTS, &ifindex, &port) && port.domain == 0, "fail-closed");
    domain_scope();
    cr_assert_str_eq(failure_of(HOST_SCOPE, &self, adapter), "");
    cr_assert(get(SKR_TABLE_PORTS, &ifindex, &port) && port.domain == 9);
    cr_assert(strstr(failure_of(DOMAIN_SCOPE, &network, network), "no_provider_address: "));
    host_scope(true);
    cr_assert_str_eq(failure_of(DOMAIN_SCOPE, &network, network), "");
}

Test(program, the_domain_may_come_first)
{
    domain_scope();
    cr_assert_eq(entries(SKR_TABLE_PEERS), 0);
    cr_assert(strstr(failure_of(DOMAIN_SCOPE, &network, peer_host), "waiting: "));
    host_scope(true);
    cr_assert_eq(entries(SKR_TABLE_PEERS), 2);
    struct skr_uuid adapter = test_id(0xad, 1);
    skr_program_bind(program, &adapter, 11, false);
    bool there;
    cr_assert_eq(mac_record(VSID, 1, &there).ifindex, 11);
}

Test(program, everything_goes_with_its_scope)
{
    host_scope(true);
    domain_scope();
    Skerry__V1__ScopeRemoved removed = SKERRY__V1__SCOPE_REMOVED__INIT;
    removed.kind = DOMAIN_SCOPE;
    removed.id = test_uuid(network);
    cr_assert_eq(skr_desired_remove_scope(desired, &removed), 0);
    free(removed.id.data);
    for (int table = 0; table < SKR_TABLE_COUNT; table++) /* the subnet of the host's own address is out of bounds */
        cr_assert_eq(entries(table), table == SKR_TABLE_ROUTES ? 1 : 0, "table %d", table);
    cr_assert_eq(needed, 0);
}

Test(program, neighbours_of_needed_addresses_alone)
{
    host_scope(true);
    struct skr_address remote = test_address(REMOTE);
    struct skr_abi_neighbor neighbor = {.ifindex = 3, .destination_mac = {2, 1, 1, 1, 1, 1}}, none = {0};
    skr_program_neighbor(program, &remote, &neighbor);
    cr_assert_eq(entries(SKR_TABLE_NEIGHBORS), 0);
    domain_scope();
    skr_program_neighbor(program, &remote, &neighbor);
    cr_assert_eq(entries(SKR_TABLE_NEIGHBORS), 1);
    skr_program_neighbor(program, &remote, &none);
    cr_assert_eq(entries(SKR_TABLE_NEIGHBORS), 0);
}

Test(program, a_full_table_is_a_failure_that_heals)
{
    teardown();
    start(1);
    host_scope(true);
    domain_scope();
    bool first = *failure_of(DOMAIN_SCOPE, &network, test_id(0xec, 1));
    bool second = *failure_of(DOMAIN_SCOPE, &network, test_id(0xec, 2));
    cr_assert(first != second, "one of two fits");
    cr_assert(strstr(failure_of(DOMAIN_SCOPE, &network, test_id(0xec, first ? 1 : 2)), "table_full: "));
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, 2);
    delta_delete(delta, RECORD, test_id(0xec, first ? 2 : 1));
    deliver(delta);
    cr_assert_str_eq(failure_of(DOMAIN_SCOPE, &network, test_id(0xec, first ? 1 : 2)), "");
    cr_assert_eq(entries(SKR_TABLE_RECORDS_MAC), 1);
}

/* ---- audit ---- */

static unsigned differences;

static void repair(void *arg, enum skr_fastpath_table table, const void *key, const void *expected, const void *found)
{
    char text[160];
    struct skr_uuid object;
    (void)arg;
    differences++;
    skr_program_describe(program, table, key, expected ? expected : found, text, sizeof(text), &object);
    cr_assert(strlen(text) > 5);
    cr_assert_eq(skr_program_repair(program, table, key), 0);
}

static unsigned audit(void)
{
    differences = 0;
    for (int i = 0; i < SKR_TABLE_COUNT + 1; i++)
        if (skr_program_audit(program, 1, repair, NULL))
            return differences;
    cr_assert(false, "the round never ends");
    return 0;
}

Test(program, the_audit_finds_and_repairs)
{
    host_scope(true);
    domain_scope();
    skr_program_remove_unintended(program);
    cr_assert_eq(audit(), 0);
    struct skr_abi_ca_key ca = {.vsid = VSID, .ca = abi(0x0a000006)}, foreign = {.vsid = VSID, .ca = abi(0x0a0000ff)};
    struct skr_abi_ca_record record = {.flags = 77};
    uint32_t vsid = VSID;
    fastpath->ops->put(fastpath, SKR_TABLE_RECORDS_CA, &ca, &record);
    fastpath->ops->put(fastpath, SKR_TABLE_RECORDS_CA, &foreign, &record);
    fastpath->ops->remove(fastpath, SKR_TABLE_SUBNETS, &vsid);
    cr_assert_eq(audit(), 3);
    cr_assert_eq(audit(), 0);
    cr_assert_eq(entries(SKR_TABLE_RECORDS_CA), 2);
}

Test(program, adopted_entries_stay_until_told)
{
    struct skr_abi_address own = abi(OWN), remote = abi(REMOTE), stranger = abi(0xc00002ffu);
    struct skr_abi_own_pa own_pa = {.ifindex = 3};
    struct skr_abi_neighbor neighbor = {.ifindex = 3};
    fastpath->ops->put(fastpath, SKR_TABLE_OWN_PAS, &own, &own_pa);
    fastpath->ops->put(fastpath, SKR_TABLE_OWN_PAS, &stranger, &own_pa);
    fastpath->ops->put(fastpath, SKR_TABLE_NEIGHBORS, &remote, &neighbor);
    skr_program_hold(program, true);
    host_scope(true);
    domain_scope();
    cr_assert_eq(entries(SKR_TABLE_SUBNETS), 0, "held");
    skr_program_hold(program, false);
    cr_assert_eq(entries(SKR_TABLE_SUBNETS), 2);
    cr_assert_eq(audit(), 0, "nothing unintended is told before its time");
    skr_program_remove_unintended(program);
    cr_assert_eq(entries(SKR_TABLE_OWN_PAS), 1);
    cr_assert_eq(entries(SKR_TABLE_NEIGHBORS), 1);
    cr_assert_eq(audit(), 0);
}
