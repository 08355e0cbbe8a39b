#include "cli/rest/client.h"
#include "cli/rest/problem.h"
#include "cli/rest/sse.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

/* ---- events ---- */

static char seen[512];

static int note(void *arg, const struct skr_sse_event *event)
{
    size_t length = strlen(seen);
    snprintf(seen + length, sizeof(seen) - length, "%s:%lld:%s;", event->event, (long long)event->id, event->data);
    return *(int *)arg;
}

static const char stream[] = ": alive\n\n"
                             "id: 7\nevent: put\ndata: {\"a\":1}\n\n"
                             "event: status\r\ndata: one\r\ndata: two\r\n\r\n"
                             "event: nothing\n\n"
                             "data:x\n\n"
                             "event: cut\ndata: no";

Test(sse, pieces_of_any_size_give_the_same_events)
{
    for (size_t piece = 1; piece <= sizeof(stream); piece++) {
        int go_on = 0;
        struct skr_sse sse = {.on_event = note, .arg = &go_on};
        seen[0] = '\0';
        for (size_t at = 0; at < strlen(stream); at += piece) {
            size_t left = strlen(stream) - at;
            cr_assert_eq(skr_sse_feed(&sse, stream + at, left < piece ? left : piece), 0);
        }
        cr_expect_str_eq(seen, "put:7:{\"a\":1};status:0:one\ntwo;message:0:x;", "pieces of %zu", piece);
        skr_sse_done(&sse);
    }
}

Test(sse, the_receiver_ends_it)
{
    int stop = -ECANCELED;
    struct skr_sse sse = {.on_event = note, .arg = &stop};
    seen[0] = '\0';
    cr_expect_eq(skr_sse_feed(&sse, stream, strlen(stream)), -ECANCELED);
    cr_expect_str_eq(seen, "put:7:{\"a\":1};");
    skr_sse_done(&sse);
}

Test(sse, an_event_has_an_end)
{
    int go_on = 0;
    struct skr_sse sse = {.on_event = note, .arg = &go_on};
    char *much = malloc(1 << 20);
    int r = skr_sse_feed(&sse, "data: ", 6);
    memset(much, 'x', 1 << 20);
    for (int i = 0; i < 5 && r == 0; i++)
        r = skr_sse_feed(&sse, much, 1 << 20);
    cr_expect_eq(r, -E2BIG);
    free(much);
    skr_sse_done(&sse);
}

/* ---- problems ---- */

static int convert(long status, const char *text, struct skr_error *error)
{
    json_t *problem = text ? json_loads(text, 0, NULL) : NULL;
    int r = skr_problem_to_error(status, problem, error);
    json_decref(problem);
    return r;
}

Test(problem, title_detail_and_fields)
{
    struct skr_error error = {0};
    cr_expect_eq(convert(409,
                         "{\"type\": \"urn:skerry:error:in-use\", \"title\": \"T\", \"detail\": \"D.\", \"errors\":"
                         " [{\"pointer\": \"/a\", \"detail\": \"E\"}, {\"pointer\": \"\", \"detail\": \"F\"}]}",
                         &error),
                 -EBUSY);
    cr_expect_eq(error.tag, SKR_ERROR_IN_USE);
    cr_expect_str_eq(error.detail, "T: D.");
    cr_expect_eq(error.field_count, 2);
    cr_expect_str_eq(error.fields[0].pointer, "/a");
    cr_expect_str_eq(error.fields[1].detail, "F");
}

Test(problem, one_sentence_is_told_once)
{
    struct skr_error error = {0};
    convert(422,
            "{\"type\": \"urn:skerry:error:invalid\", \"title\": \"T\", \"detail\": \"E\","
            " \"errors\": [{\"pointer\": \"/a\", \"detail\": \"E\"}]}",
            &error);
    cr_expect_eq(error.tag, SKR_ERROR_INVALID);
    cr_expect_str_eq(error.detail, "T");
    cr_expect_str_eq(error.fields[0].detail, "E");
}

Test(problem, ports_of_a_large_removal_are_told)
{
    struct skr_error error = {0};
    convert(409,
            "{\"type\": \"urn:skerry:error:needs_confirmation\", \"title\": \"T\", \"detail\": \"D.\", \"errors\":"
            " [{\"pointer\": \"\", \"detail\": \"E\"}], \"ports\": [{\"id\": \"1-2\", \"name\": \"nic\"}],"
            " \"port_count\": 1}",
            &error);
    cr_expect_eq(error.tag, SKR_ERROR_NEEDS_CONFIRMATION);
    cr_expect_eq(error.field_count, 2);
    cr_expect_str_eq(error.fields[0].detail, "E");
    cr_expect_str_eq(error.fields[1].detail, "Port \"nic\", 1-2.");
}

Test(problem, what_is_not_ours_goes_by_its_status)
{
    struct skr_error error = {0};
    cr_expect_lt(convert(404, NULL, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_NOT_FOUND);
    cr_expect_lt(convert(502, "{\"title\": \"Bad gateway\"}", &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_INTERNAL);
    cr_expect_lt(convert(409, "{\"type\": \"urn:skerry:error:new-one\", \"title\": \"N\"}", &error), 0);
    cr_expect_eq(skr_error_tag_info(error.tag)->exit_code, 4);
}

/* ---- addresses ---- */

Test(settings, addresses_of_controllers)
{
    static const struct {
        const char *given, *wanted;
    } cases[] = {{"c.example", "https://c.example:8443"},
                 {"https://c.example", "https://c.example:8443"},
                 {"https://c.example:9/v1/", "https://c.example:9"},
                 {"[::1]", "https://[::1]:8443"},
                 {"[::1]:9", "https://[::1]:9"},
                 {"http://c.example", NULL},
                 {"https://c.example/other", NULL},
                 {"https://user@c.example", NULL},
                 {"", NULL}};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(cases); i++) {
        char *url = NULL;
        struct skr_error error = {0};
        int r = skr_settings_url(cases[i].given, &url, &error);
        cr_expect_eq(r == 0, cases[i].wanted != NULL, "%s", cases[i].given);
        if (r == 0)
            cr_expect_str_eq(url, cases[i].wanted);
        else
            cr_expect(!url && error.tag == SKR_ERROR_SYNTAX);
        free(url);
    }
}

Test(path, values_are_escaped)
{
    struct skr_request_path path;
    skr_path_set(&path, "/v1/%s", "tenants");
    skr_path_add(&path, "name", "a b&c=\u00fc/~");
    skr_path_add(&path, "limit", "1");
    cr_expect_str_eq(path.text, "/v1/tenants?name=a%20b%26c%3D%C3%BC%2F~&limit=1");
}
