#include "cli/command/arguments.h"
#include "cli/command/command.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct skr_flag flags[] = {
        {"output", 'o', "FORM", ""}, {"file", 'f', "FILE", ""}, {"wait", 0, NULL, ""}, {0}};

static int parse(bool fields, struct skr_arguments *ret, struct skr_error *error, int argc, ...)
{
    char *argv[16];
    va_list words;
    va_start(words, argc);
    for (int i = 0; i < argc; i++)
        argv[i] = va_arg(words, char *);
    va_end(words);
    return skr_arguments_parse(flags, fields, argc, argv, ret, error);
}

Test(arguments, flags_stand_anywhere)
{
    struct skr_arguments a;
    cr_assert_eq(parse(false, &a, NULL, 7, "get", "-o", "json", "--wait", "tenants", "--file=x=y", "red"), 0);
    cr_expect_eq(a.word_count, 3);
    cr_expect_str_eq(a.words[1], "tenants");
    cr_expect_str_eq(a.words[2], "red");
    cr_expect_str_eq(skr_arguments_flag(&a, "output"), "json");
    cr_expect_str_eq(skr_arguments_flag(&a, "file"), "x=y");
    cr_expect_str_eq(skr_arguments_flag(&a, "wait"), "");
    cr_expect_null(skr_arguments_flag(&a, "nothing"));
}

Test(arguments, standard_input_and_the_end_of_flags)
{
    struct skr_arguments a;
    cr_assert_eq(parse(false, &a, NULL, 5, "-f", "-", "--", "--wait", "-o"), 0);
    cr_expect_str_eq(skr_arguments_flag(&a, "file"), "-");
    cr_expect_null(skr_arguments_flag(&a, "wait"));
    cr_expect_eq(a.word_count, 2);
}

Test(arguments, other_flags_are_fields_where_a_command_takes_them)
{
    struct skr_arguments a;
    cr_assert_eq(parse(true, &a, NULL, 7, "vms", "--vm-network", "red/web", "--approve", "--prefix=10.0.0.0/24",
                       "front", "--last"),
                 0);
    cr_assert_eq(a.field_count, 4);
    cr_expect_str_eq(a.fields[0].name, "vm_network");
    cr_expect_str_eq(a.fields[0].value, "red/web");
    cr_expect_str_eq(a.fields[1].name, "approve");
    cr_expect_null(a.fields[1].value);
    cr_expect_str_eq(a.fields[2].value, "10.0.0.0/24");
    cr_expect_null(a.fields[3].value);
    cr_expect_eq(a.word_count, 2);
}

Test(arguments, mistakes)
{
    struct skr_arguments a = {.word_count = 9};
    struct skr_error error = {0};
    cr_expect_lt(parse(false, &a, &error, 1, "--outptu"), 0);
    cr_expect_str_eq(error.detail, "There is no flag --outptu; did you mean --output?");
    cr_expect_lt(parse(false, &a, &error, 1, "-x"), 0);
    cr_expect_lt(parse(true, &a, &error, 1, "-x"), 0);
    cr_expect_lt(parse(false, &a, &error, 1, "-o"), 0);
    cr_expect_str_eq(error.detail, "--output needs a value: FORM");
    cr_expect_lt(parse(false, &a, &error, 1, "--wait=3"), 0);
    cr_expect_str_eq(error.detail, "--wait takes no value");
    cr_expect_eq(error.tag, SKR_ERROR_SYNTAX);
    cr_expect_eq(a.word_count, 9, "untouched");
}

Test(arguments, durations)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"500ms", 500}, {"30s", 30000}, {"2m", 120000}, {"1h", 3600000}, {"30", -1},
                 {"s", -1},      {"-1s", -1},    {"1d", -1},     {"", -1},        {"99999999999s", -1}};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(cases); i++) {
        int64_t ms = -1;
        struct skr_error error = {0};
        int r = skr_duration_parse("timeout", cases[i].text, &ms, &error);
        cr_expect_eq(r == 0, cases[i].ms >= 0, "%s", cases[i].text);
        cr_expect_eq(ms, cases[i].ms, "%s", cases[i].text);
    }
}

Test(commands, all_are_explained)
{
    for (unsigned i = 0; i < skr_command_count; i++) {
        const struct skr_command *command = &skr_commands[i];
        cr_expect(command->run && command->flags && *command->help, "%s", command->name);
        cr_expect_eq(strncmp(command->usage, command->name, strlen(command->name)), 0, "%s", command->name);
    }
}

Test(commands, kinds_are_found_by_any_of_their_names)
{
    const struct skr_resource *kind = NULL;
    const char *name = NULL;
    struct skr_error error = {0};
    struct skr_arguments a = {.words = {"vmn", "red/web", "rest"}, .word_count = 3};
    cr_expect_eq(skr_target_at(&a, 0, &kind, &name, &error), 2);
    cr_expect_eq(kind, skr_resource_get(SKR_VM_NETWORK));
    cr_expect_str_eq(name, "red/web");
    a.words[0] = "vm-network/red/web";
    cr_expect_eq(skr_target_at(&a, 0, &kind, &name, &error), 1);
    cr_expect_str_eq(name, "red/web");
    cr_expect_lt(skr_kind_find("vm-netwrok", &kind, &error), 0);
    cr_expect_str_eq(error.detail, "There is no kind 'vm-netwrok'; did you mean 'vm-network'?");
}
