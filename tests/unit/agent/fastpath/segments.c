/* Ports of VLANs, what this agent does not do, and customer routes: from objects to table entries and failures. */
#include "agent/fastpath/program.h"
#include "tests/unit/agent/build.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/frame.h>

#define VSID    5001
#define UPLINK  3
#define BOUND   11
#define SEGMENT SKR_SEGMENT_OF(UPLINK, 10)
#define CA      0x0a090005u

static const struct skr_uuid self = {{0x05, [15] = 1}}, network = {{0xaa}}, logical = {{0x77}};
static struct skr_fastpath *fastpath;
static struct skr_desired *desired;
static struct skr_program *program;
static struct skr_error error;
static uint64_t version;

static void setup(void)
{
    struct skr_fastpath_options options = {0};
    struct skr_uuid database = test_id(0xdb, 1);
    version = 1;
    cr_assert_eq(skr_fastpath_memory_new(&options, &fastpath, &error), 0);
    skr_desired_new(&desired);
    skr_desired_set_controller(desired, &database, 7, &test_key);
    skr_program_new(fastpath, desired, &program);
    skr_desired_listen(desired, skr_program_changes, program);
}

static void teardown(void)
{
    skr_program_free(program);
    skr_desired_free(desired);
    fastpath->ops->free(fastpath);
}

TestSuite(segments, .init = setup, .fini = teardown);

static void deliver(Skerry__V1__Delta *delta)
{
    bool complete;
    int r = skr_desired_delta(desired, delta, &complete, &error);
    cr_assert(r == 0 || r == -ESTALE, "%s", error.detail);
    delta_free(delta);
}

static void give(Skerry__V1__ScopeKind kind, struct skr_uuid scope, Skerry__V1__ObjectType type, struct skr_uuid id,
                 void *body)
{
    Skerry__V1__Delta *delta = delta_new(kind, scope, 0, ++version);
    if (body)
        delta_upsert(delta, type, id, body);
    else
        delta_delete(delta, type, id);
    deliver(delta);
}

static void give_port(struct skr_uuid id, Skerry__V1__Port *port)
{
    give(HOST_SCOPE, self, PORT, id, port);
}

static const char *failure_of(Skerry__V1__ScopeKind kind, struct skr_uuid scope, struct skr_uuid id)
{
    static char text[256];
    Skerry__V1__Envelope *envelope = skr_desired_applied(desired, kind, &scope);
    text[0] = 0;
    for (size_t i = 0; envelope && i < envelope->applied->n_failures; i++)
        if (memcmp(envelope->applied->failures[i]->id.data, id.bytes, 16) == 0)
            snprintf(text, sizeof(text), "%s", envelope->applied->failures[i]->reason);
    skr_envelope_free(envelope);
    return text;
}

static bool get(enum skr_fastpath_table table, const void *key, void *value)
{
    return fastpath->ops->get(fastpath, table, key, value) == 0;
}

static struct skr_abi_port port_on(uint32_t ifindex)
{
    struct skr_abi_port port = {0};
    cr_assert(get(SKR_TABLE_PORTS, &ifindex, &port));
    return port;
}

static uint32_t at_mac(uint32_t segment, uint32_t mac)
{
    struct skr_abi_mac_key key = {.vsid = segment};
    struct skr_abi_mac_record record = {0};
    ProtobufCBinaryData bytes = test_mac(mac);
    memcpy(key.mac, bytes.data, 6);
    free(bytes.data);
    return get(SKR_TABLE_RECORDS_MAC, &key, &record) ? record.ifindex : 0;
}

static bool holds(uint32_t segment, uint32_t v4)
{
    struct skr_address address = test_address(v4);
    struct skr_abi_ca_key key = {.vsid = segment};
    struct skr_abi_ca_record record;
    memcpy(key.ca.bytes, address.bytes, 16);
    return get(SKR_TABLE_RECORDS_CA, &key, &record);
}

/* The MAC that stands with the address, as its last byte; -1: none. */
static int holder_of(uint32_t segment, uint32_t v4)
{
    struct skr_address address = test_address(v4);
    struct skr_abi_ca_key key = {.vsid = segment};
    struct skr_abi_ca_record record;
    memcpy(key.ca.bytes, address.bytes, 16);
    return get(SKR_TABLE_RECORDS_CA, &key, &record) ? record.mac[5] : -1;
}

