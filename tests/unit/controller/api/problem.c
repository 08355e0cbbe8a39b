#include "controller/api/http.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

Test(problem, has_what_rfc_9457_asks_for_and_the_fields)
{
    struct skr_error error = {0};
    skr_error_field(&error, "/name", "A name is needed");
    skr_error_field(&error, "/vsid", "A VSID is 4096 to 16777214");
    json_t *problem = skr_problem_to_json(&error, "r-1");
    cr_assert_str_eq(text_of(problem, "type"), "urn:skerry:error:invalid");
    cr_assert_eq(json_integer_value(json_object_get(problem, "status")), 422);
    cr_assert(text_of(problem, "title"));
    cr_assert_str_eq(text_of(problem, "detail"), "A name is needed");
    cr_assert_str_eq(text_of(problem, "request_id"), "r-1");
    json_t *errors = json_object_get(problem, "errors");
    cr_assert_eq(json_array_size(errors), 2);
    cr_assert_str_eq(text_of(json_array_get(errors, 1), "pointer"), "/vsid");
    json_decref(problem);
}

Test(problem, without_fields_has_no_errors)
{
    struct skr_error error = {0};
    skr_error_set(&error, SKR_ERROR_NOT_FOUND, "There is no such tenant");
    json_t *problem = skr_problem_to_json(&error, "r-2");
    cr_assert_null(json_object_get(problem, "errors"));
    cr_assert_eq(json_integer_value(json_object_get(problem, "status")), 404);
    json_decref(problem);
}

Test(problem, keeps_at_most_what_the_error_keeps)
{
    struct skr_error error = {0};
    for (int i = 0; i < 2 * SKR_ERROR_FIELDS_MAX; i++)
        skr_error_field(&error, "/x", "wrong");
    json_t *problem = skr_problem_to_json(&error, "r-3");
    cr_assert_eq(json_array_size(json_object_get(problem, "errors")), SKR_ERROR_FIELDS_MAX);
    json_decref(problem);
}

Test(problem, bytes_that_are_not_utf8_become_question_marks)
{
    json_t *text = skr_json_text("a\xff\xfe");
    cr_assert_str_eq(json_string_value(text), "a??");
    json_decref(text);
    text = skr_json_text("gr\xc3\xbc\xc3\x9f");
    cr_assert_str_eq(json_string_value(text), "gr\xc3\xbc\xc3\x9f");
    json_decref(text);
}
