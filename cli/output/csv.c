#include "cli/output/csv.h"

#include "cli/output/table.h"

#include <skerry/macros.h>
#include <string.h>

static void put_cell(const char *text, FILE *out)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static const char *named(const struct skr_field *field, const char *text, const struct skr_namer *namer)
{
    const struct skr_resource *target = skr_field_target(field);
    const char *name = target && namer && namer->name ? namer->name(namer->arg, target, text) : NULL;
    return name ? name : text;
}

/* Texts by commas; NULL when that would not be clear. */
static char *joined(const struct skr_field *field, const json_t *list, const struct skr_namer *namer)
{
    char *text = NULL;
    size_t size = 0, i;
    bool clear = true;
    json_t *item;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    json_array_foreach (list, i, item) {
        const char *word = json_is_string(item) ? named(field, json_string_value(item), namer) : "";
        clear = clear && *word && !strpbrk(word, ",[\n");
        fprintf(out, "%s%s", i ? "," : "", word);
    }
    fclose(out);
    if (!clear) {
        free(text);
        text = NULL;
    }
    return text;
}

static void put_value(const struct skr_field *field, const json_t *value, const struct skr_namer *namer, FILE *out)
{
    char *text SKR_CLEANUP(skr_free_cleanup) = json_is_array(value) ? joined(field, value, namer) : NULL;
    if (text)
        put_cell(text, out);
    else if (json_is_string(value))
        put_cell(named(field, json_string_value(value), namer), out);
    else if (value && !json_is_null(value)) {
        text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        put_cell(text ? text : "", out);
    }
}

/* In the order of the columns: what may be written first. */
static bool is_written(const struct skr_field *field)
{
    return !(field->flags & SKR_FIELD_READ_ONLY) && field->kind != SKR_KIND_COMPUTED;
}

static bool is_column(const struct skr_resource *resource, unsigned i, bool written)
{
    const struct skr_field *field = &resource->fields[i];
    return i != SKR_FIELD_NAME && !(field->flags & SKR_FIELD_HIDDEN) && field->kind != SKR_KIND_SECRET &&
           is_written(field) == written;
}

void skr_csv_print_titles(const struct skr_resource *resource, FILE *out)
{
    fputs("kind,name", out);
    for (int pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < resource->field_count; i++)
            if (is_column(resource, i, pass == 0))
                fprintf(out, ",%s", resource->fields[i].name);
    fputs("\r\n", out);
}

void skr_csv_print_row(const struct skr_resource *resource, const json_t *object, const char *name,
                       const struct skr_namer *namer, FILE *out)
{
    put_cell(resource->name, out);
    fputc(',', out);
    put_cell(name, out);
    for (int pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < resource->field_count; i++)
            if (is_column(resource, i, pass == 0)) {
                fputc(',', out);
                put_value(&resource->fields[i], skr_columns_value(resource, object, (int)i), namer, out);
            }
    fputs("\r\n", out);
}
