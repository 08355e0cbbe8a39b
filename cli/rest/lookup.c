#include "cli/rest/lookup.h"

#include <errno.h>
#include <skerry/uuid.h>
#include <stdio.h>
#include <string.h>

#define PARENTS_MAX      3
#define CANDIDATES       "10" /* enough to name a few when a name is not clear */
#define CANDIDATES_NAMED 3
#define PATH_DEPTH_MAX   8
#define KEY_MAX          128

struct skr_lookup {
    struct skr_client *client;
    json_t *objects; /* "<kind>/<id>" -> object, or null when it could not be read */
    json_t *paths;   /* "<kind>/<id>" -> path */
    unsigned asked;
};

struct skr_lookup *skr_lookup_new(struct skr_client *client)
{
    struct skr_lookup *lookup = calloc(1, sizeof(*lookup));
    if (!lookup)
        abort();
    lookup->client = client;
    lookup->objects = json_object();
    lookup->paths = json_object();
    return lookup;
}

void skr_lookup_free(struct skr_lookup *lookup)
{
    if (!lookup)
        return;
    json_decref(lookup->objects);
    json_decref(lookup->paths);
    free(lookup);
}

static bool is_id(const char *text)
{
    struct skr_uuid id;
    return skr_uuid_parse(text, &id) == 0;
}

/* The fields that a name can be told apart by, nearest first. */
static unsigned parents_of(const struct skr_resource *resource, int ret[static PARENTS_MAX])
{
    unsigned count = 0;
    if (resource->name_parent >= 0)
        ret[count++] = resource->name_parent;
    if (resource->name_other_parent)
        ret[count++] = resource->name_other_parent;
    if (resource->scope == SKR_SCOPE_TENANT && resource->name_parent != SKR_FIELD_TENANT_ID)
        ret[count++] = SKR_FIELD_TENANT_ID;
    return count;
}

static int get_by_id(struct skr_lookup *lookup, const struct skr_resource *resource, const char *id, json_t **ret,
                     struct skr_error *error)
{
    struct skr_request_path path;
    skr_path_set(&path, "/v1/%s/%s", resource->collection, id);
    return skr_client_get(lookup->client, path.text, ret, error);
}

/* Adds what has the name, and the parent if one is given, to `candidates` ({id: object}). */
static int collect(struct skr_lookup *lookup, const struct skr_resource *resource, const char *name,
                   const char *parent_field, const char *parent_id, json_t *candidates, struct skr_error *error)
{
    struct skr_request_path path;
    json_t *page = NULL, *item;
    size_t i;
    skr_path_set(&path, "/v1/%s", resource->collection);
    skr_path_add(&path, "name", name);
    skr_path_add(&path, "limit", CANDIDATES);
    if (parent_field)
        skr_path_add(&path, parent_field, parent_id);
    int r = skr_client_get(lookup->client, path.text, &page, error);
    if (r < 0)
        return r;
    json_array_foreach (json_object_get(page, "items"), i, item) {
        const char *id = json_string_value(json_object_get(item, "id"));
        if (id)
            json_object_set(candidates, id, item);
    }
    json_decref(page);
    return 0;
}

static int find_at_depth(struct skr_lookup *lookup, const struct skr_resource *resource, const char *text,
                         unsigned depth, json_t **ret, struct skr_error *error);

/* "red/web/front": whatever "red/web" can be for this kind, and "front" in it. */
static int collect_by_path(struct skr_lookup *lookup, const struct skr_resource *resource, const char *text,
                           unsigned depth, json_t *candidates, struct skr_error *error)
{
    int parents[PARENTS_MAX];
    unsigned count = parents_of(resource, parents);
    const char *slash = strrchr(text, '/');
    if (!slash || slash == text || depth >= PATH_DEPTH_MAX)
        return 0;
    char *prefix SKR_CLEANUP(skr_free_cleanup) = strndup(text, (size_t)(slash - text));
    for (unsigned i = 0; i < count; i++) {
        const struct skr_field *field = &resource->fields[parents[i]];
        struct skr_error why = {0};
        json_t *parent = NULL;
        int r = find_at_depth(lookup, skr_resource_get(field->target), prefix, depth + 1, &parent, &why);
        if (r == 0)
            r = collect(lookup, resource, slash + 1, field->name, json_string_value(json_object_get(parent, "id")),
                        candidates, &why);
        json_decref(parent);
        if (r < 0 && why.tag != SKR_ERROR_NOT_FOUND) {
            if (error)
                *error = why;
            return r;
        }
    }
    return 0;
}

