#include "cli/apply/manifest.h"
#include "cli/apply/member.h"

#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <skerry/resource_fields.h>
#include <string.h>

static json_t *parse(const char *text)
{
    json_error_t error;
    char *json = strdup(text);
    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *value = json_loads(json, JSON_DECODE_ANY, &error);
    cr_assert(value, "%s: %s", json, error.text);
    free(json);
    return value;
}

static int read_manifest(const char *text, struct skr_manifest *ret, struct skr_error *error)
{
    json_t *given = parse(text);
    int r = skr_manifest_parse(given, ret, error);
    json_decref(given);
    return r;
}

static const char *text_at(const struct skr_manifest *manifest, size_t i, const char *member)
{
    const char *text = json_string_value(json_object_get(manifest->entries[i].body, member));
    return text ? text : "";
}

Test(manifest, one_many_and_items)
{
    static const char *const forms[] = {"{'kind': 'tenant', 'name': 'red'}", "[{'kind': 'tenants', 'name': 'red'}]",
                                        "{'items': [{'kind': 'tn', 'name': 'red'}]}"};
    static const char *const pointers[] = {"", "/0", "/items/0"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(forms); i++) {
        struct skr_manifest manifest SKR_CLEANUP(skr_manifest_done) = {0};
        struct skr_error error = {0};
        cr_assert_eq(read_manifest(forms[i], &manifest, &error), 0, "%s", error.detail);
        cr_assert_eq(manifest.count, 1);
        cr_expect_eq(manifest.entries[0].resource, skr_resource_get(SKR_TENANT));
        cr_expect_str_eq(manifest.entries[0].pointer, pointers[i]);
        cr_expect_str_eq(text_at(&manifest, 0, "name"), "red");
    }
}

Test(manifest, members_get_their_long_names_and_paths_become_references)
{
    struct skr_manifest manifest SKR_CLEANUP(skr_manifest_done) = {0};
    struct skr_error error = {0};
    int r = read_manifest("[{'kind': 'vm-subnet', 'name': 'red/web/front', 'prefix': '10.0.0.0/24', 'id': 'x',"
                          "  'etag': '3', 'status': {}, 'gateway': '10.0.0.1'},"
                          " {'kind': 'vm-network', 'name': 'web', 'tenant': 'red', 'logical_network': 'fabric'},"
                          " {'kind': 'network-adapter', 'name': 'red/a', 'vm_network': 'web'},"
                          " {'kind': 'tenant', 'name': 'a/b', 'logical_networks': ['fabric']}]",
                          &manifest, &error);
    cr_assert_eq(r, 0, "%s", error.detail);
    cr_expect_str_eq(text_at(&manifest, 0, "name"), "front");
    cr_expect_str_eq(text_at(&manifest, 0, "vm_network_id"), "red/web");
    cr_expect_eq(json_object_size(manifest.entries[0].body), 3, "what the controller writes is left out");
    cr_expect_str_eq(text_at(&manifest, 1, "tenant_id"), "red");
    cr_expect_str_eq(text_at(&manifest, 1, "logical_network_id"), "fabric");
    cr_expect_str_eq(text_at(&manifest, 2, "name"), "a");
    cr_expect_str_eq(text_at(&manifest, 2, "tenant_id"), "red", "the parent is said, so the path is the tenant");
    cr_expect_str_eq(text_at(&manifest, 3, "name"), "a/b", "a name without a scope is no path");
    cr_expect_eq(json_array_size(json_object_get(manifest.entries[3].body, "logical_network_ids")), 1);
}

/* Left out, it would make a backup whose key lies open although its maker thinks otherwise. */
Test(manifest, a_passphrase_is_the_makers_to_give)
{
    struct skr_manifest manifest SKR_CLEANUP(skr_manifest_done) = {0};
    struct skr_error error = {0};
    json_t *shown = json_pack("{s:s}", "name", "b"), *patch = NULL;
    cr_assert_eq(read_manifest("{'kind': 'backup', 'name': 'b', 'passphrase': 'correct horse', 'bytes': 3}", &manifest,
                               &error),
                 0, "%s", error.detail);
    cr_expect_str_eq(text_at(&manifest, 0, "passphrase"), "correct horse");
    cr_expect_eq(json_object_size(manifest.entries[0].body), 2);
    cr_expect_eq(skr_manifest_diff(skr_resource_get(SKR_BACKUP), shown, manifest.entries[0].body, &patch, &error), 0,
                 "%s", error.detail);
    cr_expect_null(patch, "whether it is another one is not to be seen");
    json_decref(shown);
}

