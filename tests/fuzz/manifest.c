/* rooms: cli/apply cli/output */
/* A JSON or YAML file as apply reads it. It is refused with a reason, or what it says is the same after it has been
 * printed as YAML and read again. */
#include "cli/apply/document.h"
#include "cli/output/yaml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *read_text(const char *text, size_t size)
{
    struct skr_error error = {0};
    json_t *json = NULL;
    int r = skr_document_parse("f.yaml", text, size, &json, &error);
    if (r < 0 ? json || error.tag == SKR_ERROR_NONE || !error.detail[0] : !json)
        abort();
    return json;
}

static json_t *read_again(const json_t *json)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    skr_yaml_print(json, out);
    fclose(out);
    json_t *again = read_text(text, size);
    free(text);
    return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *once = read_text((const char *)data, size);
    /* Objects and lists are what files hold; JSON deeper than YAML takes is read and cannot be told again. */
    if (json_is_object(once) || json_is_array(once)) {
        json_t *again = read_again(once);
        if (again && !json_equal(once, again))
            abort();
        json_decref(again);
    }
    json_decref(once);
    return 0;
}
