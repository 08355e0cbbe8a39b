/* JSON in and out. */
#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/macros.h>
#include <skerry/object.h>
#include <skerry/resource_fields.h>
#include <stdio.h>
#include <string.h>

#define ID  "01890a5d-ac96-774b-bcce-b302099a8057"
#define ID2 "01890a5d-ac96-774b-bcce-b302099a8058"

static json_t *parse(const char *text)
{
    json_error_t why;
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
    cr_assert_not_null(json, "%s: %s", text, why.text);
    return json;
}

static int read_text(enum skr_resource_id id, const char *text, bool partial, enum skr_role role,
                     struct skr_object **ret, struct skr_error *error)
{
    json_t *json = parse(text);
    int r = skr_object_from_json(skr_resource_get(id), json, partial, role, ret, error);
    json_decref(json);
    return r;
}

static struct skr_object *good(enum skr_resource_id id, const char *text, bool partial)
{
    struct skr_object *object = NULL;
    struct skr_error error = {0};
    cr_assert_eq(read_text(id, text, partial, SKR_ROLE_ADMIN, &object, &error), 0, "%s: %s %s", text,
                 error.fields[0].pointer, error.detail);
    return object;
}

#define ADAPTER "\"name\": \"a\", \"vm_network_id\": \"" ID "\", \"vm_subnet_id\": \"" ID2 "\""

Test(object_json, a_whole_object)
{
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *object =
            good(SKR_NETWORK_ADAPTER,
                 "{" ADAPTER ", \"vm_name\": \"web\", \"mac\": \"02:00:00:00:00:01\","
                 "\"ip_addresses\": [\"10.0.0.5\", \"10.0.0.6\"], \"labels\": {\"tier\": \"front\"}}",
                 false);
    cr_assert_str_eq(skr_object_text(object, SKR_NETWORK_ADAPTER_VM_NAME), "web");
    cr_assert_eq(object->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES].count, 2);
    cr_assert_eq(skr_object_mac(object, SKR_NETWORK_ADAPTER_MAC).bytes[5], 1);
    cr_assert_eq(object->values[SKR_NETWORK_ADAPTER_HOST_ID].type, SKR_VALUE_NULL);
    cr_assert_eq(object->values[SKR_NETWORK_ADAPTER_BOUND].type, SKR_VALUE_ABSENT, "read-only is for the rules");
    cr_assert_str_eq(skr_object_text(object, SKR_FIELD_DESCRIPTION), "");
    cr_assert_not(object->partial);
}

Test(object_json, addresses_not_mentioned_are_null_and_none_is_a_list)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *unsaid = good(SKR_NETWORK_ADAPTER, "{" ADAPTER "}", false);
    cr_assert_eq(unsaid->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES].type, SKR_VALUE_NULL);
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *none = good(SKR_NETWORK_ADAPTER, "{" ADAPTER ", \"ip_addresses\": []}", false);
    cr_assert_eq(none->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES].type, SKR_VALUE_ADDRESSES);
}

Test(object_json, structs_and_their_defaults)
{
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *profile =
            good(SKR_VIRTUAL_PORT_PROFILE, "{\"name\": \"p\", \"security\": {\"mac_spoofing\": true}}", false);
    const struct skr_object *security = profile->values[SKR_VIRTUAL_PORT_PROFILE_SECURITY].objects[0];
    cr_assert_eq(skr_object_integer(security, SKR_SECURITY_MAC_SPOOFING), 1);
    cr_assert_eq(skr_object_integer(security, SKR_SECURITY_DHCP_GUARD), 1);
    const struct skr_object *bandwidth = profile->values[SKR_VIRTUAL_PORT_PROFILE_BANDWIDTH].objects[0];
    cr_assert_not(skr_object_has(bandwidth, SKR_BANDWIDTH_MINIMUM_WEIGHT));
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *site =
            good(SKR_NETWORK_SITE,
                 "{\"logical_network_id\": \"" ID "\", \"subnet_vlans\": [{\"subnet\": \"10.0.0.0/24\"},"
                 "{\"vlan_id\": 7}]}",
                 false);
    cr_assert_eq(site->values[SKR_NETWORK_SITE_SUBNET_VLANS].count, 2);
    cr_assert_eq(site->values[SKR_FIELD_NAME].type, SKR_VALUE_ABSENT, "the rules find a name");
}

