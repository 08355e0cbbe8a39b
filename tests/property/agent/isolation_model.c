#include "tests/property/agent/isolation.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <string.h>

const uint8_t gateway_mac[6] = SKR_GATEWAY_MAC_BYTES, broadcast_mac[6] = {255, 255, 255, 255, 255, 255};
uint32_t interface_index[INTERFACES];
static uint64_t state = 1;

void random_seed(uint64_t seed)
{
    state = seed * 0x9e3779b97f4a7c15u + 1;
}

uint32_t random_below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) % n);
}

bool random_percent(unsigned percent)
{
    return random_below(100) < percent;
}

uint32_t own_pa(unsigned uplink)
{
    return 0xc0a8010a + uplink;
}

uint32_t host_pa(unsigned host)
{
    return 0xc0a8020a + host;
}

const uint8_t *uplink_mac(unsigned uplink)
{
    static const uint8_t macs[UPLINKS][6] = {{2, 2, 0, 0, 0, 1}, {2, 2, 0, 0, 0, 2}};

    return macs[uplink];
}

uint32_t subnet_gateway(const struct model_subnet *subnet)
{
    return subnet->prefix + 1;
}

static void make_subnets(struct model *model)
{
    for (unsigned domain = 0; domain < DOMAINS; domain++) {
        bool wide = random_percent(25);
        unsigned count = wide ? 1 : 1 + random_below(3), first = random_below(4);

        for (unsigned i = 0; i < count; i++) {
            struct model_subnet *subnet = &model->subnets[model->subnet_count++];

            *subnet = (struct model_subnet){.vsid = 5000 + 16 * domain + i,
                                            .prefix = wide ? 0x0a000000 : 0x0a000000 + ((first + i) % 4 << 8),
                                            .length = wide ? 16 : 24 + random_below(2),
                                            .mtu = 300 + random_below(900),
                                            .domain = domain,
                                            .programmed = !random_percent(4),
                                            .learns = random_percent(40),
                                            .has_source = !random_percent(5),
                                            .vxlan = random_percent(20),
                                            .uplink_small = random_percent(40),
                                            .source = random_below(UPLINKS)};
        }
    }
}

/* The tables contradict each other for few: a record that leads to the port of another VM subnet. */
static void place_adapter(struct model *model, struct model_adapter *adapter, unsigned number, unsigned *interface)
{
    adapter->interface = adapter->record_interface = NOWHERE;
    adapter->place = random_percent(50) ? REMOTE : random_percent(88) ? BOUND : random_percent(60) ? UNBOUND : UNPLACED;
    if (adapter->place == BOUND && *interface >= INTERFACES - UPLINKS - VLAN_PORTS - 2)
        adapter->place = REMOTE;
    if (adapter->place == REMOTE)
        adapter->host = random_below(HOSTS);
    if (adapter->place == BOUND) {
        adapter->interface = adapter->record_interface = (int)(*interface)++;
        model->occupant[adapter->interface] = (int)number;
        if (random_percent(4) && number && model->adapters[number - 1].place == BOUND &&
            model->adapters[number - 1].subnet != adapter->subnet)
            adapter->record_interface = model->adapters[number - 1].interface;
    }
}

/* Some move: away from here or from elsewhere, to a remote host or to here. */
static void move_adapter(struct model *model, struct model_adapter *adapter, unsigned number, unsigned *interface)
{
    adapter->other = NOWHERE;
    if ((adapter->place != BOUND && adapter->place != REMOTE) || !random_percent(30))
        return;
    if (adapter->place == REMOTE && random_percent(30) && *interface < INTERFACES - UPLINKS - VLAN_PORTS - 2) {
        adapter->arrives = true;
        adapter->interface = adapter->record_interface = (int)(*interface)++;
        adapter->awaited = model->subnets[adapter->subnet].has_source && random_percent(60);
        model->occupant[adapter->interface] = (int)number;
        return;
    }
    adapter->other = (int)random_below(HOSTS);
    adapter->turned = random_percent(50);
    if (adapter->place == REMOTE && (unsigned)adapter->other == adapter->host)
        adapter->other = NOWHERE;
}

