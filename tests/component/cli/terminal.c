/* The output of skerryctl on a terminal is judged character by character: golden/<name>.txt is the output that it must
 * send, with ids and times replaced by words of the same length. SKERRY_GOLDEN=write writes the files anew, to be read
 * before they are kept. */
#include "tests/component/cli/scene.h"

#include <ctype.h>
#include <skerry/file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_DIR SKR_SOURCE_DIR "/tests/component/cli/golden"

/* An "h" in a pattern stands for a hexadecimal digit, other characters for themselves. */
static bool matches(const char *text, const char *pattern)
{
    for (; *pattern; pattern++, text++)
        if (*pattern == 'h' ? !isxdigit((unsigned char)*text) : *text != *pattern)
            return false;
    return true;
}

static void mask(char *text)
{
    static const struct {
        const char *pattern, *word;
    } masks[] = {{"hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh", "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"},
                 {"hhhh-hh-hhThh:hh:hh.hhhZ", "YYYY-MM-DDTHH:MM:SS.sssZ"},
                 {"hhhh-hh-hhThh:hh:hhZ", "YYYY-MM-DDTHH:MM:SSZ"}};
    char *whole = text;
    for (; *text; text++)
        for (size_t i = 0; i < SKR_ARRAY_SIZE(masks); i++)
            if (matches(text, masks[i].pattern))
                memcpy(text, masks[i].word, strlen(masks[i].word));
    for (char *etag = whole; (etag = strstr(etag, "etag:")); etag++)
        for (char *c = etag; *c && *c != '\r'; c++)
            *c = isdigit((unsigned char)*c) ? 'N' : *c;
}

static void golden(const char *name, int code, const char *words)
{
    char path[256];
    uint8_t *wanted = NULL;
    size_t size = 0;
    expect(code, ctl_on_terminal(words));
    mask(out);
    snprintf(path, sizeof(path), GOLDEN_DIR "/%s.txt", name);
    const char *mode = getenv("SKERRY_GOLDEN");
    if (mode && strcmp(mode, "write") == 0)
        cr_assert_eq(skr_file_replace(path, out, strlen(out), 0644), 0, "%s", path);
    cr_assert_eq(skr_file_read(path, OUTPUT_MAX, &wanted, &size), 0, "%s", path);
    cr_expect(strcmp((const char *)wanted, out) == 0, "skerryctl %s differs from %s:\n%s", words, path, out);
    free(wanted);
}

TestSuite(terminal, .init = open_scene, .fini = close_scene);

Test(terminal, looks_as_it_should)
{
    unsetenv("NO_COLOR");
    expect(0, apply(cloud));
    golden("get_tenants", 0, "get tenants");
    golden("get_vm_subnets_wide", 0, "get vm-subnets -o wide");
    golden("get_nothing", 0, "get hosts");
    golden("get_yaml", 0, "get vm-subnet red/web/front -o yaml");
    golden("describe", 0, "describe vm-subnet red/web/front");
    golden("create_wait", 0, "create tenant green --wait");
    golden("not_found", 3, "get tenant purple");
    golden("conflict", 4, "delete tenant red");
    golden("mistyped_kind", 2, "get tenats");
    golden("explain", 1, "explain red/web/vm 10.0.0.9");
    golden("mistyped_flag", 2, "apply --dry-rum");
}

Test(terminal, no_color_is_honoured)
{
    setenv("NO_COLOR", "1", 1);
    expect(0, ctl("create tenant red"));
    expect(0, ctl_on_terminal("get tenants"));
    cr_expect_null(strstr(out, "\033["), "%s", out);
}