Test(object_json, a_patch_says_only_what_it_says)
{
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *patch =
            good(SKR_NETWORK_ADAPTER, "{\"description\": null, \"host_id\": null, \"labels\": {\"a\": null}}", true);
    cr_assert(patch->partial);
    cr_assert_str_eq(skr_object_text(patch, SKR_FIELD_DESCRIPTION), "");
    cr_assert_eq(patch->values[SKR_NETWORK_ADAPTER_HOST_ID].type, SKR_VALUE_NULL);
    cr_assert_eq(patch->values[SKR_FIELD_NAME].type, SKR_VALUE_ABSENT);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = good(SKR_LOGICAL_NETWORK, "{\"mtu\": null}", true);
    cr_assert_eq(skr_object_integer(network, SKR_LOGICAL_NETWORK_MTU), 1500);
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *profile = good(SKR_VIRTUAL_PORT_PROFILE, "{\"security\": {\"dhcp_guard\": null}}", true);
    const struct skr_object *security = profile->values[SKR_VIRTUAL_PORT_PROFILE_SECURITY].objects[0];
    cr_assert_eq(skr_object_integer(security, SKR_SECURITY_DHCP_GUARD), 1);
    cr_assert_eq(security->values[SKR_SECURITY_MAC_SPOOFING].type, SKR_VALUE_ABSENT);
}

Test(object_json, what_a_put_leaves_out_of_assigned_fields_stays)
{
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *subnet =
            good(SKR_VM_SUBNET, "{\"name\": \"s\", \"vm_network_id\": \"" ID "\", \"prefix\": \"10.0.0.0/24\"}", false);
    cr_assert_eq(subnet->values[SKR_VM_SUBNET_VSID].type, SKR_VALUE_ABSENT);
    cr_assert_eq(subnet->values[SKR_FIELD_TENANT_ID].type, SKR_VALUE_ABSENT);
}

struct refusal {
    enum skr_resource_id resource;
    bool partial;
    const char *body, *pointer, *word; /* word: part of the sentence */
};

#define SITE(subnet_vlans) "{\"logical_network_id\": \"" ID "\", \"subnet_vlans\": " subnet_vlans "}"
#define X63                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X255               X63 X63 X63 X63 "xxx"

