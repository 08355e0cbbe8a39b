#include "cli/output/yaml.h"

#include <skerry/macros.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define INDENT 2

static bool is_word_of_yaml(const char *text)
{
    static const char *const words[] = {"null", "~", "true", "false", "yes", "no", "on", "off", "y", "n"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

static bool is_plain(const char *text)
{
    size_t length = strlen(text);
    if (!length || is_word_of_yaml(text) || text[length - 1] == ' ' || text[length - 1] == ':')
        return false;
    /* A text that begins with a digit, a sign or a dot may be a number or a time to some reader. */
    if (strchr(" -?:,[]{}#&*!|>'\"%@`=<+.0123456789", text[0]))
        return false;
    if (strstr(text, ": ") || strstr(text, " #"))
        return false;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c >= 0x7f)
            return false;
    return true;
}

static void print_text(const char *text, FILE *out)
{
    if (is_plain(text)) {
        fputs(text, out);
        return;
    }
    json_t *value = json_string(text);
    char *quoted SKR_CLEANUP(skr_free_cleanup) = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    json_decref(value);
    fputs(quoted ? quoted : "\"\"", out);
}

static bool is_leaf(const json_t *value)
{
    return (!json_is_object(value) || !json_object_size(value)) && (!json_is_array(value) || !json_array_size(value));
}

static void print_leaf(const json_t *value, FILE *out)
{
    if (json_is_string(value)) {
        print_text(json_string_value(value), out);
        return;
    }
    char *text SKR_CLEANUP(skr_free_cleanup) = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    fputs(text ? text : "null", out);
}

/* `inline_first`: the cursor stands behind "- ", so the first line needs no indent. */
static void print_block(const json_t *value, int indent, bool inline_first, FILE *out)
{
    if (is_leaf(value)) {
        print_leaf(value, out);
        fputc('\n', out);
        return;
    }
    if (json_is_array(value)) {
        size_t i;
        json_t *item;
        json_array_foreach (value, i, item) {
            fprintf(out, "%*s- ", i || !inline_first ? indent : 0, "");
            print_block(item, indent + INDENT, true, out);
        }
        return;
    }
    const char *key;
    json_t *member;
    bool first = inline_first;
    json_object_foreach ((json_t *)value, key, member) {
        fprintf(out, "%*s", first ? 0 : indent, "");
        first = false;
        print_text(key, out);
        fputs(is_leaf(member) ? ": " : ":\n", out);
        print_block(member, indent + INDENT, is_leaf(member), out);
    }
}

void skr_yaml_print(const json_t *value, FILE *out)
{
    print_block(value, 0, false, out);
}
