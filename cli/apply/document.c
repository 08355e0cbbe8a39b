#include "cli/apply/document.h"

#include <errno.h>
#include <skerry/macros.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* A list or map that is open; `key` waits for its value. */
struct level {
    json_t *value;
    char *key;
};

struct reading {
    const char *what;
    yaml_parser_t parser;
    struct level levels[SKR_DOCUMENT_DEPTH_MAX];
    unsigned depth;
    json_t *documents;
    struct skr_error *error;
};

static int refuse(struct reading *reading, const yaml_mark_t *mark, const char *sentence)
{
    return skr_error_set(reading->error, SKR_ERROR_SYNTAX, "%.200s, line %zu, column %zu: %s", reading->what,
                         mark->line + 1, mark->column + 1, sentence);
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static bool all_digits(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? of the core schema; whole numbers have been tried before. */
static bool is_real(const char *text)
{
    text += *text == '-' || *text == '+';
    size_t before = strspn(text, "0123456789"), after = 0;
    text += before;
    if (*text == '.') {
        after = strspn(text + 1, "0123456789");
        text += 1 + after;
    }
    if (!before && !after)
        return false;
    if (*text == 'e' || *text == 'E') {
        text += 1 + (text[1] == '-' || text[1] == '+');
        return all_digits(text);
    }
    return !*text;
}

/* YAML 1.2, 10.3.2. A quoted scalar is always text. */
static json_t *scalar(const yaml_event_t *event)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || strlen(text) != length)
        return json_stringn(text, length);
    if (is_one_of(text, nulls))
        return json_null();
    if (is_one_of(text, trues) || is_one_of(text, falses))
        return json_boolean(is_one_of(text, trues));
    if (all_digits(text + (*text == '-' || *text == '+'))) {
        errno = 0;
        long long number = strtoll(text, NULL, 10);
        return errno ? json_string(text) : json_integer(number);
    }
    return is_real(text) ? json_real(strtod(text, NULL)) : json_string(text);
}

/* Steals `value`. */
static int add(struct reading *reading, const yaml_event_t *event, json_t *value)
{
    struct level *level = reading->depth ? &reading->levels[reading->depth - 1] : NULL;
    if (!value)
        return refuse(reading, &event->start_mark, "this is not UTF-8 text");
    if (!level)
        return json_array_append_new(reading->documents, value);
    if (json_is_array(level->value))
        return json_array_append_new(level->value, value);
    char *key SKR_CLEANUP(skr_free_cleanup) = SKR_TAKE(level->key);
    return json_object_set_new(level->value, key, value);
}

static bool wants_key(const struct reading *reading)
{
    const struct level *level = reading->depth ? &reading->levels[reading->depth - 1] : NULL;
    return level && json_is_object(level->value) && !level->key;
}

static int take_key(struct reading *reading, const yaml_event_t *event)
{
    struct level *level = &reading->levels[reading->depth - 1];
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length)
        return refuse(reading, &event->start_mark, "a name cannot hold a zero byte");
    if (json_object_get(level->value, text))
        return refuse(reading, &event->start_mark, "this name stands twice in the same map; keep one");
    level->key = strdup(text);
    return level->key ? 0 : -ENOMEM;
}

static int open_level(struct reading *reading, const yaml_event_t *event, json_t *value)
{
    struct level level = {.value = value};
    if (wants_key(reading) || reading->depth == SKR_DOCUMENT_DEPTH_MAX) {
        json_decref(value);
        return refuse(reading, &event->start_mark,
                      wants_key(reading) ? "a list or map cannot be a name; quote it"
                                         : "lists and maps are nested too deeply");
    }
    int r = add(reading, event, json_incref(value));
    if (r == 0)
        reading->levels[reading->depth++] = level;
    json_decref(value); /* what it was added to keeps it */
    return r;
}

static int take_event(struct reading *reading, const yaml_event_t *event)
{
    static const char plain_only[] = "anchors, aliases and tags are not taken here; write the value itself";
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return refuse(reading, &event->start_mark, plain_only);
    case YAML_SCALAR_EVENT:
        if (event->data.scalar.anchor || event->data.scalar.tag)
            return refuse(reading, &event->start_mark, plain_only);
        return wants_key(reading) ? take_key(reading, event) : add(reading, event, scalar(event));
    case YAML_SEQUENCE_START_EVENT:
        if (event->data.sequence_start.anchor || event->data.sequence_start.tag)
            return refuse(reading, &event->start_mark, plain_only);
        return open_level(reading, event, json_array());
    case YAML_MAPPING_START_EVENT:
        if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
            return refuse(reading, &event->start_mark, plain_only);
        return open_level(reading, event, json_object());
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        reading->depth--;
        return 0;
    default:
        return 0;
    }
}

static int read_events(struct reading *reading)
{
    bool end = false;
    int r = 0;
    while (r == 0 && !end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reading->parser, &event))
            return refuse(reading, &reading->parser.problem_mark,
                          reading->parser.problem ? reading->parser.problem : "this is neither JSON nor YAML");
        end = event.type == YAML_STREAM_END_EVENT;
        r = take_event(reading, &event);
        yaml_event_delete(&event);
    }
    return r;
}

static int parse_yaml(const char *what, const char *text, size_t size, json_t **ret, struct skr_error *error)
{
    struct reading reading = {.what = what, .documents = json_array(), .error = error};
    if (!yaml_parser_initialize(&reading.parser))
        abort();
    yaml_parser_set_input_string(&reading.parser, (const unsigned char *)text, size);
    int r = read_events(&reading);
    for (unsigned i = 0; i < reading.depth; i++)
        free(reading.levels[i].key);
    yaml_parser_delete(&reading.parser);
    if (r == 0 && !json_array_size(reading.documents))
        r = skr_error_set(error, SKR_ERROR_SYNTAX, "%.200s holds nothing", what);
    if (r == 0)
        *ret = json_array_size(reading.documents) == 1 ? json_incref(json_array_get(reading.documents, 0))
                                                       : json_incref(reading.documents);
    json_decref(reading.documents);
    return r;
}

int skr_document_parse(const char *what, const char *text, size_t size, json_t **ret, struct skr_error *error)
{
    size_t begin = 0;
    json_error_t syntax;
    while (begin < size && strchr(" \t\r\n", text[begin]) && text[begin])
        begin++;
    /* Text that begins like JSON is parsed as JSON, because the errors of that parser are clearer. */
    if (begin == size || (text[begin] != '{' && text[begin] != '['))
        return parse_yaml(what, text, size, ret, error);
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &syntax);
    if (!json)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "%.200s, line %d, column %d: %s", what, syntax.line,
                             syntax.column, syntax.text);
    *ret = json;
    return 0;
}
