/* The oracle says what must happen to a packet, from the model alone: plain scans over adapters, nothing of the tables'
 * shapes. The order of the checks is part of the contract: it decides which reason a packet with several faults is
 * counted under. */
#include "tests/property/agent/isolation.h"

#include <arpa/inet.h>
#include <string.h>

static struct expectation dropped(uint32_t reason)
{
    return (struct expectation){.verdict = SKR_VERDICT_DROP, .reason = reason};
}

static struct expectation too_big(const struct model_subnet *subnet)
{
    return dropped(subnet->uplink_small ? SKR_DROP_UPLINK_MTU : SKR_DROP_TOO_BIG);
}

static bool is_group(const uint8_t *mac)
{
    return mac[0] & 1;
}

static bool is_gateway(const uint8_t *mac)
{
    return !memcmp(mac, gateway_mac, 6);
}

static const struct model_adapter *by_mac(const struct model *model, unsigned subnet, const uint8_t *mac)
{
    for (unsigned i = 0; i < model->adapter_count; i++)
        if (model->adapters[i].subnet == subnet && !memcmp(model->adapters[i].mac, mac, 6))
            return &model->adapters[i];
    return NULL;
}

static const struct model_adapter *by_ip(const struct model *model, unsigned subnet, uint32_t ip)
{
    for (unsigned i = 0; i < model->adapter_count; i++)
        if (model->adapters[i].subnet == subnet && model->adapters[i].ip == ip)
            return &model->adapters[i];
    return NULL;
}

static bool inside(uint32_t ip, uint32_t prefix, uint32_t length)
{
    return length == 0 || (ip ^ prefix) >> (32 - length) == 0;
}

static bool is_host_of(const struct model_subnet *subnet, uint32_t ip)
{
    uint32_t size = 1u << (32 - subnet->length);

    return ip > subnet->prefix && ip < subnet->prefix + size - 1 && ip != subnet_gateway(subnet);
}

static struct expectation flooded(const struct model *model, unsigned subnet, int except, bool to_hosts)
{
    struct expectation expected = {.verdict = SKR_VERDICT_FLOOD, .vsid = model->subnets[subnet].vsid};

    for (int i = 0; i < INTERFACES; i++)
        if (i != except && model->occupant[i] != NOWHERE && !model->adapters[model->occupant[i]].closed &&
            !model->adapters[model->occupant[i]].arrives && model->adapters[model->occupant[i]].subnet == subnet)
            expected.target += interface_index[i];
    for (unsigned host = 0; to_hosts && model->subnets[subnet].has_source && host < HOSTS; host++) {
        bool present = false;

        for (unsigned i = 0; i < model->adapter_count; i++)
            present |= model->adapters[i].place == REMOTE && model->adapters[i].host == host &&
                       model->adapters[i].subnet == subnet;
        if (present && model->neighbor[host])
            expected.pa += htonl(host_pa(host));
    }
    return expected;
}

static struct expectation delivered(const struct model *model, const struct model_adapter *to)
{
    if (model->adapters[model->occupant[to->record_interface]].closed)
        return dropped(SKR_DROP_PORT_CLOSED);
    if (to->record_interface != to->interface)
        return dropped(SKR_DROP_INTERNAL);
    return (struct expectation){SKR_VERDICT_LOCAL, 0, interface_index[to->interface], model->subnets[to->subnet].vsid,
                                0};
}

uint32_t ip_length(const struct packet *packet)
{
    if (packet->ethertype == ETHERTYPE_ARP)
        return 28;
    if (packet->ethertype == ETHERTYPE_IP && packet->gso_size && packet->protocol == IPPROTO_UDP)
        return 28 + packet->gso_size;
    return packet->ethertype == 0x88b5 ? packet->payload : 28 + packet->payload;
}

static struct expectation sent(const struct model *model, const struct packet *packet, const struct model_adapter *to)
{
    const struct model_subnet *subnet = &model->subnets[to->subnet];
    unsigned uplink = to->place == REMOTE && model->neighbor[to->host] ? 0 : subnet->source;