static bool segment_there(uint32_t segment, struct skr_abi_subnet *ret)
{
    return get(SKR_TABLE_SUBNETS, &segment, ret);
}

static void bound(struct skr_uuid id, uint32_t ifindex)
{
    skr_program_bind(program, &id, ifindex, false);
}

/* A port without addresses may have any that nobody has; the gateway's is somebody's: the router's on the wire. */
Test(segments, the_gateway_is_never_a_ports)
{
    static const uint8_t gateway[6] = SKR_GATEWAY_MAC_BYTES;
    struct skr_uuid id = test_id(0xad, 1), other = test_id(0xad, 2);
    Skerry__V1__Port *port = body_vlan_port("eth0", 10, 1, 0), *second = body_vlan_port("eth0", 10, 2, 0);
    port->gateway = test_v4(CA - 1);
    second->gateway = test_v4(CA - 1);
    skr_program_uplink(program, "eth0", UPLINK, 1500);
    give_port(id, port);
    give_port(other, second);
    bound(id, BOUND);
    bound(other, BOUND + 1);
    cr_assert(port_on(BOUND).flags & SKR_PORT_ANY_ADDRESS);
    cr_assert_eq(holder_of(SEGMENT, CA - 1), gateway[5]);
    bound(id, 0);
    cr_assert_eq(holder_of(SEGMENT, CA - 1), gateway[5], "the other port is still there");
    bound(other, 0);
    cr_assert_eq(holder_of(SEGMENT, CA - 1), -1);
}

Test(segments, a_port_of_a_vlan)
{
    struct skr_uuid id = test_id(0xad, 1), other = test_id(0xad, 2);
    struct skr_abi_subnet subnet = {0};
    give_port(id, body_vlan_port("eth0", 10, 1, CA));
    bound(id, BOUND);
    cr_assert(strstr(failure_of(HOST_SCOPE, self, id), "no_uplink: "));
    cr_assert(port_on(BOUND).flags & SKR_PORT_CLOSED);
    skr_program_uplink(program, "eth0", UPLINK, 1600);
    cr_assert_str_eq(failure_of(HOST_SCOPE, self, id), "");
    cr_assert_eq(port_on(BOUND).vsid, SEGMENT);
    cr_assert_eq(port_on(BOUND).flags & (SKR_PORT_CLOSED | SKR_PORT_ANY_ADDRESS), 0);
    cr_assert_eq(at_mac(SEGMENT, 1), BOUND);
    cr_assert(holds(SEGMENT, CA));
    cr_assert(segment_there(SEGMENT, &subnet) && subnet.mtu == 1600 && !subnet.flags);
    skr_program_uplink(program, "eth0", UPLINK, 1500);
    cr_assert(segment_there(SEGMENT, &subnet) && subnet.mtu == 1500);
    give_port(other, body_vlan_port("eth0", 0, 2, 0));
    bound(other, BOUND + 1);
    cr_assert_eq(port_on(BOUND + 1).vsid, SKR_SEGMENT_OF(UPLINK, 0));
    cr_assert(port_on(BOUND + 1).flags & SKR_PORT_ANY_ADDRESS);
    give_port(id, body_vlan_port("eth0", 11, 3, CA + 1)); /* another VLAN, MAC and address */
    cr_assert(at_mac(SEGMENT, 1) == 0 && !holds(SEGMENT, CA) && !segment_there(SEGMENT, &subnet));
    cr_assert(at_mac(SEGMENT + 1, 3) == BOUND && holds(SEGMENT + 1, CA + 1));
    skr_program_uplink(program, "eth0", 0, 0);
    cr_assert(at_mac(SEGMENT + 1, 3) == 0 && (port_on(BOUND).flags & SKR_PORT_CLOSED));
    give_port(id, NULL);
    give_port(other, NULL);
    uint32_t gone = BOUND;
    struct skr_abi_port port;
    cr_assert(!get(SKR_TABLE_PORTS, &gone, &port));
}

/* The fast path takes the interface out of the record of a port that leaves; nothing puts it back before the port says
 * that it stays. */
