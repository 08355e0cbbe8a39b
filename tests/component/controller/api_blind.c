/* Refusals that a tenant gets, in a scene full of what he cannot see (blind_scene.h). He asks for everything: each of
 * his objects, each field, each value that anybody has. No answer may tell the scene's word, an id that he cannot list,
 * or a number of the fabric's. */
#include "tests/component/controller/blind_scene.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <skerry/resource_fields.h>
#include <stdio.h>
#include <string.h>

#define VALUES_MAX 400

static struct api_server server;
static CURL *handle;
static const struct blind_scene *scene;
static json_t *everything, *visible; /* collection -> objects, as the administrator and as the tenant list them */
static json_t *hidden;               /* id that only the administrator lists -> its collection */
static json_t *sentences;            /* refusals that came, without what differs */
static unsigned asked, leaks;

/* Lists the objects of every kind that the principal sees. */
static json_t *list_all(const char *authorization)
{
    json_t *found = json_object();
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        char path[100];
        snprintf(path, sizeof(path), "/v1/%s?limit=1000", resource->collection);
        API_REPLY reply = api_call(&server, "GET", path, NULL, (const char *const[]){authorization, NULL});
        json_t *items = json_object_get(reply.json, "items");
        json_object_set_new(found, resource->collection, items ? json_incref(items) : json_array());
    }
    return found;
}

static json_t *hidden_ids(void)
{
    json_t *ids = json_object(), *items, *item;
    const char *collection;
    size_t index;
    json_object_foreach (everything, collection, items)
        json_array_foreach (items, index, item)
            json_object_set_new(ids, api_text(item, "id"), json_string(collection));
    json_object_foreach (visible, collection, items)
        json_array_foreach (items, index, item)
            json_object_del(ids, api_text(item, "id"));
    return ids;
}

static void set_up(void)
{
    api_server_start(&server, NULL, NULL);
    handle = api_handle_new(&server);
    scene = blind_scene_build(&server);
    everything = list_all(NULL);
    visible = list_all(scene->bearer);
    hidden = hidden_ids();
    sentences = json_object();
}

static void tear_down(void)
{
    json_decref(everything);
    json_decref(visible);
    json_decref(hidden);
    json_decref(sentences);
    curl_easy_cleanup(handle);
    api_server_stop(&server);
}

TestSuite(api_blind, .init = set_up, .fini = tear_down, .timeout = 100);

/* ---- judging ---- */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

/* A number that stands for itself, not a part of an id or a time. */
static bool tells_number(const char *text, const char *number)
{
    for (const char *at = text; (at = strstr(at, number)); at++)
        if ((at == text || !is_word(at[-1])) && !is_word(at[strlen(number)]))
            return true;
    return false;
}

static void leak(const char *what, const char *method, const char *path, const char *body, const char *text)
{
    if (leaks++ < 20)
        fprintf(stderr, "%s: %s %s %s\n    %.700s\n", what, method, path, body ? body : "", text);
}

static void judge(const char *method, const char *path, const char *body, const char *text)
{
    static const char *const numbers[] = BLIND_NUMBERS;
    const char *id;
    json_t *collection;
    if (strstr(text, BLIND_WORD) && !strstr(path, BLIND_WORD) && !(body && strstr(body, BLIND_WORD)))
        leak("the word", method, path, body, text);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(numbers); i++)
        if (tells_number(text, numbers[i]) && !(body && strstr(body, numbers[i])))
            leak(numbers[i], method, path, body, text);
    json_object_foreach (hidden, id, collection)
        if (strstr(text, id) && !strstr(path, id) && !(body && strstr(body, id)))
            leak(json_string_value(collection), method, path, body, text);
}

/* Without names and every word that has a digit: what a sentence says, whatever it is about. */
static void note_sentence(const char *detail)
{
    char text[400] = "", *rest = strdup(detail), *all = rest, *word;
    bool quoted = false;
    while ((word = strsep(&rest, " "))) {
        bool opens = strchr(word, '"') && !quoted, told = !quoted && !strchr(word, '"') && !strpbrk(word, "0123456789");
        const char *last = strrchr(word, '"');
        quoted = opens ? last == strchr(word, '"') : quoted && !last;
        if ((told || opens) && strlen(text) + strlen(word) + 2 < sizeof(text))
            sprintf(text + strlen(text), "%s ", opens ? "\"\"" : word);
    }
    free(all);
    json_object_set_new(sentences, text, json_true());
}