static const struct refusal refusals[] = {
        {SKR_TENANT, false, "[]", "", "must be an object, not a list"},
        {SKR_TENANT, false, "null", "", "not null"},
        {SKR_TENANT, false, "{}", "/name", "name is required"},
        {SKR_TENANT, false, "{\"name\": null}", "/name", "must not be null"},
        {SKR_TENANT, true, "{\"name\": null}", "/name", "must not be null"},
        {SKR_TENANT, false, "{\"name\": 5}", "/name", "must be a text, not an integer"},
        {SKR_TENANT, false, "{\"name\": \"\"}", "/name", "must not be empty"},
        {SKR_TENANT, false, "{\"name\": \" a\"}", "/name", "blank"},
        {SKR_TENANT, false, "{\"name\": \"a \"}", "/name", "blank"},
        {SKR_TENANT, false, "{\"name\": \"a\\u0000b\"}", "/name", "U+0000"},
        {SKR_TENANT, false, "{\"name\": \"a\\nb\"}", "/name", "U+000A at character 2"},
        {SKR_TENANT, false, "{\"name\": \"a\\u007f\"}", "/name", "U+007F"},
        {SKR_TENANT, false, "{\"name\": \"a\\u0085\"}", "/name", "U+0085"},
        {SKR_TENANT, false, "{\"name\": \"" X255 "x\"}", "/name", "1 to 255 characters, not 256"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"id\": \"" ID "\"}", "/id", "read-only"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"etag\": \"1\"}", "/etag", "read-only"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"status\": {}}", "/status", "read-only"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"tenant_id\": null}", "/tenant_id", "no field"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"descripton\": \"\"}", "/descripton", "did you mean \"description\""},
        {SKR_TENANT, false, "{\"name\": \"a\", \"a/b~c\": 1}", "/a~1b~0c", "no field \"a/b~c\""},
        {SKR_TENANT, false, "{\"name\": \"a\", \"\": 1}", "/", "no field \"\""},
        {SKR_TENANT, false, "{\"name\": \"a\", \"labels\": []}", "/labels", "must be an object, not a list"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"labels\": {\"k\": 1}}", "/labels/k", "labels.k must be a text"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"labels\": {\"k\": null}}", "/labels/k", "not null"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"labels\": {\"\": \"\"}}", "/labels/", "must not be empty"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"labels\": {\"" X63 "x\": \"\"}}", "/labels/" X63 "x", "1 to 63 bytes"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"labels\": {\"k\": \"" X255 "x\"}}", "/labels/k", "0 to 255 bytes"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"labels\": {\"k\": \"\\t\"}}", "/labels/k", "control"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"logical_network_ids\": \"x\"}", "/logical_network_ids",
         "must be a list"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"logical_network_ids\": null}", "/logical_network_ids", "null"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"logical_network_ids\": [\"" ID "\", \"x\"]}", "/logical_network_ids/1",
         "logical_network_ids[1] must be the id (a UUID) of a logical-network"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"logical_network_ids\": [7]}", "/logical_network_ids/0", "a text"},
        {SKR_TENANT, false, "{\"name\": \"a\", \"logical_network_ids\": [\"" ID "\", \"" ID "\"]}",
         "/logical_network_ids/1", "repeats"},
        {SKR_LOGICAL_NETWORK, false, "{\"name\": \"a\", \"mtu\": 1.0}", "/mtu", "fraction"},
        {SKR_LOGICAL_NETWORK, false, "{\"name\": \"a\", \"mtu\": \"1500\"}", "/mtu", "an integer, not a text"},
        {SKR_LOGICAL_NETWORK, false, "{\"name\": \"a\", \"mtu\": true}", "/mtu", "not a boolean"},
        {SKR_LOGICAL_NETWORK, false, "{\"name\": \"a\", \"mtu\": 1279}", "/mtu", "from 1280 to 9216"},
        {SKR_LOGICAL_NETWORK, false, "{\"name\": \"a\", \"mtu\": 9217}", "/mtu", "from 1280 to 9216"},
        {SKR_LOGICAL_NETWORK, false, "{\"name\": \"a\", \"mtu\": null}", "/mtu", "must not be null"},
        {SKR_LOGICAL_NETWORK, false, "{\"name\": \"a\", \"network_virtualization\": 1}", "/network_virtualization",
         "true or false, not an integer"},
        {SKR_LOGICAL_NETWORK, false, "{\"name\": \"a\", \"encapsulation\": \"nvgr\"}", "/encapsulation",
         "must be one of \"nvgre\", \"vxlan\"; did you mean \"nvgre\"?"},
        {SKR_LOGICAL_NETWORK, false, "{\"name\": \"a\", \"encapsulation\": [\"nvgre\"]}", "/encapsulation",
         "not a list"},
        {SKR_NETWORK_SITE, false, SITE("{}"), "/subnet_vlans", "must be a list, not an object"},
        {SKR_NETWORK_SITE, false, SITE("[7]"), "/subnet_vlans/0", "subnet_vlans[0] must be an object"},
        {SKR_NETWORK_SITE, false, SITE("[{}, {\"vlan_id\": 4095}]"), "/subnet_vlans/1/vlan_id", "from 0 to 4094"},
        {SKR_NETWORK_SITE, false, SITE("[{\"vlan\": 1}]"), "/subnet_vlans/0/vlan", "did you mean \"vlan_id\""},
        {SKR_NETWORK_SITE, false, SITE("[{\"subnet\": \"10.0.0.1/24\"}]"), "/subnet_vlans/0/subnet", "bits set"},
        {SKR_NETWORK_SITE, false, SITE("[{\"subnet\": \"10.0.0.0\"}]"), "/subnet_vlans/0/subnet", "with a length"},
        {SKR_NETWORK_SITE, true, "{\"subnet_vlans\": [{\"vlan_id\": null}]}", "/subnet_vlans/0/vlan_id", "null"},
        {SKR_IP_POOL, true, "{\"range_start\": \"10.0.0\"}", "/range_start", "like 10.1.2.3"},
        {SKR_IP_POOL, true, "{\"gateways\": [{\"metric\": 1}]}", "/gateways/0/address", "address is required"},
        {SKR_IP_POOL, true, "{\"dns_servers\": [\"10.0.0.1\", \"::g\"]}", "/dns_servers/1", "IP address"},
        {SKR_IP_POOL, true, "{\"reserved\": [\"\"]}", "/reserved/0", "must not be empty"},
        {SKR_IP_POOL, true, "{\"reserved\": [{}]}", "/reserved/0", "must be a text"},
        {SKR_IP_POOL, true, "{\"reserved\": {}}", "/reserved", "must be a list"},
        {SKR_IP_POOL, true, "{\"total\": 1}", "/total", "no field \"total\""},
        {SKR_IP_POOL, true, "{\"utilization\": {}}", "/utilization", "read-only"},
        {SKR_MAC_POOL, true, "{\"range_start\": \"02:00:00\"}", "/range_start", "must be a MAC address"},
        {SKR_MAC_POOL, true, "{\"range_start\": \"03:00:00:00:00:00\"}", "/range_start", "one station"},
        {SKR_MAC_POOL, true, "{\"range_start\": \"00:00:00:00:00:00\"}", "/range_start", "one station"},
        {SKR_VIRTUAL_PORT_PROFILE, true, "{\"security\": []}", "/security", "must be an object"},
        {SKR_VIRTUAL_PORT_PROFILE, true, "{\"security\": {\"dhcp_gard\": true}}", "/security/dhcp_gard", "dhcp_guard"},
        {SKR_VIRTUAL_PORT_PROFILE, true, "{\"bandwidth\": {\"minimum_weight\": -1}}", "/bandwidth/minimum_weight",
         "from 0 to 100"},
        {SKR_VIRTUAL_PORT_PROFILE, false, "{\"name\": \"p\", \"offload\": null}", "/offload", "null"},
        {SKR_HOST, true, "{\"uplinks\": [{\"name\": \"u\", \"interface\": \"abcdefghijklmnop\"}]}",
         "/uplinks/0/interface", "1 to 15 bytes, not 16"},
        {SKR_HOST, true, "{\"enrolment\": \"enrolled\"}", "/enrolment", "read-only"},
        {SKR_HOST, true, "{\"key_hash\": \"x\"}", "/key_hash", "no field"},
        {SKR_JOIN_TOKEN, false, "{\"name\": \"j\", \"ttl_s\": 59}", "/ttl_s", "from 60 to 86400"},
        {SKR_JOIN_TOKEN, false, "{\"name\": \"j\", \"secret\": \"x\"}", "/secret", "read-only"},
        {SKR_VM_SUBNET, true, "{\"vsid\": 4095}", "/vsid", "from 4096 to 16777214"},
        {SKR_VM_SUBNET, true, "{\"vsid\": 16777215}", "/vsid", "from 4096 to 16777214"},
        {SKR_VM_SUBNET, true, "{\"gateway\": \"10.0.0.1\"}", "/gateway", "read-only"},
        {SKR_VM_NETWORK, true, "{\"routing_domain_id\": \"" ID "\"}", "/routing_domain_id", "read-only"},
};

