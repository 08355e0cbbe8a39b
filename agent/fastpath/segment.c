/* Segments: a VLAN of an uplink (abi/fastpath.h). Its entry in the table of subnets says that it is used here; a port
 * in one brings its own records, because nobody else tells where its MAC is. Whose the addresses of ports elsewhere are
 * says holder.c. */
#include "agent/fastpath/program_private.h"
#include <stdio.h>
#include <string.h>

static const struct skr_program_owner nobody;

static struct skr_program_uplink *uplink_find(const struct skr_program *program, const char *name)
{
    struct skr_program_uplink *uplink;
    HASH_FIND_STR(program->uplinks, name, uplink);
    return uplink;
}

uint32_t skr_program_uplink_mtu(const struct skr_program *program, uint32_t ifindex)
{
    for (const struct skr_program_uplink *uplink = program->uplinks; uplink; uplink = uplink->hh.next)
        if (uplink->ifindex == ifindex)
            return uplink->mtu;
    return 0;
}

/* ---- segments ---- */

static void assert_segment(struct skr_program *program, const struct skr_program_segment *segment)
{
    struct skr_abi_subnet value = {.flags = segment->hosts ? SKR_SUBNET_HOST : 0,
                                   .mtu = skr_program_uplink_mtu(program, SKR_SEGMENT_IFINDEX(segment->number))};
    skr_program_ask(program, SKR_TABLE_SUBNETS, &segment->number, &nobody, &value);
}

void skr_program_segment_hold(struct skr_program *program, uint32_t number, bool host, int delta)
{
    struct skr_program_segment *segment;
    HASH_FIND(hh, program->segments, &number, sizeof(number), segment);
    if (!segment) {
        segment = skr_must(calloc(1, sizeof(*segment)));
        segment->number = number;
        HASH_ADD(hh, program->segments, number, sizeof(segment->number), segment);
    }
    *(host ? &segment->hosts : &segment->ports) += (uint32_t)delta;
    if (segment->hosts || segment->ports) {
        assert_segment(program, segment);
        return;
    }
    skr_program_take_back(program, SKR_TABLE_SUBNETS, &number, &nobody);
    HASH_DELETE(hh, program->segments, segment);
    free(segment);
}

/* ---- ports ---- */

static const char *switch_refuses(const struct skr_program *program, const struct skr_program_adapter *adapter,
                                  char out[static SKR_SUPPORT_TEXT_MAX])
{
    const Skerry__V1__HostSwitch *host_switch;
    if (!adapter->has_host_switch)
        return NULL;
    host_switch =
            (const void *)skr_desired_get(program->desired, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, &program->self,
                                          SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH, &adapter->host_switch_id);
    return host_switch ? skr_support_host_switch(host_switch, out)
                       : "waiting: the adapter's host switch has not arrived";
}

const char *skr_program_segment_of(const struct skr_program *program, const struct skr_program_adapter *adapter,
                                   uint32_t *ret_segment, char out[static SKR_SUPPORT_TEXT_MAX])
{
    const struct skr_program_uplink *uplink = uplink_find(program, adapter->uplink);
    const char *refused = switch_refuses(program, adapter, out);
    if (refused)
        return refused;
    if (!adapter->uplink[0])
        return "no_uplink: no uplink of this host reaches the adapter's network";
    if (!uplink) {
        snprintf(out, SKR_SUPPORT_TEXT_MAX, "no_uplink: the interface %s is not there, or is no uplink of this host",
                 adapter->uplink);
        return out;
    }
    if (uplink->ifindex > SKR_SEGMENT_IFINDEX_MAX) {
        snprintf(out, SKR_SUPPORT_TEXT_MAX, "not_supported: the uplink %s has an interface number above %d",
                 adapter->uplink, SKR_SEGMENT_IFINDEX_MAX);
        return out;
    }
    *ret_segment = SKR_SEGMENT_OF(uplink->ifindex, adapter->vlan_id);
    return NULL;
}

static struct skr_abi_ca_key address_key(const struct skr_program_adapter *adapter, size_t i)
{
    return (struct skr_abi_ca_key){.vsid = adapter->asserted_vsid, .ca = skr_program_abi(&adapter->addresses[i])};
}

static struct skr_abi_mac_key mac_key(const struct skr_program_adapter *adapter)
{
    struct skr_abi_mac_key key = {.vsid = adapter->asserted_vsid};
    memcpy(key.mac, adapter->mac.bytes, sizeof(key.mac));
    return key;
}