Test(segments, a_port_that_has_left)
{
    struct skr_uuid id = test_id(0xad, 1);
    struct skr_abi_mac_key key = {.vsid = SEGMENT};
    struct skr_abi_mac_record record = {.flags = SKR_MAC_WAITS | SKR_MAC_FLIPPED};
    ProtobufCBinaryData mac = test_mac(1);
    memcpy(key.mac, mac.data, 6);
    free(mac.data);
    skr_program_uplink(program, "eth0", UPLINK, 1500);
    bound(id, BOUND);
    for (unsigned i = 0; i < 2; i++) {
        Skerry__V1__Port *port = body_vlan_port("eth0", 10, 1, CA);
        port->leaving = true;
        port->router_guard = i; /* any other change */
        give_port(id, port);
        cr_assert_eq(at_mac(SEGMENT, 1), i ? 0 : BOUND);
        if (i == 0)
            fastpath->ops->put(fastpath, SKR_TABLE_RECORDS_MAC, &key, &record);
    }
    give_port(id, body_vlan_port("eth0", 10, 1, CA)); /* called off */
    cr_assert_eq(at_mac(SEGMENT, 1), BOUND);
    cr_assert(get(SKR_TABLE_RECORDS_MAC, &key, &record) && !record.flags);
}

Test(segments, a_port_follows_its_host_switch)
{
    struct skr_uuid id = test_id(0xad, 1), switch_id = test_id(0x5a, 1), vsid_port = test_id(0xad, 2);
    Skerry__V1__Port *port = body_vlan_port("eth0", 10, 1, CA);
    port->host_switch_id = test_uuid(switch_id);
    skr_program_uplink(program, "eth0", UPLINK, 1500);
    give_port(id, port);
    bound(id, BOUND);
    cr_assert(strstr(failure_of(HOST_SCOPE, self, id), "waiting: "));
    cr_assert(port_on(BOUND).flags & SKR_PORT_CLOSED);
    give(HOST_SCOPE, self, HOST_SWITCH, switch_id, body_host_switch("eth0", "eth1"));
    cr_assert(strstr(failure_of(HOST_SCOPE, self, id), "not_supported: a team of several uplinks"));
    cr_assert(port_on(BOUND).flags & SKR_PORT_CLOSED);
    give(HOST_SCOPE, self, HOST_SWITCH, switch_id, body_host_switch("eth0", NULL));
    cr_assert_str_eq(failure_of(HOST_SCOPE, self, id), "");
    cr_assert_eq(port_on(BOUND).vsid, SEGMENT);
    Skerry__V1__Port *tunneled = (void *)body_port(network, VSID, 2);
    tunneled->host_switch_id = test_uuid(test_id(0x5a, 9));
    give_port(vsid_port, tunneled);
    bound(vsid_port, BOUND + 1);
    cr_assert_eq(port_on(BOUND + 1).vsid, VSID, "a VM subnet's port does not need the switch");
}

static const char *failure_of_port(Skerry__V1__Port *port)
{
    give_port(test_id(0xad, 1), port);
    return failure_of(HOST_SCOPE, self, test_id(0xad, 1));
}

Test(segments, what_ports_ask_for_in_vain)
{
    Skerry__V1__Port *port = body_vlan_port("eth0", 10, 1, CA);
    struct skr_uuid acl = test_id(0xac, 1);
    skr_program_uplink(program, "eth0", UPLINK, 1500);
    bound(test_id(0xad, 1), BOUND);
    port->guest_teaming = true;
    port->maximum_bps = 1;
    port->ieee_priority_tagging = true;
    cr_assert_str_eq(failure_of_port(port), "not_supported: guest_teaming, maximum bandwidth is not supported by this "
                                            "agent; the port works without it");
    cr_assert_eq(port_on(BOUND).vsid, SEGMENT);
    cr_assert(port_on(BOUND).flags & SKR_PORT_PRIORITY);
    port = body_vlan_port("eth0", 10, 1, CA);
    port->isolation = SKERRY__V1__ISOLATION__ISOLATION_PVLAN;
    cr_assert(strstr(failure_of_port(port), "not_supported: isolation pvlan"));
    cr_assert(port_on(BOUND).vsid == 0 && port_on(BOUND).flags & SKR_PORT_CLOSED && at_mac(SEGMENT, 1) == 0);
    port = body_vlan_port("eth0", 10, 1, CA);
    port->isolation = 9;
    cr_assert(strstr(failure_of_port(port), "not_supported: this isolation"));
    port = body_vlan_port("eth0", 10, 1, CA);
    port->access_control_list_ids = malloc(sizeof(*port->access_control_list_ids));
    port->access_control_list_ids[0] = test_uuid(acl);
    port->n_access_control_list_ids = 1;
    cr_assert(strstr(failure_of_port(port), "not_supported: an access control list"));
    cr_assert(port_on(BOUND).flags & SKR_PORT_CLOSED);
    give(HOST_SCOPE, self, ACL, acl, TEST_NEW(Skerry__V1__AccessControlList, skerry__v1__access_control_list__init));
    cr_assert(strstr(failure_of(HOST_SCOPE, self, acl), "not_supported: an access control list"));
    cr_assert_str_eq(failure_of_port(body_vlan_port("eth0", 10, 1, CA)), "");
    cr_assert_eq(port_on(BOUND).vsid, SEGMENT);
}