Test(object_json, every_mistake_has_its_pointer_and_sentence)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(refusals); i++) {
        const struct refusal *r = &refusals[i];
        struct skr_error error = {0};
        struct skr_object *object = (struct skr_object *)(uintptr_t)&error; /* must stay as it is */
        cr_assert_eq(read_text(r->resource, r->body, r->partial, SKR_ROLE_ADMIN, &object, &error), -EINVAL, "%s",
                     r->body);
        cr_assert_eq((void *)object, (void *)&error);
        cr_assert_eq(error.tag, SKR_ERROR_INVALID);
        cr_assert_eq(error.field_count, 1, "%s: %u mistakes", r->body, error.field_count);
        cr_assert_str_eq(error.fields[0].pointer, r->pointer, "%s: %s", r->body, error.fields[0].pointer);
        cr_assert(strstr(error.fields[0].detail, r->word), "%s: %s", r->body, error.fields[0].detail);
    }
}

Test(object_json, lists_have_an_end)
{
    json_t *body = json_object(), *list = json_array();
    for (int i = 0; i <= SKR_LIST_MAX; i++)
        json_array_append_new(list, json_integer(i));
    json_object_set_new(body, "logical_network_ids", list);
    struct skr_object *object = NULL;
    struct skr_error error = {0};
    cr_assert_eq(skr_object_from_json(skr_resource_get(SKR_TENANT), body, true, SKR_ROLE_ADMIN, &object, &error),
                 -EINVAL);
    cr_assert_eq(error.field_count, 1, "what is too long is not read");
    cr_assert(strstr(error.detail, "at most 1000 entries, not 1001"), "%s", error.detail);
    json_decref(body);
}

