#include "cli/output/table.h"

#include <skerry/macros.h>
#include <string.h>

#define GAP 2

/* Characters, not bytes: UTF-8 continuation bytes take no room. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static const char *colour_of(const char *text)
{
    static const struct {
        const char *word, *colour;
    } states[] = {{"realized", "\033[32m"}, {"enrolled", "\033[32m"}, {"pending", "\033[33m"}, {"unplaced", "\033[33m"},
                  {"failed", "\033[31m"},   {"revoked", "\033[31m"},  {"offline", "\033[31m"}};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(states); i++)
        if (strcmp(text, states[i].word) == 0)
            return states[i].colour;
    return NULL;
}

void skr_table_widen(json_t *widths, const json_t *row)
{
    for (size_t i = 0; i < json_array_size(row); i++) {
        size_t width = width_of(json_string_value(json_array_get(row, i)));
        if (i >= json_array_size(widths))
            json_array_append_new(widths, json_integer((json_int_t)width));
        else if (width > (size_t)json_integer_value(json_array_get(widths, i)))
            json_array_set_new(widths, i, json_integer((json_int_t)width));
    }
}

static void print_row(const json_t *widths, const json_t *row, FILE *out, bool bold, bool colour)
{
    size_t count = json_array_size(row);
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(row, i));
        const char *paint = bold ? "\033[1m" : colour ? colour_of(text) : NULL;
        size_t width = width_of(text), room = (size_t)json_integer_value(json_array_get(widths, i));
        fprintf(out, "%s%s%s", paint ? paint : "", text, paint ? "\033[0m" : "");
        if (i + 1 < count)
            fprintf(out, "%*s", (int)((room > width ? room - width : 0) + GAP), "");
    }
    fputc('\n', out);
}

void skr_table_print_row(const json_t *widths, const json_t *row, FILE *out, bool colour)
{
    print_row(widths, row, out, false, colour);
}

void skr_table_print(const json_t *titles, const json_t *rows, FILE *out, bool colour)
{
    json_t *widths = json_array(), *row;
    size_t i;
    skr_table_widen(widths, titles);
    json_array_foreach (rows, i, row)
        skr_table_widen(widths, row);
    print_row(widths, titles, out, colour, colour);
    json_array_foreach (rows, i, row)
        print_row(widths, row, out, false, colour);
    json_decref(widths);
}

/* ---- columns of a kind ---- */

const json_t *skr_columns_value(const struct skr_resource *resource, const json_t *object, int field)
{
    if (skr_resource_in_status(resource, field))
        object = json_object_get(object, "status");
    return json_object_get(object, resource->fields[field].name);
}

static bool is_column(const struct skr_resource *resource, unsigned field, bool wide)
{
    const struct skr_field *f = &resource->fields[field];
    return f->column_title && !(f->flags & SKR_FIELD_HIDDEN) && (wide || !(f->flags & SKR_FIELD_WIDE)) &&
           field != SKR_FIELD_NAME;
}

/* A view's rows are named after what they show; their name column would only repeat it. A job's name says its kind and
 * its object, and nothing else in the row does. */
static bool has_name(const struct skr_resource *resource)
{
    return !(resource->flags & SKR_RESOURCE_VIEW) || resource->id == SKR_JOB;
}

/* Rows that tell what happened say when, and lists of them are read for that. A holding says from when until when. */
static bool has_time(const struct skr_resource *resource)
{
    return resource->id == SKR_EVENT || resource->id == SKR_AUDIT_RECORD || resource->id == SKR_JOB;
}

static bool has_realization(const struct skr_resource *resource)
{
    return !(resource->flags & (SKR_RESOURCE_VIEW | SKR_RESOURCE_NO_UPDATE));
}

json_t *skr_columns_titles(const struct skr_resource *resource, bool wide)
{
    json_t *titles = json_array();
    if (resource->scope == SKR_SCOPE_TENANT)
        json_array_append_new(titles, json_string("TENANT"));
    if (has_name(resource))
        json_array_append_new(titles, json_string("NAME"));
    if (has_time(resource))
        json_array_append_new(titles, json_string("WHEN"));
    for (unsigned i = 0; i < resource->field_count; i++)
        if (is_column(resource, i, wide))
            json_array_append_new(titles, json_string(resource->fields[i].column_title));
    if (resource->id == SKR_HOST)
        json_array_append_new(titles, json_string("ONLINE"));
    if (has_realization(resource))
        json_array_append_new(titles, json_string("REALIZATION"));
    return titles;
}

static void add_cell(json_t *row, const struct skr_field *field, const json_t *value, const struct skr_namer *namer)
{
    char *text SKR_CLEANUP(skr_free_cleanup) = skr_cell_text(field, value, namer);
    json_t *cell = json_string(text);
    json_array_append_new(row, cell ? cell : json_string("?"));
}

json_t *skr_columns_row(const struct skr_resource *resource, const json_t *object, bool wide,
                        const struct skr_namer *namer)
{
    json_t *row = json_array();
    const json_t *status = json_object_get(object, "status");
    if (resource->scope == SKR_SCOPE_TENANT)
        add_cell(row, &resource->fields[SKR_FIELD_TENANT_ID], json_object_get(object, "tenant_id"), namer);
    if (has_name(resource))
        add_cell(row, &resource->fields[SKR_FIELD_NAME], json_object_get(object, "name"), namer);
    if (has_time(resource))
        add_cell(row, &resource->fields[SKR_FIELD_CREATED_AT], json_object_get(object, "created_at"), namer);
    for (unsigned i = 0; i < resource->field_count; i++)
        if (is_column(resource, i, wide))
            add_cell(row, &resource->fields[i], skr_columns_value(resource, object, (int)i), namer);
    if (resource->id == SKR_HOST)
        add_cell(row, NULL, json_object_get(status, "online"), namer);
    if (has_realization(resource))
        add_cell(row, NULL, json_object_get(json_object_get(status, "realization"), "state"), namer);
    return row;
}
