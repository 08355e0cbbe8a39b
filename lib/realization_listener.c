/* One listener hears whose realization changed: gathered while a publisher's call runs, told at its end. */
#include "lib/realization_table.h"
#include <stdlib.h>

void skr_realization_listen(struct skr_realization_table *table, skr_realization_listener_fn *fn, void *arg)
{
    table->listener = fn;
    table->listener_arg = arg;
}

void skr_realization_tell(struct skr_realization_table *table, enum skr_resource_id resource, const struct skr_uuid *id)
{
    if (!table->listener)
        return;
    if (table->change_count == table->change_capacity) {
        table->change_capacity = table->change_capacity ? table->change_capacity * 2 : 16;
        table->changes = reallocarray(table->changes, table->change_capacity, sizeof(*table->changes));
        if (!table->changes)
            abort();
    }
    table->changes[table->change_count++] = (struct skr_realization_change){.resource = resource, .id = *id};
}

void skr_realization_tell_object(struct skr_realization_table *table, Skerry__V1__ObjectType type,
                                 const struct skr_uuid *id)
{
    switch (type) {
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST:
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_MEMBER:
        skr_realization_tell(table, SKR_HOST, id);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS:
        skr_realization_tell(table, SKR_PROVIDER_ADDRESS, id);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT:
        skr_realization_tell(table, SKR_NETWORK_ADAPTER, id);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN:
        skr_realization_tell(table, SKR_VM_NETWORK, id);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET:
        skr_realization_tell(table, SKR_VM_SUBNET, id);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD:
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOLDER:
        skr_realization_tell(table, SKR_LOOKUP_RECORD, id);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH:
        skr_realization_tell(table, SKR_HOST_SWITCH, id);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_ACCESS_CONTROL_LIST:
        skr_realization_tell(table, SKR_ACCESS_CONTROL_LIST, id);
        break;
    case SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_CUSTOMER_ROUTE:
        skr_realization_tell(table, SKR_CUSTOMER_ROUTE, id);
        break;
    default:
        break;
    }
}

void skr_realization_tell_all(struct skr_realization_table *table)
{
    size_t count = table->change_count;

    if (count == 0)
        return;
    table->change_count = 0;
    table->listener(table->listener_arg, table->changes, count);
}
