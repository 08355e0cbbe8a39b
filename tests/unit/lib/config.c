#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    char *listen, *name;
    int64_t workers, lifetime;
    bool verbose;
};

static const struct skr_option options[] = {
        {"api", "listen", "api-listen", SKR_OPTION_TEXT, offsetof(struct settings, listen), "127.0.0.1:1", 0, 0,
         "Where"},
        {"api", "workers", "workers", SKR_OPTION_INTEGER, offsetof(struct settings, workers), "2", 1, 64, "Threads"},
        {"south", "lifetime", "lifetime", SKR_OPTION_DURATION, offsetof(struct settings, lifetime), "24h", 1000,
         864000000, "How long"},
        {"log", "verbose", "verbose", SKR_OPTION_BOOLEAN, offsetof(struct settings, verbose), NULL, 0, 0, "More"},
        {NULL, NULL, "name", SKR_OPTION_TEXT, offsetof(struct settings, name), NULL, 0, 0, "Flag alone"},
};
#define COUNT (sizeof(options) / sizeof(options[0]))

static char path[64];

static int read_settings(struct settings *settings, const char *file, const char *const *words, int *index,
                         struct skr_error *error)
{
    char *argv[16] = {(char *)"program"};
    int argc = 1;
    for (; words && *words; words++)
        argv[argc++] = (char *)*words;
    *index = 1;
    skr_error_clear(error);
    if (file) {
        strcpy(path, "/tmp/skerry-config-XXXXXX");
        int fd = mkstemp(path);
        cr_assert_geq(fd, 0);
        cr_assert_eq(write(fd, file, strlen(file)), (ssize_t)strlen(file));
        close(fd);
    }
    int result = skr_config_read(options, COUNT, settings, file ? path : NULL, false, argc, argv, index, error);
    if (file)
        unlink(path);
    return result;
}

Test(config, defaults_then_file_then_flags)
{
    struct settings settings;
    struct skr_error error;
    int index;
    cr_assert_eq(read_settings(&settings, NULL, NULL, &index, &error), 0);
    cr_assert_str_eq(settings.listen, "127.0.0.1:1");
    cr_assert_null(settings.name);
    cr_assert_eq(settings.workers, 2);
    cr_assert_eq(settings.lifetime, 24 * 3600000);
    cr_assert_not(settings.verbose);
    skr_config_done(options, COUNT, &settings);

    const char *words[] = {"--workers=7", "--verbose", "--name", "n", "join", "--workers", NULL};
    cr_assert_eq(read_settings(&settings, "; note\n[api]\nlisten = [::]:2\nworkers = 5\n[south]\nlifetime=90s\n", words,
                               &index, &error),
                 0);
    cr_assert_str_eq(settings.listen, "[::]:2");
    cr_assert_eq(settings.workers, 7);
    cr_assert_eq(settings.lifetime, 90000);
    cr_assert(settings.verbose);
    cr_assert_str_eq(settings.name, "n");
    cr_assert_eq(index, 5);
    skr_config_done(options, COUNT, &settings);
    cr_assert_null(settings.listen);
}

Test(config, two_dashes_end_the_flags)
{
    struct settings settings;
    struct skr_error error;
    int index;
    const char *words[] = {"--workers", "3", "--", "--verbose", NULL};
    cr_assert_eq(read_settings(&settings, NULL, words, &index, &error), 0);
    cr_assert_eq(index, 4);
    cr_assert_not(settings.verbose);
    skr_config_done(options, COUNT, &settings);
}

Test(config, mistakes_are_named)
{
    static const struct {
        const char *file;
        const char *words[3];
        const char *says;
    } cases[] = {
            {"[api]\nlisen = x\n", {NULL}, "Did you mean 'listen'?"},
            {"[apu]\nlisten = x\n", {NULL}, "Did you mean 'api'?"},
            {"[api]\nworkers = many\n", {NULL}, "'many' is not a whole number"},
            {"[api]\nworkers = 65\n", {NULL}, "must lie between 1 and 64"},
            {"[api]\nworkers = 3\nworkers = 4\n", {NULL}, "given twice"},
            {"[south]\nlifetime = 3w\n", {NULL}, "is not a duration"},
            {"[south]\nlifetime = 9223372036854775807d\n", {NULL}, "is not a duration"},
            {"[south]\nlifetime = 1ms\n", {NULL}, "must lie between 1000 ms"},
            {"[log]\nverbose = perhaps\n", {NULL}, "is not true or false"},
            {"[api]\nwhat is this\n", {NULL}, ":2: neither"},
            {NULL, {"--worker", "3"}, "Did you mean '--workers'?"},
            {NULL, {"--workers"}, "--workers needs a value"},
            {NULL, {"--workers", "-1"}, "must lie between"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct settings settings;
        struct skr_error error;
        int index;
        cr_assert_lt(read_settings(&settings, cases[i].file, cases[i].words, &index, &error), 0, "case %zu", i);
        cr_assert_not_null(strstr(error.detail, cases[i].says), "case %zu: %s", i, error.detail);
        cr_assert_null(settings.listen);
    }
}

Test(config, a_missing_file_is_an_error_unless_optional)
{
    struct settings settings;
    struct skr_error error;
    int index = 0;
    cr_assert_eq(skr_config_read(options, COUNT, &settings, "/nonexistent/x.conf", false, 0, NULL, &index, &error),
                 -ENOENT);
    cr_assert_eq(skr_config_read(options, COUNT, &settings, "/nonexistent/x.conf", true, 0, NULL, &index, &error), 0);
    skr_config_done(options, COUNT, &settings);
}
