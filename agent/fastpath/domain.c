/* VM networks: subnets and routes, members (peers and remote flooding), lookup records. Those without network
 * virtualization: holder.c. */
#include "agent/fastpath/program_private.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct skr_program_domain *skr_program_domain_find(const struct skr_program *program, const struct skr_uuid *id)
{
    struct skr_program_domain *domain;
    HASH_FIND(hh, program->domains, id, sizeof(*id), domain);
    return domain;
}

struct skr_program_domain *skr_program_domain_make(struct skr_program *program, const struct skr_uuid *id)
{
    struct skr_program_domain *domain = skr_program_domain_find(program, id);
    if (domain)
        return domain;
    domain = skr_must(calloc(1, sizeof(*domain)));
    domain->id = *id;
    HASH_ADD(hh, program->domains, id, sizeof(domain->id), domain);
    return domain;
}

const struct skr_program_subnet *skr_program_domain_subnet(const struct skr_program_domain *domain, uint32_t vsid)
{
    for (const struct skr_program_subnet *subnet = domain->subnets; subnet; subnet = subnet->hh.next)
        if (subnet->vsid == vsid)
            return subnet;
    return NULL;
}

static struct skr_program_owner owner_of(struct skr_program_domain *domain, uint32_t type, const struct skr_uuid *id)
{
    return (struct skr_program_owner){.id = *id, .domain = domain, .type = type};
}

/* ---- subnets ---- */

static struct skr_abi_route_key route_key(uint32_t number, const struct skr_prefix *prefix)
{
    return (struct skr_abi_route_key){.prefix_bits = 32 + skr_prefix_length_128(prefix),
                                      .domain = htonl(number),
                                      .destination = skr_program_abi(&prefix->address)};
}

static const char *why_unknown(const struct skr_program_domain *domain)
{
    return domain->lacks[0] ? domain->lacks : "waiting: the VM network itself has not arrived";
}

static void withdraw_subnet(struct skr_program *program, struct skr_program_domain *domain,
                            struct skr_program_subnet *subnet)
{
    if (!subnet->asserted)
        return;
    struct skr_program_owner owner = owner_of(domain, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET, &subnet->id);
    struct skr_abi_route_key route = route_key(subnet->asserted_number, &subnet->prefix);
    skr_program_take_back(program, SKR_TABLE_SUBNETS, &subnet->vsid, &owner);
    skr_program_take_back(program, SKR_TABLE_ROUTES, &route, &owner);
    subnet->asserted = false;
}

/* The largest packet that fits into the uplink that carries the domain's provider address, in its encapsulation; 0:
 * nothing is known. */
static uint32_t uplink_mtu(const struct skr_program *program, const struct skr_program_domain *domain)
{
    uint32_t outer = skr_program_own_mtu(program, &domain->source_pa);
    uint32_t overhead = domain->vxlan ? SKR_VXLAN_OVERHEAD : SKR_NVGRE_OVERHEAD;
    return outer > overhead ? outer - overhead : 0;
}

static void assert_subnet(struct skr_program *program, struct skr_program_domain *domain,
                          struct skr_program_subnet *subnet)
{
    struct skr_program_owner owner = owner_of(domain, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET, &subnet->id);
    const char *failure = NULL;
    if (!domain->known)
        failure = why_unknown(domain);
    else if (subnet->closed[0])
        failure = subnet->closed;
    skr_program_fail(program, &owner, SKR_DESIRED_PLACE, failure);
    if (!domain->known)
        return;
    struct skr_abi_subnet value = {
            .domain = domain->number,
            .flags = (subnet->learns ? SKR_SUBNET_LEARNS : 0) | (domain->vxlan ? SKR_SUBNET_VXLAN : 0),
            .gateway = skr_program_abi(&subnet->gateway),
            .source_pa = skr_program_abi(&domain->source_pa),
            .prefix_length = skr_prefix_length_128(&subnet->prefix),
            .mtu = subnet->mtu ? subnet->mtu : domain->mtu,
    };
    uint32_t carried = uplink_mtu(program, domain);
    if (carried && carried < value.mtu) {
        value.mtu = carried;
        value.flags |= SKR_SUBNET_UPLINK_MTU;
    }
    struct skr_abi_route_key key = route_key(domain->number, &subnet->prefix);
    struct skr_abi_route route = {.vsid = subnet->vsid};
    skr_program_ask(program, SKR_TABLE_SUBNETS, &subnet->vsid, &owner, &value);
    skr_program_ask(program, SKR_TABLE_ROUTES, &key, &owner, &route);
    subnet->asserted = true;
    subnet->asserted_number = domain->number;
}