static int choose(struct skr_lookup *lookup, const struct skr_resource *resource, const char *text, json_t *candidates,
                  json_t **ret, struct skr_error *error)
{
    char list[320] = "";
    unsigned named = 0;
    const char *id;
    json_t *object;
    if (!json_object_size(candidates))
        return skr_error_set(error, SKR_ERROR_NOT_FOUND, "There is no %s named '%.200s'; skerryctl get %s lists them",
                             resource->name, text, resource->collection);
    json_object_foreach (candidates, id, object) {
        if (json_object_size(candidates) == 1) {
            *ret = json_incref(object);
            return 0;
        }
        if (named++ == CANDIDATES_NAMED)
            break;
        char *path SKR_CLEANUP(skr_free_cleanup) = skr_lookup_path(lookup, resource, object);
        size_t length = strlen(list);
        snprintf(list + length, sizeof(list) - length, "%s%.90s", length ? ", " : "", path);
    }
    return skr_error_set(error, SKR_ERROR_SYNTAX, "'%.100s' is the name of more than one %s; say which: %s%s", text,
                         resource->name, list, json_object_size(candidates) > CANDIDATES_NAMED ? ", ..." : "");
}

static int find_at_depth(struct skr_lookup *lookup, const struct skr_resource *resource, const char *text,
                         unsigned depth, json_t **ret, struct skr_error *error)
{
    if (is_id(text))
        return get_by_id(lookup, resource, text, ret, error);
    json_t *candidates = json_object();
    int r = collect_by_path(lookup, resource, text, depth, candidates, error);
    if (r == 0 && !json_object_size(candidates))
        r = collect(lookup, resource, text, NULL, NULL, candidates, error);
    if (r == 0)
        r = choose(lookup, resource, text, candidates, ret, error);
    json_decref(candidates);
    return r;
}

int skr_lookup_find(struct skr_lookup *lookup, const struct skr_resource *resource, const char *text, json_t **ret,
                    struct skr_error *error)
{
    return find_at_depth(lookup, resource, text, 0, ret, error);
}

int skr_lookup_same(struct skr_lookup *lookup, const struct skr_resource *resource, const json_t *body, json_t **ret,
                    struct skr_error *error)
{
    int parents[PARENTS_MAX];
    unsigned count = parents_of(resource, parents);
    const char *name = json_string_value(json_object_get(body, "name")), *field = NULL, *id = NULL;
    for (unsigned i = 0; i < count && !id; i++) {
        field = resource->fields[parents[i]].name;
        id = json_string_value(json_object_get(body, field));
    }
    json_t *candidates = json_object(), *found = NULL;
    int r = collect(lookup, resource, name ? name : "", id ? field : NULL, id, candidates, error);
    if (r == 0 && json_object_size(candidates))
        r = choose(lookup, resource, name, candidates, &found, error);
    json_decref(candidates);
    if (r == 0)
        *ret = found;
    return r;
}

/* ---- references of a body ---- */

/* In the scope that the body shares with what it refers to. *ret NULL: nothing there, or no such scope. */
static int find_beside(struct skr_lookup *lookup, const struct skr_resource *target, const json_t *body,
                       const char *name, json_t **ret, struct skr_error *error)
{
    int parents[PARENTS_MAX];
    unsigned count = parents_of(target, parents);
    for (unsigned i = 0; i < count; i++) {
        const char *field = target->fields[parents[i]].name;
        const char *id = json_string_value(json_object_get(body, field));
        if (!id || !is_id(id))
            continue;
        json_t *candidates = json_object();
        int r = collect(lookup, target, name, field, id, candidates, error);
        if (r == 0 && json_object_size(candidates))
            r = choose(lookup, target, name, candidates, ret, error);
        json_decref(candidates);
        return r;
    }
    return 0;
}

static int resolve(struct skr_lookup *lookup, const struct skr_resource *target, const json_t *body, const char *text,
                   const char *pointer, json_t **ret_id, struct skr_error *error)
{
    struct skr_error why = {0};
    json_t *object = NULL;
    int r = strchr(text, '/') ? 0 : find_beside(lookup, target, body, text, &object, &why);
    if (r == 0 && !object)
        r = skr_lookup_find(lookup, target, text, &object, &why);
    if (r < 0) {
        if (why.tag != SKR_ERROR_NOT_FOUND)
            r = skr_error_set(error, why.tag, "%s", why.detail);
        else /* the sentence is told once, beside its pointer, as for an answer of the controller (problem.c) */
            r = skr_error_set(error, SKR_ERROR_REFERENCE, "A field refers to something that does not exist");
        skr_error_field(error, pointer, "%s", why.detail);
        return r;
    }
    *ret_id = json_incref(json_object_get(object, "id"));
    json_decref(object);
    return 0;
}

