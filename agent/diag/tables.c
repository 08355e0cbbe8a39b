#include "agent/desired/body.h"
#include "agent/diag/private.h"
#include <arpa/inet.h>
#include <skerry/macros.h>
#include <string.h>

struct list {
    const struct skr_diag_options *options;
    json_t *items;
    uint32_t vsid; /* 0: all */
    bool truncated;
};

static json_t *text_of(const struct skr_abi_address *from)
{
    static const uint8_t zero[16];
    char text[SKR_ADDRESS_TEXT_MAX];
    struct skr_address address;
    memcpy(address.bytes, from->bytes, sizeof(address.bytes));
    return memcmp(zero, from->bytes, sizeof(zero)) == 0 ? json_null() : json_string(skr_address_format(&address, text));
}

static json_t *mac_of(const __u8 *bytes)
{
    char text[SKR_MAC_TEXT_MAX];
    struct skr_mac mac;
    memcpy(mac.bytes, bytes, sizeof(mac.bytes));
    return json_string(skr_mac_format(&mac, text));
}

static json_t *uuid_of(const void *bytes)
{
    char text[SKR_UUID_TEXT_MAX];
    struct skr_uuid id;
    memcpy(id.bytes, bytes, sizeof(id.bytes));
    return json_string(skr_uuid_format(&id, text));
}

static bool full(struct list *list)
{
    list->truncated |= json_array_size(list->items) >= SKR_DIAG_ROWS_MAX;
    return list->truncated;
}

static json_t *finish(struct list *list)
{
    return json_pack("{s:o,s:b}", "items", list->items, "truncated", list->truncated);
}

/* Does the fast path hold exactly what is intended? */
static bool is_programmed(const struct list *list, enum skr_fastpath_table table, const void *key, const void *value)
{
    uint8_t found[64];
    return list->options->fastpath->ops->get(list->options->fastpath, table, key, found) == 0 &&
           skr_program_stands(table, value, found);
}

/* ---- records ---- */

static const char *record_type(uint32_t flags)
{
    return flags & SKR_RECORD_DYNAMIC   ? "dynamic"
           : flags & SKR_RECORD_L2ONLY  ? "l2only"
           : flags & SKR_RECORD_GATEWAY ? "gateway"
           : flags & SKR_RECORD_DHCP    ? "dhcp"
                                        : "static";
}

static json_t *record_row(struct list *list, uint32_t vsid, const __u8 mac[static 6], bool programmed)
{
    struct skr_abi_mac_key key = {.vsid = vsid};
    memcpy(key.mac, mac, sizeof(key.mac));
    const struct skr_abi_mac_record *where = skr_program_intended(list->options->program, SKR_TABLE_RECORDS_MAC, &key);
    if (where && !is_programmed(list, SKR_TABLE_RECORDS_MAC, &key, where))
        programmed = false;
    return json_pack("{s:i,s:o,s:o,s:s,s:b}", "vsid", (int)vsid, "mac", mac_of(mac), "provider_address",
                     where ? text_of(&where->pa) : json_null(), "interface",
                     where ? skr_diag_interface(list->options, where->ifindex) : "", "programmed", programmed);
}

static int add_ca(void *arg, const void *key, const void *value)
{
    struct list *list = arg;
    const struct skr_abi_ca_key *ca = key;
    const struct skr_abi_ca_record *record = value;
    /* Those of segments are told with their ports. */
    if (ca->vsid & SKR_SEGMENT || (list->vsid && ca->vsid != list->vsid))
        return 0;
    if (full(list))
        return 1;
    json_t *row = record_row(list, ca->vsid, record->mac, is_programmed(list, SKR_TABLE_RECORDS_CA, key, value));
    json_object_set_new(row, "customer_address", text_of(&ca->ca));
    json_object_set_new(row, "type", json_string(record_type(record->flags)));
    json_array_append_new(list->items, row);
    return 0;
}

/* Records without a customer address stand in the MAC table alone; they are the Record objects that say so. */
static int add_mac_alone(void *arg, const struct skr_desired_change *object)
{
    struct list *list = arg;
    const Skerry__V1__Record *record = (const void *)object->after;
    if (record->customer_address.len != 0 || (list->vsid && record->vsid != list->vsid))
        return 0;
    if (full(list))
        return 1;
    json_t *row = record_row(list, record->vsid, record->mac.data, true);
    json_object_set_new(row, "customer_address", json_null());
    json_object_set_new(row, "type", json_string("l2only"));
    json_array_append_new(list->items, row);
    return 0;
}