static void subnet_change(struct skr_program *program, struct skr_program_domain *domain,
                          const struct skr_desired_change *change)
{
    const Skerry__V1__Subnet *message = (const void *)change->after;
    struct skr_program_subnet *subnet;
    char text[SKR_SUPPORT_TEXT_MAX];
    HASH_FIND(hh, domain->subnets, &change->id, sizeof(change->id), subnet);
    domain->touched = true;
    if (subnet)
        withdraw_subnet(program, domain, subnet);
    if (!message) {
        if (subnet)
            HASH_DELETE(hh, domain->subnets, subnet);
        free(subnet);
        return;
    }
    if (!subnet) {
        subnet = skr_must(calloc(1, sizeof(*subnet)));
        subnet->id = change->id;
        HASH_ADD(hh, domain->subnets, id, sizeof(subnet->id), subnet);
    }
    subnet->vsid = message->vsid;
    subnet->mtu = message->mtu;
    subnet->learns = message->learns;
    const char *closed = skr_support_subnet(message, text);
    snprintf(subnet->closed, sizeof(subnet->closed), "%s", closed ? closed : "");
    skr_body_prefix(&message->prefix, message->prefix_length, &subnet->prefix);
    skr_body_address(&message->gateway, &subnet->gateway);
    assert_subnet(program, domain, subnet);
}

/* ---- members ---- */

static void withdraw_member(struct skr_program *program, struct skr_program_domain *domain,
                            struct skr_program_member *member)
{
    if (!member->asserted)
        return;
    struct skr_program_owner owner = owner_of(domain, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_MEMBER, &member->id);
    for (size_t i = 0; i < member->address_count; i++) {
        struct skr_abi_peer_key key = {.domain = member->asserted_number, .pa = skr_program_abi(&member->addresses[i])};
        skr_program_take_back(program, SKR_TABLE_PEERS, &key, &owner);
    }
    for (size_t i = 0; i < member->vsid_count && member->address_count > 0; i++) {
        struct skr_abi_address receiver = skr_program_abi(&member->addresses[0]);
        skr_program_flood_remove(program, member->vsids[i], false, &receiver);
    }
    member->asserted = false;
}

static void assert_member(struct skr_program *program, struct skr_program_domain *domain,
                          struct skr_program_member *member)
{
    struct skr_program_owner owner = owner_of(domain, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_MEMBER, &member->id);
    static const struct skr_abi_peer peer;
    const char *failure = NULL, *flood = NULL;
    if (!member->address_count && !member->vsid_count)
        failure = NULL; /* nothing of it waits: that of a VM network without network virtualization never has more */
    else if (!domain->known)
        failure = why_unknown(domain);
    else if (!program->self_known)
        failure = "waiting: the host's own part has not arrived";
    if (!failure && skr_uuid_compare(&member->id, &program->self) != 0) {
        for (size_t i = 0; i < member->address_count; i++) {
            struct skr_abi_peer_key key = {.domain = domain->number, .pa = skr_program_abi(&member->addresses[i])};
            skr_program_ask(program, SKR_TABLE_PEERS, &key, &owner, &peer);
            skr_program_pa_source(program, &member->addresses[i], &domain->source_pa);
        }
        for (size_t i = 0; i < member->vsid_count && member->address_count > 0; i++) {
            struct skr_abi_address receiver = skr_program_abi(&member->addresses[0]);
            if (!skr_program_flood_add(program, member->vsids[i], false, &receiver, &owner))
                flood = "table_full: the VM subnet is on too many hosts for broadcasts to reach";
        }
        member->asserted = true;
        member->asserted_number = domain->number;
    }
    skr_program_fail(program, &owner, SKR_DESIRED_PLACE, failure);
    skr_program_fail(program, &owner, SKR_DESIRED_FLOOD, flood);
}

static void member_free(struct skr_program_member *member)
{
    free(member->addresses);
    free(member->vsids);
    free(member);
}

