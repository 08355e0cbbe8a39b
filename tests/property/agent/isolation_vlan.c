/* Ports of VLANs and untagged networks beside those of tenants: made, programmed, judged. A frame reaches ports of its
 * own VLAN of its own uplink, or the wire with that tag, and nobody else. */
#include "tests/property/agent/isolation.h"

#include <arpa/inet.h>
#include <string.h>

#define OUTSIDE      0x0a0000fau
#define FABRIC       0xc0a80100u /* the subnet of our own provider addresses */
#define FABRIC_IP(i) (FABRIC + 1 + (i))

static const uint8_t outside_mac[6] = {2, 9, 9, 9, 9, 9};

unsigned vlan_interface(unsigned port)
{
    return INTERFACES - UPLINKS - 1 - VLAN_PORTS + port;
}

static uint32_t uplink_index(unsigned uplink)
{
    return interface_index[INTERFACES - UPLINKS + uplink];
}

static uint32_t segment_of(const struct model_vlan_port *port)
{
    return SKR_SEGMENT_OF(uplink_index(port->uplink), port->vlan);
}

static bool same_segment(const struct model_vlan_port *a, const struct model_vlan_port *b)
{
    return a->vlan == b->vlan && a->uplink == b->uplink;
}

void vlan_make(struct model *model)
{
    model->vlan_mtu = 400 + random_below(800);
    for (unsigned i = 0; i < VLAN_PORTS; i++) {
        struct model_vlan_port *port = &model->vlan_ports[i];
        const struct model_adapter *twin = &model->adapters[random_below(model->adapter_count)];

        *port = (struct model_vlan_port){.uplink = random_below(UPLINKS),
                                         .vlan = 10 * random_below(3),
                                         .ip = random_percent(50) ? twin->ip : 0x0a000020 + i,
                                         .closed = random_percent(8)};
        memcpy(port->mac, (uint8_t[]){2, 1, 0, 0, 0, (uint8_t)i}, 6);
        if (random_percent(40))
            memcpy(port->mac, twin->mac, 6);
        for (unsigned other = 0; other < i; other++)
            if (same_segment(port, &model->vlan_ports[other]) &&
                (!memcmp(port->mac, model->vlan_ports[other].mac, 6) || port->ip == model->vlan_ports[other].ip)) {
                port->mac[3] = (uint8_t)(200 + i);
                port->ip = 0x0a000080 + i;
            }
        port->flags =
                (random_percent(85) ? SKR_PORT_ARP_ND_INSPECTION : 0) | (random_percent(80) ? SKR_PORT_DHCP_GUARD : 0) |
                (random_percent(80) ? SKR_PORT_ROUTER_GUARD : 0) | (random_percent(30) ? SKR_PORT_ANY_ADDRESS : 0) |
                (random_percent(15) ? SKR_PORT_MAC_SPOOFING : 0) | (random_percent(50) ? SKR_PORT_PEER : 0);
    }
}

static struct skr_abi_address local(uint32_t ifindex)
{
    struct skr_abi_address address = {.bytes = {SKR_FLOOD_LOCAL}};

    address.words[3] = htonl(ifindex);
    return address;
}

static void put_port(const struct model *model, const struct programs *programs, unsigned number,
                     struct skr_abi_address next)
{
    const struct model_vlan_port *from = &model->vlan_ports[number];
    uint32_t segment = segment_of(from), ifindex = interface_index[vlan_interface(number)];
    struct skr_abi_port port = {.vsid = from->closed ? 0 : segment,
                                .flags = from->flags | (from->closed ? SKR_PORT_CLOSED : 0)};
    struct skr_abi_subnet subnet = {.mtu = model->vlan_mtu};
    struct skr_abi_mac_key mac = {.vsid = segment};
    struct skr_abi_mac_record record = {.ifindex = ifindex};
    struct skr_abi_ca_key ca = {.vsid = segment, .ca = programs_v4(from->ip)};
    struct skr_abi_ca_record holder = {0};
    struct skr_abi_flood_key at = {.vsid = segment, .receiver = local(ifindex)}, head = at;