static void make_adapters(struct model *model)
{
    unsigned interface = 0;

    for (unsigned i = 0; i < INTERFACES; i++)
        model->occupant[i] = NOWHERE;
    for (unsigned number = 0; number < ADAPTERS; number++) {
        struct model_adapter *adapter = &model->adapters[number];
        const struct model_subnet *subnet;

        *adapter = (struct model_adapter){.subnet = random_below(model->subnet_count), .dynamic = random_percent(20)};
        subnet = &model->subnets[adapter->subnet];
        /* The same MACs and addresses in every tenant; unique within one. */
        memcpy(adapter->mac, (uint8_t[]){2, 1, 0, 0, (uint8_t)(number % 12), (uint8_t)(number / DOMAINS + 5)}, 6);
        adapter->mac[4] = (uint8_t)(number % 4 == 3);
        adapter->mac[5] = (uint8_t)number;
        if (random_percent(50))
            adapter->mac[5] = (uint8_t)(number / 2 * 2); /* a tenant next door may have it too */
        for (unsigned other = 0; other < number; other++)
            if (model->subnets[model->adapters[other].subnet].domain == subnet->domain &&
                !memcmp(model->adapters[other].mac, adapter->mac, 6))
                adapter->mac[3] = (uint8_t)(1 + number);
        adapter->ip = subnet->prefix + 5 + number / 2;
        for (unsigned other = 0; other < number; other++)
            if (model->adapters[other].subnet == adapter->subnet && model->adapters[other].ip == adapter->ip)
                adapter->ip = subnet->prefix + 60 + number;
        adapter->flags = (random_percent(85) ? SKR_PORT_ARP_ND_INSPECTION : 0) |
                         (random_percent(80) ? SKR_PORT_DHCP_GUARD : 0) |
                         (random_percent(80) ? SKR_PORT_ROUTER_GUARD : 0) |
                         (random_percent(30) ? SKR_PORT_GUEST_SPECIFIED_IPS : 0) |
                         (random_percent(15) ? SKR_PORT_MAC_SPOOFING : 0) | (random_percent(50) ? SKR_PORT_PEER : 0);
        adapter->closed = random_percent(4);
        place_adapter(model, adapter, number, &interface);
        move_adapter(model, adapter, number, &interface);
        model->adapter_count++;
    }
}

static void make_routes(struct model *model)
{
    for (unsigned i = 0; i < model->subnet_count; i++) {
        const struct model_adapter *next_hop = &model->adapters[random_below(model->adapter_count)];
        struct model_route *route = &model->routes[model->route_count];
        bool taken = false;

        if (model->route_count == ROUTES || random_percent(50))
            continue;
        *route = (struct model_route){.domain = model->subnets[next_hop->subnet].domain,
                                      .subnet = next_hop->subnet,
                                      .prefix = random_percent(50) ? 0xac100000 : 0xac100500,
                                      .next_hop = next_hop->ip};
        route->length = route->prefix == 0xac100000 ? 12 : 24;
        for (unsigned other = 0; other < model->route_count; other++)
            taken |= model->routes[other].domain == route->domain && model->routes[other].length == route->length;
        if (!taken)
            model->route_count++;
    }
}

void model_make(struct model *model)
{
    *model = (struct model){0};
    make_subnets(model);
    make_adapters(model);
    make_routes(model);
    vlan_make(model);
    for (unsigned host = 0; host < HOSTS; host++) {
        model->neighbor[host] = !random_percent(10);
        for (unsigned i = 0; i < model->adapter_count; i++)
            if ((model->adapters[i].place == REMOTE && model->adapters[i].host == host) ||
                (model->adapters[i].other == (int)host && random_percent(90)))
                model->member[host][model->subnets[model->adapters[i].subnet].domain] = true;
        if (random_percent(10)) /* revoked: records may still name it */
            memset(model->member[host], 0, sizeof(model->member[host]));
    }
}