static int compare_vsids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void member_read(struct skr_program_member *member, const Skerry__V1__Member *message)
{
    member->addresses = skr_must(calloc(message->n_provider_addresses + 1, sizeof(*member->addresses)));
    member->vsids = skr_must(calloc(message->n_vsids + 1, sizeof(*member->vsids)));
    for (size_t i = 0; i < message->n_provider_addresses; i++)
        skr_body_address(&message->provider_addresses[i], &member->addresses[i]);
    member->address_count = message->n_provider_addresses;
    /* Each VSID once: additions and removals of receivers must match. */
    if (message->n_vsids > 0) {
        memcpy(member->vsids, message->vsids, message->n_vsids * sizeof(*member->vsids));
        qsort(member->vsids, message->n_vsids, sizeof(*member->vsids), compare_vsids);
    }
    for (size_t i = 0; i < message->n_vsids; i++)
        if (i == 0 || member->vsids[i] != member->vsids[member->vsid_count - 1])
            member->vsids[member->vsid_count++] = member->vsids[i];
}

static void member_change(struct skr_program *program, struct skr_program_domain *domain,
                          const struct skr_desired_change *change)
{
    struct skr_program_member *member;
    HASH_FIND(hh, domain->members, &change->id, sizeof(change->id), member);
    struct skr_program_member *before = member;
    if (before)
        HASH_DELETE(hh, domain->members, before);
    if (change->after) {
        member = skr_must(calloc(1, sizeof(*member)));
        member->id = change->id;
        member_read(member, (const void *)change->after);
        HASH_ADD(hh, domain->members, id, sizeof(member->id), member);
    }
    if (before) {
        withdraw_member(program, domain, before);
        member_free(before);
    }
    if (change->after)
        assert_member(program, domain, member);
}

/* ---- records ---- */

static struct skr_abi_mac_key record_mac_key(const Skerry__V1__Record *record)
{
    struct skr_abi_mac_key key = {.vsid = record->vsid};
    memcpy(key.mac, record->mac.data, sizeof(key.mac));
    return key;
}

static bool record_ca_key(const Skerry__V1__Record *record, struct skr_abi_ca_key *ret)
{
    struct skr_address ca;
    if (!skr_body_address(&record->customer_address, &ca) || !skr_address_is_v4(&ca))
        return false;
    *ret = (struct skr_abi_ca_key){.vsid = record->vsid, .ca = skr_program_abi(&ca)};
    return true;
}

static uint32_t record_flags(const Skerry__V1__Record *record)
{
    static const uint32_t flags[] = {
            [SKERRY__V1__RECORD_TYPE__RECORD_TYPE_DYNAMIC] = SKR_RECORD_DYNAMIC,
            [SKERRY__V1__RECORD_TYPE__RECORD_TYPE_L2ONLY] = SKR_RECORD_L2ONLY,
            [SKERRY__V1__RECORD_TYPE__RECORD_TYPE_GATEWAY] = SKR_RECORD_GATEWAY,
            [SKERRY__V1__RECORD_TYPE__RECORD_TYPE_DHCP] = SKR_RECORD_DHCP,
    };
    return flags[record->type];
}

static void withdraw_record(struct skr_program *program, const struct skr_program_owner *owner,
                            const Skerry__V1__Record *record)
{
    struct skr_abi_mac_key mac = record_mac_key(record);
    struct skr_abi_ca_key ca;
    skr_program_take_back(program, SKR_TABLE_RECORDS_MAC, &mac, owner);
    if (record_ca_key(record, &ca))
        skr_program_take_back(program, SKR_TABLE_RECORDS_CA, &ca, owner);
    skr_program_record_not_local(program, &owner->id);
}

static bool is_here(const struct skr_program *program, const Skerry__V1__Record *record)
{
    struct skr_uuid host;
    return program->self_known && record && skr_body_uuid(&record->host_id, &host) &&
           skr_uuid_compare(&host, &program->self) == 0;
}

