/* Adapters placed on this host: ports, bindings, local flooding, and the records that name their interfaces. */
#include "agent/fastpath/program_private.h"
#include <stdio.h>
#include <string.h>

static struct skr_program_adapter *adapter_find(const struct skr_program *program, const struct skr_uuid *id)
{
    struct skr_program_adapter *adapter;
    HASH_FIND(hh, program->adapters, id, sizeof(*id), adapter);
    return adapter;
}

static struct skr_program_adapter *adapter_make(struct skr_program *program, const struct skr_uuid *id)
{
    struct skr_program_adapter *adapter = adapter_find(program, id);
    if (adapter)
        return adapter;
    adapter = skr_must(calloc(1, sizeof(*adapter)));
    adapter->id = *id;
    HASH_ADD(hh, program->adapters, id, sizeof(adapter->id), adapter);
    return adapter;
}

static void adapter_release(struct skr_program *program, struct skr_program_adapter *adapter)
{
    if (adapter->placed || adapter->ifindex != 0 || adapter->records)
        return;
    HASH_DELETE(hh, program->adapters, adapter);
    free(adapter->addresses);
    free(adapter);
}

static struct skr_program_owner port_owner(const struct skr_program_adapter *adapter)
{
    return (struct skr_program_owner){.id = adapter->id, .type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT};
}

/* ---- records ---- */

/* The port tells of the turn too, and may do so before the record: it is not armed any more on the target, or it is not
 * on the source any more. */
static struct skr_abi_mac_record moving_value(const struct skr_program_local_record *record)
{
    const struct skr_program_adapter *adapter = record->adapter;
    bool comes =
            !record->here && adapter->placed && skr_address_compare(&record->armed, &record->domain->source_pa) == 0;
    bool has_turned = record->here ? !adapter->placed : comes && !adapter->armed;
    struct skr_abi_mac_record value = {.pa = skr_program_abi(&record->pa), .armed_pa = skr_program_abi(&record->armed)};
    if (has_turned)
        value = (struct skr_abi_mac_record){
                .pa = value.armed_pa, .flags = SKR_MAC_FLIPPED | SKR_MAC_TOLD, .armed_pa = value.pa};
    if (comes || (record->here && adapter->placed))
        value.ifindex = adapter->ifindex;
    if (comes && !has_turned && value.ifindex)
        value.flags = SKR_MAC_ARRIVES;
    return value;
}

static struct skr_abi_mac_record settled_value(const struct skr_program *program,
                                               const struct skr_program_local_record *record)
{
    const struct skr_program_adapter *adapter = record->adapter;
    const struct skr_address *former = skr_program_former_of(program, &record->id);
    struct skr_abi_mac_record value = {.pa = skr_program_abi(&record->pa)};
    if (record->here && adapter->placed)
        value.ifindex = adapter->ifindex;
    if (former) {
        value.flags = SKR_MAC_FLIPPED | SKR_MAC_TOLD;
        value.armed_pa = skr_program_abi(former);
    }
    return value;
}

static void assert_local(struct skr_program *program, const struct skr_program_local_record *record)
{
    struct skr_program_owner owner = {
            .id = record->id, .domain = record->domain, .type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD};
    struct skr_abi_mac_record value =
            skr_program_is_zero(&record->armed) ? settled_value(program, record) : moving_value(record);
    skr_program_ask(program, SKR_TABLE_RECORDS_MAC, &record->key, &owner, &value);
}

void skr_program_record_not_local(struct skr_program *program, const struct skr_uuid *id)
{
    struct skr_program_local_record *record;
    HASH_FIND(hh, program->local_records, id, sizeof(*id), record);
    if (!record)
        return;
    DL_DELETE(record->adapter->records, record);
    record->domain->references--;
    adapter_release(program, record->adapter);
    HASH_DELETE(hh, program->local_records, record);
    free(record);
}

void skr_program_record_local(struct skr_program *program, const struct skr_uuid *id, struct skr_program_domain *domain,
                              const struct skr_uuid *adapter_id, const struct skr_abi_mac_key *key, bool here,
                              const struct skr_address *pa, const struct skr_address *armed)
{
    skr_program_record_not_local(program, id);
    struct skr_program_local_record *record = skr_must(calloc(1, sizeof(*record)));
    record->id = *id;
    record->domain = domain;
    domain->references++;
    record->key = *key;
    record->here = here;
    record->pa = *pa;
    record->armed = *armed;
    record->adapter = adapter_make(program, adapter_id);
    DL_APPEND(record->adapter->records, record);
    HASH_ADD(hh, program->local_records, id, sizeof(record->id), record);
    assert_local(program, record);
}

void skr_program_record_reassert(struct skr_program *program, const struct skr_uuid *id)
{
    struct skr_program_local_record *record;
    HASH_FIND(hh, program->local_records, id, sizeof(*id), record);
    if (!record)
        return;
    assert_local(program, record);
    if (!record->here && skr_program_is_zero(&record->armed) && !skr_program_former_of(program, id))
        skr_program_record_not_local(program, id);
}