Test(segments, types_of_a_newer_controller)
{
    struct skr_uuid id = test_id(1, 1);
    Skerry__V1__Delta *delta = delta_new(HOST_SCOPE, self, 0, 2);
    bool complete = false;
    delta->digest = delta_upsert_bytes(delta, 99, id, "\xff\xff", 2);
    cr_assert_eq(skr_desired_delta(desired, delta, &complete, &error), 0, "%s", error.detail);
    cr_assert(complete);
    delta_free(delta);
    cr_assert(strstr(failure_of(HOST_SCOPE, self, id), "not_supported: an object of this type"));
    give(DOMAIN_SCOPE, network, 98, id, body_host("anything"));
    cr_assert(strstr(failure_of(DOMAIN_SCOPE, network, id), "not_supported: "));
    give(DOMAIN_SCOPE, network, 98, id, NULL);
    give(HOST_SCOPE, self, 99, id, NULL);
    cr_assert_str_eq(failure_of(HOST_SCOPE, self, id), "");
}

Test(segments, a_provider_address_on_a_tagged_site)
{
    Skerry__V1__ProviderAddress *pa = (void *)body_pa(0xc0000201, logical);
    struct skr_uuid id = test_id(0x9a, 1);
    struct skr_address address = test_address(0xc0000201);
    struct skr_abi_subnet subnet = {0};
    struct skr_abi_own_pa own;
    struct skr_abi_address key;
    struct skr_abi_route_key fabric = {.prefix_bits = 32 + 120};
    struct skr_abi_route route;
    struct skr_address first = test_address(0xc0000200);
    memcpy(key.bytes, address.bytes, 16);
    memcpy(fabric.destination.bytes, first.bytes, 16);
    pa->vlan_id = 10;
    give(HOST_SCOPE, self, PA, id, pa);
    cr_assert(get(SKR_TABLE_ROUTES, &fabric, &route), "its subnet is out of bounds at once");
    skr_program_own_pa(program, &address, UPLINK, 1500);
    cr_assert(segment_there(SEGMENT, &subnet) && subnet.flags == SKR_SUBNET_HOST);
    cr_assert(get(SKR_TABLE_OWN_PAS, &key, &own) && own.vlan_id == 10 && own.ifindex == UPLINK);
    skr_program_uplink(program, "eth0", UPLINK, 1500);
    give_port(test_id(0xad, 1), body_vlan_port("eth0", 10, 1, CA));
    bound(test_id(0xad, 1), BOUND);
    skr_program_own_pa(program, &address, 0, 0);
    cr_assert(segment_there(SEGMENT, &subnet) && !subnet.flags, "the port is still there");
    skr_program_own_pa(program, &address, UPLINK, 1500);
    give(HOST_SCOPE, self, PA, id, NULL);
    cr_assert(segment_there(SEGMENT, &subnet) && !subnet.flags);
    cr_assert(!get(SKR_TABLE_ROUTES, &fabric, &route));
}

/* ---- VM networks ---- */

static void domain_scope(void)
{
    give(DOMAIN_SCOPE, network, DOMAIN_OBJECT, network, body_domain(9, logical));
    give(DOMAIN_SCOPE, network, SUBNET, test_id(0x5b, VSID), body_subnet(VSID, 0x0a000000, 24));
}

static bool route_to(uint32_t prefix, uint32_t length, struct skr_abi_route *ret)
{
    struct skr_address address = test_address(prefix);
    struct skr_abi_route_key key = {.prefix_bits = 32 + 96 + length, .domain = htonl(9)};
    memcpy(key.destination.bytes, address.bytes, 16);
    return get(SKR_TABLE_ROUTES, &key, ret);
}

static uint32_t next_hop_of(uint32_t prefix, uint32_t length)
{
    struct skr_abi_route route = {0};
    return route_to(prefix, length, &route) && route.vsid == VSID ? ntohl(route.next_hop.words[3]) : 0;
}

