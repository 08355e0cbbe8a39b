#include "cli/output/print.h"
#include "cli/output/yaml.h"

#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <skerry/resource_fields.h>
#include <string.h>

static FILE *out;
static char *text;
static size_t size;

static void open_out(void)
{
    out = open_memstream(&text, &size);
}

static void expect(const char *wanted)
{
    fclose(out);
    cr_expect_str_eq(text, wanted, "got:\n%s\nwanted:\n%s", text, wanted);
    free(text);
}

static json_t *parse(const char *json)
{
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    cr_assert(value, "%s", json);
    return value;
}

static const char *name_all(void *arg, const struct skr_resource *kind, const char *id)
{
    (void)arg;
    (void)kind;
    return strcmp(id, "1") == 0 ? "one" : NULL;
}
static const struct skr_namer namer = {.name = name_all};

TestSuite(output, .init = open_out);

Test(output, a_table_lines_up_by_characters)
{
    json_t *titles = parse("[\"NAME\", \"STATE\"]"),
           *rows = parse("[[\"r\\u00f6d\", \"realized\"], [\"a-longer-one\", \"-\"]]");
    skr_table_print(titles, rows, out, false);
    expect("NAME          STATE\n"
           "r\u00f6d           realized\n"
           "a-longer-one  -\n");
    json_decref(titles);
    json_decref(rows);
}

Test(output, colour_does_not_move_columns)
{
    json_t *titles = parse("[\"A\", \"B\"]"), *rows = parse("[[\"failed\", \"x\"]]");
    skr_table_print(titles, rows, out, true);
    expect("\033[1mA\033[0m       \033[1mB\033[0m\n"
           "\033[31mfailed\033[0m  x\n");
    json_decref(titles);
    json_decref(rows);
}

Test(output, columns_come_from_the_table_of_the_kind)
{
    const struct skr_resource *adapter = skr_resource_get(SKR_NETWORK_ADAPTER);
    json_t *object = parse("{\"tenant_id\": \"1\", \"name\": \"red-1\", \"vm_network_id\": \"2\", \"vm_name\": \"\","
                           " \"ip_addresses\": [\"10.0.0.2\", \"10.0.0.3\"], \"mac\": \"02:00:00:00:00:01\","
                           " \"status\": {\"bound\": true, \"realization\": {\"state\": \"pending\"}}}");
    json_t *titles = skr_columns_titles(adapter, false), *row = skr_columns_row(adapter, object, false, &namer);
    json_t *rows = json_pack("[O]", row);
    skr_table_print(titles, rows, out, false);
    expect("TENANT  NAME   VM  VM NETWORK  VM SUBNET  MAC                ADDRESSES          HOST  BOUND  REALIZATION\n"
           "one     red-1  -   2           -          02:00:00:00:00:01  10.0.0.2,10.0.0.3  -     yes    pending\n");
    json_decref(object);
    json_decref(titles);
    json_decref(row);
    json_decref(rows);
}

/* A list of what happened is of no use without the time. */
Test(output, what_happened_says_when)
{
    static const enum skr_resource_id kinds[] = {SKR_EVENT, SKR_AUDIT_RECORD};
    json_t *object = parse("{\"created_at\": \"2026-01-02T03:04:05.000Z\"}");
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kinds); i++) {
        const struct skr_resource *resource = skr_resource_get(kinds[i]);
        json_t *titles = skr_columns_titles(resource, false), *row = skr_columns_row(resource, object, false, &namer);
        size_t at = resource->scope == SKR_SCOPE_TENANT;
        cr_expect_str_eq(json_string_value(json_array_get(titles, at)), "WHEN", "%s", resource->name);
        cr_expect_str_eq(json_string_value(json_array_get(row, at)), "2026-01-02T03:04:05.000Z", "%s", resource->name);
        json_decref(titles);
        json_decref(row);
    }
    json_decref(object);
}

Test(output, a_job_says_what_it_is_about)
{
    const struct skr_resource *job = skr_resource_get(SKR_JOB);
    json_t *object = parse("{\"name\": \"migrate vm-1\", \"created_at\": \"2026-01-02T03:04:05.000Z\", \"state\": "
                           "\"running\", \"percent\": 50, \"message\": \"Ready.\"}");
    json_t *titles = skr_columns_titles(job, false), *row = skr_columns_row(job, object, false, &namer);
    json_t *rows = json_pack("[O]", row);
    skr_table_print(titles, rows, out, false);
    expect("NAME          WHEN                      STATE    %   MESSAGE\n"
           "migrate vm-1  2026-01-02T03:04:05.000Z  running  50  Ready.\n");
    json_decref(object);
    json_decref(titles);
    json_decref(row);
    json_decref(rows);
}