    memcpy(port.mac, from->mac, 6);
    memcpy(mac.mac, from->mac, 6);
    memcpy(holder.mac, from->mac, 6);
    programs_put(programs, "ports", &ifindex, &port);
    if (from->closed)
        return;
    programs_put(programs, "subnets", &segment, &subnet);
    programs_put(programs, "records_mac", &mac, &record);
    programs_put(programs, "records_ca", &ca, &holder);
    programs_put(programs, "flood", &at, &(struct skr_abi_flood){.next = next});
    head.receiver = local(0);
    programs_put(programs, "flood", &head, &(struct skr_abi_flood){.next = at.receiver});
}

void vlan_program(const struct model *model, const struct programs *programs)
{
    struct skr_abi_route_key fabric = {.prefix_bits = 32 + 120, .destination = programs_v4(FABRIC)};

    programs_put(programs, "routes", &fabric, &(struct skr_abi_route){0});
    for (unsigned i = VLAN_PORTS; i-- > 0;) {
        struct skr_abi_address next = {0};

        for (unsigned after = VLAN_PORTS; --after > i;)
            if (!model->vlan_ports[after].closed && same_segment(&model->vlan_ports[after], &model->vlan_ports[i]))
                next = local(interface_index[vlan_interface(after)]);
        put_port(model, programs, i, next);
    }
}

/* ---- packets ---- */

static void vlan_spoil(const struct model *model, struct packet *packet)
{
    const struct model_vlan_port *other = &model->vlan_ports[random_below(VLAN_PORTS)];

    switch (random_below(14)) {
    case 0:
        memcpy(packet->source, random_percent(80) ? other->mac : gateway_mac, 6);
        break;
    case 1:
        packet->source_ip = random_percent(50) ? other->ip : OUTSIDE;
        break;
    case 2:
        packet->tagged = true;
        break;
    case 3:
        packet->source_port = random_percent(50) ? 67 : 4000;
        packet->destination_port = random_percent(50) ? 68 : 67;
        packet->bootp = (uint8_t)random_below(3);
        break;
    case 4:
        packet->protocol = 1, packet->icmp_type = random_percent(40) ? 9 : random_percent(50) ? 5 : 8;
        break;
    case 5:
        packet->destination_ip = FABRIC_IP(random_below(254));
        break;
    case 6:
        packet->source_ip = FABRIC_IP(random_below(254));
        break;
    case 7:
        packet->ethertype = ETHERTYPE_IPV6, packet->payload = 60;
        break;
    case 8:
        packet->ethertype = 0x88b5, packet->payload = random_below(40);
        break;
    case 9:
        packet->payload = 200 + random_below(1200);
        break;
    case 10:
        packet->cut = random_percent(50);
        packet->wrong_checksum = !packet->cut;
        break;
    case 11:
        memcpy(packet->destination, (uint8_t[]){1, 0x80, 0xc2, 0, 0, (uint8_t)random_below(100)}, 6);
        if (random_percent(30))
            memcpy(packet->destination, "\1\0\xc\xcc\xcc\xcd", 6);
        break;
    case 12:
        packet->source_ip = 0;
        break;
    default:
        packet->gso_size = 100 + random_below(600), packet->payload = 1200;
    }
}

static void vlan_arp(const struct model *model, struct packet *packet)
{
    const struct model_vlan_port *other = &model->vlan_ports[random_below(VLAN_PORTS)];

    packet->ethertype = ETHERTYPE_ARP;
    packet->arp.operation = random_percent(80) ? 1 : 2;
    memcpy(packet->arp.sender_mac, random_percent(90) ? packet->source : other->mac, 6);
    packet->arp.sender = random_percent(80) ? packet->source_ip : random_percent(50) ? other->ip : 0;
    packet->arp.target = random_percent(85) ? other->ip : FABRIC_IP(random_below(254));
    if (random_percent(70))
        memcpy(packet->destination, broadcast_mac, 6);
}