static void give_route(uint32_t number, Skerry__V1__CustomerRoute *route)
{
    give(DOMAIN_SCOPE, network, CUSTOMER_ROUTE, test_id(0xc7, number), route);
}

Test(segments, customer_routes)
{
    struct skr_abi_route route = {0};
    give_route(1, body_customer_route(0xac100000, 12, 0x0a000005, 20));
    cr_assert(strstr(failure_of(DOMAIN_SCOPE, network, test_id(0xc7, 1)), "waiting: the VM network"));
    domain_scope();
    cr_assert_str_eq(failure_of(DOMAIN_SCOPE, network, test_id(0xc7, 1)), "");
    cr_assert_eq(next_hop_of(0xac100000, 12), 0x0a000005);
    give_route(2, body_customer_route(0xac100000, 12, 0x0a000006, 10)); /* a lower metric */
    cr_assert_eq(next_hop_of(0xac100000, 12), 0x0a000006);
    give_route(2, body_customer_route(0xac100000, 12, 0x0a000006, 20)); /* the lower id */
    cr_assert_eq(next_hop_of(0xac100000, 12), 0x0a000005);
    give_route(1, NULL);
    cr_assert_eq(next_hop_of(0xac100000, 12), 0x0a000006);
    give_route(3, body_customer_route(0x0a000000, 24, 0x0a000006, 0)); /* what the subnet is itself */
    cr_assert(route_to(0x0a000000, 24, &route) && route.next_hop.words[3] == 0);
    give_route(4, body_customer_route(0, 0, 0x0b000001, 0));
    cr_assert(strstr(failure_of(DOMAIN_SCOPE, network, test_id(0xc7, 4)), "waiting: the VM subnet"));
    give(DOMAIN_SCOPE, network, SUBNET, test_id(0x5b, VSID), NULL);
    cr_assert_eq(next_hop_of(0xac100000, 12), 0);
    cr_assert(strstr(failure_of(DOMAIN_SCOPE, network, test_id(0xc7, 2)), "waiting: the VM subnet"));
}

Test(segments, a_subnet_with_an_access_control_list_closes_its_ports)
{
    Skerry__V1__Subnet *subnet = (void *)body_subnet(VSID, 0x0a000000, 24);
    subnet->access_control_list_ids = malloc(sizeof(*subnet->access_control_list_ids));
    subnet->access_control_list_ids[0] = test_uuid(test_id(0xac, 1));
    subnet->n_access_control_list_ids = 1;
    give_port(test_id(0xad, 1), (void *)body_port(network, VSID, 1));
    bound(test_id(0xad, 1), BOUND);
    domain_scope();
    cr_assert_eq(port_on(BOUND).vsid, VSID);
    give(DOMAIN_SCOPE, network, SUBNET, test_id(0x5b, VSID), subnet);
    cr_assert(port_on(BOUND).vsid == 0 && port_on(BOUND).flags & SKR_PORT_CLOSED);
    cr_assert(strstr(failure_of(HOST_SCOPE, self, test_id(0xad, 1)), "not_supported: "));
    cr_assert(strstr(failure_of(DOMAIN_SCOPE, network, test_id(0x5b, VSID)), "not_supported: "));
    domain_scope();
    cr_assert_eq(port_on(BOUND).vsid, VSID);
    cr_assert_str_eq(failure_of(HOST_SCOPE, self, test_id(0xad, 1)), "");
}

/* ---- IPv6, which tunnels do not carry ---- */

static ProtobufCBinaryData v6(uint8_t last)
{
    const uint8_t bytes[16] = {0xfd, [7] = 1, [15] = last};
    return test_bytes(bytes, sizeof(bytes));
}

static void replace_bytes(ProtobufCBinaryData *field, ProtobufCBinaryData by)
{
    free(field->data);
    *field = by;
}