/* The gateway is a router on the wire: its address stands with the MAC that no port may have, so that no port has it.
 */
static bool gateway_key(const struct skr_program_adapter *adapter, struct skr_abi_ca_key *ret)
{
    *ret = (struct skr_abi_ca_key){.vsid = adapter->asserted_vsid, .ca = skr_program_abi(&adapter->gateway)};
    return !skr_program_is_zero(adapter->gateway.bytes);
}

void skr_program_segment_withdraw(struct skr_program *program, const struct skr_program_adapter *adapter,
                                  const struct skr_program_owner *owner)
{
    struct skr_abi_mac_key mac = mac_key(adapter);
    skr_program_take_back(program, SKR_TABLE_RECORDS_MAC, &mac, owner);
    for (size_t i = 0; i < adapter->address_count; i++) {
        struct skr_abi_ca_key key = address_key(adapter, i);
        skr_program_take_back(program, SKR_TABLE_RECORDS_CA, &key, owner);
    }
    struct skr_abi_ca_key gateway;
    if (gateway_key(adapter, &gateway))
        skr_program_take_back(program, SKR_TABLE_RECORDS_CA, &gateway, owner);
    skr_program_segment_hold(program, adapter->asserted_vsid, false, -1);
    skr_program_place_hold(program, &adapter->vm_network_id, adapter->asserted_vsid, -1);
}

void skr_program_segment_assert(struct skr_program *program, const struct skr_program_adapter *adapter,
                                const struct skr_program_owner *owner)
{
    struct skr_abi_mac_key mac = mac_key(adapter);
    struct skr_abi_mac_record record = {.ifindex = adapter->armed ? 0 : adapter->asserted_ifindex,
                                        .flags = adapter->armed || adapter->leaving ? SKR_MAC_WAITS : 0};
    struct skr_abi_ca_record holder = {0};
    memcpy(holder.mac, adapter->mac.bytes, sizeof(holder.mac));
    skr_program_segment_hold(program, adapter->asserted_vsid, false, 1);
    skr_program_place_hold(program, &adapter->vm_network_id, adapter->asserted_vsid, 1);
    skr_program_ask(program, SKR_TABLE_RECORDS_MAC, &mac, owner, &record);
    for (size_t i = 0; i < adapter->address_count; i++) {
        struct skr_abi_ca_key key = address_key(adapter, i);
        skr_program_ask(program, SKR_TABLE_RECORDS_CA, &key, owner, &holder);
    }
    static const struct skr_abi_ca_record nobodys = {.mac = SKR_GATEWAY_MAC_BYTES};
    struct skr_abi_ca_key gateway;
    if (gateway_key(adapter, &gateway))
        skr_program_ask(program, SKR_TABLE_RECORDS_CA, &gateway, owner, &nobodys);
}

/* ---- uplinks ---- */

void skr_program_uplink(struct skr_program *program, const char *name, uint32_t ifindex, uint32_t mtu)
{
    struct skr_program_uplink *uplink = uplink_find(program, name);
    if (uplink && uplink->ifindex == ifindex && uplink->mtu == mtu)
        return;
    if (!uplink && ifindex) {
        uplink = skr_must(calloc(1, sizeof(*uplink)));
        snprintf(uplink->name, sizeof(uplink->name), "%s", name);
        HASH_ADD_STR(program->uplinks, name, uplink);
    }
    if (uplink && !ifindex) {
        HASH_DELETE(hh, program->uplinks, uplink);
        free(uplink);
    } else if (uplink) {
        uplink->ifindex = ifindex;
        uplink->mtu = mtu;
    }
    for (const struct skr_program_segment *segment = program->segments; segment; segment = segment->hh.next)
        assert_segment(program, segment);
    program->segments_touched = true;
    skr_program_domains_uplink(program);
    skr_program_commit(program);
}

void skr_program_segments_free(struct skr_program *program)
{
    struct skr_program_segment *segment, *next_segment;
    HASH_ITER (hh, program->segments, segment, next_segment) {
        HASH_DELETE(hh, program->segments, segment);
        free(segment);
    }
    struct skr_program_uplink *uplink, *next;
    HASH_ITER (hh, program->uplinks, uplink, next) {
        HASH_DELETE(hh, program->uplinks, uplink);
        free(uplink);
    }
}
