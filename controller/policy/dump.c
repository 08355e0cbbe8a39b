/* All scopes as text, in order of their ids: what tests compare. */
#include "controller/policy/graph.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int by_key(const void *a, const void *b)
{
    const struct skr_map_key *x = *(const struct skr_map_key *const *)a, *y = *(const struct skr_map_key *const *)b;

    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    return skr_uuid_compare(&x->id, &y->id);
}

/* The elements of a map in order of their keys; owned by the caller. */
static void **sorted(const struct skr_id_map *map)
{
    void **elements = skr_policy_must(calloc(map->count + 1, sizeof(void *)));
    uint32_t cursor = 0, count = 0;

    for (void *element; (element = skr_id_map_next(map, &cursor));)
        elements[count++] = element;
    qsort(elements, count, sizeof(void *), by_key);
    return elements;
}

static void dump_objects(FILE *out, const struct scope *scope)
{
    char id[SKR_UUID_TEXT_MAX];
    void **objects = sorted(&scope->objects);

    for (uint32_t i = 0; i < scope->objects.count; i++) {
        const struct scope_object *object = objects[i];
        fprintf(out, "  %u %s ", object->key.type, skr_uuid_format(&object->key.id, id));
        for (uint32_t k = 0; k < object->size; k++)
            fprintf(out, "%02x", object->bytes[k]);
        fputc('\n', out);
    }
    free(objects);
}

static int by_host(const void *a, const void *b)
{
    return skr_uuid_compare(*(const struct skr_uuid *const *)a, *(const struct skr_uuid *const *)b);
}

static void dump_members(FILE *out, const struct scope *scope)
{
    const struct skr_uuid **ids = skr_policy_must(calloc(scope->member_count + 1, sizeof(void *)));
    const struct member *member;
    char id[SKR_UUID_TEXT_MAX];
    uint32_t count = 0;

    LIST_FOREACH (member, &scope->members, scope_link)
        ids[count++] = &member->host->node.key.id;
    qsort(ids, count, sizeof(void *), by_host);
    for (uint32_t i = 0; i < count; i++)
        fprintf(out, "  held by %s\n", skr_uuid_format(ids[i], id));
    free(ids);
}

char *skr_policy_dump(struct skr_policy *policy)
{
    char *text = NULL, id[SKR_UUID_TEXT_MAX];
    size_t size = 0;
    FILE *out = skr_policy_must(open_memstream(&text, &size));
    void **nodes = sorted(&policy->nodes);

    for (uint32_t i = 0; i < policy->nodes.count; i++) {
        const struct node *node = nodes[i];
        const struct scope *scope = node->key.type == SKR_HOST         ? ((const struct host *)node)->scope
                                    : node->key.type == SKR_VM_NETWORK ? ((const struct domain *)node)->scope
                                                                       : NULL;
        if (!scope)
            continue;
        fprintf(out, "scope %u %s digest %016" PRIx64 "\n", scope->key.type, skr_uuid_format(&scope->key.id, id),
                scope->digest);
        dump_members(out, scope);
        dump_objects(out, scope);
    }
    free(nodes);
    fclose(out);
    return text;
}
