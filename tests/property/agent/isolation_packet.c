/* Packets: mostly such as a guest or a member host would send, then one thing in many is turned into something else. */
#include "tests/property/agent/isolation.h"

#include <arpa/inet.h>
#include <string.h>

static const struct model_adapter *any_adapter(const struct model *model)
{
    return &model->adapters[random_below(model->adapter_count)];
}

static const struct model_adapter *adapter_like(const struct model *model, bool bound, int subnet, int domain)
{
    for (unsigned attempt = 0; attempt < 200; attempt++) {
        const struct model_adapter *adapter = any_adapter(model);

        if ((!bound || adapter->interface != NOWHERE) && (subnet < 0 || adapter->subnet == (unsigned)subnet) &&
            (domain < 0 || model->subnets[adapter->subnet].domain == (unsigned)domain))
            return adapter;
    }
    return any_adapter(model);
}

static void aim(const struct model *model, struct packet *packet, const struct model_adapter *from,
                const struct model_adapter *to)
{
    (void)model;
    memcpy(packet->source, from->mac, 6);
    packet->source_ip = from->ip;
    packet->destination_ip = to->ip;
    memcpy(packet->destination, from->subnet == to->subnet ? to->mac : gateway_mac, 6);
}

static void make_arp(const struct model *model, struct packet *packet, const struct model_adapter *from)
{
    const struct model_adapter *to = adapter_like(model, false, random_percent(80) ? (int)from->subnet : -1, -1);
    const struct model_subnet *subnet = &model->subnets[from->subnet];

    packet->ethertype = ETHERTYPE_ARP;
    memcpy(packet->destination, random_percent(80) ? broadcast_mac : random_percent(70) ? to->mac : gateway_mac, 6);
    memcpy(packet->arp.sender_mac, random_percent(95) ? packet->source : to->mac, 6);
    packet->arp.operation = random_percent(80) ? 1 : 2;
    packet->arp.sender = random_percent(85)   ? from->ip
                         : random_percent(50) ? 0
                         : random_percent(50) ? to->ip
                         : random_percent(50) ? subnet_gateway(subnet)
                                              : subnet->prefix + 100;
    packet->arp.target = random_percent(60)   ? to->ip
                         : random_percent(30) ? packet->arp.sender
                         : random_percent(50) ? subnet_gateway(subnet)
                         : random_percent(30) ? from->ip
                                              : subnet->prefix + random_below(256);
}

static void spoil_inner(const struct model *model, struct packet *packet, const struct model_adapter *from)
{
    const struct model_adapter *other = any_adapter(model);
    const struct model_subnet *subnet = &model->subnets[from->subnet];

    switch (random_below(18)) {
    case 0:
        memcpy(packet->source, random_percent(80) ? other->mac : gateway_mac, 6);
        break;
    case 1:
        packet->source_ip = other->ip;
        break;
    case 2:
        memcpy(packet->destination, other->mac, 6);
        break;
    case 3:
        packet->destination_ip = other->ip;
        break;
    case 4:
        packet->ttl = (uint8_t)random_below(3);
        if (random_percent(60))
            memcpy(packet->destination, gateway_mac, 6);
        break;
    case 5:
        packet->tagged = true;
        break;
    case 6:
        packet->source_port = random_percent(50) ? 67 : 4000;
        packet->destination_port = random_percent(50) ? 68 : 67;
        packet->bootp = (uint8_t)random_below(3);
        break;
    case 7:
        packet->protocol = 1, packet->icmp_type = random_percent(30) ? 9 : random_percent(50) ? 5 : 8;
        break;
    case 8:
        packet->ethertype = ETHERTYPE_IPV6, packet->payload = 60;
        break;
    case 9:
        packet->ethertype = 0x88b5, packet->payload = random_below(40);
        break;
    case 10:
        packet->payload = 200 + random_below(1200);
        break;
    case 11:
        packet->cut = random_percent(50);
        packet->wrong_checksum = !packet->cut;
        break;
    case 12:
        memcpy(packet->destination, (uint8_t[]){1, 0x80, 0xc2, 0, 0, (uint8_t)random_below(100)}, 6);
        if (random_percent(30))
            memcpy(packet->destination, "\1\0\xc\xcc\xcc\xcc", 6);
        break;
    case 13:
        packet->source_ip = random_percent(50) ? 0 : subnet_gateway(subnet);
        break;
    case 14:
        packet->source_ip = 0, packet->source_port = 68, packet->destination_port = 67;
        break;
    case 15:
        packet->source_ip = subnet->prefix + random_below(256);
        break;
    case 16:
        packet->gso_size = 100 + random_below(300), packet->payload = 800;
        break;
    default:
        memcpy(packet->destination, gateway_mac, 6);
        packet->destination_ip = random_percent(20)   ? 0x08080808
                                 : random_percent(25) ? 0xac100505
                                 : random_percent(60)
                                         ? subnet_gateway(&model->subnets[random_below(model->subnet_count)])
                                         : subnet->prefix + random_below(256);
        if (random_percent(30))
            packet->protocol = 1, packet->icmp_type = 8;
    }
}