Test(object_json, all_mistakes_up_to_the_maximum)
{
    struct skr_object *object = NULL;
    struct skr_error error = {0};
    read_text(SKR_VM_SUBNET, "{\"prefix\": 5, \"vsid\": 1.5, \"nmae\": \"x\", \"labels\": {\"a\": 1, \"b\": 2}}", false,
              SKR_ROLE_ADMIN, &object, &error);
    cr_assert_eq(error.field_count, 7);
    cr_assert_eq(error.left_out, 0);
    error = (struct skr_error){0};
    read_text(SKR_TENANT, "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}", false,
              SKR_ROLE_ADMIN, &object, &error);
    cr_assert_eq(error.field_count, SKR_ERROR_FIELDS_MAX);
    cr_assert_eq(error.left_out, 2);
    cr_assert_null(object);
    cr_assert_eq(read_text(SKR_TENANT, "{}", false, SKR_ROLE_ADMIN, &object, NULL), -EINVAL);
}

Test(object_json, text_must_be_utf8)
{
    static const char *const bad[] = {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "a\x80"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(bad); i++) {
        json_t *body = json_object();
        json_object_set_new(body, "name", json_string_nocheck(bad[i]));
        struct skr_object *object = NULL;
        struct skr_error error = {0};
        cr_assert_eq(skr_object_from_json(skr_resource_get(SKR_TENANT), body, true, SKR_ROLE_ADMIN, &object, &error),
                     -EINVAL);
        cr_assert(strstr(error.detail, "UTF-8"));
        json_decref(body);
    }
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *object =
            good(SKR_TENANT, "{\"name\": \"K\xc3\xb6ln \xe2\x82\xac \xf0\x9f\x98\x80\", \"description\": \"a\\n\\tb\"}",
                 false);
    cr_assert_str_eq(skr_object_text(object, SKR_FIELD_DESCRIPTION), "a\n\tb");
}

/* U+202E turns what follows around: "red\u202Etxt.exe" reads as "redexe.txt". */
Test(object_json, text_does_not_change_direction)
{
    static const uint32_t bad[] = {0x061c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c,
                                   0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069};
    static const uint32_t good_ones[] = {0x061b, 0x061d, 0x200d, 0x2010, 0x2029, 0x202f, 0x2065, 0x206a};
    static const char *const fields[] = {"name", "description"};
    for (size_t f = 0; f < SKR_ARRAY_SIZE(fields); f++)
        for (size_t i = 0; i < SKR_ARRAY_SIZE(bad) + SKR_ARRAY_SIZE(good_ones); i++) {
            bool is_bad = i < SKR_ARRAY_SIZE(bad);
            uint32_t c = is_bad ? bad[i] : good_ones[i - SKR_ARRAY_SIZE(bad)];
            char text[16];
            json_t *body = json_object();
            struct skr_object *object = NULL;
            struct skr_error error = {0};
            snprintf(text, sizeof(text), c < 0x800 ? "a%c%c" : "a%c%c%c", c < 0x800 ? 0xc0 | (int)(c >> 6) : 0xe2,
                     c < 0x800 ? 0x80 | (int)(c & 0x3f) : 0x80 | (int)(c >> 6 & 0x3f), 0x80 | (int)(c & 0x3f));
            json_object_set_new(body, fields[f], json_string_nocheck(text));
            int r = skr_object_from_json(skr_resource_get(SKR_TENANT), body, true, SKR_ROLE_ADMIN, &object, &error);
            cr_expect_eq(r == 0, !is_bad, "%s U+%04X: %s", fields[f], c, error.detail);
            skr_object_unref(object);
            json_decref(body);
        }
}