void skr_program_moving_reassert(struct skr_program *program, const struct skr_program_domain *domain)
{
    for (struct skr_program_local_record *record = program->local_records; record; record = record->hh.next)
        if (record->domain == domain && !skr_program_is_zero(&record->armed))
            assert_local(program, record);
}

/* ---- ports ---- */

static struct skr_abi_address local_receiver(uint32_t ifindex)
{
    struct skr_abi_address receiver = {.bytes = {[0] = SKR_FLOOD_LOCAL}};
    for (int i = 0; i < 4; i++)
        receiver.bytes[12 + i] = (uint8_t)(ifindex >> (8 * (3 - i)));
    return receiver;
}

static void withdraw_port(struct skr_program *program, struct skr_program_adapter *adapter)
{
    if (adapter->asserted_ifindex == 0)
        return;
    struct skr_program_owner owner = port_owner(adapter);
    struct skr_abi_address receiver = local_receiver(adapter->asserted_ifindex);
    skr_program_take_back(program, SKR_TABLE_PORTS, &adapter->asserted_ifindex, &owner);
    if (adapter->asserted_vsid)
        skr_program_flood_remove(program, adapter->asserted_vsid, true, &receiver);
    if (adapter->asserted_vsid & SKR_SEGMENT)
        skr_program_segment_withdraw(program, adapter, &owner);
    adapter->asserted_ifindex = 0;
}

/* Where a placed port belongs. vsid 0: nowhere, so that its frames drop, under a reason of their own if it is closed.
 */
struct place {
    uint32_t vsid, domain;
    bool closed;
    const char *failure; /* why it is nowhere: static, in the adapter or its subnet, or in text */
    char text[SKR_SUPPORT_TEXT_MAX];
};

static void place_in_subnet(const struct skr_program *program, const struct skr_program_adapter *adapter,
                            struct place *place)
{
    const struct skr_program_domain *domain = skr_program_domain_find(program, &adapter->vm_network_id);
    const struct skr_program_subnet *subnet = domain ? skr_program_domain_subnet(domain, adapter->vsid) : NULL;
    place->vsid = adapter->vsid;
    place->domain = domain && domain->known ? domain->number : 0;
    if (!domain || !domain->known)
        place->failure = "waiting: the adapter's VM network has not arrived";
    else if (!subnet)
        place->failure = "waiting: the adapter's VM subnet has not arrived";
    if (!subnet || !subnet->closed[0])
        return;
    place->vsid = 0;
    place->closed = true;
    place->failure = subnet->closed;
}

static void place_port(const struct skr_program *program, const struct skr_program_adapter *adapter,
                       struct place *place)
{
    if (adapter->closed[0])
        place->failure = adapter->closed;
    else if (adapter->in_segment)
        place->failure = skr_program_segment_of(program, adapter, &place->vsid, place->text);
    else
        place_in_subnet(program, adapter, place);
    if (place->failure && !place->vsid)
        place->closed = true;
}

/* A port whose VM network is not here yet is programmed without one: its frames drop, which is safer than an interface
 * that the fast path does not know. */
static void assert_port(struct skr_program *program, struct skr_program_adapter *adapter)
{
    struct skr_program_owner owner = port_owner(adapter);
    struct place place = {0};
    const char *flood = NULL;
    withdraw_port(program, adapter);
    if (!adapter->placed)
        return;
    place_port(program, adapter, &place);
    if (adapter->ifindex != 0) {
        struct skr_abi_port port = {.domain = place.domain,
                                    .vsid = place.vsid,
                                    .flags = adapter->flags | (adapter->peer ? SKR_PORT_PEER : 0) |
                                             (place.closed ? SKR_PORT_CLOSED : 0) |
                                             (adapter->armed ? SKR_PORT_ARMED : 0)};
        struct skr_abi_address receiver = local_receiver(adapter->ifindex);
        memcpy(port.adapter_id, adapter->id.bytes, sizeof(port.adapter_id));
        memcpy(port.mac, adapter->mac.bytes, sizeof(port.mac));
        skr_program_ask(program, SKR_TABLE_PORTS, &adapter->ifindex, &owner, &port);
        adapter->asserted_ifindex = adapter->ifindex;
        adapter->asserted_vsid = place.vsid;
        if (place.vsid & SKR_SEGMENT)
            skr_program_segment_assert(program, adapter, &owner);
        if (place.vsid && !skr_program_flood_add(program, place.vsid, true, &receiver, &owner))
            flood = "table_full: the port's network has too many ports on this host for broadcasts to reach";
    }
    skr_program_fail(program, &owner, SKR_DESIRED_PLACE, place.failure);
    skr_program_fail(program, &owner, SKR_DESIRED_FLOOD, flood);
    skr_program_fail(program, &owner, SKR_DESIRED_SETTINGS, adapter->without[0] ? adapter->without : NULL);
}

static void assert_adapter(struct skr_program *program, struct skr_program_adapter *adapter)
{
    struct skr_program_local_record *record;
    assert_port(program, adapter);
    DL_FOREACH (adapter->records, record)
        assert_local(program, record);
}

