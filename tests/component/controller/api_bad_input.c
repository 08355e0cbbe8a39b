/* Every refusal has a status, a stable type, a pointer to what is wrong and a sentence that helps. One row a refusal.
 */
#include "tests/component/controller/api_bad_rows.h"
#include "tests/component/controller/api_client.h"

#include <criterion/criterion.h>
#include <skerry/resource_fields.h>
#include <string.h>

/* ---- what stands before the rows are tried ---- */

static struct api_server server;
static struct {
    const char *word;
    char id[37];
} made[32];
static unsigned made_count;

static const char *id_of(const char *word, size_t length)
{
    for (unsigned i = 0; i < made_count; i++)
        if (strlen(made[i].word) == length && strncmp(made[i].word, word, length) == 0)
            return made[i].id;
    return NULL;
}

/* Copies text with the words in braces replaced; braces that hold no word of ours stay. */
static char *filled(const char *text)
{
    if (!text)
        return NULL;
    char *out = malloc(strlen(text) * 2 + 1024), *to = out;
    while (*text) {
        size_t length = *text == '{' ? strcspn(text + 1, "}") : 0;
        const char *id = length && length < 16 ? id_of(text + 1, length) : NULL;
        if (!id) {
            *to++ = *text++;
            continue;
        }
        memcpy(to, id, 36);
        to += 36;
        text += length + 2;
    }
    *to = '\0';
    return out;
}

static void make(const char *word, const char *collection, const char *body)
{
    char *text SKR_CLEANUP(skr_free_cleanup) = filled(body);
    made[made_count].word = word;
    api_create(&server, collection, text, made[made_count].id);
    made_count++;
}

static void find(const char *word, const char *collection, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "/v1/%s%s%s", collection, name ? "?name=" : "?limit=1", name ? name : "");
    API_REPLY reply = api_call(&server, "GET", path, NULL, NULL);
    const json_t *items = json_object_get(reply.json, "items");
    cr_assert_eq(json_array_size(items), 1, "%s: %s", path, reply.text);
    made[made_count].word = word;
    snprintf(made[made_count].id, 37, "%s", api_text(json_array_get(items, 0), "id"));
    made_count++;
}

/* The first administrator's token ends with the second's birth. */
static void make_token(void)
{
    API_REPLY reply = api_call(&server, "POST", "/v1/tokens", "{\"name\": \"second\"}", NULL);
    cr_assert_eq(reply.status, 201, "%s", reply.text);
    made[made_count].word = "token";
    snprintf(made[made_count++].id, 37, "%s", api_text(reply.json, "id"));
    free(server.token);
    cr_assert_gt(asprintf(&server.token, "%s.%s", api_text(reply.json, "id"), api_text(reply.json, "secret")), 0);
}

/* Hosts join by themselves; this one is written as a join would. */
static int add_host(struct skr_txn *txn, void *unused, struct skr_error *error)
{
    (void)unused;
    struct skr_uuid group;
    struct skr_object *host SKR_CLEANUP(skr_object_cleanup) = skr_test_object(SKR_HOST, "h1");
    skr_uuid_parse(id_of("rack", 4), &group);
    skr_object_set_uuid(host, SKR_HOST_HOST_GROUP_ID, &group);
    skr_object_set_text(host, SKR_HOST_STATE, "active");
    skr_object_set_text(host, SKR_HOST_ENROLMENT, "pending");
    skr_object_set_text(host, SKR_HOST_REMEDIATION, "auto");
    skr_object_set_text(host, SKR_HOST_KEY_HASH, "00");
    return skr_txn_insert(txn, host, error);
}

static void set_up(void)
{
    struct skr_error error = {0};
    made_count = 0;
    api_server_start(&server, NULL, NULL);
    find("root", "host-groups", "All%20hosts");
    find("macpool", "mac-pools", NULL);
    find("class", "port-classifications", NULL);
    API_REPLY class = api_call(&server, "GET", "/v1/port-classifications?limit=1", NULL, NULL);
    made[made_count].word = "profile";
    snprintf(made[made_count++].id, 37, "%s",
             api_text(json_array_get(json_object_get(class.json, "items"), 0), "virtual_port_profile_id"));
    make("rack", "host-groups", "{\"name\": \"rack\"}");
    make("shelf", "host-groups", "{\"name\": \"shelf\", \"parent_id\": \"{rack}\"}");
    make("ln", "logical-networks", "{\"name\": \"fabric\"}");
    make("lnflat", "logical-networks", "{\"name\": \"flat\", \"network_virtualization\": false}");
    make("site", "network-sites",
         "{\"name\": \"east\", \"logical_network_id\": \"{ln}\", \"host_group_ids\": [\"{rack}\"], "
         "\"subnet_vlans\": [{\"subnet\": \"10.0.0.0/24\"}]}");
    make("sitepool", "ip-pools",
         "{\"name\": \"pa\", \"network_site_id\": \"{site}\", \"subnet\": \"10.0.0.0/24\", \"range_start\": "
         "\"10.0.0.10\", "
         "\"range_end\": \"10.0.0.99\"}");
    make("red", "tenants", "{\"name\": \"Red\", \"logical_network_ids\": [\"{ln}\", \"{lnflat}\"]}");
    make("blue", "tenants", "{\"name\": \"Blue\"}");
    make("vmn", "vm-networks", "{\"name\": \"web\", \"tenant_id\": \"{red}\", \"logical_network_id\": \"{ln}\"}");
    make("vmn2", "vm-networks", "{\"name\": \"db\", \"tenant_id\": \"{red}\", \"logical_network_id\": \"{ln}\"}");
    make("subnet", "vm-subnets",
         "{\"name\": \"front\", \"vm_network_id\": \"{vmn}\", \"prefix\": \"10.1.0.0/24\", \"vsid\": 5555}");
    make("subnet2", "vm-subnets", "{\"name\": \"back\", \"vm_network_id\": \"{vmn}\", \"prefix\": \"10.2.0.0/24\"}");
    make("pool", "ip-pools",
         "{\"name\": \"front\", \"vm_subnet_id\": \"{subnet}\", \"subnet\": \"10.1.0.0/24\", \"range_start\": "
         "\"10.1.0.10\", \"range_end\": \"10.1.0.20\"}");
    make("adapter", "network-adapters",
         "{\"name\": \"vm1\", \"vm_network_id\": \"{vmn}\", \"vm_subnet_id\": \"{subnet}\", \"mac\": "
         "\"02:00:00:00:00:01\", \"ip_addresses\": [\"10.1.0.10\"]}");
    make_token();
    make("join", "join-tokens", "{\"name\": \"rack\"}");
    cr_assert_eq(skr_store_write_wait(server.database.store, add_host, NULL, NULL, &error), 0, "%s", error.detail);
    find("host", "hosts", "h1");
}