Test(output, every_kind_has_as_many_cells_as_titles)
{
    json_t *empty = json_object();
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++)
        for (int wide = 0; wide < 2; wide++) {
            const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
            json_t *titles = skr_columns_titles(resource, wide), *row = skr_columns_row(resource, empty, wide, NULL);
            cr_expect(json_array_size(titles) > 0);
            cr_expect_eq(json_array_size(titles), json_array_size(row), "%s", resource->name);
            json_decref(titles);
            json_decref(row);
        }
    json_decref(empty);
    expect("");
}

Test(output, what_tenants_write_does_not_drive_a_terminal)
{
    json_t *value = json_string("a\033[2Jb\xc2\x9b"
                                "c\n");
    char *cell = skr_cell_text(NULL, value, NULL);
    cr_expect_str_eq(cell, "a?[2Jb??c?");
    free(cell);
    json_decref(value);
    expect("");
}

Test(output, structs_are_told_apart_in_a_cell)
{
    const struct skr_resource *site = skr_resource_get(SKR_NETWORK_SITE);
    const struct skr_field *field = &site->fields[SKR_NETWORK_SITE_SUBNET_VLANS];
    json_t *value = parse("[{\"subnet\": \"10.1.0.0/24\", \"vlan_id\": 3}, {\"subnet\": null, \"vlan_id\": 7}]");
    char *cell = skr_cell_text(field, value, NULL);
    cr_expect_str_eq(cell, "10.1.0.0/24,vlan_id 7");
    free(cell);
    json_decref(value);
    expect("");
}

Test(output, yaml)
{
    json_t *value = parse("{\"items\": [{\"name\": \"web\", \"none\": null, \"empty\": [], \"map\": {}, \"count\": 42,"
                          " \"list\": [\"a\", [1, 2]], \"deep\": {\"b\": true}}],"
                          " \"odd\": [\"\", \"yes\", \"10.0.0.1\", \"a: b\", \"- x\", \"line\\nbreak\", \"\\u00fc\", "
                          "\"plain text\"]}");
    skr_yaml_print(value, out);
    expect("items:\n"
           "  - name: web\n"
           "    none: null\n"
           "    empty: []\n"
           "    map: {}\n"
           "    count: 42\n"
           "    list:\n"
           "      - a\n"
           "      - - 1\n"
           "        - 2\n"
           "    deep:\n"
           "      b: true\n"
           "odd:\n"
           "  - \"\"\n"
           "  - \"yes\"\n"
           "  - \"10.0.0.1\"\n"
           "  - \"a: b\"\n"
           "  - \"- x\"\n"
           "  - \"line\\nbreak\"\n"
           "  - \"\\u00FC\"\n"
           "  - plain text\n");
    json_decref(value);
}

Test(output, description)
{
    json_t *object = parse("{\"name\": \"red\", \"logical_network_ids\": [\"1\"], \"labels\": {\"a\": \"b\"},"
                           " \"status\": {\"realization\": {\"state\": \"realized\"}}}");
    skr_describe_print(skr_resource_get(SKR_TENANT), object, &namer, out);
    expect("kind:                 tenant\n"
           "name:                 red\n"
           "labels:\n"
           "  a: b\n"
           "logical_network_ids:  one\n"
           "status:\n"
           "  realization:\n"
           "    state: realized\n");
    json_decref(object);
}

Test(output, an_answer_of_an_agent)
{
    json_t *answer = parse("{\"drops\": [{\"reason\": \"x\", \"packets\": 3}, {\"reason\": \"yy\", \"more\": true}],"
                           " \"meters\": [], \"since\": \"now\"}");
    skr_answer_print(answer, out, false);
    expect("since:  now\n"
           "\ndrops:\n"
           "REASON  PACKETS  MORE\n"
           "x       3        -\n"
           "yy      -        yes\n");
    json_decref(answer);
}

Test(output, forms)
{
    enum skr_form form = SKR_FORM_COUNT;
    struct skr_error error = {0};
    cr_expect_eq(skr_form_parse(NULL, ~0U, &form, NULL), 0);
    cr_expect_eq(form, SKR_FORM_TABLE);
    cr_expect_eq(skr_form_parse("yaml", ~0U, &form, NULL), 0);
    cr_expect_eq(form, SKR_FORM_YAML);
    cr_expect_lt(skr_form_parse("yaml", 1U << SKR_FORM_TABLE | 1U << SKR_FORM_JSON, &form, &error), 0);
    cr_expect_str_eq(error.detail, "-o takes table, json, not 'yaml'");
    cr_expect_eq(form, SKR_FORM_YAML, "untouched");
    expect("");
}