    if (to->place == UNPLACED || !subnet->has_source)
        return dropped(SKR_DROP_NO_PROVIDER_ADDRESS);
    if (to->place == UNBOUND)
        return dropped(SKR_DROP_UNBOUND);
    if (packet->gso_size && packet->ethertype == ETHERTYPE_IP) /* a test run knows no type of segmentation */
        return dropped(SKR_DROP_GSO_UNSUPPORTED);
    return (struct expectation){SKR_VERDICT_REMOTE, 0, interface_index[INTERFACES - UPLINKS + uplink], subnet->vsid,
                                htonl(host_pa(to->host))};
}

static struct expectation routed(const struct model *model, const struct packet *packet,
                                 const struct model_adapter *from)
{
    unsigned domain = model->subnets[from->subnet].domain;
    const struct model_subnet *target = NULL;
    const struct model_adapter *to;
    uint32_t next_hop = packet->destination_ip, best = 0;

    if (packet->ethertype != ETHERTYPE_IP)
        return dropped(SKR_DROP_GATEWAY_PROTOCOL);
    for (unsigned i = 0; i < model->subnet_count; i++)
        if (model->subnets[i].domain == domain &&
            inside(packet->destination_ip, model->subnets[i].prefix, model->subnets[i].length))
            target = &model->subnets[i];
    for (unsigned i = 0; !target && i < model->route_count; i++)
        if (model->routes[i].domain == domain && model->routes[i].length > best &&
            inside(packet->destination_ip, model->routes[i].prefix, model->routes[i].length)) {
            best = model->routes[i].length;
            next_hop = model->routes[i].next_hop;
        }
    for (unsigned i = 0; best && i < model->route_count; i++)
        if (model->routes[i].domain == domain && model->routes[i].length == best)
            target = &model->subnets[model->routes[i].subnet];
    if (!target)
        return dropped(SKR_DROP_NO_ROUTE);
    if (!target->programmed)
        return dropped(SKR_DROP_NO_SUBNET);
    if (packet->destination_ip == subnet_gateway(target))
        return packet->protocol == 1 && packet->icmp_type == 8
                       ? (struct expectation){SKR_VERDICT_REPLY, 0, interface_index[from->interface],
                                              model->subnets[from->subnet].vsid, 0}
                       : dropped(SKR_DROP_GATEWAY_PROTOCOL);
    if (packet->ttl <= 1)
        return dropped(SKR_DROP_TTL_EXCEEDED);
    to = by_ip(model, (unsigned)(target - model->subnets), next_hop);
    if (!to)
        return dropped(SKR_DROP_UNKNOWN_DESTINATION);
    if (ip_length(packet) > target->mtu && !(to->place == BOUND && target->uplink_small))
        return too_big(target);
    return to->place == BOUND ? delivered(model, to) : sent(model, packet, to);
}

/* May `from`, with this MAC, use this address as its own? `asks`: in an announcement, where a learned one may move. */
static bool may_use(const struct model *model, const struct model_adapter *from, const uint8_t *mac, uint32_t ip,
                    bool asks)
{
    const struct model_adapter *holder = by_ip(model, from->subnet, ip);
    bool chooses = from->flags & SKR_PORT_GUEST_SPECIFIED_IPS;

    if (holder)
        return !memcmp(holder->mac, mac, 6) || (asks && chooses && holder->dynamic);
    return chooses && is_host_of(&model->subnets[from->subnet], ip);
}

static struct expectation switched(const struct model *model, const struct packet *packet,
                                   const struct model_adapter *from)
{
    const struct model_subnet *subnet = &model->subnets[from->subnet];
    const struct model_adapter *to;

    if (is_group(packet->destination)) {
        if (ip_length(packet) > subnet->mtu && !subnet->uplink_small)
            return dropped(SKR_DROP_TOO_BIG);
        return flooded(model, from->subnet, from->interface, ip_length(packet) <= subnet->mtu);
    }
    if (is_gateway(packet->destination))
        return routed(model, packet, from);
    to = by_mac(model, from->subnet, packet->destination);
    if (!to)
        return dropped(SKR_DROP_UNKNOWN_DESTINATION);
    if (to->place == BOUND)
        return delivered(model, to);
    return ip_length(packet) > subnet->mtu ? too_big(subnet) : sent(model, packet, to);
}