static void ask(const char *method, const char *path, const json_t *body, const char *etag)
{
    char line[80] = "";
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    snprintf(line, sizeof(line), "If-Match: %s", etag ? etag : "");
    const char *const headers[] = {scene->bearer, etag ? line : NULL, NULL};
    struct api_reply reply = api_call_on(handle, &server, method, path, text, text ? strlen(text) : 0, headers);
    size_t index;
    json_t *field;
    asked++;
    judge(method, path, text, reply.text ? reply.text : "");
    if (reply.status >= 400) {
        note_sentence(api_text(reply.json, "detail"));
        json_array_foreach (json_object_get(reply.json, "errors"), index, field)
            note_sentence(api_text(field, "detail"));
    }
    api_reply_done(&reply);
    free(text);
}

/* ---- asking for everything ---- */

static void add_value(json_t *values, json_t *value)
{
    size_t index;
    json_t *other;
    json_array_foreach (values, index, other)
        if (json_equal(other, value)) {
            json_decref(value);
            return;
        }
    if (json_array_size(values) < VALUES_MAX)
        json_array_append_new(values, value);
    else
        json_decref(value);
}

/* Returns values of this kind of field that some object has, and values that no object can have. */
static json_t *values_of(const struct skr_field *field)
{
    static const char *const addresses[] = {"10.0.0.1",    "10.0.0.2",   "10.0.0.5",      "10.0.0.9",   "10.0.0.255",
                                            "10.31.2.1",   "10.31.2.10", "10.31.2.11",    "10.31.2.12", "10.31.2.13",
                                            "10.31.2.255", "10.31.1.10", "198.51.100.10", "10.33.1.5",  "192.0.2.1"};
    static const char *const prefixes[] = {"10.0.0.0/24",  "10.0.0.0/16",     "10.0.1.0/24",   "10.31.2.0/24",
                                           "10.31.1.0/24", "198.51.100.0/24", "172.16.0.0/16", "127.0.0.0/8"};
    json_t *values = json_array(), *items, *item, *value;
    const char *collection;
    size_t index;
    char nobody[SKR_UUID_TEXT_MAX];
    struct skr_uuid id = skr_uuid_new();
    bool list = field->kind == SKR_KIND_ADDRESSES || field->kind == SKR_KIND_REFERENCES;
    switch (field->kind) {
    case SKR_KIND_REFERENCE:
    case SKR_KIND_REFERENCES:
        items = json_object_get(everything, skr_resource_get(field->target)->collection);
        json_array_foreach (items, index, item)
            add_value(values,
                      list ? json_pack("[O]", json_object_get(item, "id")) : json_incref(json_object_get(item, "id")));
        skr_uuid_format(&id, nobody);
        add_value(values, list ? json_pack("[s]", nobody) : json_string(nobody));
        break;
    case SKR_KIND_ADDRESS:
    case SKR_KIND_ADDRESSES:
        for (size_t i = 0; i < SKR_ARRAY_SIZE(addresses); i++)
            add_value(values, list ? json_pack("[s]", addresses[i]) : json_string(addresses[i]));
        break;
    case SKR_KIND_PREFIX:
        for (size_t i = 0; i < SKR_ARRAY_SIZE(prefixes); i++)
            add_value(values, json_string(prefixes[i]));
        break;
    case SKR_KIND_ENUM:
        for (const char *const *choice = field->choices; *choice; choice++)
            add_value(values, json_string(*choice));
        break;
    case SKR_KIND_INTEGER:
        add_value(values, json_integer(field->minimum));
        add_value(values, json_integer(field->maximum));
        break;
    case SKR_KIND_BOOLEAN:
        add_value(values, json_true());
        add_value(values, json_false());
        break;
    default: /* texts, MACs and lists: as they stand in other objects */
        json_object_foreach (everything, collection, items)
            json_array_foreach (items, index, item) {
                value = json_object_get(item, field->name);
                bool name = strcmp(field->name, "name") == 0 && strcmp(collection, "users") != 0 &&
                            strcmp(collection, "vm-networks") != 0 && strcmp(collection, "network-adapters") != 0;
                if (value && !name)
                    add_value(values, json_incref(value));
            }
    }
    if (field->flags & SKR_FIELD_NULLABLE)
        add_value(values, json_null());
    return values;
}

static bool is_his(const struct skr_field *field)
{
    return !(field->flags & (SKR_FIELD_READ_ONLY | SKR_FIELD_HIDDEN)) &&
           skr_role_writes(field->writer, SKR_ROLE_TENANT);
}

/* The object as its owner would write it. */
static json_t *writable_part(const struct skr_resource *resource, const json_t *object)
{
    json_t *body = json_object();
    for (unsigned i = SKR_FIELD_NAME; i < resource->field_count; i++) {
        json_t *value = json_object_get(object, resource->fields[i].name);
        if (is_his(&resource->fields[i]) && value && !json_is_null(value))
            json_object_set(body, resource->fields[i].name, value);
        if (is_his(&resource->fields[i]) && resource->fields[i].kind == SKR_KIND_SECRET)
            json_object_set_new(body, resource->fields[i].name, json_string("a long password"));
    }
    return body;
}