json_t *skr_diag_records(const struct skr_diag_options *options, const json_t *request)
{
    json_int_t vsid = json_integer_value(json_object_get(request, "vsid"));
    struct list list = {.options = options, .items = json_array(), .vsid = vsid > 0 ? (uint32_t)vsid : 0};
    skr_program_each(options->program, SKR_TABLE_RECORDS_CA, add_ca, &list);
    skr_desired_each(options->desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, add_mac_alone, &list);
    return finish(&list);
}

/* ---- routes ---- */

static int add_route(void *arg, const void *key, const void *value)
{
    struct list *list = arg;
    const struct skr_abi_route_key *route = key;
    const struct skr_abi_route *to = value;
    char text[SKR_ADDRESS_TEXT_MAX + 8];
    struct skr_address address;
    if (!route->domain) /* nobody's: what ports in segments may not reach */
        return 0;
    if (full(list))
        return 1;
    memcpy(address.bytes, route->destination.bytes, sizeof(address.bytes));
    unsigned length = route->prefix_bits - 32;
    skr_address_format(&address, text);
    snprintf(text + strlen(text), 8, "/%u", skr_address_is_v4(&address) && length >= 96 ? length - 96 : length);
    json_array_append_new(list->items,
                          json_pack("{s:I,s:s,s:i,s:o,s:b}", "domain", (json_int_t)ntohl(route->domain), "destination",
                                    text, "vsid", (int)to->vsid, "next_hop", text_of(&to->next_hop), "programmed",
                                    is_programmed(list, SKR_TABLE_ROUTES, key, value)));
    return 0;
}

json_t *skr_diag_routes(const struct skr_diag_options *options, const json_t *request)
{
    struct list list = {.options = options, .items = json_array()};
    (void)request;
    skr_program_each(options->program, SKR_TABLE_ROUTES, add_route, &list);
    return finish(&list);
}

/* ---- ports ---- */

struct bound {
    const struct skr_uuid *adapter_id;
    uint32_t ifindex;
    const struct skr_abi_port *port;
};

static int find_port(void *arg, const void *key, const void *value)
{
    struct bound *bound = arg;
    const struct skr_abi_port *port = value;
    if (memcmp(port->adapter_id, bound->adapter_id->bytes, sizeof(port->adapter_id)) != 0)
        return 0;
    memcpy(&bound->ifindex, key, sizeof(bound->ifindex));
    bound->port = port;
    return 1;
}

static json_t *port_flags(uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {{SKR_PORT_MAC_SPOOFING, "mac_spoofing"},
                 {SKR_PORT_GUEST_SPECIFIED_IPS, "guest_specified_ips"},
                 {SKR_PORT_ARP_ND_INSPECTION, "arp_nd_inspection"},
                 {SKR_PORT_DHCP_GUARD, "dhcp_guard"},
                 {SKR_PORT_ROUTER_GUARD, "router_guard"},
                 {SKR_PORT_PEER, "peer"},
                 {SKR_PORT_CLOSED, "closed"},
                 {SKR_PORT_ANY_ADDRESS, "any_address"},
                 {SKR_PORT_PRIORITY, "priority"}};
    json_t *out = json_array();
    for (size_t i = 0; i < SKR_ARRAY_SIZE(names); i++)
        if (flags & names[i].flag)
            json_array_append_new(out, json_string(names[i].name));
    return out;
}

static int add_port(void *arg, const struct skr_desired_change *object)
{
    struct list *list = arg;
    const Skerry__V1__Port *port = (const void *)object->after;
    struct bound bound = {.adapter_id = &object->id};
    struct skr_fastpath_attachment attachment = {0};
    struct skr_fastpath *fastpath = list->options->fastpath;
    if (full(list))
        return 1;
    skr_program_each(list->options->program, SKR_TABLE_PORTS, find_port, &bound);
    if (bound.ifindex)
        fastpath->ops->inspect(fastpath, SKR_HOOK_PORT, bound.ifindex, &attachment);
    bool programmed = bound.port && is_programmed(list, SKR_TABLE_PORTS, &bound.ifindex, bound.port);
    json_array_append_new(list->items,
                          json_pack("{s:o,s:s,s:i,s:s,s:i,s:o,s:b,s:s,s:i,s:b,s:b,s:i,s:o,s:s}", "adapter_id",
                                    uuid_of(object->id.bytes), "name", port->name, "vsid", (int)port->vsid, "uplink",
                                    port->uplink, "vlan_id", (int)port->vlan_id, "mac", mac_of(port->mac.data), "bound",
                                    bound.ifindex != 0, "interface", skr_diag_interface(list->options, bound.ifindex),
                                    "ifindex", (int)bound.ifindex, "attached", attachment.attached && attachment.ours,
                                    "programmed", programmed, "foreign_filters", (int)attachment.foreign, "flags",
                                    port_flags(bound.port ? bound.port->flags : 0), "closed", ""));
    return 0;
}