static struct expectation asked(const struct model *model, const struct packet *packet,
                                const struct model_adapter *from)
{
    const struct model_subnet *subnet = &model->subnets[from->subnet];
    const struct arp_fields *arp = &packet->arp;
    const struct model_adapter *holder = by_ip(model, from->subnet, arp->target);
    bool announces =
            arp->sender && (arp->sender == arp->target || (arp->operation == 2 && is_group(packet->destination)));
    struct expectation answer = {SKR_VERDICT_REPLY, 0, interface_index[from->interface], subnet->vsid, 0};

    if (from->flags & SKR_PORT_ARP_ND_INSPECTION &&
        (memcmp(arp->sender_mac, packet->source, 6) != 0 ||
         (arp->sender ? !may_use(model, from, packet->source, arp->sender, announces) : arp->operation != 1)))
        return dropped(SKR_DROP_ARP_SPOOFED);
    if (announces)
        return flooded(model, from->subnet, from->interface, true);
    if (arp->operation == 2)
        return is_gateway(packet->destination) ? (struct expectation){.verdict = SKR_VERDICT_CONSUMED}
                                               : switched(model, packet, from);
    if (arp->target == subnet_gateway(subnet) || (holder && memcmp(holder->mac, packet->source, 6) != 0))
        return answer;
    if (subnet->learns)
        return flooded(model, from->subnet, from->interface, true);
    return holder ? (struct expectation){.verdict = SKR_VERDICT_CONSUMED} : dropped(SKR_DROP_UNKNOWN_DESTINATION);
}

/* The sender is the next hop of the route that leads to the source address. */
static bool forwards_from(const struct model *model, const struct model_adapter *from, const struct packet *packet)
{
    unsigned domain = model->subnets[from->subnet].domain;
    const struct model_route *best = NULL;
    const struct model_adapter *next_hop;

    for (unsigned i = 0; i < model->subnet_count; i++)
        if (model->subnets[i].domain == domain &&
            inside(packet->source_ip, model->subnets[i].prefix, model->subnets[i].length))
            return false;
    for (unsigned i = 0; i < model->route_count; i++)
        if (model->routes[i].domain == domain && (!best || model->routes[i].length > best->length) &&
            inside(packet->source_ip, model->routes[i].prefix, model->routes[i].length))
            best = &model->routes[i];
    next_hop = best && best->subnet == from->subnet ? by_ip(model, from->subnet, best->next_hop) : NULL;
    return next_hop && !memcmp(next_hop->mac, packet->source, 6);
}

/* A client listens at 68; at 67 a relay hears its server, and everything that is no request. */
bool is_dhcp_answer(const struct packet *packet)
{
    if (packet->protocol != IPPROTO_UDP)
        return false;
    return packet->destination_port == 68 ||
           (packet->destination_port == 67 && !(packet->payload && packet->bootp == 1));
}

/* The groups of IEEE 802.1Q that bridges speak to, and Cisco's. */
uint32_t bridge_reason(const uint8_t *mac)
{
    if (!memcmp(mac, "\1\x80\xc2\0\0", 5)) {
        if (mac[5] <= 0x0f)
            return SKR_DROP_LINK_LOCAL_GROUP;
        if (mac[5] == 0x10 || mac[5] >> 4 == 2 || mac[5] >> 4 == 3 || mac[5] >> 4 == 4)
            return SKR_DROP_BRIDGE_PROTOCOL;
    }
    return memcmp(mac, "\1\0\xc", 3) ? 0 : SKR_DROP_BRIDGE_PROTOCOL;
}

