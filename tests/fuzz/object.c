/* rooms: lib */
/* A request's JSON body: the first byte picks the resource and whether it is a PATCH. What parses must print and parse
 * again to the same object. */
#include <skerry/object.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct skr_resource *resource = skr_resource_get(data[0] % SKR_RESOURCE_COUNT);
    bool partial = data[0] & 0x80;
    json_t *json = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL);
    struct skr_object *object = NULL;
    struct skr_error error = {0};
    if (json && skr_object_from_json(resource, json, partial, SKR_ROLE_ADMIN, &object, &error) == 0) {
        json_t *printed = skr_object_to_json(object, SKR_ROLE_ADMIN);
        struct skr_object *once = NULL, *twice = NULL;
        bool changed = false;
        if (!printed)
            abort();
        if (partial && skr_object_merge(object, object, &once, &changed) == 0 &&
            (skr_object_merge(once, object, &twice, &changed) < 0 || changed))
            abort(); /* a patch that has been merged changes nothing any more */
        skr_object_unref(once);
        skr_object_unref(twice);
        json_decref(printed);
        skr_object_unref(object);
    } else if (object || (json && error.tag == SKR_ERROR_NONE)) {
        abort(); /* refused without a reason, or half an object */
    }
    json_decref(json);
    return 0;
}
