#include "cli/apply/document.h"

#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <stdlib.h>
#include <string.h>

static int parse(const char *text, json_t **ret, struct skr_error *error)
{
    return skr_document_parse("cloud.yaml", text, strlen(text), ret, error);
}

static void same(const char *text, const char *expected)
{
    json_t *given = NULL, *wanted = json_loads(expected, JSON_DECODE_ANY, NULL);
    struct skr_error error = {0};
    cr_assert_eq(parse(text, &given, &error), 0, "%s: %s", text, error.detail);
    char *shown = json_dumps(given, JSON_ENCODE_ANY);
    cr_expect(json_equal(given, wanted), "%s became %s", text, shown);
    free(shown);
    json_decref(given);
    json_decref(wanted);
}

Test(document, json_stays_json)
{
    same(" {\"a\": [1, null, \"x\"]}", "{\"a\": [1, null, \"x\"]}");
    same("[true]", "[true]");
}

Test(document, yaml_of_the_core_schema)
{
    same("kind: tenant\nname: red\nlogical_networks:\n- fabric\n- 'no'\n",
         "{\"kind\": \"tenant\", \"name\": \"red\", \"logical_networks\": [\"fabric\", \"no\"]}");
    same("a: 10\nb: -3\nc: 1.5\nd: ~\ne:\nf: true\ng: yes\nh: \"10\"\ni: 1e3\nj: 10.0.0.0/24\nk: 02:aa:00:00:00:01\n",
         "{\"a\": 10, \"b\": -3, \"c\": 1.5, \"d\": null, \"e\": null, \"f\": true, \"g\": \"yes\", \"h\": \"10\", "
         "\"i\": 1000.0, \"j\": \"10.0.0.0/24\", \"k\": \"02:aa:00:00:00:01\"}");
    same("99999999999999999999", "\"99999999999999999999\"");
    same("# what follows is a flow\n{a: [1, {b: c}]}\n---\n{}\n", "[{\"a\": [1, {\"b\": \"c\"}]}, {}]");
    same("items:\n- {kind: tenant, name: red}\n- kind: tenant\n  name: blue\n",
         "{\"items\": [{\"kind\": \"tenant\", \"name\": \"red\"}, {\"kind\": \"tenant\", \"name\": \"blue\"}]}");
}

Test(document, what_is_refused_says_where)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
            {"", "holds nothing"},
            {"# only talk\n", "holds nothing"},
            {"a: &x 1\nb: *x\n", "line 1, column 4: anchors"},
            {"a: *x\n", "anchors"},
            {"a: !!str 1\n", "tags"},
            {"a: 1\nb: 2\na: 3\n", "line 3, column 1: this name stands twice"},
            {"? [1, 2]\n: 3\n", "cannot be a name"},
            {"a: [1\n", "line 2"},
            {"a: \"\\0b\"\n\"\\0b\": 1\n", "zero byte"},
            {"{\"a\": 1, \"a\": 2}", "line 1"},
            {"{\"a\": }", "line 1"},
    };
    for (size_t i = 0; i < SKR_ARRAY_SIZE(cases); i++) {
        json_t *untouched = NULL;
        struct skr_error error = {0};
        cr_assert_lt(parse(cases[i].text, &untouched, &error), 0, "%s", cases[i].text);
        cr_expect_eq(error.tag, SKR_ERROR_SYNTAX);
        cr_expect_null(untouched);
        cr_expect(strstr(error.detail, cases[i].words) && strstr(error.detail, "cloud.yaml"), "%s: %s", cases[i].text,
                  error.detail);
    }
}

Test(document, nesting_is_bounded)
{
    char deep[4 * SKR_DOCUMENT_DEPTH_MAX + 8] = "- ";
    json_t *untouched = NULL;
    struct skr_error error = {0};
    for (unsigned i = 0; i <= SKR_DOCUMENT_DEPTH_MAX; i++)
        strcat(deep, "[");
    cr_assert_lt(parse(deep, &untouched, &error), 0);
    cr_expect(strstr(error.detail, "too deeply"), "%s", error.detail);
}