static uint32_t guarded(const struct model *model, const struct packet *packet, const struct model_adapter *from)
{
    bool udp = packet->protocol == IPPROTO_UDP;

    if (is_dhcp_answer(packet) && from->flags & SKR_PORT_DHCP_GUARD)
        return SKR_DROP_DHCP_GUARD;
    if (packet->protocol == 1 && (packet->icmp_type == 9 || packet->icmp_type == 5) &&
        from->flags & SKR_PORT_ROUTER_GUARD)
        return SKR_DROP_ROUTER_GUARD;
    if (!packet->source_ip)
        return udp && packet->source_port == 68 && packet->destination_port == 67 ? 0 : SKR_DROP_SOURCE_ADDRESS;
    return may_use(model, from, packet->source, packet->source_ip, false) || forwards_from(model, from, packet)
                   ? 0
                   : SKR_DROP_SOURCE_ADDRESS;
}

/* The VM's first frame, whatever it is, becomes an announcement. */
static struct expectation arrived(const struct model *model, const struct packet *packet,
                                  const struct model_adapter *from)
{
    const struct model_subnet *subnet = &model->subnets[from->subnet];

    if (memcmp(packet->source, from->mac, 6) != 0 || from->closed || !subnet->programmed || !subnet->has_source)
        return dropped(SKR_DROP_NOT_CURRENT);
    return flooded(model, from->subnet, from->interface, true);
}

static struct expectation from_guest(const struct model *model, const struct packet *packet)
{
    int occupant = model->occupant[packet->interface];
    const struct model_adapter *from = occupant == NOWHERE ? NULL : &model->adapters[occupant];
    uint32_t reason;

    if (!from)
        return dropped(SKR_DROP_UNKNOWN_PORT);
    if (packet->tagged)
        return dropped(SKR_DROP_GUEST_VLAN_TAG);
    if (packet->ethertype == ETHERTYPE_IP && packet->cut && !packet->gso_size)
        return dropped(SKR_DROP_TRUNCATED);
    if (packet->ethertype == ETHERTYPE_IP && packet->wrong_checksum && !packet->gso_size)
        return dropped(SKR_DROP_CHECKSUM);
    if (from->arrives)
        return arrived(model, packet, from);
    if (memcmp(packet->source, from->mac, 6) != 0 &&
        (!(from->flags & SKR_PORT_MAC_SPOOFING) || is_group(packet->source) || is_gateway(packet->source)))
        return dropped(SKR_DROP_SOURCE_MAC);
    if (from->closed)
        return dropped(SKR_DROP_PORT_CLOSED);
    if (!model->subnets[from->subnet].programmed)
        return dropped(SKR_DROP_NO_SUBNET);
    if (bridge_reason(packet->destination))
        return dropped(bridge_reason(packet->destination));
    if (packet->ethertype == 0x88b5 &&
        from->flags & (SKR_PORT_ARP_ND_INSPECTION | SKR_PORT_DHCP_GUARD | SKR_PORT_ROUTER_GUARD))
        return dropped(SKR_DROP_UNREADABLE);
    if (packet->ethertype == ETHERTYPE_IPV6)
        return dropped(SKR_DROP_NOT_IPV4);
    if (packet->ethertype == ETHERTYPE_ARP)
        return asked(model, packet, from);
    if (packet->ethertype == ETHERTYPE_IP) {
        reason = guarded(model, packet, from);
        if (reason)
            return dropped(reason);
    }
    return switched(model, packet, from);
}

/* Everything that the outer headers alone decide; 0: let in, SKR_DROP_REASON_COUNT: not ours. */
static uint32_t outer_fault(const struct packet *packet)
{
    unsigned own = packet->outer_destination - own_pa(0), uplink = packet->interface - (INTERFACES - UPLINKS);

    if (own >= UPLINKS)
        return SKR_DROP_REASON_COUNT;
    if (memcmp(packet->outer_mac, uplink_mac(uplink), 6) != 0)
        return SKR_DROP_NOT_ADDRESSED;
    if (own != uplink)
        return SKR_DROP_WRONG_UPLINK;
    if (packet->fragment)
        return SKR_DROP_OUTER_FRAGMENT;
    if (packet->cut)
        return SKR_DROP_TRUNCATED;
    if (packet->gre_flags != 0x2000)
        return SKR_DROP_OUTER_INVALID;
    if (packet->tagged)
        return SKR_DROP_GUEST_VLAN_TAG;
    return packet->ethertype == ETHERTYPE_IPV6 ? SKR_DROP_NOT_IPV4 : 0;
}

