#include "lib/resource/table.h"

#include <skerry/macros.h>
#include <string.h>

static const struct skr_resource *const resources[SKR_RESOURCE_COUNT] = {
        [SKR_TENANT] = &skr_resource_tenant,
        [SKR_HOST_GROUP] = &skr_resource_host_group,
        [SKR_LOGICAL_NETWORK] = &skr_resource_logical_network,
        [SKR_NETWORK_SITE] = &skr_resource_network_site,
        [SKR_IP_POOL] = &skr_resource_ip_pool,
        [SKR_MAC_POOL] = &skr_resource_mac_pool,
        [SKR_VIRTUAL_PORT_PROFILE] = &skr_resource_virtual_port_profile,
        [SKR_PORT_CLASSIFICATION] = &skr_resource_port_classification,
        [SKR_HOST] = &skr_resource_host,
        [SKR_VM_NETWORK] = &skr_resource_vm_network,
        [SKR_VM_SUBNET] = &skr_resource_vm_subnet,
        [SKR_NETWORK_ADAPTER] = &skr_resource_network_adapter,
        [SKR_UPLINK_PORT_PROFILE] = &skr_resource_uplink_port_profile,
        [SKR_LOGICAL_SWITCH] = &skr_resource_logical_switch,
        [SKR_HOST_SWITCH] = &skr_resource_host_switch,
        [SKR_JOIN_TOKEN] = &skr_resource_join_token,
        [SKR_TOKEN] = &skr_resource_token,
        [SKR_ACCESS_CONTROL_LIST] = &skr_resource_access_control_list,
        [SKR_CUSTOMER_ROUTE] = &skr_resource_customer_route,
        [SKR_USER] = &skr_resource_user,
        [SKR_ROLE_BINDING] = &skr_resource_role_binding,
        [SKR_SESSION] = &skr_resource_session,
        [SKR_LOOKUP_RECORD] = &skr_resource_lookup_record,
        [SKR_PROVIDER_ADDRESS] = &skr_resource_provider_address,
        [SKR_IP_ALLOCATION] = &skr_resource_ip_allocation,
        [SKR_EFFECTIVE_ROUTE] = &skr_resource_effective_route,
        [SKR_COMPLIANCE] = &skr_resource_compliance,
        [SKR_ORPHAN] = &skr_resource_orphan,
        [SKR_EVENT] = &skr_resource_event,
        [SKR_JOB] = &skr_resource_job,
        [SKR_BACKUP] = &skr_resource_backup,
        [SKR_AUDIT_RECORD] = &skr_resource_audit_record,
        [SKR_USAGE] = &skr_resource_usage,
        [SKR_ADDRESS_HOLDING] = &skr_resource_address_holding,
};

const struct skr_resource *skr_resource_get(enum skr_resource_id id)
{
    return resources[id];
}

const struct skr_resource *skr_resource_find(const char *text)
{
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *r = resources[i];
        if (strcmp(text, r->collection) == 0 || strcmp(text, r->name) == 0 ||
            (r->shorthand && strcmp(text, r->shorthand) == 0))
            return r;
    }
    return NULL;
}

int skr_resource_field(const struct skr_resource *resource, const char *name)
{
    for (unsigned i = 0; i < resource->field_count; i++)
        if (strcmp(resource->fields[i].name, name) == 0)
            return (int)i;
    return -1;
}

bool skr_resource_in_status(const struct skr_resource *resource, int field)
{
    const struct skr_field *f = &resource->fields[field];
    return !(resource->flags & SKR_RESOURCE_VIEW) && (f->flags & SKR_FIELD_READ_ONLY) &&
           ((f->flags & SKR_FIELD_UNVERSIONED) || f->kind == SKR_KIND_COMPUTED);
}

/* True when no particular role is needed. */
static bool is_open(enum skr_role reserved, enum skr_role who)
{
    return reserved == SKR_ROLE_PUBLIC || (reserved == SKR_ROLE_SELF && who != SKR_ROLE_NOBODY);
}

bool skr_role_writes(enum skr_role reserved, enum skr_role who)
{
    switch (who) {
    case SKR_ROLE_ADMIN:
        return reserved != SKR_ROLE_NOBODY;
    case SKR_ROLE_FABRIC:
    case SKR_ROLE_TENANT:
        return reserved == who || reserved == SKR_ROLE_ANY || is_open(reserved, who);
    default:
        return is_open(reserved, who);
    }
}

bool skr_role_reads(enum skr_role reserved, enum skr_role who)
{
    switch (who) {
    case SKR_ROLE_ADMIN:
    case SKR_ROLE_AUDITOR:
        return reserved != SKR_ROLE_NOBODY;
    case SKR_ROLE_FABRIC:
    case SKR_ROLE_TENANT:
    case SKR_ROLE_VIEWER:
        return reserved == who || reserved == SKR_ROLE_ANY || is_open(reserved, who);
    default:
        return is_open(reserved, who);
    }
}

static const struct {
    enum skr_role role;
    const char *name;
} role_names[] = {{SKR_ROLE_ADMIN, "admin"},
                  {SKR_ROLE_FABRIC, "fabric-operator"},
                  {SKR_ROLE_AUDITOR, "auditor"},
                  {SKR_ROLE_TENANT, "tenant-admin"},
                  {SKR_ROLE_VIEWER, "tenant-viewer"}};

const char *skr_role_name(enum skr_role who)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(role_names); i++)
        if (role_names[i].role == who)
            return role_names[i].name;
    return NULL;
}

enum skr_role skr_role_find(const char *name)
{
    for (size_t i = 0; name && i < SKR_ARRAY_SIZE(role_names); i++)
        if (strcmp(role_names[i].name, name) == 0)
            return role_names[i].role;
    return SKR_ROLE_NOBODY;
}

int skr_resource_place(const struct skr_resource *resource)
{
    int group = skr_resource_field(resource, "host_group_id");
    return group >= 0 ? group : skr_resource_field(resource, "host_id");
}

#define NEAREST_LENGTH_MAX 64

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`; more than NEAREST_LENGTH_MAX when one of
 * them is too long to be a slip. */
static unsigned edit_distance(const char *a, const char *b)
{
    unsigned rows[3][NEAREST_LENGTH_MAX + 1];
    size_t a_length = strnlen(a, NEAREST_LENGTH_MAX + 1), b_length = strnlen(b, NEAREST_LENGTH_MAX + 1);
    if (a_length > NEAREST_LENGTH_MAX || b_length > NEAREST_LENGTH_MAX)
        return NEAREST_LENGTH_MAX + 1;
    for (unsigned j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a_length; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b_length; j++) {
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

/* A word left unfinished ("vlan" for "vlan_id") is as near as one slip. */
static unsigned distance_to(const char *text, const char *candidate)
{
    size_t length = strnlen(text, NEAREST_LENGTH_MAX);
    return length > 2 && strncmp(text, candidate, length) == 0 ? 1 : edit_distance(text, candidate);
}

const char *skr_nearest(const char *text, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    /* A third of the word may be wrong, and one letter of any. */
    unsigned best = least(1 + (unsigned)strnlen(text, NEAREST_LENGTH_MAX) / 3, 4) + 1;
    for (size_t i = 0; i < count; i++) {
        unsigned distance = distance_to(text, candidates[i]);
        if (distance < best && distance < strlen(candidates[i])) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
