#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/error.h>
#include <string.h>

Test(error, each_tag_has_its_row)
{
    for (int i = 0; i < SKR_ERROR_TAG_COUNT; i++) {
        const struct skr_error_tag_info *info = skr_error_tag_info((enum skr_error_tag)i);
        cr_assert(info->name && info->title, "tag %d", i);
        cr_assert(i == SKR_ERROR_NONE ? info->http_status == 200 : info->http_status >= 400 && info->http_status < 600);
        for (int j = 0; j < i; j++)
            cr_assert_str_neq(info->name, skr_error_tag_info((enum skr_error_tag)j)->name);
    }
    cr_assert_eq(skr_error_tag_info(SKR_ERROR_IN_USE)->http_status, 409);
    cr_assert_eq(skr_error_tag_info(SKR_ERROR_IN_USE)->exit_code, 4);
    cr_assert_eq(skr_error_tag_info((enum skr_error_tag)999), skr_error_tag_info(SKR_ERROR_INTERNAL));
}

Test(error, set_answers_the_errno_of_the_tag)
{
    struct skr_error error = {.field_count = 3};
    cr_assert_eq(skr_error_set(&error, SKR_ERROR_NOT_FOUND, "no %s", "host"), -ENOENT);
    cr_assert_eq(error.tag, SKR_ERROR_NOT_FOUND);
    cr_assert_str_eq(error.detail, "no host");
    cr_assert_eq(error.field_count, 0);
    cr_assert_eq(skr_error_set(NULL, SKR_ERROR_EXISTS, "x"), -EEXIST);
    cr_assert_eq(skr_error_set(NULL, SKR_ERROR_IN_USE, "x"), -EBUSY);
    cr_assert_eq(skr_error_set(NULL, SKR_ERROR_INVALID, "x"), -EINVAL);
    cr_assert_eq(skr_error_set(NULL, SKR_ERROR_REFERENCE, "x"), -EINVAL);
    cr_assert_eq(skr_error_set(NULL, SKR_ERROR_STORAGE, "x"), -ENOSPC);
    cr_assert_eq(skr_error_set(NULL, SKR_ERROR_INTERNAL, "x"), -EIO);
    cr_assert_eq(skr_error_set(NULL, SKR_ERROR_LIMIT, "x"), -EPROTO);
}

Test(error, set_may_quote_itself)
{
    struct skr_error error = {0};
    skr_error_set(&error, SKR_ERROR_INTERNAL, "inner");
    skr_error_set(&error, SKR_ERROR_STORAGE, "outer: %s", error.detail);
    cr_assert_str_eq(error.detail, "outer: inner");
}

Test(error, the_first_field_speaks_for_the_error)
{
    struct skr_error error = {0};
    cr_assert_eq(skr_error_field(&error, "/name", "name %s", "is required"), -EINVAL);
    cr_assert_eq(skr_error_field(&error, "/vsid", "vsid is odd"), -EINVAL);
    cr_assert_eq(error.tag, SKR_ERROR_INVALID);
    cr_assert_str_eq(error.detail, "name is required");
    cr_assert_eq(error.field_count, 2);
    cr_assert_str_eq(error.fields[1].pointer, "/vsid");
    cr_assert_eq(skr_error_field(NULL, "/x", "x"), -EINVAL);
}

Test(error, a_field_keeps_the_tag_that_is_there)
{
    struct skr_error error = {0};
    skr_error_set(&error, SKR_ERROR_REFERENCE, "no such site");
    skr_error_field(&error, "/network_site_id", "not there");
    cr_assert_eq(error.tag, SKR_ERROR_REFERENCE);
    cr_assert_str_eq(error.detail, "no such site");
}

Test(error, what_is_too_much_is_counted)
{
    struct skr_error error = {0};
    for (int i = 0; i < SKR_ERROR_FIELDS_MAX + 12; i++)
        skr_error_field(&error, "/x", "mistake %d", i);
    cr_assert_eq(error.field_count, SKR_ERROR_FIELDS_MAX);
    cr_assert_eq(error.left_out, 12);
    cr_assert_str_eq(error.detail, "mistake 0 (and 12 more)");
    skr_error_clear(&error);
    cr_assert_eq(error.field_count + error.left_out, 0);
}

Test(error, a_cut_sentence_ends_at_a_character)
{
    char text[SKR_ERROR_DETAIL_MAX + 8];
    memset(text, 'x', sizeof(text));
    memcpy(text + SKR_ERROR_DETAIL_MAX - 3, "\xe2\x82\xac", 4); /* two of its three bytes fit */
    struct skr_error error = {0};
    skr_error_set(&error, SKR_ERROR_INVALID, "%s", text);
    cr_assert_eq(strlen(error.detail), SKR_ERROR_DETAIL_MAX - 3);
    memcpy(text + SKR_ERROR_DETAIL_MAX - 4, "\xe2\x82\xac", 4); /* all of it fits */
    skr_error_set(&error, SKR_ERROR_INVALID, "%s", text);
    cr_assert_eq(strlen(error.detail), SKR_ERROR_DETAIL_MAX - 1);
}

Test(error, a_full_sentence_still_tells_the_count)
{
    char text[SKR_ERROR_DETAIL_MAX + 8];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    struct skr_error error = {0};
    for (int i = 0; i < SKR_ERROR_FIELDS_MAX + 2; i++)
        skr_error_field(&error, text, "%s", text);
    cr_assert_eq(strlen(error.fields[0].pointer), SKR_ERROR_POINTER_MAX - 1);
    cr_assert_str_eq(error.detail + strlen(error.detail) - 13, " (and 2 more)");
}