static uint32_t sender_fault(const struct model *model, const struct packet *packet, unsigned subnet)
{
    unsigned host = packet->outer_source - host_pa(0);
    const struct model_adapter *from = by_mac(model, subnet, packet->source);

    if (host >= HOSTS || !model->member[host][model->subnets[subnet].domain])
        return SKR_DROP_NOT_A_MEMBER;
    if (is_gateway(packet->source))
        return is_group(packet->destination) ? SKR_DROP_SOURCE_RECORD : 0;
    return from && ((from->place == REMOTE && from->host == host) || from->other == (int)host) ? 0
                                                                                               : SKR_DROP_SOURCE_RECORD;
}

static int home_of(const struct model *model, unsigned domain, uint32_t ip)
{
    for (unsigned i = 0; i < model->subnet_count; i++)
        if (model->subnets[i].domain == domain && inside(ip, model->subnets[i].prefix, model->subnets[i].length))
            return (int)i;
    return NOWHERE;
}

static const struct model_route *route_to(const struct model *model, unsigned domain, uint32_t ip)
{
    const struct model_route *best = NULL;

    for (unsigned i = 0; i < model->route_count; i++)
        if (model->routes[i].domain == domain && (!best || model->routes[i].length > best->length) &&
            inside(ip, model->routes[i].prefix, model->routes[i].length))
            best = &model->routes[i];
    return best;
}

/* No record has the address, and an adapter may who is elsewhere, where it was learned a moment ago. */
static bool may_be_new(const struct model *model, unsigned subnet, uint32_t ip)
{
    return model->subnets[subnet].programmed && model->subnets[subnet].learns &&
           is_host_of(&model->subnets[subnet], ip) && !by_ip(model, subnet, ip);
}

/* Is what an inner packet says of its source true? A switched one has the address of its MAC, a routed one comes from
 * the host of the VM with the address, or of the next hop to it; `trusted`: whichever host that is. */
static bool true_source(const struct model *model, const struct packet *packet, unsigned subnet, bool trusted)
{
    unsigned domain = model->subnets[subnet].domain, host = packet->outer_source - host_pa(0);
    int home = home_of(model, domain, packet->source_ip);
    const struct model_route *route = home == NOWHERE ? route_to(model, domain, packet->source_ip) : NULL;
    const struct model_adapter *holder = by_ip(model, subnet, packet->source_ip);

    if (!is_gateway(packet->source)) {
        if (!packet->source_ip || may_be_new(model, subnet, packet->source_ip))
            return true;
        if (!holder && route && route->subnet == subnet)
            holder = by_ip(model, subnet, route->next_hop);
        return holder && !memcmp(holder->mac, packet->source, 6);
    }
    if (home != NOWHERE && may_be_new(model, (unsigned)home, packet->source_ip))
        return true;
    holder = home != NOWHERE ? by_ip(model, (unsigned)home, packet->source_ip)
             : route         ? by_ip(model, route->subnet, route->next_hop)
                             : NULL;
    return holder && (trusted || (holder->place == REMOTE && holder->host == host) || holder->other == (int)host);
}

static uint32_t source_fault(const struct model *model, const struct packet *packet, unsigned subnet, bool trusted)
{
    const struct model_adapter *holder = by_ip(model, subnet, packet->arp.sender);

    if (packet->ethertype == ETHERTYPE_IP)
        return true_source(model, packet, subnet, trusted) ? 0 : SKR_DROP_SENDER_ADDRESS;
    if (is_gateway(packet->source))
        return SKR_DROP_SOURCE_RECORD;
    if (packet->ethertype != ETHERTYPE_ARP || !packet->arp.sender)
        return 0;
    if (packet->arp.sender == subnet_gateway(&model->subnets[subnet]))
        return SKR_DROP_ARP_SPOOFED;
    return holder && !holder->dynamic && memcmp(holder->mac, packet->arp.sender_mac, 6) != 0 ? SKR_DROP_ARP_SPOOFED : 0;
}

