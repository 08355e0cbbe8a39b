#include "cli/command/command.h"

#include "cli/apply/csv.h"
#include "cli/apply/document.h"
#include "cli/apply/member.h"

#include <errno.h>
#include <skerry/file.h>
#include <string.h>
#include <strings.h>

#define WAIT_DEFAULT_MS 30000

int skr_session_open(const struct skr_arguments *arguments, struct skr_session *ret, struct skr_error *error)
{
    struct skr_settings settings SKR_CLEANUP(skr_settings_done) = {0};
    struct skr_session session = {0};
    const char *timeout = arguments ? skr_arguments_flag(arguments, "timeout") : NULL;
    int64_t ms = 0;
    int r = timeout ? skr_duration_parse("timeout", timeout, &ms, error) : 0;
    if (r == 0)
        r = skr_settings_read(&settings, error);
    if (r == 0)
        r = skr_client_new(&settings, &session.client, error);
    if (r < 0)
        return r;
    if (timeout)
        skr_client_retry_for(session.client, ms);
    session.lookup = skr_lookup_new(session.client);
    *ret = session;
    return 0;
}

void skr_session_close(struct skr_session *session)
{
    skr_lookup_free(SKR_TAKE(session->lookup));
    skr_client_free(SKR_TAKE(session->client));
}

int skr_kind_find(const char *text, const struct skr_resource **ret, struct skr_error *error)
{
    const char *names[2 * SKR_RESOURCE_COUNT];
    size_t count = 0;
    const struct skr_resource *resource = skr_resource_find(text);
    if (resource) {
        *ret = resource;
        return 0;
    }
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        names[count++] = skr_resource_get((enum skr_resource_id)i)->collection;
        names[count++] = skr_resource_get((enum skr_resource_id)i)->name;
    }
    const char *near = skr_nearest(text, names, count);
    if (near)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "There is no kind '%.60s'; did you mean '%s'?", text, near);
    return skr_error_set(error, SKR_ERROR_SYNTAX, "There is no kind '%.60s'; skerryctl help lists them", text);
}

int skr_target_at(const struct skr_arguments *arguments, unsigned at, const struct skr_resource **ret_kind,
                  const char **ret_name, struct skr_error *error)
{
    char kind[SKR_FIELD_NAME_MAX];
    const char *word = arguments->words[at], *slash = strchr(word, '/');
    if (slash && (size_t)(slash - word) < sizeof(kind)) {
        snprintf(kind, sizeof(kind), "%.*s", (int)(slash - word), word);
        word = kind;
    }
    int r = skr_kind_find(word, ret_kind, error);
    if (r < 0)
        return r;
    *ret_name = slash ? slash + 1 : at + 1 < arguments->word_count ? arguments->words[at + 1] : NULL;
    return slash || !*ret_name ? 1 : 2;
}

int skr_wait_flags(const struct skr_arguments *arguments, unsigned *ret_ms, struct skr_error *error)
{
    const char *timeout = skr_arguments_flag(arguments, "timeout");
    int64_t ms = WAIT_DEFAULT_MS;
    *ret_ms = 0;
    if (!skr_arguments_flag(arguments, "wait"))
        return timeout ? skr_error_set(error, SKR_ERROR_SYNTAX, "--timeout goes with --wait") : 0;
    int r = timeout ? skr_duration_parse("timeout", timeout, &ms, error) : 0;
    if (r == 0 && ms < 1)
        r = skr_error_set(error, SKR_ERROR_SYNTAX, "--timeout is at least 1ms");
    if (r == 0)
        *ret_ms = (unsigned)ms;
    return r;
}

int skr_realization_code(const char *what, const json_t *realization)
{
    const char *state = json_string_value(json_object_get(realization, "state"));
    if (!state || strcmp(state, "realized") == 0)
        return SKR_EXIT_DONE;
    if (strcmp(state, "unplaced") == 0) {
        skr_say("%s is not realized: it is on no host; a host claims it when it has an interface with the alias "
                "skerry:<adapter id>",
                what);
        return SKR_EXIT_NOT_YET_REALIZED;
    }
    skr_say("%s is not realized: %s", what, state);
    json_t *host;
    size_t i;
    json_array_foreach (json_object_get(json_object_get(realization, "hosts"), "not_applied"), i, host) {
        const char *name = json_string_value(json_object_get(host, "name"));
        const char *how = json_string_value(json_object_get(host, "state"));
        const char *reason = json_string_value(json_object_get(host, "reason"));
        skr_say("  %s: %s%s%s", name ? name : "a host", how ? how : "?", reason ? ", " : "", reason ? reason : "");
    }
    return strcmp(state, "failed") == 0 ? SKR_EXIT_FAILED : SKR_EXIT_NOT_YET_REALIZED;
}

