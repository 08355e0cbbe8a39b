#include "controller/api/http.h"

#include <criterion/criterion.h>
#include <string.h>

static int scan(const char *text, struct skr_error *error)
{
    return skr_json_prescan(text, strlen(text), error);
}

static char *repeat(const char *text, size_t times)
{
    size_t length = strlen(text);
    char *made = malloc(times * length + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(made + i * length, text, length);
    made[times * length] = '\0';
    return made;
}

Test(prescan, lets_pass_what_is_small)
{
    struct skr_error error = {0};
    cr_assert_eq(scan("", &error), 0);
    cr_assert_eq(scan("{\"a\": [1, 2, {\"b\": null}]}", &error), 0);
    cr_assert_eq(error.tag, SKR_ERROR_NONE);
}

Test(prescan, takes_32_levels_and_refuses_33)
{
    struct skr_error error = {0};
    char *deep SKR_CLEANUP(skr_free_cleanup) = repeat("[", SKR_HTTP_DEPTH_MAX);
    char *deeper SKR_CLEANUP(skr_free_cleanup) = repeat("{", SKR_HTTP_DEPTH_MAX + 1);
    cr_assert_eq(scan(deep, &error), 0);
    cr_assert_lt(scan(deeper, &error), 0);
    cr_assert_eq(error.tag, SKR_ERROR_TOO_LARGE);
    cr_assert(strstr(error.detail, "32 levels"));
}

Test(prescan, closing_gives_the_level_back)
{
    struct skr_error error = {0};
    char *flat SKR_CLEANUP(skr_free_cleanup) = repeat("[{}]", 100);
    cr_assert_eq(scan(flat, &error), 0);
    cr_assert_eq(scan("]]]]]]}}}", &error), 0, "nonsense is jansson's to refuse");
}

Test(prescan, counts_values_and_not_what_stands_in_strings)
{
    struct skr_error error = {0};
    char *many SKR_CLEANUP(skr_free_cleanup) = repeat("1,", SKR_HTTP_TOKENS_MAX + 1);
    cr_assert_lt(scan(many, &error), 0);
    cr_assert_eq(error.tag, SKR_ERROR_TOO_LARGE);
    char *inside SKR_CLEANUP(skr_free_cleanup) = malloc(2 * SKR_HTTP_TOKENS_MAX + 64);
    strcpy(inside, "\"\\\"");
    memset(inside + 3, '[', 2 * SKR_HTTP_TOKENS_MAX);
    strcpy(inside + 3 + 2 * SKR_HTTP_TOKENS_MAX, "\"");
    cr_assert_eq(scan(inside, &error), 0);
}

Test(prescan, survives_a_backslash_at_the_end)
{
    struct skr_error error = {0};
    cr_assert_eq(scan("\"\\", &error), 0);
}