static void make_from_guest(const struct model *model, struct packet *packet)
{
    const struct model_adapter *from = adapter_like(model, true, -1, -1);
    int domain = (int)model->subnets[from->subnet].domain;
    const struct model_adapter *to =
            adapter_like(model, false, random_percent(60) ? (int)from->subnet : -1, random_percent(95) ? domain : -1);

    packet->interface = from->interface != NOWHERE ? (unsigned)from->interface : INTERFACES - UPLINKS - 1;
    if (random_percent(1))
        packet->interface = INTERFACES - UPLINKS - 1; /* nobody's */
    aim(model, packet, from, to);
    for (unsigned i = 0; i < model->route_count; i++) /* a router among the guests forwards */
        if (model->routes[i].subnet == from->subnet && model->routes[i].next_hop == from->ip && random_percent(20))
            packet->source_ip = 0xac100000 + random_below(0x800);
    if (random_percent(15))
        make_arp(model, packet, from);
    else if (random_percent(10))
        memcpy(packet->destination, random_percent(50) ? broadcast_mac : (const uint8_t *)"\1\0\x5e\0\0\1", 6);
    if (random_percent(35))
        spoil_inner(model, packet, from);
}

static void spoil_outer(const struct model *model, struct packet *packet)
{
    switch (random_below(11)) {
    case 0:
        packet->outer_source = host_pa(random_below(HOSTS + 2));
        break;
    case 1:
        packet->outer_destination = own_pa(random_below(UPLINKS + 1));
        break;
    case 2:
        packet->vsid = model->subnets[random_below(model->subnet_count)].vsid;
        break;
    case 3:
        packet->vsid = 6000 + random_below(100);
        break;
    case 4:
        memcpy(packet->outer_mac, random_percent(50) ? broadcast_mac : (const uint8_t *)"\2\2\0\0\0\7", 6);
        break;
    case 5:
        packet->gre_flags = random_percent(50) ? 0xa000 : 0x0000;
        break;
    case 6:
        packet->fragment = true;
        break;
    case 7:
        packet->interface = INTERFACES - 1 - random_below(UPLINKS),
        packet->outer_destination = own_pa(random_below(UPLINKS));
        memcpy(packet->outer_mac, uplink_mac(packet->interface - (INTERFACES - UPLINKS)), 6);
        break;
    case 8:
        packet->outer_tos = 3, packet->tos = (uint8_t)random_below(4);
        break;
    case 9:
        memcpy(packet->source, gateway_mac, 6);
        break;
    default:
        packet->cut = true;
        break;
    }
}

static void make_from_wire(const struct model *model, struct packet *packet)
{
    const struct model_adapter *to = adapter_like(model, random_percent(82), -1, -1);
    const struct model_subnet *subnet = &model->subnets[to->subnet];
    const struct model_adapter *from = to;

    for (unsigned attempt = 0; attempt < 200 && from->place != REMOTE; attempt++)
        from = adapter_like(model, false, attempt < 150 ? (int)to->subnet : -1, (int)subnet->domain);
    aim(model, packet, from, to);
    memcpy(packet->destination, to->mac, 6);
    if (from->subnet != to->subnet || random_percent(10))
        memcpy(packet->source, gateway_mac, 6); /* routed there */
    packet->wire = true;
    packet->vxlan = random_percent(97) ? subnet->vxlan : !subnet->vxlan;
    packet->vsid = subnet->vsid;
    packet->outer_source = host_pa(from->host);
    packet->outer_destination = own_pa(subnet->source);
    packet->interface = INTERFACES - UPLINKS + subnet->source;
    memcpy(packet->outer_mac, uplink_mac(subnet->source), 6);
    packet->gre_flags = 0x2000;
    packet->outer_ttl = random_percent(50) ? 1 : 64;
    if (from->other != NOWHERE && random_percent(20)) /* the other host of a move */
        packet->outer_source = host_pa((unsigned)from->other);
    else if (to->other != NOWHERE && random_percent(30)) /* on its way over the host that the VM has left */
        packet->outer_source = host_pa((unsigned)to->other);
    if (random_percent(15))
        memcpy(packet->destination, broadcast_mac, 6);
    if (random_percent(8))
        make_arp(model, packet, from);
    if (random_percent(30))
        spoil_outer(model, packet);
    else if (random_percent(15))
        spoil_inner(model, packet, from);
    packet->gso_size = 0;
}