Test(manifest, every_mistake_has_its_pointer)
{
    static const struct {
        const char *given, *pointer, *detail;
    } cases[] = {
            {"3", "", "An object is expected here: {\"kind\": ..., \"name\": ...}."},
            {"{'name': 'a'}", "/kind", "Every object says what it is: \"kind\": \"vm-network\"."},
            {"[{'kind': 'tenat', 'name': 'a'}]", "/0/kind", "There is no kind 'tenat'; did you mean 'tenant'?"},
            {"{'kind': 'event', 'name': 'a'}", "/kind", "events are kept by the controller and can only be read."},
            {"{'kind': 'tenant'}", "/name", "Every object needs a name, by which it is found again."},
            {"{'kind': 'vm-subnet', 'name': 'a', 'prefx': 1}", "/prefx",
             "A vm-subnet has no 'prefx'; did you mean 'prefix'?"},
            {"{'kind': 'vm-network', 'name': 'a', 'tenant': 'b', 'tenant_id': 'b'}", "/tenant_id",
             "This is said twice, by its long and its short name; keep one."},
            {"{'kind': 'ip-pool', 'name': 's/p'}", "/name",
             "A path does not say what kind of parent it means; give the name alone and the parent as a field."},
    };
    for (size_t i = 0; i < SKR_ARRAY_SIZE(cases); i++) {
        struct skr_manifest manifest = {.count = 77};
        struct skr_error error = {0};
        cr_expect_lt(read_manifest(cases[i].given, &manifest, &error), 0, "%s", cases[i].given);
        cr_expect_str_eq(error.fields[0].pointer, cases[i].pointer, "%s", cases[i].given);
        cr_expect_str_eq(error.fields[0].detail, cases[i].detail);
        cr_expect_eq(error.tag, SKR_ERROR_INVALID);
        cr_expect_eq(manifest.count, 77, "untouched");
    }
}

/* Names in the order they come out, joined. */
static void expect_order(const char *given, const char *wanted)
{
    struct skr_manifest manifest SKR_CLEANUP(skr_manifest_done) = {0};
    struct skr_error error = {0};
    char got[256] = "";
    cr_assert_eq(read_manifest(given, &manifest, &error), 0, "%s", error.detail);
    cr_assert_eq(skr_manifest_order(&manifest, &error), 0, "%s", error.detail);
    for (size_t i = 0; i < manifest.count; i++) {
        strcat(got, i ? " " : "");
        strcat(got, text_at(&manifest, i, "name"));
    }
    cr_expect_str_eq(got, wanted);
}

Test(manifest, what_is_referred_to_comes_first)
{
    expect_order("[{'kind': 'network-adapter', 'name': 'red/web/vm', 'vm_subnet': 'front'},"
                 " {'kind': 'vm-subnet', 'name': 'red/web/front'},"
                 " {'kind': 'vm-network', 'name': 'red/web', 'logical_network': 'fabric'},"
                 " {'kind': 'tenant', 'name': 'red', 'logical_networks': ['fabric']},"
                 " {'kind': 'logical-network', 'name': 'fabric'}]",
                 "fabric red web front vm");
    expect_order(
            "[{'kind': 'host-group', 'name': 'c', 'parent': 'b'}, {'kind': 'host-group', 'name': 'b', 'parent': 'a'},"
            " {'kind': 'host-group', 'name': 'a', 'parent': 'All hosts'}]",
            "a b c");
    expect_order(
            "[{'kind': 'host', 'name': 'h', 'uplinks': [{'name': 'u', 'interface': 'e', 'network_site_ids': ['s']}]},"
            " {'kind': 'network-site', 'name': 'n/s'}]",
            "s h");
}

Test(manifest, otherwise_the_order_stays)
{
    expect_order("[{'kind': 'tenant', 'name': 'z'}, {'kind': 'tenant', 'name': 'a'}, {'kind': 'tenant', 'name': 'm'}]",
                 "z a m");
    expect_order("[]", "");
}

Test(manifest, references_that_go_round_have_no_order)
{
    struct skr_manifest manifest SKR_CLEANUP(skr_manifest_done) = {0};
    struct skr_error error = {0};
    cr_assert_eq(read_manifest("[{'kind': 'host-group', 'name': 'a', 'parent': 'b'},"
                               " {'kind': 'host-group', 'name': 'b', 'parent': 'a'}]",
                               &manifest, &error),
                 0);
    cr_expect_lt(skr_manifest_order(&manifest, &error), 0);
    cr_expect(strstr(error.detail, "refers back to itself"), "%s", error.detail);
    cr_expect_eq(manifest.count, 2);
}