Test(segments, an_ipv6_subnet_closes_its_ports_and_says_so)
{
    const struct skr_uuid port = test_id(0xad, 1), subnet_id = test_id(0x5b, VSID);
    Skerry__V1__Subnet *subnet = (void *)body_subnet(VSID, 0x0a000000, 24);
    replace_bytes(&subnet->prefix, v6(0));
    replace_bytes(&subnet->gateway, v6(1));
    subnet->prefix_length = 64;
    give(DOMAIN_SCOPE, network, DOMAIN_OBJECT, network, body_domain(9, logical));
    give(DOMAIN_SCOPE, network, SUBNET, subnet_id, subnet);
    give_port(port, (void *)body_port(network, VSID, 1));
    bound(port, BOUND);
    cr_assert(port_on(BOUND).vsid == 0 && port_on(BOUND).flags & SKR_PORT_CLOSED);
    cr_assert_str_eq(failure_of(HOST_SCOPE, self, port),
                     "not_supported: an IPv6 VM subnet is not supported by this agent, so its ports are closed");
    cr_assert_str_eq(failure_of(DOMAIN_SCOPE, network, subnet_id),
                     "not_supported: an IPv6 VM subnet is not supported by this agent, so its ports are closed");
    domain_scope();
    cr_assert(port_on(BOUND).vsid == VSID && !(port_on(BOUND).flags & SKR_PORT_CLOSED));
    cr_assert_str_eq(failure_of(HOST_SCOPE, self, port), "");
    cr_assert_str_eq(failure_of(DOMAIN_SCOPE, network, subnet_id), "");
}

Test(segments, the_ipv4_half_of_a_port_goes_on)
{
    const struct skr_uuid id = test_id(0xad, 1);
    Skerry__V1__Port *port = (void *)body_port(network, VSID, 1);
    port->addresses = malloc(2 * sizeof(*port->addresses));
    port->addresses[0] = test_v4(0x0a000005);
    port->addresses[1] = v6(5);
    port->n_addresses = 2;
    domain_scope();
    give_port(id, port);
    bound(id, BOUND);
    cr_assert_eq(port_on(BOUND).vsid, VSID);
    cr_assert_str_eq(failure_of(HOST_SCOPE, self, id),
                     "not_supported: an IPv6 address is not supported by this agent; the port works without it");
    port = body_vlan_port("eth0", 10, 1, CA);
    replace_bytes(&port->addresses[0], v6(5));
    skr_program_uplink(program, "eth0", UPLINK, 1500);
    give_port(id, port);
    cr_assert_str_eq(failure_of(HOST_SCOPE, self, id), "", "in a VLAN IPv6 works");
}

Test(segments, an_ipv6_record_is_no_address_of_a_tunnel)
{
    const struct skr_uuid id = test_id(0x7e, 1);
    const struct skr_uuid host = test_id(0x05, 2), adapter = test_id(0xad, 5);
    Skerry__V1__Record *record = (void *)body_record(VSID, 0x0a000005, 5, 0xc0000202, host, adapter);
    struct skr_abi_ca_key key = {.vsid = VSID};
    struct skr_abi_ca_record found;
    replace_bytes(&record->customer_address, v6(5));
    memcpy(key.ca.bytes, record->customer_address.data, 16);
    domain_scope();
    give(DOMAIN_SCOPE, network, RECORD, id, record);
    cr_assert(!get(SKR_TABLE_RECORDS_CA, &key, &found));
    cr_assert_str_eq(failure_of(DOMAIN_SCOPE, network, id),
                     "not_supported: an IPv6 customer address is not supported by this agent");
    give(DOMAIN_SCOPE, network, RECORD, id, body_record(VSID, 0x0a000005, 5, 0xc0000202, host, adapter));
    cr_assert(holds(VSID, 0x0a000005));
    cr_assert_str_eq(failure_of(DOMAIN_SCOPE, network, id), "");
}

Test(segments, ipv6_routes_and_provider_addresses)
{
    const struct skr_uuid id = test_id(0x9a, 1);
    Skerry__V1__CustomerRoute *route = body_customer_route(0, 0, 0x0a000005, 1);
    Skerry__V1__ProviderAddress *pa = (void *)body_pa(0xc0000201, logical);
    replace_bytes(&route->destination, v6(0));
    replace_bytes(&route->next_hop, v6(5));
    route->prefix_length = 64;
    replace_bytes(&pa->address, v6(9));
    domain_scope();
    give_route(1, route);
    cr_assert_str_eq(failure_of(DOMAIN_SCOPE, network, test_id(0xc7, 1)),
                     "not_supported: a customer route of IPv6 is not supported by this agent");
    give(HOST_SCOPE, self, PA, id, pa);
    cr_assert_str_eq(failure_of(HOST_SCOPE, self, id),
                     "not_supported: an IPv6 provider address is not supported by this agent");
    cr_assert(strstr(failure_of(DOMAIN_SCOPE, network, network), "no_provider_address: "));
    give(HOST_SCOPE, self, PA, id, body_pa(0xc0000201, logical));
    cr_assert_str_eq(failure_of(DOMAIN_SCOPE, network, network), "");
}

