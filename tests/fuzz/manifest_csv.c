/* rooms: cli/apply */
/* A CSV file as apply reads it: the first byte says of what kind its lines are (none, or one for all). It is refused
 * with a reason, or gives objects that have a kind and can be written as JSON. */
#include "cli/apply/csv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skr_error error = {0};
    json_t *objects = NULL, *object;
    size_t i;
    if (size < 1)
        return 0;
    unsigned kind = data[0] % (SKR_RESOURCE_COUNT + 1);
    const struct skr_resource *resource = kind ? skr_resource_get((enum skr_resource_id)(kind - 1)) : NULL;
    int r = skr_csv_parse("f.csv", (const char *)data + 1, size - 1, resource, &objects, &error);
    if (r < 0 ? objects || error.tag == SKR_ERROR_NONE || !error.detail[0] : !json_is_array(objects))
        abort();
    json_array_foreach (objects, i, object) {
        char *text = json_dumps(object, 0);
        if (!text || !json_is_string(json_object_get(object, "kind")))
            abort();
        free(text);
    }
    json_decref(objects);
    return 0;
}