static void read_place(struct skr_program_adapter *adapter, const Skerry__V1__Port *port)
{
    char text[SKR_SUPPORT_TEXT_MAX];
    const char *closed = skr_support_port_closed(port, text);
    snprintf(adapter->closed, sizeof(adapter->closed), "%s", closed ? closed : "");
    const char *without = skr_support_port_settings(port, text);
    snprintf(adapter->without, sizeof(adapter->without), "%s", without ? without : "");
    adapter->in_segment = port->isolation != SKERRY__V1__ISOLATION__ISOLATION_UNSPECIFIED;
    adapter->has_host_switch = skr_body_uuid(&port->host_switch_id, &adapter->host_switch_id);
    adapter->vlan_id = port->vlan_id;
    snprintf(adapter->uplink, sizeof(adapter->uplink), "%s", port->uplink);
    free(adapter->addresses);
    adapter->addresses = NULL;
    adapter->address_count = adapter->in_segment ? port->n_addresses : 0;
    adapter->gateway = (struct skr_address){0};
    if (adapter->in_segment && port->gateway.len)
        skr_body_address(&port->gateway, &adapter->gateway);
    if (adapter->address_count)
        adapter->addresses = skr_must(calloc(adapter->address_count, sizeof(*adapter->addresses)));
    for (size_t i = 0; i < adapter->address_count; i++)
        skr_body_address(&port->addresses[i], &adapter->addresses[i]);
}

static uint32_t segment_flags(const struct skr_program_adapter *adapter, const Skerry__V1__Port *port)
{
    bool chooses = port->guest_specified_ips || !adapter->address_count;
    if (!adapter->in_segment)
        return 0;
    return (chooses ? SKR_PORT_ANY_ADDRESS : 0) | (port->ieee_priority_tagging ? SKR_PORT_PRIORITY : 0);
}

void skr_program_port_change(struct skr_program *program, const struct skr_desired_change *change)
{
    const Skerry__V1__Port *port = (const void *)change->after;
    struct skr_program_adapter *adapter = adapter_make(program, &change->id);
    withdraw_port(program, adapter); /* by what it was */
    adapter->placed = port != NULL;
    adapter->armed = port && port->armed;
    adapter->leaving = port && port->leaving;
    if (port) {
        skr_body_uuid(&port->vm_network_id, &adapter->vm_network_id);
        skr_body_mac(&port->mac, &adapter->mac);
        adapter->vsid = port->vsid;
        read_place(adapter, port);
        adapter->flags = (port->mac_spoofing ? SKR_PORT_MAC_SPOOFING : 0) |
                         (port->guest_specified_ips ? SKR_PORT_GUEST_SPECIFIED_IPS : 0) |
                         (port->arp_nd_inspection ? SKR_PORT_ARP_ND_INSPECTION : 0) |
                         (port->dhcp_guard ? SKR_PORT_DHCP_GUARD : 0) |
                         (port->router_guard ? SKR_PORT_ROUTER_GUARD : 0) | segment_flags(adapter, port);
    }
    assert_adapter(program, adapter);
    adapter_release(program, adapter);
}

static bool is_touched(const struct skr_program *program, const struct skr_program_adapter *adapter)
{
    if (!adapter->placed || adapter->in_segment)
        return adapter->placed && program->segments_touched;
    const struct skr_program_domain *domain = skr_program_domain_find(program, &adapter->vm_network_id);
    return domain && domain->touched;
}

/* Ports of VM networks that came, went or changed in this batch, and those networks' routes. */
void skr_program_ports_settle(struct skr_program *program)
{
    bool any = program->segments_touched;
    for (struct skr_program_domain *domain = program->domains; domain; domain = domain->hh.next) {
        any |= domain->touched;
        if (domain->touched)
            skr_program_customer_routes_settle(program, domain);
    }
    if (!any)
        return;
    for (struct skr_program_adapter *adapter = program->adapters; adapter; adapter = adapter->hh.next)
        if (is_touched(program, adapter))
            assert_port(program, adapter);
    for (struct skr_program_domain *domain = program->domains; domain; domain = domain->hh.next)
        domain->touched = false;
    program->segments_touched = false;
}

void skr_program_bind(struct skr_program *program, const struct skr_uuid *adapter_id, uint32_t ifindex, bool peer)
{
    struct skr_program_adapter *adapter = adapter_make(program, adapter_id);
    adapter->ifindex = ifindex;
    adapter->peer = peer;
    assert_adapter(program, adapter);
    adapter_release(program, adapter);
    skr_program_commit(program);
}

void skr_program_adapters_free(struct skr_program *program)
{
    struct skr_program_local_record *record, *next_record;
    HASH_ITER (hh, program->local_records, record, next_record) {
        HASH_DELETE(hh, program->local_records, record);
        free(record);
    }
    struct skr_program_adapter *adapter, *next;
    HASH_ITER (hh, program->adapters, adapter, next) {
        HASH_DELETE(hh, program->adapters, adapter);
        free(adapter->addresses);
        free(adapter);
    }
}