/* Made anew, changed and deleted, as it stands and with each field otherwise. */
static void ask_about(const struct skr_resource *resource, const json_t *object)
{
    char create[100], one[200], etag[40];
    json_t *body = writable_part(resource, object);
    const json_t *version = json_object_get(object, "etag");
    snprintf(create, sizeof(create), "/v1/%s?dry_run=true", resource->collection);
    snprintf(one, sizeof(one), "/v1/%s/%s?dry_run=true", resource->collection, api_text(object, "id"));
    snprintf(etag, sizeof(etag), "\"%s\"", json_is_string(version) ? json_string_value(version) : "1");
    ask("DELETE", one, NULL, NULL);
    ask("POST", create, body, NULL);
    json_object_set_new(body, "name", json_string("new"));
    json_object_del(body, "mac"); /* they would be in the way of everything else */
    json_object_del(body, "ip_addresses");
    ask("POST", create, body, NULL);
    for (unsigned i = SKR_FIELD_NAME; i < resource->field_count; i++) {
        const struct skr_field *field = &resource->fields[i];
        if (!is_his(field) || i == SKR_FIELD_DESCRIPTION || i == SKR_FIELD_LABELS)
            continue;
        json_t *values = values_of(field), *value;
        size_t index;
        json_array_foreach (values, index, value) {
            json_t *other = json_copy(body), *part = json_pack("{s:O}", field->name, value);
            json_object_set(other, field->name, value);
            ask("POST", create, other, NULL);
            ask("PATCH", one, part, etag);
            json_decref(other);
            json_decref(part);
        }
        json_decref(values);
    }
    json_decref(body);
}

/* His actions, with each value of each field of their input. */
static void ask_actions(const struct skr_resource *resource, const json_t *object)
{
    for (unsigned a = 0; a < resource->action_count; a++) {
        const struct skr_action *action = &resource->actions[a];
        char path[200];
        snprintf(path, sizeof(path), "/v1/%s/%s:%s?dry_run=true", resource->collection, api_text(object, "id"),
                 action->verb);
        json_t *empty = json_object();
        ask("POST", path, action->input ? empty : NULL, NULL);
        json_decref(empty);
        for (unsigned i = 0; action->input && i < action->input->field_count; i++) {
            json_t *values = values_of(&action->input->fields[i]), *value;
            size_t index;
            json_array_foreach (values, index, value) {
                json_t *body = json_pack("{s:O}", action->input->fields[i].name, value);
                ask("POST", path, body, NULL);
                json_decref(body);
            }
            json_decref(values);
        }
    }
}

static void ask_for_everything(void)
{
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        json_t *object;
        size_t index;
        if (!skr_role_writes(resource->writer, SKR_ROLE_TENANT) ||
            resource->flags & (SKR_RESOURCE_VIEW | SKR_RESOURCE_LOGIN))
            continue;
        json_array_foreach (json_object_get(visible, resource->collection), index, object) {
            ask_about(resource, object);
            ask_actions(resource, object);
        }
    }
}

/* Once more all that he has, which is more than he may. */
static void ask_for_more(void)
{
    const char *collection;
    json_t *objects, *object;
    size_t index;
    blind_change("tenants", scene->tenant,
                 "{\"quotas\": {\"vm_networks\": 0, \"vm_subnets\": 0, \"network_adapters\": 0, \"acl_rules\": 0, "
                 "\"customer_routes\": 0}}");
    json_object_foreach (visible, collection, objects)
        json_array_foreach (objects, index, object) {
            const struct skr_resource *resource = skr_resource_find(collection);
            char path[100];
            json_t *body = writable_part(resource, object);
            json_object_set_new(body, "name", json_string("more"));
            snprintf(path, sizeof(path), "/v1/%s?dry_run=true", collection);
            if (!(resource->flags & (SKR_RESOURCE_VIEW | SKR_RESOURCE_LOGIN)))
                ask("POST", path, body, NULL);
            json_decref(body);
        }
}

Test(api_blind, no_refusal_tells_of_what_a_tenant_cannot_see)
{
    int64_t before = skr_store_revision(server.database.store);
    const char *sentence;
    json_t *unused;
    ask_for_everything();
    cr_expect_eq(skr_store_revision(server.database.store), before, "a dry run has written something");
    ask_for_more();
    if (leaks)
        json_object_foreach (sentences, sentence, unused)
            fprintf(stderr, "%s\n", sentence);
    cr_expect_geq(json_object_size(sentences), 75, "%zu different refusals", json_object_size(sentences));
    cr_expect_eq(leaks, 0, "%u of %u", leaks, asked);
}
