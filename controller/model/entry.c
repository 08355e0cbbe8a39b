/* Entries of lists whose sub table is KEYED: no name stands twice, and an id stays with its name. */
#include "controller/model/rules.h"

struct named {
    const char *name;
    struct skr_object *entry;
    uint32_t position;
};

static int compare(const void *a, const void *b)
{
    const struct named *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order : (left->position > right->position) - (left->position < right->position);
}

/* The entries in the order of their names; NULL for none. */
static struct named *by_name(const struct skr_value *list)
{
    struct named *sorted = list->count ? calloc(list->count, sizeof(*sorted)) : NULL;
    if (list->count && !sorted)
        abort();
    for (uint32_t i = 0; i < list->count; i++)
        sorted[i] = (struct named){skr_object_text(list->objects[i], SKR_ENTRY_NAME), list->objects[i], i};
    if (sorted)
        qsort(sorted, list->count, sizeof(*sorted), compare);
    return sorted;
}

/* Both lists are walked together, so a long one costs no more than its sorting. */
static int settle(const struct skr_field *field, const struct skr_value *before, const struct skr_value *after,
                  struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) struct named *old = before ? by_name(before) : NULL;
    SKR_CLEANUP(skr_free_cleanup) struct named *new = by_name(after);
    uint32_t at = 0, old_count = before ? before->count : 0;
    for (uint32_t i = 0; i < after->count; i++) {
        char place[SKR_ERROR_POINTER_MAX];
        if (i && !strcmp(new[i].name, new[i - 1].name))
            return skr_refuse(error, SKR_ERROR_INVALID, skr_pointer(place, field->name, new[i].position, "name"),
                              "The list has two entries named \"%.63s\"; give one of them another name.", new[i].name);
        while (at < old_count && strcmp(old[at].name, new[i].name) < 0)
            at++;
        bool known = at < old_count && !strcmp(old[at].name, new[i].name);
        struct skr_uuid id = known ? skr_object_uuid(old[at].entry, SKR_ENTRY_ID) : skr_uuid_new();
        skr_object_set_uuid(new[i].entry, SKR_ENTRY_ID, &id);
    }
    return 0;
}

int skr_entries_settle(struct skr_write *write, struct skr_error *error)
{
    const struct skr_resource *resource = write->after->resource;
    for (unsigned i = 0; i < resource->field_count; i++) {
        const struct skr_field *field = &resource->fields[i];
        const struct skr_value *after = &write->after->values[i];
        if (field->kind != SKR_KIND_STRUCTS || !(field->sub->flags & SKR_RESOURCE_KEYED) ||
            after->type != SKR_VALUE_OBJECTS)
            continue;
        const struct skr_value *before = write->before ? &write->before->values[i] : NULL;
        int r = settle(field, before && before->type == SKR_VALUE_OBJECTS ? before : NULL, after, error);
        if (r < 0)
            return r;
    }
    return 0;
}