void packet_make(const struct model *model, struct packet *packet)
{
    *packet = (struct packet){.ethertype = ETHERTYPE_IP,
                              .protocol = IPPROTO_UDP,
                              .ttl = 64,
                              .source_port = (uint16_t)(1024 + random_below(1000)),
                              .destination_port = 2000,
                              .bootp = 1,
                              .payload = random_below(200),
                              .vlan_port = NOWHERE};
    if (random_percent(20))
        vlan_packet_make(model, packet);
    else if (random_percent(55))
        make_from_guest(model, packet);
    else
        make_from_wire(model, packet);
}

static size_t inner_bytes(const struct packet *packet, uint8_t *out)
{
    size_t length, tag = packet->tagged ? 4 : 0;
    struct iphdr ip;

    if (packet->ethertype == ETHERTYPE_ARP) {
        length = programs_arp(out, packet->destination, packet->source, packet->arp.operation, packet->arp.sender,
                              packet->arp.target);
        memcpy(out + 22, packet->arp.sender_mac, 6);
    } else {
        length = programs_udp(out, packet->destination, packet->source, packet->source_ip, packet->destination_ip,
                              packet->source_port, packet->destination_port, packet->payload);
        memcpy(&ip, out + 14, sizeof(ip));
        ip.protocol = packet->protocol;
        ip.ttl = packet->ttl;
        ip.tos = packet->tos;
        if (packet->cut && !packet->wire)
            ip.tot_len = htons((uint16_t)(ntohs(ip.tot_len) + 1));
        programs_checksum(&ip);
        ip.check ^= packet->wrong_checksum ? htons(0x0100) : 0;
        memcpy(out + 14, &ip, sizeof(ip));
        if (packet->protocol == IPPROTO_UDP && packet->payload > 0)
            out[42] = packet->bootp;
        if (packet->protocol == 1)
            out[34] = packet->icmp_type;
        if (packet->ethertype == ETHERTYPE_IPV6)
            out[20] = 59; /* no next header */
        if (packet->ethertype == 0x88b5)
            length = 14 + packet->payload;
        out[12] = (uint8_t)(packet->ethertype >> 8);
        out[13] = (uint8_t)packet->ethertype;
    }
    if (tag) {
        memmove(out + 12 + tag, out + 12, length - 12);
        memcpy(out + 12, (uint8_t[]){0x81, 0, 0, 100}, 4);
    }
    return length + tag;
}

size_t packet_bytes(const struct packet *packet, uint8_t *out)
{
    static const uint8_t router[6] = {2, 2, 0, 0, 0, 9};
    uint8_t inner[PROGRAMS_FRAME_MAX];
    size_t length = inner_bytes(packet, packet->wire ? inner : out);
    struct iphdr ip;

    if (packet->plain && packet->vlan) {
        memmove(out + 16, inner + 12, length - 12);
        memcpy(out, inner, 12);
        memcpy(out + 12, (uint8_t[]){0x81, 0, (uint8_t)(packet->vlan >> 8), (uint8_t)packet->vlan}, 4);
        return length + 4;
    }
    if (packet->plain)
        memcpy(out, inner, length);
    if (!packet->wire || packet->plain)
        return length;
    length = programs_nvgre(out, packet->outer_mac, router, packet->outer_source, packet->outer_destination,
                            packet->vsid, inner, length);
    out[34] = (uint8_t)(packet->gre_flags >> 8);
    memcpy(&ip, out + 14, sizeof(ip));
    if (packet->vxlan) {
        struct udphdr udp = {.source = htons(50000), .dest = htons(4789), .len = htons((uint16_t)(length - 34 + 8))};
        uint8_t vxlan[8] = {packet->gre_flags == 0x2000 ? 8 : 0,
                            0,
                            0,
                            0,
                            (uint8_t)(packet->vsid >> 16),
                            (uint8_t)(packet->vsid >> 8),
                            (uint8_t)packet->vsid,
                            0};

        memmove(out + 50, out + 42, length - 42);
        memcpy(out + 34, &udp, sizeof(udp));
        memcpy(out + 42, vxlan, sizeof(vxlan));
        length += 8;
        ip.protocol = IPPROTO_UDP;
        ip.tot_len = htons((uint16_t)(length - 14));
    }
    ip.tos = packet->outer_tos;
    ip.ttl = packet->outer_ttl;
    if (packet->fragment)
        ip.frag_off = htons(0x2000);
    programs_checksum(&ip);
    memcpy(out + 14, &ip, sizeof(ip));
    return packet->cut ? length - 1 : length;
}
