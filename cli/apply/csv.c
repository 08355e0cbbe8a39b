#include "cli/apply/csv.h"

#include "cli/apply/member.h"

#include <skerry/macros.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct reading {
    const char *what, *at, *end;
    const struct skr_resource *kind;
    unsigned line;
    char *titles[SKR_CSV_COLUMNS_MAX];
    unsigned columns;
    struct skr_error *error;
};

static int refuse(struct reading *reading, const char *title, const char *sentence)
{
    return skr_error_set(reading->error, SKR_ERROR_SYNTAX, "%.200s, line %u%s%.60s: %s", reading->what, reading->line,
                         title ? ", column " : "", title ? title : "", sentence);
}

/* One cell; *ret_last: it ended its line. New text. */
static int read_cell(struct reading *reading, char **ret, bool *ret_last)
{
    char *text = malloc((size_t)(reading->end - reading->at) + 1), *out = text;
    bool quoted = reading->at < reading->end && *reading->at == '"', closed = !quoted;
    if (!text)
        abort();
    reading->at += quoted;
    for (; reading->at < reading->end; reading->at++) {
        char c = *reading->at;
        if (!closed && c == '"' && reading->at + 1 < reading->end && reading->at[1] == '"')
            reading->at++;
        else if (!closed && c == '"') {
            closed = true;
            continue;
        } else if (closed && (c == ',' || c == '\n' || c == '\r')) {
            break;
        } else if ((closed && quoted) || !c) {
            free(text);
            return refuse(reading, NULL, c ? "something stands behind a closing quote" : "a zero byte");
        }
        *out++ = c;
    }
    *out = '\0';
    if (!closed) {
        free(text);
        return refuse(reading, NULL, "a quote is not closed");
    }
    *ret_last = reading->at == reading->end || *reading->at != ',';
    if (!*ret_last)
        reading->at++;
    else if (reading->at < reading->end) /* \n, \r\n or \r */
        reading->at += *reading->at == '\r' && reading->at + 1 < reading->end && reading->at[1] == '\n' ? 2 : 1;
    *ret = text;
    return 0;
}

static int read_titles(struct reading *reading)
{
    bool last = false;
    static const char mark[] = "\xef\xbb\xbf"; /* spreadsheets write it */
    if (reading->end - reading->at >= 3 && memcmp(reading->at, mark, 3) == 0)
        reading->at += 3;
    while (!last) {
        if (reading->columns == SKR_CSV_COLUMNS_MAX)
            return refuse(reading, NULL, "there are too many columns");
        char *title = NULL;
        int r = read_cell(reading, &title, &last);
        if (r < 0)
            return r;
        reading->titles[reading->columns++] = title;
        if (!title || !*title)
            return refuse(reading, NULL, "the first line names the columns, each of them");
    }
    return 0;
}

static int set_member(struct reading *reading, const struct skr_resource *resource, json_t *object, const char *title,
                      const char *cell)
{
    struct skr_error why = {0};
    json_t *value = NULL;
    int field = skr_member_find(resource, title, &why);
    if (field < 0)
        return refuse(reading, title, why.detail);
    if (!skr_member_is_writable(&resource->fields[field]))
        return 0;
    if (skr_member_from_text(&resource->fields[field], cell, &value, &why) < 0)
        return refuse(reading, title, why.detail);
    json_object_set_new(object, resource->fields[field].name, value);
    return 0;
}

static const struct skr_resource *kind_of_line(const struct reading *reading, char *const *cells)
{
    for (unsigned i = 0; i < reading->columns; i++)
        if (strcmp(reading->titles[i], "kind") == 0 && cells[i] && *cells[i] && skr_resource_find(cells[i]))
            return skr_resource_find(cells[i]);
    return reading->kind;
}

static int make_object(struct reading *reading, char *const *cells, json_t *objects)
{
    const struct skr_resource *resource = kind_of_line(reading, cells);
    int r = 0;
    if (!resource)
        return refuse(reading, NULL,
                      "nothing says of what kind it is: a column \"kind\" does for each line, --kind for all");
    json_t *object = json_pack("{s:s}", "kind", resource->name);
    for (unsigned i = 0; i < reading->columns && r == 0; i++)
        if (cells[i] && *cells[i] && strcmp(reading->titles[i], "kind") != 0)
            r = set_member(reading, resource, object, reading->titles[i], cells[i]);
    if (r == 0)
        json_array_append(objects, object);
    json_decref(object);
    return r;
}

static int read_line(struct reading *reading, json_t *objects)
{
    char *cells[SKR_CSV_COLUMNS_MAX] = {0};
    unsigned count = 0;
    bool last = false;
    int r = 0;
    while (!last && r == 0) {
        if (count == reading->columns)
            r = refuse(reading, NULL, "it has more cells than the first line has columns");
        else
            r = read_cell(reading, &cells[count], &last);
        count += r == 0;
    }
    bool blank = count == 1 && cells[0] && !*cells[0];
    if (r == 0 && !blank)
        r = make_object(reading, cells, objects);
    for (unsigned i = 0; i < count; i++)
        free(cells[i]);
    return r;
}

int skr_csv_parse(const char *what, const char *text, size_t size, const struct skr_resource *kind, json_t **ret,
                  struct skr_error *error)
{
    struct reading reading = {.what = what, .at = text, .end = text + size, .kind = kind, .line = 1, .error = error};
    json_t *objects = json_array();
    int r = size ? read_titles(&reading) : refuse(&reading, NULL, "it holds nothing");
    while (r == 0 && reading.at < reading.end) {
        reading.line++;
        r = read_line(&reading, objects);
    }
    for (unsigned i = 0; i < reading.columns; i++)
        free(reading.titles[i]);
    if (r == 0)
        *ret = json_incref(objects);
    json_decref(objects);
    return r;
}