void vlan_packet_make(const struct model *model, struct packet *packet)
{
    unsigned number = random_below(VLAN_PORTS);
    const struct model_vlan_port *from = &model->vlan_ports[number], *to = &model->vlan_ports[random_below(VLAN_PORTS)];

    for (unsigned attempt = 0; attempt < 8 && !same_segment(from, to); attempt++)
        to = &model->vlan_ports[random_below(VLAN_PORTS)];
    memcpy(packet->destination, random_percent(80) ? to->mac : outside_mac, 6);
    packet->destination_ip = to->ip;
    if (random_percent(15))
        memcpy(packet->destination, random_percent(50) ? broadcast_mac : (const uint8_t *)"\1\0\x5e\0\0\1", 6);
    if (random_percent(55)) {
        packet->vlan_port = (int)number;
        packet->interface = vlan_interface(number);
        memcpy(packet->source, from->mac, 6);
        packet->source_ip = from->ip;
        if (random_percent(15))
            vlan_arp(model, packet);
        else if (random_percent(35))
            vlan_spoil(model, packet);
        return;
    }
    packet->wire = packet->plain = true;
    memcpy(packet->source, outside_mac, 6);
    packet->source_ip = OUTSIDE;
    packet->interface = INTERFACES - UPLINKS + (random_percent(85) ? to->uplink : random_below(UPLINKS));
    packet->vlan = random_percent(85) ? to->vlan : 10 * random_below(4);
    if (random_percent(20))
        vlan_spoil(model, packet);
    packet->tagged = false;
    packet->gso_size = 0;
}

/* ---- the oracle ---- */

static struct expectation dropped(uint32_t reason)
{
    return (struct expectation){.verdict = SKR_VERDICT_DROP, .reason = reason};
}

static bool is_fabric(uint32_t ip)
{
    return (ip & 0xffffff00) == FABRIC;
}

static int receiver(const struct model *model, const struct model_vlan_port *place, const uint8_t *mac)
{
    for (int i = 0; i < VLAN_PORTS; i++)
        if (!model->vlan_ports[i].closed && same_segment(&model->vlan_ports[i], place) &&
            !memcmp(model->vlan_ports[i].mac, mac, 6))
            return i;
    return NOWHERE;
}

static uint32_t copies(const struct model *model, const struct model_vlan_port *place, int except)
{
    uint32_t sum = 0;

    for (int i = 0; i < VLAN_PORTS; i++)
        if (i != except && !model->vlan_ports[i].closed && same_segment(&model->vlan_ports[i], place))
            sum += interface_index[vlan_interface((unsigned)i)];
    return sum;
}

static bool may_use(const struct model *model, const struct model_vlan_port *from, const uint8_t *mac, uint32_t ip)
{
    for (unsigned i = 0; i < VLAN_PORTS; i++)
        if (!model->vlan_ports[i].closed && same_segment(&model->vlan_ports[i], from) && model->vlan_ports[i].ip == ip)
            return !memcmp(model->vlan_ports[i].mac, mac, 6);
    return from->flags & SKR_PORT_ANY_ADDRESS;
}