static void clear(const struct programs *programs, const char *table)
{
    int fd = programs_map(programs, table);
    char key[64];

    while (!bpf_map_get_next_key(fd, NULL, key))
        bpf_map_delete_elem(fd, key);
}

static void program_subnets(const struct model *model, const struct programs *programs)
{
    for (unsigned i = 0; i < model->subnet_count; i++) {
        const struct model_subnet *from = &model->subnets[i];
        struct skr_abi_subnet subnet = {.domain = from->domain + 1,
                                        .flags = (from->learns ? SKR_SUBNET_LEARNS : 0) |
                                                 (from->vxlan ? SKR_SUBNET_VXLAN : 0) |
                                                 (from->uplink_small ? SKR_SUBNET_UPLINK_MTU : 0),
                                        .gateway = programs_v4(subnet_gateway(from)),
                                        .prefix_length = 96 + from->length,
                                        .mtu = from->mtu};
        struct skr_abi_route_key key = {.prefix_bits = 32 + 96 + from->length,
                                        .domain = htonl(from->domain + 1),
                                        .destination = programs_v4(from->prefix)};
        struct skr_abi_route route = {.vsid = from->vsid};

        if (from->has_source)
            subnet.source_pa = programs_v4(own_pa(from->source));
        if (from->programmed)
            programs_put(programs, "subnets", &from->vsid, &subnet);
        programs_put(programs, "routes", &key, &route);
    }
    for (unsigned i = 0; i < model->route_count; i++) {
        const struct model_route *from = &model->routes[i];
        struct skr_abi_route_key key = {.prefix_bits = 32 + 96 + from->length,
                                        .domain = htonl(from->domain + 1),
                                        .destination = programs_v4(from->prefix)};
        struct skr_abi_route route = {.vsid = model->subnets[from->subnet].vsid,
                                      .next_hop = programs_v4(from->next_hop)};

        programs_put(programs, "routes", &key, &route);
    }
}

static void program_adapter(const struct model *model, const struct programs *programs,
                            const struct model_adapter *from)
{
    const struct model_subnet *subnet = &model->subnets[from->subnet];
    struct skr_abi_mac_key mac_key = {.vsid = subnet->vsid};
    struct skr_abi_mac_record mac_record = {0};
    struct skr_abi_ca_key ca_key = {.vsid = subnet->vsid, .ca = programs_v4(from->ip)};
    struct skr_abi_ca_record ca_record = {.flags = from->dynamic ? SKR_RECORD_DYNAMIC : 0};
    struct skr_abi_port port = {.domain = subnet->domain + 1, .vsid = subnet->vsid, .flags = from->flags};

    memcpy(mac_key.mac, from->mac, 6);
    memcpy(ca_record.mac, from->mac, 6);
    memcpy(port.mac, from->mac, 6);
    if (from->closed) {
        port.vsid = 0;
        port.flags |= SKR_PORT_CLOSED;
    }
    if (from->place == REMOTE)
        mac_record.pa = programs_v4(host_pa(from->host));
    else if (from->place != UNPLACED)
        mac_record.pa = programs_v4(own_pa(subnet->source));
    if (from->other != NOWHERE) {
        mac_record.armed_pa = programs_v4(host_pa((unsigned)from->other));
        mac_record.flags = from->turned ? SKR_MAC_FLIPPED : 0;
    }
    if (from->arrives) {
        port.flags |= SKR_PORT_ARMED;
        if (subnet->has_source)
            mac_record.armed_pa = programs_v4(own_pa(subnet->source));
        programs_put(programs, "ports", &interface_index[from->interface], &port);
    }
    if (from->awaited) {
        mac_record.ifindex = interface_index[from->record_interface];
        mac_record.flags = SKR_MAC_ARRIVES;
    }
    if (from->place == BOUND) {
        mac_record.ifindex = interface_index[from->record_interface];
        programs_put(programs, "ports", &interface_index[from->interface], &port);
    }
    programs_put(programs, "records_mac", &mac_key, &mac_record);
    programs_put(programs, "records_ca", &ca_key, &ca_record);
}