/* An enum's value that this agent does not know: what has it fails, closed, and nothing else. */
Test(segments, values_of_a_newer_controller)
{
    struct skr_uuid strange = test_id(0xec, 1), known = test_id(0xec, 2), host = test_id(5, 2);
    struct skr_abi_mac_record record;
    struct skr_abi_subnet subnet;
    uint32_t vsid = VSID;
    domain_scope();
    cr_assert(get(SKR_TABLE_SUBNETS, &vsid, &subnet));
    Skerry__V1__Record *body = (void *)body_record(VSID, 0x0a000005, 1, 0xc0000202, host, test_id(0xad, 7));
    body->type = 17;
    give(DOMAIN_SCOPE, network, RECORD, strange, body);
    give(DOMAIN_SCOPE, network, RECORD, known, body_record(VSID, 0x0a000006, 2, 0xc0000202, host, test_id(0xad, 8)));
    struct skr_abi_mac_key mac = {.vsid = VSID};
    ProtobufCBinaryData bytes = test_mac(1);
    memcpy(mac.mac, bytes.data, 6);
    free(bytes.data);
    cr_assert_not(get(SKR_TABLE_RECORDS_MAC, &mac, &record));
    bytes = test_mac(2);
    memcpy(mac.mac, bytes.data, 6);
    free(bytes.data);
    cr_assert(get(SKR_TABLE_RECORDS_MAC, &mac, &record));
    cr_assert(strstr(failure_of(DOMAIN_SCOPE, network, strange), "not_supported: this type of record"));
    cr_assert_str_eq(failure_of(DOMAIN_SCOPE, network, known), "");
    give(DOMAIN_SCOPE, network, RECORD, strange, body_record(VSID, 0x0a000005, 1, 0xc0000202, host, test_id(0xad, 7)));
    cr_assert_str_eq(failure_of(DOMAIN_SCOPE, network, strange), "");

    Skerry__V1__Domain *domain = (void *)body_domain(1, logical);
    domain->encapsulation = 5;
    give(DOMAIN_SCOPE, network, DOMAIN_OBJECT, network, domain);
    cr_assert(strstr(failure_of(DOMAIN_SCOPE, network, network), "not_supported: this encapsulation"));
    cr_assert(strstr(failure_of(DOMAIN_SCOPE, network, test_id(0x5b, VSID)), "not_supported: this encapsulation"));
    cr_assert_not(get(SKR_TABLE_SUBNETS, &vsid, &subnet), "a guess at the encapsulation would be worse than none");
    give(DOMAIN_SCOPE, network, DOMAIN_OBJECT, network, body_domain(1, logical));
    cr_assert_not(strstr(failure_of(DOMAIN_SCOPE, network, network), "not_supported"));
    cr_assert(get(SKR_TABLE_SUBNETS, &vsid, &subnet));
}

/* ---- whose the addresses of ports on other hosts are ---- */

static void give_holder(struct skr_uuid vm_network, uint32_t number, uint32_t address, uint32_t mac)
{
    Skerry__V1__Holder *holder = TEST_NEW(Skerry__V1__Holder, skerry__v1__holder__init);
    holder->address = test_v4(address);
    holder->mac = test_mac(mac);
    give(DOMAIN_SCOPE, vm_network, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOLDER, test_id(0xec, number), holder);
}

static void forget_holder(struct skr_uuid vm_network, uint32_t number)
{
    give(DOMAIN_SCOPE, vm_network, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOLDER, test_id(0xec, number), NULL);
}