Test(manifest, has_by_the_last_word_of_a_path)
{
    struct skr_manifest manifest SKR_CLEANUP(skr_manifest_done) = {0};
    cr_assert_eq(read_manifest("[{'kind': 'vm-network', 'name': 'red/web'}]", &manifest, NULL), 0);
    cr_expect(skr_manifest_has(&manifest, skr_resource_get(SKR_VM_NETWORK), "red/web"));
    cr_expect(skr_manifest_has(&manifest, skr_resource_get(SKR_VM_NETWORK), "web"));
    cr_expect_not(skr_manifest_has(&manifest, skr_resource_get(SKR_VM_NETWORK), "red"));
    cr_expect_not(skr_manifest_has(&manifest, skr_resource_get(SKR_TENANT), "web"));
}

/* ---- diff ---- */

static void expect_diff(enum skr_resource_id id, const char *current, const char *desired, const char *wanted)
{
    json_t *before = parse(current), *after = parse(desired), *patch = NULL, *expected = wanted ? parse(wanted) : NULL;
    struct skr_error error = {0};
    cr_assert_eq(skr_manifest_diff(skr_resource_get(id), before, after, &patch, &error), 0, "%s", error.detail);
    char *got = patch ? json_dumps(patch, JSON_COMPACT) : NULL;
    cr_expect((!patch && !expected) || json_equal(patch, expected), "%s: %s", desired, got ? got : "nothing");
    free(got);
    json_decref(before);
    json_decref(after);
    json_decref(patch);
    json_decref(expected);
}

#define ADAPTER                                                                                                        \
    "{'id': '01920000-0000-7000-8000-000000000001', 'name': 'vm', 'etag': '7', 'description': '',"                     \
    " 'labels': {'a': 'b', 'c': 'd'}, 'vm_name': '', 'mac': '02:aa:00:00:00:01', 'ip_addresses': ['10.0.0.2'],"        \
    " 'host_id': null, 'interface': null, 'status': {'bound': true}}"

Test(diff, what_is_so_already_is_no_change)
{
    expect_diff(SKR_NETWORK_ADAPTER, ADAPTER, "{'name': 'vm', 'mac': '02:AA:00:00:00:01'}", NULL);
    expect_diff(SKR_NETWORK_ADAPTER, ADAPTER, "{'labels': {'c': 'd'}, 'host_id': null}", NULL);
    expect_diff(SKR_NETWORK_ADAPTER, ADAPTER, "{'mac': null}", NULL);
    expect_diff(SKR_NETWORK_SITE,
                "{'subnet_vlans': [{'subnet': '10.1.0.0/24', 'vlan_id': 0, 'secondary_vlan_id': null}]}",
                "{'subnet_vlans': [{'subnet': '10.1.0.0/24'}]}", NULL);
    expect_diff(SKR_VIRTUAL_PORT_PROFILE, "{'security': {'mac_spoofing': true, 'dhcp_guard': true}}",
                "{'security': {'dhcp_guard': true}}", NULL);
}

Test(diff, what_differs_alone_is_sent)
{
    expect_diff(SKR_NETWORK_ADAPTER, ADAPTER, "{'name': 'vm', 'vm_name': 'x', 'ip_addresses': ['10.0.0.2']}",
                "{'vm_name': 'x'}");
    expect_diff(SKR_NETWORK_ADAPTER, ADAPTER, "{'ip_addresses': []}", "{'ip_addresses': []}");
    expect_diff(SKR_NETWORK_ADAPTER, ADAPTER, "{'labels': {'c': null}}", "{'labels': {'c': null}}");
    expect_diff(SKR_NETWORK_ADAPTER, ADAPTER, "{'mac': '02:aa:00:00:00:02'}", "{'mac': '02:aa:00:00:00:02'}");
    expect_diff(SKR_VIRTUAL_PORT_PROFILE, "{'security': {'mac_spoofing': true, 'dhcp_guard': true}}",
                "{'security': {'dhcp_guard': false}}", "{'security': {'dhcp_guard': false}}");
}

