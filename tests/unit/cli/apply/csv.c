#include "cli/apply/csv.h"

#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <stdlib.h>
#include <string.h>

static int parse(const char *text, const char *kind, json_t **ret, struct skr_error *error)
{
    return skr_csv_parse("pools.csv", text, strlen(text), kind ? skr_resource_find(kind) : NULL, ret, error);
}

static void same(const char *text, const char *kind, const char *expected)
{
    json_t *given = NULL, *wanted = json_loads(expected, 0, NULL);
    struct skr_error error = {0};
    cr_assert_eq(parse(text, kind, &given, &error), 0, "%s: %s", text, error.detail);
    char *shown = json_dumps(given, 0);
    cr_expect(json_equal(given, wanted), "%s became %s", text, shown);
    free(shown);
    json_decref(given);
    json_decref(wanted);
}

Test(csv, lines_are_objects)
{
    same("name,description\nred,ours\nblue,\n", "tenant",
         "[{\"kind\": \"tenant\", \"name\": \"red\", \"description\": \"ours\"}, {\"kind\": \"tenant\", \"name\": "
         "\"blue\"}]");
    same("kind,name\r\ntenant,red\r\nvm-network,red/web", NULL,
         "[{\"kind\": \"tenant\", \"name\": \"red\"}, {\"kind\": \"vm-network\", \"name\": \"red/web\"}]");
    same("\xef\xbb\xbfname,logical_networks\n\"a \"\"b\"\"\nc\",\"x,y\"\n\n", "tenant",
         "[{\"kind\": \"tenant\", \"name\": \"a \\\"b\\\"\\nc\", \"logical_network_ids\": [\"x\", \"y\"]}]");
    same("name,id,etag\nred,1,2\n", "tenant", "[{\"kind\": \"tenant\", \"name\": \"red\"}]");
    same("name\n", "tenant", "[]");
}

Test(csv, mistakes_say_where)
{
    static const struct {
        const char *text, *kind, *words;
    } cases[] = {
            {"", "tenant", "holds nothing"},
            {"name,,x\n", "tenant", "names the columns"},
            {"name\nred\n", NULL, "line 2: nothing says of what kind"},
            {"kind,name\nnothing,red\n", NULL, "line 2: nothing says of what kind"},
            {"name,colour\nred,blue\n", "tenant", "line 2, column colour"},
            {"name\nred,blue\n", "tenant", "line 2: it has more cells"},
            {"name\n\"red\n", "tenant", "a quote is not closed"},
            {"name\n\"red\"x\n", "tenant", "behind a closing quote"},
            {"name,mtu\na,many\n", "logical-network", "column mtu: mtu takes a number"},
    };
    for (size_t i = 0; i < SKR_ARRAY_SIZE(cases); i++) {
        json_t *untouched = NULL;
        struct skr_error error = {0};
        cr_assert_lt(parse(cases[i].text, cases[i].kind, &untouched, &error), 0, "%s", cases[i].text);
        cr_expect_null(untouched);
        cr_expect(strstr(error.detail, cases[i].words) && strstr(error.detail, "pools.csv"), "%s: %s", cases[i].text,
                  error.detail);
    }
}