static int read_stream(FILE *in, char **ret, size_t *ret_size)
{
    char *text = NULL;
    size_t size = 0, capacity = 0, got;
    do {
        if (size == capacity) {
            capacity = capacity ? 2 * capacity : 4096;
            text = realloc(text, capacity);
            if (!text)
                abort();
        }
        got = fread(text + size, 1, capacity - size, in);
        size += got;
    } while (got && size <= SKR_MANIFEST_BYTES_MAX);
    if (size > SKR_MANIFEST_BYTES_MAX || ferror(in)) {
        free(text);
        return ferror(in) ? -EIO : -EFBIG;
    }
    *ret = text;
    *ret_size = size;
    return 0;
}

static bool is_csv(const char *path)
{
    size_t length = strlen(path);
    return length > 4 && strcasecmp(path + length - 4, ".csv") == 0;
}

/* A file, "-" = standard input, of JSON, YAML or (by its name, or --kind) CSV. */
static int read_document(const char *path, const struct skr_arguments *arguments, json_t **ret, struct skr_error *error)
{
    char *text SKR_CLEANUP(skr_free_cleanup) = NULL;
    size_t size = 0;
    bool standard = strcmp(path, "-") == 0;
    int r = standard ? read_stream(stdin, &text, &size)
                     : skr_file_read(path, SKR_MANIFEST_BYTES_MAX, (uint8_t **)&text, &size);
    if (r < 0)
        return skr_error_set(error, r == -ENOENT ? SKR_ERROR_NOT_FOUND : SKR_ERROR_SYNTAX, "%.200s cannot be read: %s",
                             standard ? "Standard input" : path, strerror(-r));
    const char *kind = skr_arguments_flag(arguments, "kind");
    const struct skr_resource *resource = NULL;
    if (kind && skr_kind_find(kind, &resource, error) < 0)
        return -EINVAL;
    if (is_csv(path) || (standard && kind))
        return skr_csv_parse(standard ? "Standard input" : path, text, size, resource, ret, error);
    return skr_document_parse(standard ? "Standard input" : path, text, size, ret, error);
}

int skr_read_manifest(const char *path, const struct skr_arguments *arguments, struct skr_manifest *ret,
                      struct skr_error *error)
{
    json_t *given = NULL;
    int r = read_document(path, arguments, &given, error);
    if (r == 0)
        r = skr_manifest_parse(given, ret, error);
    json_decref(given);
    return r < 0 ? r : skr_manifest_order(ret, error);
}

int skr_body_from_fields(const struct skr_resource *resource, const struct skr_arguments *arguments, json_t *body,
                         struct skr_error *error)
{
    for (unsigned i = 0; i < arguments->field_count; i++) {
        json_t *value = NULL;
        int field = skr_member_find(resource, arguments->fields[i].name, error);
        if (field < 0)
            return -EINVAL;
        const struct skr_field *written = &resource->fields[field];
        if (!skr_member_is_writable(written))
            return skr_error_set(error, SKR_ERROR_INVALID, "%s is written by the controller alone", written->name);
        const char *word = arguments->fields[i].value;
        int r = written->kind == SKR_KIND_SECRET ? skr_secret_from_flag(written, word, &value, error)
                                                 : skr_member_from_text(written, word, &value, error);
        if (r < 0)
            return r;
        json_object_set_new(body, written->name, value);
    }
    return 0;
}

int skr_filters_add(struct skr_session *session, const struct skr_resource *resource,
                    const struct skr_arguments *arguments, struct skr_request_path *path, struct skr_error *error)
{
    json_t *body = json_object(), *value;
    const char *name;
    int r = 0;
    for (unsigned i = 0; i < arguments->field_count && r == 0; i++) {
        const struct skr_flag_field *given = &arguments->fields[i];
        int field = skr_member_find(resource, given->name, error);
        if (field < 0)
            r = -EINVAL;
        else if (!(resource->fields[field].flags & SKR_FIELD_FILTER))
            r = skr_error_set(error, SKR_ERROR_SYNTAX, "%s cannot be filtered by %s", resource->collection,
                              resource->fields[field].name);
        else if (!given->value)
            r = skr_error_set(error, SKR_ERROR_SYNTAX, "--%s needs a value", given->name);
        else
            json_object_set_new(body, resource->fields[field].name, json_string(given->value));
    }
    if (r == 0)
        r = skr_lookup_references(session->lookup, resource, body, "", error);
    json_object_foreach (body, name, value)
        if (r == 0)
            skr_path_add(path, name, json_string_value(value));
    json_decref(body);
    return r;
}