static int resolve_member(struct skr_lookup *lookup, const struct skr_field *field, json_t *holder, const json_t *body,
                          const char *at, struct skr_error *error)
{
    const struct skr_resource *target = skr_field_target(field);
    json_t *value = json_object_get(holder, field->name), *id = NULL, *item;
    char pointer[SKR_ERROR_POINTER_MAX];
    size_t i;
    int r = 0;
    snprintf(pointer, sizeof(pointer), "%.60s/%.40s", at, field->name);
    if (json_is_string(value) && !is_id(json_string_value(value))) {
        r = resolve(lookup, target, body, json_string_value(value), pointer, &id, error);
        if (r == 0)
            json_object_set_new(holder, field->name, id);
        return r;
    }
    json_array_foreach (value, i, item) {
        if (!json_is_string(item) || is_id(json_string_value(item)))
            continue;
        snprintf(pointer, sizeof(pointer), "%.60s/%.40s/%zu", at, field->name, i);
        r = resolve(lookup, target, body, json_string_value(item), pointer, &id, error);
        if (r < 0)
            return r;
        json_array_set_new(value, i, id);
    }
    return 0;
}

static int resolve_table(struct skr_lookup *lookup, const struct skr_resource *table, json_t *holder,
                         const json_t *body, const char *at, struct skr_error *error)
{
    for (unsigned i = 0; i < table->field_count; i++) {
        const struct skr_field *field = &table->fields[i];
        json_t *value = json_object_get(holder, field->name), *item;
        char pointer[SKR_ERROR_POINTER_MAX];
        size_t n;
        int r = 0;
        if (value && skr_field_target(field))
            r = resolve_member(lookup, field, holder, body, at, error);
        json_array_foreach (field->kind == SKR_KIND_STRUCTS ? value : NULL, n, item) {
            snprintf(pointer, sizeof(pointer), "%.60s/%.40s/%zu", at, field->name, n);
            if (r == 0)
                r = resolve_table(lookup, field->sub, item, body, pointer, error);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int skr_lookup_references(struct skr_lookup *lookup, const struct skr_resource *resource, json_t *body, const char *at,
                          struct skr_error *error)
{
    return resolve_table(lookup, resource, body, body, at, error);
}

/* ---- names of ids ---- */

/* Borrowed; NULL when nobody knows. */
static const json_t *cached(struct skr_lookup *lookup, const struct skr_resource *kind, const char *id)
{
    char key[KEY_MAX];
    snprintf(key, sizeof(key), "%.60s/%.40s", kind->name, id);
    json_t *object = json_object_get(lookup->objects, key);
    if (!object && is_id(id) && lookup->asked < SKR_LOOKUP_NAMES_MAX) {
        lookup->asked++;
        if (get_by_id(lookup, kind, id, &object, NULL) < 0)
            object = json_null();
        json_object_set_new(lookup->objects, key, object);
    }
    return json_is_object(object) ? object : NULL;
}

static const char *name_of(void *arg, const struct skr_resource *kind, const char *id)
{
    return json_string_value(json_object_get(cached(arg, kind, id), "name"));
}

struct skr_namer skr_lookup_namer(struct skr_lookup *lookup)
{
    return (struct skr_namer){.name = name_of, .arg = lookup};
}

static void write_path(struct skr_lookup *lookup, const struct skr_resource *resource, const json_t *object,
                       unsigned depth, FILE *out)
{
    int parents[PARENTS_MAX];
    unsigned count = parents_of(resource, parents);
    const char *name = json_string_value(json_object_get(object, "name"));
    for (unsigned i = 0; i < count && depth < PATH_DEPTH_MAX; i++) {
        const struct skr_field *field = &resource->fields[parents[i]];
        const char *id = json_string_value(json_object_get(object, field->name));
        const struct skr_resource *kind = skr_resource_get(field->target);
        const json_t *parent = id ? cached(lookup, kind, id) : NULL;
        if (!parent)
            continue;
        write_path(lookup, kind, parent, depth + 1, out);
        fputc('/', out);
        break;
    }
    if (!name || !*name)
        name = json_string_value(json_object_get(object, "id"));
    fputs(name ? name : "?", out);
}

char *skr_lookup_path(struct skr_lookup *lookup, const struct skr_resource *resource, const json_t *object)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    write_path(lookup, resource, object, 0, out);
    fclose(out);
    skr_text_tame(text);
    return text;
}

static const char *path_of(void *arg, const struct skr_resource *kind, const char *id)
{
    struct skr_lookup *lookup = arg;
    char key[KEY_MAX];
    const json_t *object = cached(lookup, kind, id);
    if (!object)
        return NULL;
    snprintf(key, sizeof(key), "%.60s/%.40s", kind->name, id);
    if (!json_object_get(lookup->paths, key)) {
        char *path SKR_CLEANUP(skr_free_cleanup) = skr_lookup_path(lookup, kind, object);
        json_object_set_new(lookup->paths, key, json_string(path));
    }
    return json_string_value(json_object_get(lookup->paths, key));
}

struct skr_namer skr_lookup_pather(struct skr_lookup *lookup)
{
    return (struct skr_namer){.name = path_of, .arg = lookup};
}