static uint32_t guarded(const struct model *model, const struct packet *packet, const struct model_vlan_port *from)
{
    const struct arp_fields *arp = &packet->arp;

    if (packet->ethertype == ETHERTYPE_IPV6) /* from an address that nobody holds */
        return from->flags & SKR_PORT_ANY_ADDRESS ? 0 : SKR_DROP_SOURCE_ADDRESS;
    if (packet->ethertype == ETHERTYPE_ARP) {
        if (is_fabric(arp->sender) || is_fabric(arp->target))
            return SKR_DROP_PROVIDER_SUBNET;
        return from->flags & SKR_PORT_ARP_ND_INSPECTION &&
                               (memcmp(arp->sender_mac, packet->source, 6) != 0 ||
                                (arp->sender ? !may_use(model, from, packet->source, arp->sender)
                                             : arp->operation != 1))
                       ? SKR_DROP_ARP_SPOOFED
                       : 0;
    }
    if (packet->ethertype != ETHERTYPE_IP) /* what a guard cannot read */
        return from->flags & (SKR_PORT_ARP_ND_INSPECTION | SKR_PORT_DHCP_GUARD | SKR_PORT_ROUTER_GUARD)
                       ? SKR_DROP_UNREADABLE
                       : 0;
    if (is_dhcp_answer(packet) && from->flags & SKR_PORT_DHCP_GUARD)
        return SKR_DROP_DHCP_GUARD;
    if (packet->protocol == 1 && (packet->icmp_type == 9 || packet->icmp_type == 5) &&
        from->flags & SKR_PORT_ROUTER_GUARD)
        return SKR_DROP_ROUTER_GUARD;
    if (is_fabric(packet->source_ip) || is_fabric(packet->destination_ip))
        return SKR_DROP_PROVIDER_SUBNET;
    return !packet->source_ip || may_use(model, from, packet->source, packet->source_ip) ? 0 : SKR_DROP_SOURCE_ADDRESS;
}

static struct expectation from_port(const struct model *model, const struct packet *packet)
{
    const struct model_vlan_port *from = &model->vlan_ports[packet->vlan_port];
    uint32_t reason, segment = segment_of(from), uplink = uplink_index(from->uplink);
    int to;

    if (packet->tagged)
        return dropped(SKR_DROP_GUEST_VLAN_TAG);
    if (packet->ethertype == ETHERTYPE_IP && packet->cut && !packet->gso_size)
        return dropped(SKR_DROP_TRUNCATED);
    if (packet->ethertype == ETHERTYPE_IP && packet->wrong_checksum && !packet->gso_size)
        return dropped(SKR_DROP_CHECKSUM);
    if (memcmp(packet->source, from->mac, 6) != 0 &&
        (!(from->flags & SKR_PORT_MAC_SPOOFING) || !memcmp(packet->source, gateway_mac, 6)))
        return dropped(SKR_DROP_SOURCE_MAC);
    if (from->closed)
        return dropped(SKR_DROP_PORT_CLOSED);
    reason = bridge_reason(packet->destination);
    if (!reason)
        reason = guarded(model, packet, from);
    if (!reason && ip_length(packet) > model->vlan_mtu)
        reason = SKR_DROP_TOO_BIG;
    if (reason)
        return dropped(reason);
    if (packet->destination[0] & 1)
        return (struct expectation){SKR_VERDICT_FLOOD, 0, copies(model, from, packet->vlan_port), segment, uplink};
    to = receiver(model, from, packet->destination);
    if (to == NOWHERE)
        return (struct expectation){SKR_VERDICT_UPLINK, 0, uplink, segment, 0};
    return (struct expectation){SKR_VERDICT_LOCAL, 0, interface_index[vlan_interface((unsigned)to)], segment, 0};
}

static struct expectation from_wire(const struct model *model, const struct packet *packet)
{
    const struct model_vlan_port place = {.uplink = packet->interface - (INTERFACES - UPLINKS), .vlan = packet->vlan};
    uint32_t segment = segment_of(&place);
    int to = receiver(model, &place, packet->destination);

    if (to != NOWHERE)
        return (struct expectation){SKR_VERDICT_LOCAL, 0, interface_index[vlan_interface((unsigned)to)], segment, 0};
    if (!(packet->destination[0] & 1) || !copies(model, &place, NOWHERE))
        return (struct expectation){.verdict = SKR_VERDICT_PASS};
    if (bridge_reason(packet->destination)) /* its tag was off, and is back */
        return (struct expectation){.verdict = SKR_VERDICT_PASS, .vsid = place.vlan ? segment : 0};
    return (struct expectation){SKR_VERDICT_FLOOD, 0, copies(model, &place, NOWHERE), segment, 0};
}

struct expectation vlan_oracle(const struct model *model, const struct packet *packet)
{
    return packet->plain ? from_wire(model, packet) : from_port(model, packet);
}