static void assert_record(struct skr_program *program, const struct skr_program_owner *owner,
                          const Skerry__V1__Record *record)
{
    struct skr_abi_mac_key mac = record_mac_key(record);
    struct skr_abi_ca_key ca;
    struct skr_address pa = {0}, armed = {0};
    struct skr_uuid adapter = {0};
    bool placed = skr_body_address(&record->provider_address, &pa), here = is_here(program, record);
    if (!skr_support_record_type(record))
        return;
    skr_body_address(&record->armed_provider_address, &armed);
    bool moves = placed && (!skr_program_is_zero(&armed) || skr_program_former_of(program, &owner->id));
    if ((here || moves) && skr_body_uuid(&record->adapter_id, &adapter)) {
        skr_program_record_local(program, &owner->id, owner->domain, &adapter, &mac, here, &pa, &armed);
    } else if (placed) {
        struct skr_abi_mac_record value = {.pa = skr_program_abi(&pa)};
        skr_program_record_not_local(program, &owner->id);
        skr_program_ask(program, SKR_TABLE_RECORDS_MAC, &mac, owner, &value);
    } else {
        /* Known but nowhere: its address is answered for, its frames find nobody. */
        skr_program_record_not_local(program, &owner->id);
        skr_program_take_back(program, SKR_TABLE_RECORDS_MAC, &mac, owner);
    }
    if (record_ca_key(record, &ca)) {
        struct skr_abi_ca_record value = {.flags = record_flags(record)};
        memcpy(value.mac, record->mac.data, sizeof(value.mac));
        skr_program_ask(program, SKR_TABLE_RECORDS_CA, &ca, owner, &value);
    }
}

/* A record that was armed and has turned names the host that its adapter left a while longer. */
static void keep_former(struct skr_program *program, const struct skr_uuid *id, const Skerry__V1__Record *before,
                        const Skerry__V1__Record *after)
{
    struct skr_address was = {0}, armed = {0}, is = {0};
    if (before) {
        skr_body_address(&before->provider_address, &was);
        skr_body_address(&before->armed_provider_address, &armed);
    }
    if (after)
        skr_body_address(&after->provider_address, &is);
    if (skr_address_compare(&was, &is) == 0)
        return; /* it moves, or its move was cancelled */
    bool turned = !skr_program_is_zero(&was) && !skr_program_is_zero(&is) && skr_address_compare(&armed, &is) == 0;
    skr_program_former_set(program, id, turned ? &was : NULL, is_here(program, before) || is_here(program, after));
}

static void record_change(struct skr_program *program, struct skr_program_domain *domain,
                          const struct skr_desired_change *change)
{
    struct skr_program_owner owner = owner_of(domain, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, &change->id);
    const Skerry__V1__Record *before = (const void *)change->before, *after = (const void *)change->after;
    char text[SKR_SUPPORT_TEXT_MAX];
    const char *lacks = after ? skr_support_record(after, text) : NULL;
    keep_former(program, &change->id, before, after);
    if (before)
        withdraw_record(program, &owner, before);
    if (after)
        assert_record(program, &owner, after);
    skr_program_fail(program, &owner, SKR_DESIRED_SETTINGS, lacks);
}

/* ---- the VM network itself ---- */

static void domain_reassert(struct skr_program *program, struct skr_program_domain *domain)
{
    for (struct skr_program_subnet *subnet = domain->subnets; subnet; subnet = subnet->hh.next) {
        withdraw_subnet(program, domain, subnet);
        assert_subnet(program, domain, subnet);
    }
    for (struct skr_program_member *member = domain->members; member; member = member->hh.next) {
        withdraw_member(program, domain, member);
        assert_member(program, domain, member);
    }
}

/* True when it changed. A moving adapter's record that names the address comes here. */
static bool set_source(struct skr_program *program, struct skr_program_domain *domain, const struct skr_address *source)
{
    if (skr_address_compare(&domain->source_pa, source) == 0)
        return false;
    domain->source_pa = *source;
    skr_program_moving_reassert(program, domain);
    return true;
}

/* This host's provider address in the domain's logical network: the one with the lowest id. True when it changed. */
static bool domain_source(struct skr_program *program, struct skr_program_domain *domain)
{
    const struct skr_program_provider_address *best = NULL;
    for (const struct skr_program_provider_address *o = program->provider_addresses; o; o = o->hh.next)
        if (skr_uuid_compare(&o->logical_network_id, &domain->logical_network_id) == 0 &&
            (!best || skr_uuid_compare(&o->id, &best->id) < 0))
            best = o;
    struct skr_address source = {0};
    if (best)
        source = best->address;
    struct skr_program_owner owner = owner_of(domain, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN, &domain->id);
    const char *failure = NULL;
    if (!best)
        failure = program->self_known
                          ? "no_provider_address: this host has no provider address in the VM network's logical network"
                          : "waiting: the host's own part has not arrived";
    skr_program_fail(program, &owner, SKR_DESIRED_PLACE, failure);
    return set_source(program, domain, &source);
}

