#include "agent/south/held.h"
#include "agent/desired/body.h"
#include "agent/south/session_private.h"
#include <skerry/macros.h>
#include <string.h>

/* Records and members are other hosts': those tell of them. */
static const Skerry__V1__ObjectType kinds[] = {
        SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT,           SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS,
        SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH,    SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_ACCESS_CONTROL_LIST,
        SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN,         SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET,
        SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_CUSTOMER_ROUTE,
};

#define ITEM_OVERHEAD 8 /* tag and length of a message */

/* The report, and how many bytes of it there are. */
struct told {
    Skerry__V1__Report *report;
    size_t size;
};

static ProtobufCBinaryData copy_bytes(const uint8_t *data, size_t size)
{
    ProtobufCBinaryData bytes = {size, size ? skr_must(malloc(size)) : NULL};
    if (size)
        memcpy(bytes.data, data, size);
    return bytes;
}

/* Returns the name or address by which people know the object. */
static char *describe(const struct skr_desired_change *object)
{
    char text[SKR_PREFIX_TEXT_MAX] = "";
    struct skr_address address;
    struct skr_prefix prefix;
    const char *name = text;
    if (object->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT)
        name = ((const Skerry__V1__Port *)object->after)->name;
    if (object->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH)
        name = ((const Skerry__V1__HostSwitch *)object->after)->name;
    if (object->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS &&
        skr_body_address(&((const Skerry__V1__ProviderAddress *)object->after)->address, &address))
        skr_address_format(&address, text);
    if (object->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET) {
        const Skerry__V1__Subnet *subnet = (const Skerry__V1__Subnet *)object->after;
        if (skr_body_prefix(&subnet->prefix, subnet->prefix_length, &prefix))
            skr_prefix_format(&prefix, text);
    }
    if (object->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_CUSTOMER_ROUTE) {
        const Skerry__V1__CustomerRoute *route = (const Skerry__V1__CustomerRoute *)object->after;
        if (skr_body_prefix(&route->destination, route->prefix_length, &prefix))
            skr_prefix_format(&prefix, text);
    }
    return skr_must(strdup(name));
}

static int tell(void *arg, const struct skr_desired_change *object)
{
    struct told *told = arg;
    Skerry__V1__Report *report = told->report;
    if (told->report->n_held == SKR_HELD_MAX || told->size > SKR_HELD_BYTES_MAX)
        return 1;
    Skerry__V1__HeldObject *held = skr_must(malloc(sizeof(*held)));
    skerry__v1__held_object__init(held);
    held->type = object->type;
    held->id = copy_bytes(object->id.bytes, sizeof(object->id.bytes));
    if (object->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT) {
        const Skerry__V1__Port *port = (const Skerry__V1__Port *)object->after;
        held->vm_network_id = copy_bytes(port->vm_network_id.data, port->vm_network_id.len);
    } else if (object->scope == SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN) {
        held->vm_network_id = copy_bytes(object->scope_id.bytes, sizeof(object->scope_id.bytes));
    }
    held->name = describe(object);
    told->size += skerry__v1__held_object__get_packed_size(held) + ITEM_OVERHEAD;
    report->held[report->n_held++] = held;
    return 0;
}

Skerry__V1__Envelope *skr_held_report(const struct skr_desired *desired)
{
    Skerry__V1__Envelope *envelope = skr_session_envelope(SKERRY__V1__ENVELOPE__BODY_REPORT);
    Skerry__V1__Report *report = envelope->report;
    report->whole = true;
    report->held = skr_must(calloc(SKR_HELD_MAX, sizeof(*report->held)));
    struct told told = {.report = report};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kinds); i++)
        if (skr_desired_each(desired, kinds[i], tell, &told) > 0)
            break;
    return envelope;
}
