/* How the tables of resources are written: one FIELD a line, flags and roles by their short names. Private to
 * lib/resource. */
#pragma once

#include <skerry/macros.h>
#include <skerry/resource_fields.h>

/* name, kind, flags, who may write, who may read, help, then whatever else the field needs as designators. */
#define FIELD(name_, kind_, flags_, writer_, reader_, help_, ...)                                                      \
    {                                                                                                                  \
        .name = (name_), .help = (help_), .kind = SKR_KIND_##kind_, .flags = (flags_), .writer = SKR_ROLE_##writer_,   \
        .reader = SKR_ROLE_##reader_, __VA_ARGS__                                                                      \
    }

#define FIELDS(array)  .fields = (array), .field_count = SKR_ARRAY_SIZE(array)
#define ACTIONS(array) .actions = (array), .action_count = SKR_ARRAY_SIZE(array)
#define CHOICES(...)   ((const char *const[]){__VA_ARGS__, NULL})
#define ROLES          CHOICES("admin", "fabric-operator", "auditor", "tenant-admin", "tenant-viewer")

enum {
    REQUIRED = SKR_FIELD_REQUIRED,
    IMMUTABLE = SKR_FIELD_IMMUTABLE,
    READ_ONLY = SKR_FIELD_READ_ONLY,
    FILTER = SKR_FIELD_FILTER,
    NULLABLE = SKR_FIELD_NULLABLE,
    WIDE = SKR_FIELD_WIDE,
    SIGHT = SKR_FIELD_SIGHT,
    HIDDEN = SKR_FIELD_HIDDEN | SKR_FIELD_READ_ONLY,
    STATUS = SKR_FIELD_UNVERSIONED | SKR_FIELD_READ_ONLY,
    /* tenant_id of what belongs to no tenant, and of what does */
    OF_FABRIC = SKR_FIELD_HIDDEN | SKR_FIELD_READ_ONLY,
    OF_TENANT = SKR_FIELD_FILTER
};

extern const struct skr_resource skr_resource_tenant;
extern const struct skr_resource skr_resource_host_group;
extern const struct skr_resource skr_resource_logical_network;
extern const struct skr_resource skr_resource_network_site;
extern const struct skr_resource skr_resource_ip_pool;
extern const struct skr_resource skr_resource_mac_pool;
extern const struct skr_resource skr_resource_virtual_port_profile;
extern const struct skr_resource skr_resource_port_classification;
extern const struct skr_resource skr_resource_host;
extern const struct skr_resource skr_resource_vm_network;
extern const struct skr_resource skr_resource_vm_subnet;
extern const struct skr_resource skr_resource_network_adapter;
extern const struct skr_resource skr_resource_uplink_port_profile;
extern const struct skr_resource skr_resource_logical_switch;
extern const struct skr_resource skr_resource_host_switch;
extern const struct skr_resource skr_resource_join_token;
extern const struct skr_resource skr_resource_token;
extern const struct skr_resource skr_resource_access_control_list;
extern const struct skr_resource skr_resource_customer_route;
extern const struct skr_resource skr_resource_user;
extern const struct skr_resource skr_resource_role_binding;
extern const struct skr_resource skr_resource_session;
extern const struct skr_resource skr_resource_lookup_record;
extern const struct skr_resource skr_resource_provider_address;
extern const struct skr_resource skr_resource_ip_allocation;
extern const struct skr_resource skr_resource_effective_route;
extern const struct skr_resource skr_resource_compliance;
extern const struct skr_resource skr_resource_orphan;
extern const struct skr_resource skr_resource_event;
extern const struct skr_resource skr_resource_job;
extern const struct skr_resource skr_resource_backup;
extern const struct skr_resource skr_resource_audit_record;
extern const struct skr_resource skr_resource_usage;
extern const struct skr_resource skr_resource_address_holding;
/* tenant.quotas, which the view of usage shows too */
extern const struct skr_resource skr_resource_quotas;