/* ---- trying ---- */

static char *repeated(const char *head, char filler, size_t times, const char *tail)
{
    char *text = malloc(strlen(head) + times + strlen(tail) + 1);
    strcpy(text, head);
    memset(text + strlen(head), filler, times);
    strcpy(text + strlen(head) + times, tail);
    return text;
}

static char *make_body(const char *body)
{
    if (!body || body[0] != '@')
        return filled(body);
    if (strcmp(body, "@deep") == 0)
        return repeated("{\"labels\": ", '[', 40, "");
    if (strcmp(body, "@big") == 0)
        return repeated("{\"description\": \"", 'x', ((size_t)1 << 20), "\"}");
    if (strcmp(body, "@description") == 0)
        return repeated("{\"name\": \"x\", \"description\": \"", 'd', 4097, "\"}");
    char *many = repeated("{\"labels\": [", ' ', 120000, "1]}");
    for (size_t i = 0; i < 120000; i += 2)
        memcpy(many + 12 + i, "1,", 2);
    return many;
}

static struct api_reply try_row(const struct api_bad_row *row, char *path)
{
    char match[64], *body SKR_CLEANUP(skr_free_cleanup) = make_body(row->body);
    char *big SKR_CLEANUP(skr_free_cleanup) = NULL;
    const char *headers[] = {NULL, NULL};
    bool changes = strcmp(row->method, "PATCH") == 0 || strcmp(row->method, "PUT") == 0;
    if (row->header && strcmp(row->header, "@headers") == 0)
        headers[0] = big = repeated("X-Long: ", 'h', 17000, "");
    else if (row->header && strcmp(row->header, "-") != 0)
        headers[0] = row->header;
    else if (!row->header && changes) {
        API_REPLY current = api_call(&server, "GET", path, NULL, NULL);
        snprintf(match, sizeof(match), "If-Match: %s", current.etag);
        headers[0] = match;
    }
    return api_call(&server, row->method, path, body, headers);
}

static bool points_at(const json_t *problem, const char *pointer)
{
    const json_t *errors = json_object_get(problem, "errors");
    for (size_t i = 0; i < json_array_size(errors); i++)
        if (strcmp(api_text(json_array_get(errors, i), "pointer"), pointer) == 0)
            return true;
    return false;
}

/* The sentence, or one of those beside the pointers. */
static bool says(const json_t *problem, const char *words)
{
    const json_t *errors = json_object_get(problem, "errors");
    if (strstr(api_text(problem, "detail"), words))
        return true;
    for (size_t i = 0; i < json_array_size(errors); i++)
        if (strstr(api_text(json_array_get(errors, i), "detail"), words))
            return true;
    return false;
}

static bool is_refused_well(const struct api_bad_row *row)
{
    char type[64], *path SKR_CLEANUP(skr_free_cleanup) = filled(row->path);
    API_REPLY reply = try_row(row, path);
    snprintf(type, sizeof(type), "urn:skerry:error:%s", row->type);
    bool good = reply.status == row->status && strcmp(reply.content_type, "application/problem+json") == 0 &&
                strcmp(api_text(reply.json, "type"), type) == 0 &&
                json_integer_value(json_object_get(reply.json, "status")) == row->status &&
                strlen(api_text(reply.json, "request_id")) == 36 && strlen(api_text(reply.json, "title")) > 5 &&
                strlen(api_text(reply.json, "detail")) > 15 && (!row->pointer || points_at(reply.json, row->pointer)) &&
                says(reply.json, row->says);
    if (!good)
        fprintf(stderr, "%s %s %.200s\n  wanted %d %s at %s: ...%s...\n  got %ld %s\n", row->method, row->path,
                row->body ? row->body : "", row->status, row->type, row->pointer ? row->pointer : "-", row->says,
                reply.status, reply.text ? reply.text : "");
    return good;
}

Test(api_bad_input, every_refusal_has_status_type_pointer_and_a_sentence_that_helps, .timeout = 100)
{
    unsigned bad = 0;
    cr_assert_geq(api_bad_row_count, 150);
    set_up();
    long long before = skr_store_revision(server.database.store);
    for (size_t i = 0; i < api_bad_row_count; i++)
        bad += !is_refused_well(&api_bad_rows[i]);
    cr_expect_eq(bad, 0, "%u of %zu", bad, api_bad_row_count);
    cr_expect_eq(skr_store_revision(server.database.store), before, "and nothing was changed by any of them");
    api_server_stop(&server);
}
