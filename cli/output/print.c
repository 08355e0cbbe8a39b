#include "cli/output/print.h"

#include "cli/output/yaml.h"

#include <ctype.h>
#include <skerry/macros.h>
#include <string.h>

#define TITLE_MAX 64

static const char *const form_names[SKR_FORM_COUNT] = {
        [SKR_FORM_TABLE] = "table", [SKR_FORM_WIDE] = "wide", [SKR_FORM_JSON] = "json",
        [SKR_FORM_YAML] = "yaml",   [SKR_FORM_NAME] = "name", [SKR_FORM_CSV] = "csv"};

int skr_form_parse(const char *text, unsigned taken, enum skr_form *ret, struct skr_error *error)
{
    char list[64] = "";
    for (int i = 0; i < SKR_FORM_COUNT; i++) {
        if (!(taken & 1U << i))
            continue;
        if (strcmp(text ? text : "table", form_names[i]) == 0) {
            *ret = (enum skr_form)i;
            return 0;
        }
        size_t length = strlen(list);
        snprintf(list + length, sizeof(list) - length, "%s%s", length ? ", " : "", form_names[i]);
    }
    return skr_error_set(error, SKR_ERROR_SYNTAX, "-o takes %s, not '%.40s'", list, text ? text : "table");
}

bool skr_colour_wanted(FILE *out)
{
    const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(fileno(out)) && !(refused && *refused) && !(terminal && strcmp(terminal, "dumb") == 0);
}

void skr_json_print(const json_t *value, FILE *out)
{
    json_dumpf(value, out, JSON_INDENT(2) | JSON_ENCODE_ANY);
    fputc('\n', out);
}

/* ---- describe ---- */

static char *labelled(const struct skr_field *field, const json_t *value, const struct skr_namer *namer)
{
    char *shown = skr_cell_text(field, value, namer), *both = NULL;
    if (field->kind != SKR_KIND_REFERENCE || !json_is_string(value) || strcmp(shown, json_string_value(value)) == 0)
        return shown;
    if (asprintf(&both, "%s (%s)", shown, json_string_value(value)) < 0)
        abort();
    free(shown);
    return both;
}

/* Nested values read better as a block below their label. */
static bool is_block(const struct skr_field *field, const json_t *value)
{
    if (field->kind == SKR_KIND_STRUCTS)
        return json_array_size(value) > 0;
    return field->kind == SKR_KIND_STRUCT || (json_is_object(value) && json_object_size(value) > 0);
}

static void print_block(const json_t *value, FILE *out)
{
    char *text = NULL, *rest, *line;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (!memory)
        abort();
    skr_yaml_print(value, memory);
    fclose(memory);
    rest = text;
    while ((line = strsep(&rest, "\n")))
        if (*line)
            fprintf(out, "  %s\n", line);
    free(text);
}

void skr_describe_print(const struct skr_resource *resource, const json_t *object, const struct skr_namer *namer,
                        FILE *out)
{
    int width = (int)strlen("kind");
    for (unsigned i = 0; i < resource->field_count; i++)
        if (json_object_get(object, resource->fields[i].name) && (int)strlen(resource->fields[i].name) > width)
            width = (int)strlen(resource->fields[i].name);
    fprintf(out, "%-*s  %s\n", width + 1, "kind:", resource->name);
    for (unsigned i = 0; i < resource->field_count; i++) {
        const struct skr_field *field = &resource->fields[i];
        const json_t *value = json_object_get(object, field->name);
        char label[TITLE_MAX];
        if (!value)
            continue;
        snprintf(label, sizeof(label), "%s:", field->name);
        if (is_block(field, value)) {
            fprintf(out, "%s\n", label);
            print_block(value, out);
            continue;
        }
        char *text SKR_CLEANUP(skr_free_cleanup) = labelled(field, value, namer);
        fprintf(out, "%-*s  %s\n", width + 1, label, text);
    }
    const json_t *status = json_object_get(object, "status");
    if (status) {
        fputs("status:\n", out);
        print_block(status, out);
    }
}

/* ---- anything else ---- */

static json_t *title_of(const char *key)
{
    char title[TITLE_MAX];
    snprintf(title, sizeof(title), "%s", key);
    for (char *c = title; *c; c++)
        *c = *c == '_' ? ' ' : (char)toupper((unsigned char)*c);
    return json_string(title);
}

static bool is_list_of_objects(const json_t *value)
{
    return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

/* Columns are the members of all items, in the order they are met. */
static void print_items(const json_t *items, FILE *out, bool colour)
{
    json_t *keys = json_object(), *titles = json_array(), *rows = json_array(), *item, *member;
    size_t i;
    const char *key;
    json_array_foreach (items, i, item)
        json_object_foreach (item, key, member) {
            if (json_object_get(keys, key))
                continue;
            json_object_set_new(keys, key, json_true());
            json_array_append_new(titles, title_of(key));
        }
    json_array_foreach (items, i, item) {
        json_t *row = json_array();
        json_object_foreach (keys, key, member) {
            char *text SKR_CLEANUP(skr_free_cleanup) = skr_cell_text(NULL, json_object_get(item, key), NULL);
            json_array_append_new(row, json_string(text));
        }
        json_array_append_new(rows, row);
    }
    skr_table_print(titles, rows, out, colour);
    json_decref(keys);
    json_decref(titles);
    json_decref(rows);
}

static void print_lines(const json_t *object, FILE *out)
{
    json_t *rows = json_array(), *widths = json_array(), *member, *row;
    const char *key;
    size_t i;
    json_object_foreach ((json_t *)object, key, member) {
        char label[TITLE_MAX];
        if (is_list_of_objects(member) || (json_is_array(member) && !json_array_size(member)))
            continue;
        char *text SKR_CLEANUP(skr_free_cleanup) = skr_cell_text(NULL, member, NULL);
        snprintf(label, sizeof(label), "%s:", key);
        row = json_pack("[s,s]", label, text);
        skr_table_widen(widths, row);
        json_array_append_new(rows, row);
    }
    json_array_foreach (rows, i, row)
        skr_table_print_row(widths, row, out, false);
    json_decref(rows);
    json_decref(widths);
}

void skr_answer_print(const json_t *answer, FILE *out, bool colour)
{
    const char *key;
    json_t *member;
    if (is_list_of_objects(answer)) {
        print_items(answer, out, colour);
        return;
    }
    if (!json_is_object(answer)) {
        char *text SKR_CLEANUP(skr_free_cleanup) = skr_cell_text(NULL, answer, NULL);
        fprintf(out, "%s\n", text);
        return;
    }
    print_lines(answer, out);
    bool only_items = json_object_size(answer) == 1;
    json_object_foreach ((json_t *)answer, key, member) {
        if (!is_list_of_objects(member))
            continue;
        if (!only_items)
            fprintf(out, "\n%s:\n", key);
        print_items(member, out, colour);
    }
}