static void put_chain(const struct programs *programs, uint32_t vsid, struct skr_abi_address at,
                      const struct skr_abi_address *receivers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct skr_abi_flood_key key = {.vsid = vsid, .receiver = at};
        struct skr_abi_flood link = {.next = receivers[i]};

        programs_put(programs, "flood", &key, &link);
        at = receivers[i];
    }
    if (count)
        programs_put(programs, "flood", &(struct skr_abi_flood_key){.vsid = vsid, .receiver = at},
                     &(struct skr_abi_flood){0});
}

static void program_flood(const struct model *model, const struct programs *programs, unsigned number)
{
    uint32_t vsid = model->subnets[number].vsid;
    struct skr_abi_address receivers[INTERFACES];
    unsigned count = 0;

    for (unsigned host = 0; host < HOSTS; host++) {
        bool present = false;

        for (unsigned i = 0; i < model->adapter_count; i++)
            present |= model->adapters[i].place == REMOTE && model->adapters[i].host == host &&
                       model->adapters[i].subnet == number;
        if (present)
            receivers[count++] = programs_v4(host_pa(host));
    }
    put_chain(programs, vsid, (struct skr_abi_address){0}, receivers, count);
    count = 0;
    for (unsigned interface = 0; interface < INTERFACES; interface++)
        if (model->occupant[interface] != NOWHERE && !model->adapters[model->occupant[interface]].closed &&
            model->adapters[model->occupant[interface]].subnet == number) {
            receivers[count] = (struct skr_abi_address){.bytes = {SKR_FLOOD_LOCAL}};
            receivers[count++].words[3] = htonl(interface_index[interface]);
        }
    put_chain(programs, vsid, (struct skr_abi_address){.bytes = {SKR_FLOOD_LOCAL}}, receivers, count);
}

static void program_fabric(const struct model *model, const struct programs *programs)
{
    for (unsigned uplink = 0; uplink < UPLINKS; uplink++) {
        struct skr_abi_address pa = programs_v4(own_pa(uplink));
        struct skr_abi_own_pa own = {.ifindex = interface_index[INTERFACES - UPLINKS + uplink], .mtu = 1500};

        programs_put(programs, "own_pas", &pa, &own);
    }
    for (unsigned host = 0; host < HOSTS; host++) {
        struct skr_abi_neighbor neighbor = {.ifindex = interface_index[INTERFACES - UPLINKS],
                                            .source_mac = {2, 2, 0, 0, 0, 1},
                                            .destination_mac = {2, 2, 0, 0, 0, 9}};
        struct skr_abi_peer peer = {0};
        struct skr_abi_peer_key key = {.pa = programs_v4(host_pa(host))};

        if (model->neighbor[host])
            programs_put(programs, "neighbors", &key.pa, &neighbor);
        for (key.domain = 1; key.domain <= DOMAINS; key.domain++)
            if (model->member[host][key.domain - 1])
                programs_put(programs, "peers", &key, &peer);
    }
}

void model_program(const struct model *model, const struct programs *programs)
{
    static const char *const tables[] = {"ports",   "records_mac", "records_ca", "subnets",  "routes",
                                         "own_pas", "peers",       "flood",      "neighbors"};

    for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        clear(programs, tables[i]);
    program_subnets(model, programs);
    for (unsigned i = 0; i < model->adapter_count; i++)
        program_adapter(model, programs, &model->adapters[i]);
    for (unsigned i = 0; i < model->subnet_count; i++)
        program_flood(model, programs, i);
    program_fabric(model, programs);
    vlan_program(model, programs);
}