void skr_program_domains_source(struct skr_program *program)
{
    for (struct skr_program_domain *domain = program->domains; domain; domain = domain->hh.next)
        if (domain->known && domain_source(program, domain))
            domain_reassert(program, domain);
}

void skr_program_domains_uplink(struct skr_program *program)
{
    for (struct skr_program_domain *domain = program->domains; domain; domain = domain->hh.next) {
        uint32_t carried = uplink_mtu(program, domain);
        if (!domain->known || carried == domain->asserted_uplink_mtu)
            continue;
        domain->asserted_uplink_mtu = carried;
        for (struct skr_program_subnet *subnet = domain->subnets; subnet; subnet = subnet->hh.next)
            assert_subnet(program, domain, subnet);
    }
}

static void domain_object_change(struct skr_program *program, struct skr_program_domain *domain,
                                 const struct skr_desired_change *change)
{
    const Skerry__V1__Domain *message = (const void *)change->after;
    struct skr_program_owner owner = owner_of(domain, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN, &domain->id);
    char text[SKR_SUPPORT_TEXT_MAX];
    const char *lacks = message ? skr_support_domain(message, text) : NULL;
    domain->touched = true;
    domain->known = message && !lacks;
    snprintf(domain->lacks, sizeof(domain->lacks), "%s", lacks ? lacks : "");
    if (lacks)
        skr_program_fail(program, &owner, SKR_DESIRED_PLACE, lacks);
    if (message && !lacks) {
        domain->number = message->number;
        domain->mtu = message->mtu;
        domain->vxlan = message->encapsulation == SKERRY__V1__ENCAPSULATION__ENCAPSULATION_VXLAN;
        skr_body_uuid(&message->logical_network_id, &domain->logical_network_id);
        domain_source(program, domain);
    } else {
        set_source(program, domain, &(struct skr_address){0});
    }
    program->domains_gone |= !message;
    domain_reassert(program, domain);
}

void skr_program_domain_change(struct skr_program *program, const struct skr_desired_change *change)
{
    struct skr_program_domain *domain = skr_program_domain_make(program, &change->scope_id);
    switch (change->type) {
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN:
        domain_object_change(program, domain, change);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET:
        subnet_change(program, domain, change);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_MEMBER:
        member_change(program, domain, change);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD:
        record_change(program, domain, change);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_CUSTOMER_ROUTE:
        skr_program_customer_route_change(program, domain, change);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOLDER:
        skr_program_holder_change(program, domain, change);
        break;
    default: /* of a newer controller */
        program->domains_gone |= !change->after;
    }
}

static int record_again(void *arg, const struct skr_desired_change *object)
{
    struct skr_program *program = arg;
    struct skr_program_domain *domain = skr_program_domain_make(program, &object->scope_id);
    struct skr_program_owner owner = owner_of(domain, object->type, &object->id);
    assert_record(program, &owner, (const void *)object->after);
    return 0;
}

/* The id of this host decides which members are other hosts and which records are local. */
void skr_program_self(struct skr_program *program, const struct skr_uuid *host_id)
{
    if (program->self_known && skr_uuid_compare(&program->self, host_id) == 0)
        return;
    program->self = *host_id;
    program->self_known = true;
    for (struct skr_program_domain *domain = program->domains; domain; domain = domain->hh.next) {
        if (domain->known)
            domain_source(program, domain);
        domain_reassert(program, domain);
    }
    skr_desired_each(program->desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, record_again, program);
}

void skr_program_domains_sweep(struct skr_program *program, bool all)
{
    struct skr_program_domain *domain, *next;
    HASH_ITER (hh, program->domains, domain, next) {
        if (!all && (domain->known || domain->subnets || domain->members || domain->routes || domain->holders ||
                     domain->places || domain->references > 0))
            continue;
        struct skr_program_subnet *subnet, *next_subnet;
        HASH_ITER (hh, domain->subnets, subnet, next_subnet) {
            HASH_DELETE(hh, domain->subnets, subnet);
            free(subnet);
        }
        struct skr_program_member *member, *next_member;
        HASH_ITER (hh, domain->members, member, next_member) {
            HASH_DELETE(hh, domain->members, member);
            member_free(member);
        }
        skr_program_customer_routes_free(domain);
        skr_program_holders_free(domain);
        if (program->domains)
            HASH_DELETE(hh, program->domains, domain);
        free(domain);
    }
}