Test(diff, what_cannot_be_right_is_refused)
{
    json_t *before = parse(ADAPTER), *after = parse("{'ip_addresses': ['10.0.0.300']}"), *patch = before;
    struct skr_error error = {0};
    cr_expect_lt(skr_manifest_diff(skr_resource_get(SKR_NETWORK_ADAPTER), before, after, &patch, &error), 0);
    cr_expect_str_eq(error.fields[0].pointer, "/ip_addresses/0");
    cr_expect_eq(patch, before, "untouched");
    json_decref(before);
    json_decref(after);
}

/* ---- words of flags ---- */

static void expect_word(enum skr_resource_id id, int field, const char *word, const char *wanted)
{
    json_t *value = NULL, *expected = wanted ? parse(wanted) : NULL;
    struct skr_error error = {0};
    int r = skr_member_from_text(&skr_resource_get(id)->fields[field], word, &value, &error);
    cr_expect_eq(r == 0, wanted != NULL, "%s: %s", word, error.detail);
    cr_expect(!wanted || json_equal(value, expected), "%s", word);
    cr_expect(wanted || (!value && error.tag == SKR_ERROR_INVALID && error.detail[0]), "%s", word);
    json_decref(value);
    json_decref(expected);
}

Test(member, words_become_values)
{
    expect_word(SKR_VM_SUBNET, SKR_VM_SUBNET_VSID, "5000", "5000");
    expect_word(SKR_VM_SUBNET, SKR_VM_SUBNET_VSID, "null", "null");
    expect_word(SKR_VM_SUBNET, SKR_VM_SUBNET_VSID, "5x", NULL);
    expect_word(SKR_VM_SUBNET, SKR_VM_SUBNET_VSID, NULL, NULL);
    expect_word(SKR_VM_SUBNET, SKR_VM_SUBNET_PREFIX, "10.0.0.0/24", "'10.0.0.0/24'");
    expect_word(SKR_JOIN_TOKEN, SKR_JOIN_TOKEN_APPROVE, NULL, "true");
    expect_word(SKR_JOIN_TOKEN, SKR_JOIN_TOKEN_APPROVE, "no", "false");
    expect_word(SKR_JOIN_TOKEN, SKR_JOIN_TOKEN_APPROVE, "maybe", NULL);
    expect_word(SKR_NETWORK_ADAPTER, SKR_NETWORK_ADAPTER_IP_ADDRESSES, "10.0.0.1,10.0.0.2", "['10.0.0.1', '10.0.0.2']");
    expect_word(SKR_NETWORK_ADAPTER, SKR_NETWORK_ADAPTER_IP_ADDRESSES, "", "[]");
    expect_word(SKR_NETWORK_ADAPTER, SKR_FIELD_LABELS, "a=b,c=", "{'a': 'b', 'c': ''}");
    expect_word(SKR_NETWORK_ADAPTER, SKR_FIELD_LABELS, "a", NULL);
    expect_word(SKR_TENANT, SKR_TENANT_LOGICAL_NETWORK_IDS, "fabric", "['fabric']");
    expect_word(SKR_HOST, SKR_HOST_UPLINKS, "[{\"name\": \"u\"}]", "[{'name': 'u'}]");
    expect_word(SKR_HOST, SKR_HOST_UPLINKS, "[{", NULL);
}

Test(member, short_names)
{
    const struct skr_resource *adapter = skr_resource_get(SKR_NETWORK_ADAPTER), *tenant = skr_resource_get(SKR_TENANT);
    struct skr_error error = {0};
    cr_expect_eq(skr_member_find(adapter, "vm_network", &error), SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    cr_expect_eq(skr_member_find(adapter, "vm_network_id", &error), SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    cr_expect_eq(skr_member_find(tenant, "port_classifications", &error), SKR_TENANT_PORT_CLASSIFICATION_IDS);
    cr_expect_eq(skr_member_find(adapter, "claimed", &error), -1, "hidden");
    cr_expect_eq(skr_member_find(adapter, "vm_subne", &error), -1);
    cr_expect_str_eq(error.detail, "A network-adapter has no 'vm_subne'; did you mean 'vm_subnet'?");
    const struct skr_resource *pool = skr_resource_get(SKR_IP_POOL), *allocate = pool->actions[0].input;
    cr_expect_eq(skr_member_find(pool, "colour", &error), -1);
    cr_expect_str_eq(error.detail, "A ip-pool has no 'colour'; skerryctl help ip-pool lists what it has");
    cr_expect_eq(skr_member_find(allocate, "purpose", &error), -1, "help has no page for an action");
    cr_expect(strstr(error.detail, "skerryctl help KIND lists the actions"), "%s", error.detail);
}
