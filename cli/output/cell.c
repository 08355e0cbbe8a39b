#include "cli/output/cell.h"

#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>

#define KIND_NAME_MAX 64

void skr_text_tame(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        if (*c < 0x20 || *c == 0x7f)
            *c = '?';
        else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) /* U+0080 to U+009F in UTF-8 */
            c[0] = c[1] = '?';
    }
}

const struct skr_resource *skr_field_target(const struct skr_field *field)
{
    if (field->kind == SKR_KIND_REFERENCE || field->kind == SKR_KIND_REFERENCES)
        return skr_resource_get(field->target);
    size_t length = strlen(field->name);
    char kind[KIND_NAME_MAX];
    if (field->kind != SKR_KIND_JSON || length < 5 || length >= sizeof(kind) ||
        strcmp(field->name + length - 4, "_ids") != 0)
        return NULL;
    snprintf(kind, sizeof(kind), "%.*s", (int)length - 4, field->name);
    for (char *c = kind; *c; c++)
        if (*c == '_')
            *c = '-';
    return skr_resource_find(kind);
}

static void write_value(FILE *out, const struct skr_field *field, const json_t *value, const struct skr_namer *namer);

static void write_text(FILE *out, const struct skr_field *field, const char *text, const struct skr_namer *namer)
{
    const struct skr_resource *target = field ? skr_field_target(field) : NULL;
    if (field && field->kind == SKR_KIND_SECRET)
        text = "(secret)"; /* of a manifest, in a diff */
    const char *name = target && namer && namer->name ? namer->name(namer->arg, target, text) : NULL;
    fputs(name ? name : text, out);
}

/* The first value that is set tells a struct in a list apart: a subnet, an address, a name. */
static void write_struct_briefly(FILE *out, const struct skr_resource *table, const json_t *value,
                                 const struct skr_namer *namer)
{
    for (unsigned i = 0; i < table->field_count; i++) {
        const json_t *member = json_object_get(value, table->fields[i].name);
        if (!member || json_is_null(member))
            continue;
        if (!json_is_string(member))
            fprintf(out, "%s ", table->fields[i].name);
        write_value(out, &table->fields[i], member, namer);
        return;
    }
    fputc('-', out);
}

static void write_array(FILE *out, const struct skr_field *field, const json_t *value, const struct skr_namer *namer)
{
    size_t i;
    json_t *item;
    json_array_foreach (value, i, item) {
        if (i)
            fputc(',', out);
        if (field && field->kind == SKR_KIND_STRUCTS && json_is_object(item))
            write_struct_briefly(out, field->sub, item, namer);
        else
            write_value(out, field, item, namer);
    }
}

static void write_object(FILE *out, const json_t *value, const struct skr_namer *namer)
{
    const char *key, *space = "";
    json_t *member;
    json_object_foreach ((json_t *)value, key, member) {
        fprintf(out, "%s%s=", space, key);
        write_value(out, NULL, member, namer);
        space = " ";
    }
}

static void write_value(FILE *out, const struct skr_field *field, const json_t *value, const struct skr_namer *namer)
{
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        write_text(out, field, json_string_value(value), namer);
        break;
    case JSON_INTEGER:
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        fprintf(out, "%g", json_real_value(value));
        break;
    case JSON_TRUE:
        fputs("yes", out);
        break;
    case JSON_FALSE:
        fputs("no", out);
        break;
    case JSON_ARRAY:
        write_array(out, field, value, namer);
        break;
    case JSON_OBJECT:
        write_object(out, value, namer);
        break;
    case JSON_NULL:
        fputc('-', out);
        break;
    }
}

char *skr_cell_text(const struct skr_field *field, const json_t *value, const struct skr_namer *namer)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    write_value(out, field, value, namer);
    if (fflush(out) == 0 && size == 0)
        fputc('-', out);
    fclose(out);
    skr_text_tame(text);
    return text;
}