/* A packet that came to the wrong host goes on to the right one, unless it would go to no member, or came from there
 * although the VM has not just gone there. */
static struct expectation passed_on(const struct model *model, const struct packet *packet,
                                    const struct model_adapter *to)
{
    const struct model_subnet *subnet = &model->subnets[to->subnet];
    unsigned uplink = packet->interface - (INTERFACES - UPLINKS);

    if (to->place != REMOTE || !subnet->has_source || !model->member[to->host][subnet->domain] ||
        (packet->outer_source == host_pa(to->host) && !(to->other != NOWHERE && to->turned)))
        return dropped(SKR_DROP_NOT_LOCAL);
    if (packet->outer_ttl <= 1)
        return dropped(SKR_DROP_STRAGGLER_LOOP);
    return (struct expectation){SKR_VERDICT_REMOTE, 0,
                                interface_index[INTERFACES - UPLINKS + (model->neighbor[to->host] ? 0 : uplink)],
                                subnet->vsid, htonl(host_pa(to->host))};
}

static struct expectation from_wire(const struct model *model, const struct packet *packet)
{
    uint32_t reason = outer_fault(packet);
    const struct model_adapter *to = NULL;
    bool trusted;
    unsigned subnet = 0;

    if (reason)
        return reason == SKR_DROP_REASON_COUNT ? (struct expectation){.verdict = SKR_VERDICT_PASS} : dropped(reason);
    while (subnet < model->subnet_count && model->subnets[subnet].vsid != packet->vsid)
        subnet++;
    if (subnet == model->subnet_count || !model->subnets[subnet].programmed)
        return dropped(SKR_DROP_UNKNOWN_VSID);
    if (packet->vxlan != model->subnets[subnet].vxlan)
        return dropped(SKR_DROP_WRONG_ENCAPSULATION);
    reason = sender_fault(model, packet, subnet);
    if (!is_group(packet->destination))
        to = by_mac(model, subnet, packet->destination);
    /* The host that a VM has left, or is about to leave, may pass on what others sent to it there. */
    trusted = to && to->place == BOUND && to->turned && packet->outer_source == host_pa((unsigned)to->other);
    trusted |= to && to->awaited && packet->outer_source == host_pa(to->host);
    if (reason == SKR_DROP_SOURCE_RECORD && trusted)
        reason = 0;
    if (!reason)
        reason = source_fault(model, packet, subnet, trusted);
    if (reason)
        return dropped(reason);
    if (!is_group(packet->destination)) {
        if (!to)
            return dropped(SKR_DROP_UNKNOWN_DESTINATION);
        if (to->place == UNBOUND && packet->outer_destination == own_pa(model->subnets[subnet].source))
            return dropped(SKR_DROP_UNBOUND);
        if (to->place != BOUND && !to->awaited)
            return passed_on(model, packet, to);
    }
    if (packet->ethertype == 0x88b5 && packet->payload < 20) /* the kernel wants as much as an IPv4 header to remain */
        return dropped(SKR_DROP_DECAPSULATION_FAILED);
    if (packet->outer_tos == 3 && packet->ethertype == ETHERTYPE_IP && !packet->tos)
        return dropped(SKR_DROP_CONGESTION_MARK);
    return to ? delivered(model, to) : flooded(model, subnet, NOWHERE, false);
}

struct expectation oracle(const struct model *model, const struct packet *packet)
{
    if (packet->plain || packet->vlan_port != NOWHERE)
        return vlan_oracle(model, packet);
    return packet->wire ? from_wire(model, packet) : from_guest(model, packet);
}