/* An interface of a guest that no adapter is on: why it is closed. */
static void add_closed(void *arg, const struct skr_host_closed *closed)
{
    struct list *list = arg;
    struct skr_fastpath_attachment in = {0}, out = {0};
    struct skr_fastpath *fastpath = list->options->fastpath;
    uint32_t ifindex = closed->interface->ifindex;
    if (full(list))
        return;
    fastpath->ops->inspect(fastpath, SKR_HOOK_CLOSED, ifindex, &in);
    fastpath->ops->inspect(fastpath, SKR_HOOK_CLOSED_EGRESS, ifindex, &out);
    json_array_append_new(
            list->items,
            json_pack("{s:o,s:s,s:i,s:s,s:i,s:o,s:b,s:s,s:i,s:b,s:b,s:i,s:[s],s:s}", "adapter_id",
                      skr_uuid_is_nil(&closed->adapter_id) ? json_null() : uuid_of(closed->adapter_id.bytes), "name",
                      "", "vsid", 0, "uplink", "", "vlan_id", 0, "mac", mac_of(closed->interface->mac.bytes), "bound",
                      false, "interface", closed->interface->name, "ifindex", (int)ifindex, "attached",
                      in.ours && out.ours, "programmed", in.ours && out.ours, "foreign_filters",
                      (int)(in.foreign + out.foreign), "flags", "closed", "closed", closed->why));
}

json_t *skr_diag_ports(const struct skr_diag_options *options, const json_t *request)
{
    struct list list = {.options = options, .items = json_array()};
    (void)request;
    skr_desired_each(options->desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, add_port, &list);
    if (options->host)
        skr_host_closed_each(options->host, INT64_MAX, add_closed, &list);
    return finish(&list);
}

/* ---- provider addresses ---- */

static int add_own(void *arg, const struct skr_desired_change *object)
{
    struct list *list = arg;
    const Skerry__V1__ProviderAddress *pa = (const void *)object->after;
    struct skr_address address, gateway;
    struct skr_abi_address key, gateway_text = {0};
    if (full(list) || !skr_body_address(&pa->address, &address))
        return 1;
    memcpy(key.bytes, address.bytes, sizeof(key.bytes));
    if (skr_body_address(&pa->gateway, &gateway))
        memcpy(gateway_text.bytes, gateway.bytes, sizeof(gateway_text.bytes));
    const struct skr_abi_own_pa *own = skr_program_intended(list->options->program, SKR_TABLE_OWN_PAS, &key);
    json_array_append_new(list->items,
                          json_pack("{s:o,s:s,s:i,s:o,s:s,s:i,s:i,s:b,s:b}", "address", text_of(&key), "kind", "own",
                                    "prefix_length", (int)pa->prefix_length, "gateway", text_of(&gateway_text),
                                    "interface", pa->uplink, "vlan_id", (int)pa->vlan_id, "mtu",
                                    (int)(own ? own->mtu : pa->mtu), "standing", own != NULL, "programmed",
                                    own && is_programmed(list, SKR_TABLE_OWN_PAS, &key, own)));
    return 0;
}

static int add_neighbor(void *arg, const void *key, const void *value)
{
    struct list *list = arg;
    const struct skr_abi_neighbor *neighbor = value;
    if (full(list))
        return 1;
    json_array_append_new(list->items, json_pack("{s:o,s:s,s:s,s:o,s:b}", "address", text_of(key), "kind", "remote",
                                                 "interface", skr_diag_interface(list->options, neighbor->ifindex),
                                                 "next_hop_mac", mac_of(neighbor->destination_mac), "programmed",
                                                 is_programmed(list, SKR_TABLE_NEIGHBORS, key, value)));
    return 0;
}

json_t *skr_diag_provider_addresses(const struct skr_diag_options *options, const json_t *request)
{
    struct list list = {.options = options, .items = json_array()};
    (void)request;
    skr_desired_each(options->desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS, add_own, &list);
    skr_program_each(options->program, SKR_TABLE_NEIGHBORS, add_neighbor, &list);
    return finish(&list);
}