Test(object_json, what_is_quoted_stays_utf8)
{
    char member[400], body[512];
    for (size_t cut = 0; cut < 3; cut++) { /* wherever the cut falls in a character of three bytes */
        size_t n = 0;
        for (; n < cut; n++)
            member[n] = 'x';
        for (int i = 0; i < 100; i++, n += 3)
            memcpy(member + n, "\xe2\x82\xac", 4);
        snprintf(body, sizeof(body), "{\"%s\": 1}", member);
        struct skr_object *object = NULL;
        struct skr_error error = {0};
        cr_assert_eq(read_text(SKR_TENANT, body, true, SKR_ROLE_ADMIN, &object, &error), -EINVAL);
        json_t *detail = json_string(error.detail), *pointer = json_string(error.fields[0].pointer);
        cr_assert(detail && pointer, "jansson takes valid UTF-8 alone");
        cr_assert_gt(strlen(error.fields[0].pointer), SKR_ERROR_POINTER_MAX - 5);
        json_decref(detail);
        json_decref(pointer);
    }
}

Test(object_json, a_name_is_counted_in_characters)
{
    char body[2048];
    size_t n = (size_t)snprintf(body, sizeof(body), "{\"name\": \"");
    for (int i = 0; i < SKR_NAME_MAX; i++)
        n += (size_t)snprintf(body + n, sizeof(body) - n, "\xe2\x82\xac");
    snprintf(body + n, sizeof(body) - n, "\"}");
    skr_object_unref(good(SKR_TENANT, body, false));
}

Test(object_json, a_tenant_does_not_know_the_fields_of_administrators)
{
    struct skr_object *object = NULL;
    struct skr_error error = {0};
    cr_assert_eq(read_text(SKR_NETWORK_ADAPTER, "{\"host_id\": null}", true, SKR_ROLE_TENANT, &object, &error),
                 -EINVAL);
    cr_assert(strstr(error.detail, "no field \"host_id\""), "%s", error.detail);
    error = (struct skr_error){0};
    cr_assert_eq(read_text(SKR_NETWORK_ADAPTER, "{\"host_i\": null}", true, SKR_ROLE_TENANT, &object, &error), -EINVAL);
    cr_assert_null(strstr(error.detail, "host_id"), "%s", error.detail);
    error = (struct skr_error){0};
    cr_assert_eq(read_text(SKR_NETWORK_ADAPTER, "{\"bound_interface\": null}", true, SKR_ROLE_TENANT, &object, &error),
                 -EINVAL);
    cr_assert(strstr(error.detail, "no field"), "%s", error.detail);
    cr_assert_eq(read_text(SKR_NETWORK_ADAPTER, "{" ADAPTER "}", false, SKR_ROLE_TENANT, &object, &error), 0);
    cr_assert_eq(object->values[SKR_NETWORK_ADAPTER_HOST_ID].type, SKR_VALUE_ABSENT, "a PUT must not take it away");
    skr_object_unref(object);
}

Test(object_json, out_as_it_came_in)
{
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *pool =
            good(SKR_IP_POOL,
                 "{\"name\": \"p\", \"network_site_id\": \"" ID "\", \"subnet\": \"10.0.0.0/24\", \"range_start\":"
                 "\"10.0.0.10\", \"range_end\": \"10.0.0.20\", \"reserved\": [\"10.0.0.12\"], \"gateways\":"
                 "[{\"address\": \"10.0.0.1\"}], \"dns_servers\": [\"10.0.0.2\"]}",
                 false);
    skr_object_fill_defaults(pool);
    skr_object_set_integer(pool, SKR_FIELD_ETAG, 42);
    skr_object_set_integer(pool, SKR_FIELD_CREATED_AT, 0);
    skr_object_set_json(pool, SKR_IP_POOL_UTILIZATION, json_pack("{s: s}", "free", "11"));
    json_t *json = skr_object_to_json(pool, SKR_ROLE_ADMIN);
    json_t *wanted = parse(
            "{\"tenant_id\": null, \"name\": \"p\", \"description\": \"\", \"labels\": {}, \"etag\": \"42\","
            "\"created_at\": \"1970-01-01T00:00:00.000Z\", \"network_site_id\": \"" ID "\", \"vm_subnet_id\": null,"
            "\"subnet\": \"10.0.0.0/24\", \"range_start\": \"10.0.0.10\", \"range_end\": \"10.0.0.20\","
            "\"reserved\": [\"10.0.0.12\"], \"vip_reserved\": [], \"gateways\": [{\"address\": \"10.0.0.1\","
            "\"metric\": 0}], \"dns_servers\": [\"10.0.0.2\"], \"dns_suffix\": \"\","
            "\"dns_search_suffixes\": [], \"wins_servers\": [], \"status\": {\"utilization\":"
            "{\"free\": \"11\"}}}");
    char *text = json_dumps(json, JSON_COMPACT);
    cr_assert(json_equal(json, wanted), "%s", text);
    free(text);
    json_decref(json);
    json_decref(wanted);
}

