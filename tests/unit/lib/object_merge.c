#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/macros.h>
#include <skerry/object.h>
#include <skerry/resource_fields.h>

static struct skr_object *read_text(enum skr_resource_id id, const char *text, bool partial)
{
    json_t *json = json_loads(text, 0, NULL);
    cr_assert_not_null(json, "%s", text);
    struct skr_object *object = NULL;
    struct skr_error error = {0};
    cr_assert_eq(skr_object_from_json(skr_resource_get(id), json, partial, SKR_ROLE_ADMIN, &object, &error), 0,
                 "%s: %s", text, error.detail);
    json_decref(json);
    return object;
}

/* before + patch -> after as text; tells whether something changed. */
static bool merge(enum skr_resource_id id, const char *before_text, const char *patch_text, bool partial,
                  struct skr_object **ret_after)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = read_text(id, before_text, false);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *patch = read_text(id, patch_text, partial);
    skr_object_fill_defaults(before);
    bool changed;
    cr_assert_eq(skr_object_merge(before, patch, ret_after, &changed), 0);
    return changed;
}

#define TENANT "{\"name\": \"red\", \"description\": \"d\", \"labels\": {\"a\": \"1\", \"b\": \"2\"}}"

static json_t *labels(const struct skr_object *object)
{
    return object->values[SKR_FIELD_LABELS].json;
}

Test(object_merge, a_patch_changes_what_it_names)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = NULL;
    cr_assert(merge(SKR_TENANT, TENANT, "{\"description\": \"e\"}", true, &after));
    cr_assert_str_eq(skr_object_text(after, SKR_FIELD_DESCRIPTION), "e");
    cr_assert_str_eq(skr_object_text(after, SKR_FIELD_NAME), "red");
    cr_assert_eq(json_object_size(labels(after)), 2);
}

Test(object_merge, the_same_again_is_no_change)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = NULL;
    cr_assert_not(merge(SKR_TENANT, TENANT, TENANT, false, &after));
    skr_object_unref(SKR_TAKE(after));
    cr_assert_not(merge(SKR_TENANT, TENANT, "{\"labels\": {\"a\": \"1\", \"c\": null}}", true, &after));
    skr_object_unref(SKR_TAKE(after));
    cr_assert_not(merge(SKR_TENANT, TENANT, "{\"labels\": {}}", true, &after));
}

Test(object_merge, a_patch_merges_maps_and_a_put_replaces_them)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = NULL;
    cr_assert(merge(SKR_TENANT, TENANT, "{\"labels\": {\"a\": null, \"c\": \"3\"}}", true, &after));
    cr_assert_null(json_object_get(labels(after), "a"));
    cr_assert_str_eq(json_string_value(json_object_get(labels(after), "b")), "2");
    cr_assert_str_eq(json_string_value(json_object_get(labels(after), "c")), "3");
    skr_object_unref(SKR_TAKE(after));
    cr_assert(merge(SKR_TENANT, TENANT, "{\"name\": \"red\", \"labels\": {\"c\": \"3\"}}", false, &after));
    cr_assert_eq(json_object_size(labels(after)), 1);
    skr_object_unref(SKR_TAKE(after));
    cr_assert(merge(SKR_TENANT, TENANT, "{\"labels\": null}", true, &after));
    cr_assert_eq(json_object_size(labels(after)), 0);
}

Test(object_merge, structs_merge_field_by_field)
{
    static const char before[] = "{\"name\": \"p\", \"security\": {\"mac_spoofing\": true, \"dhcp_guard\": false}}";
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = NULL;
    cr_assert(merge(SKR_VIRTUAL_PORT_PROFILE, before, "{\"security\": {\"dhcp_guard\": null}}", true, &after));
    const struct skr_object *security = after->values[SKR_VIRTUAL_PORT_PROFILE_SECURITY].objects[0];
    cr_assert_eq(skr_object_integer(security, SKR_SECURITY_DHCP_GUARD), 1);
    cr_assert_eq(skr_object_integer(security, SKR_SECURITY_MAC_SPOOFING), 1);
    skr_object_unref(SKR_TAKE(after));
    cr_assert(merge(SKR_VIRTUAL_PORT_PROFILE, before, "{\"security\": null}", true, &after));
    security = after->values[SKR_VIRTUAL_PORT_PROFILE_SECURITY].objects[0];
    cr_assert_eq(skr_object_integer(security, SKR_SECURITY_MAC_SPOOFING), 0);
    skr_object_unref(SKR_TAKE(after));
    cr_assert(merge(SKR_VIRTUAL_PORT_PROFILE, before, "{\"name\": \"p\", \"security\": {}}", false, &after));
    security = after->values[SKR_VIRTUAL_PORT_PROFILE_SECURITY].objects[0];
    cr_assert_eq(skr_object_integer(security, SKR_SECURITY_MAC_SPOOFING), 0);
}

Test(object_merge, status_does_not_count)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = read_text(SKR_HOST, "{\"name\": \"h\"}", false);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *patch = skr_object_new(before->resource);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = NULL;
    skr_object_set_text(patch, SKR_HOST_KERNEL, "6.1");
    skr_object_set_integer(patch, SKR_FIELD_UPDATED_AT, 5);
    skr_object_set_integer(patch, SKR_FIELD_ETAG, 5);
    bool changed = true;
    cr_assert_eq(skr_object_merge(before, patch, &after, &changed), 0);
    cr_assert_not(changed);
    cr_assert_str_eq(skr_object_text(after, SKR_HOST_KERNEL), "6.1");
}

Test(object_merge, a_map_has_an_end)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = read_text(SKR_TENANT, "{\"name\": \"t\"}", false);
    for (int i = 0; i < SKR_LABELS_MAX; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        json_object_set_new(labels(before), key, json_string(""));
    }
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *more = read_text(SKR_TENANT, "{\"labels\": {\"x\": \"\"}}", true);
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *swap = read_text(SKR_TENANT, "{\"labels\": {\"x\": \"\", \"k0\": null}}", true);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = NULL;
    bool changed = false;
    cr_assert_eq(skr_object_merge(before, more, &after, &changed), -E2BIG);
    cr_assert(after == NULL && !changed);
    cr_assert_eq(skr_object_merge(before, swap, &after, &changed), 0);
    cr_assert(changed);
    cr_assert_eq(json_object_size(labels(before)), SKR_LABELS_MAX, "before stays");
    cr_assert_null(json_object_get(labels(before), "x"));
}