Test(segments, addresses_of_a_vm_network_stand_where_it_has_ports)
{
    const uint32_t second_segment = SKR_SEGMENT_OF(UPLINK, 20);
    struct skr_uuid vm_network = test_id(0xaa, 77), first = test_id(0xad, 1), second = test_id(0xad, 2);
    skr_program_uplink(program, "eth0", UPLINK, 1500);
    give_holder(vm_network, 1, CA + 1, 7);
    give_holder(test_id(0xaa, 78), 2, CA + 2, 8);
    cr_assert_not(holds(SEGMENT, CA + 1), "there is no port here");
    give_port(first, body_vlan_port("eth0", 10, 1, 0));
    bound(first, BOUND);
    cr_assert_eq(holder_of(SEGMENT, CA + 1), 7);
    cr_assert_not(holds(SEGMENT, CA + 2), "another VM network's");
    cr_assert_eq(at_mac(SEGMENT, 7), 0, "it is not here, and nothing is sent anywhere by it");
    give_holder(vm_network, 3, CA + 3, 9);
    cr_assert_eq(holder_of(SEGMENT, CA + 3), 9);
    give_holder(vm_network, 3, CA + 4, 9);
    cr_assert_not(holds(SEGMENT, CA + 3));
    cr_assert_eq(holder_of(SEGMENT, CA + 4), 9);
    give_port(second, body_vlan_port("eth0", 20, 2, 0));
    bound(second, BOUND + 1);
    cr_assert_eq(holder_of(second_segment, CA + 1), 7);
    give_port(first, body_vlan_port("eth0", 20, 1, 0)); /* it changes its VLAN */
    cr_assert_not(holds(SEGMENT, CA + 1));
    cr_assert_eq(holder_of(second_segment, CA + 4), 9);
    forget_holder(vm_network, 3);
    cr_assert_not(holds(second_segment, CA + 4));
    give_port(first, NULL);
    cr_assert_eq(holder_of(second_segment, CA + 1), 7);
    give_port(second, NULL);
    cr_assert_not(holds(second_segment, CA + 1));
}

/* The port's own entry and the VM network's are one: whichever goes, the other stays. */
Test(segments, an_address_of_a_port_here_is_in_its_vm_network_too)
{
    struct skr_uuid vm_network = test_id(0xaa, 77), id = test_id(0xad, 1), other = test_id(0xad, 2);
    skr_program_uplink(program, "eth0", UPLINK, 1500);
    give_port(other, body_vlan_port("eth0", 10, 2, 0));
    bound(other, BOUND + 1);
    give_holder(vm_network, 1, CA, 1);
    give_port(id, body_vlan_port("eth0", 10, 1, CA));
    bound(id, BOUND);
    cr_assert_eq(holder_of(SEGMENT, CA), 1);
    give_port(id, NULL); /* to another host */
    cr_assert_eq(holder_of(SEGMENT, CA), 1, "it is still somebody's");
    forget_holder(vm_network, 1);
    cr_assert_not(holds(SEGMENT, CA));
}

static unsigned written, removed;
static const struct skr_fastpath_ops *real;

static int count_put(struct skr_fastpath *there, enum skr_fastpath_table table, const void *key, const void *value)
{
    written += table == SKR_TABLE_RECORDS_CA;
    return real->put(there, table, key, value);
}

static int count_removal(struct skr_fastpath *there, enum skr_fastpath_table table, const void *key)
{
    removed += table == SKR_TABLE_RECORDS_CA;
    return real->remove(there, table, key);
}

Test(segments, a_port_that_is_written_again_writes_no_address_of_others)
{
    struct skr_uuid vm_network = test_id(0xaa, 77), id = test_id(0xad, 1);
    static struct skr_fastpath_ops ops;
    real = fastpath->ops;
    ops = *real;
    ops.put = count_put;
    ops.remove = count_removal;
    fastpath->ops = &ops;
    skr_program_uplink(program, "eth0", UPLINK, 1500);
    for (uint32_t n = 1; n <= 200; n++)
        give_holder(vm_network, n, CA + n, 100 + n % 100);
    give_port(id, body_vlan_port("eth0", 10, 1, 0));
    bound(id, BOUND);
    cr_assert_eq(written, 200);
    Skerry__V1__Port *again = body_vlan_port("eth0", 10, 1, 0);
    again->dhcp_guard = !again->dhcp_guard;
    give_port(id, again);
    bound(id, BOUND + 5);
    give_holder(vm_network, 3, CA + 3, 55);
    cr_assert(written == 201 && removed == 0, "%u written, %u removed", written, removed);
    fastpath->ops = real;
}

/* A network without network virtualization has nothing else, and a member that says nothing waits for nothing. */
Test(segments, a_member_without_addresses_waits_for_nothing)
{
    struct skr_uuid vm_network = test_id(0xaa, 77), there = test_id(5, 9);
    give(DOMAIN_SCOPE, vm_network, MEMBER, there, TEST_NEW(Skerry__V1__Member, skerry__v1__member__init));
    cr_assert_str_eq(failure_of(DOMAIN_SCOPE, vm_network, there), "");
}