Test(object_json, a_tenant_reads_neither_host_nor_interface)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = good(SKR_NETWORK_ADAPTER, "{" ADAPTER "}", false);
    skr_object_fill_defaults(object);
    skr_object_set_text(object, SKR_NETWORK_ADAPTER_BOUND_INTERFACE, "tap7");
    json_t *own = skr_object_to_json(object, SKR_ROLE_TENANT), *all = skr_object_to_json(object, SKR_ROLE_ADMIN);
    cr_assert_null(json_object_get(own, "host_id"));
    cr_assert_null(json_object_get(json_object_get(own, "status"), "bound_interface"));
    cr_assert(json_is_false(json_object_get(json_object_get(own, "status"), "bound")));
    cr_assert(json_is_null(json_object_get(all, "host_id")));
    cr_assert_str_eq(json_string_value(json_object_get(json_object_get(all, "status"), "bound_interface")), "tap7");
    cr_assert_null(json_object_get(json_object_get(all, "status"), "claimed"), "hidden");
    json_decref(own);
    json_decref(all);
}

Test(object_json, words_of_a_query)
{
    const struct skr_resource *r = skr_resource_get(SKR_VM_SUBNET);
    struct skr_value value = {0};
    struct skr_error error = {0};
    cr_assert_eq(skr_value_from_text(&r->fields[SKR_VM_SUBNET_VSID], "5000", &value, &error), 0);
    cr_assert_eq(value.integer, 5000);
    static const char *const bad[] = {"", "5000x", "+5000", " 5000", "4095", "99999999999999999999", "0x2000", "-"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(bad); i++) {
        cr_assert_eq(skr_value_from_text(&r->fields[SKR_VM_SUBNET_VSID], bad[i], &value, &error), -EINVAL, "%s",
                     bad[i]);
        cr_assert(strstr(error.detail, "vsid must be an integer from 4096"), "%s", error.detail);
    }
    cr_assert_eq(value.integer, 5000, "untouched");
    cr_assert_eq(skr_value_from_text(&r->fields[SKR_VM_SUBNET_VM_NETWORK_ID], ID, &value, &error), 0);
    cr_assert_eq(value.type, SKR_VALUE_UUID);
    cr_assert_eq(skr_value_from_text(&r->fields[SKR_VM_SUBNET_PREFIX], "10.0.0.0/24", &value, &error), 0);
    cr_assert_eq(value.type, SKR_VALUE_PREFIX);
    cr_assert_eq(skr_value_from_text(&r->fields[SKR_FIELD_LABELS], "{}", &value, &error), -EINVAL);
    cr_assert_eq(skr_value_from_text(&r->fields[SKR_FIELD_CREATED_AT], "2026-01-31T12:00:00Z", &value, &error), 0);
    cr_assert_eq(skr_value_from_text(&r->fields[SKR_FIELD_CREATED_AT], "yesterday", &value, &error), -EINVAL);
    const struct skr_field *claims = &skr_resource_get(SKR_HOST_GROUP)->fields[SKR_HOST_GROUP_CLAIMS];
    cr_assert_eq(skr_value_from_text(claims, "true", &value, &error), 0);
    cr_assert_eq(value.integer, 1);
    cr_assert_eq(skr_value_from_text(claims, "yes", &value, &error), -EINVAL);
    const struct skr_field *list = &skr_resource_get(SKR_TENANT)->fields[SKR_TENANT_LOGICAL_NETWORK_IDS];
    cr_assert_eq(skr_value_from_text(list, ID, &value, &error), -EINVAL);
}
