#include "cli/command/write.h"

#include "cli/apply/document.h"
#include "cli/apply/member.h"
#include "cli/output/yaml.h"

#include <errno.h>
#include <skerry/file.h>
#include <skerry/resource_fields.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The object as YAML in a file of one's own, an editor on it, and what was changed as a PATCH on top of the version
 * that was shown. A text that is refused is kept, so that the user need not type it twice. */

#define TEXT_MAX (4 << 20)

static json_t *editable(const struct skr_resource *resource, const json_t *object)
{
    json_t *shown = json_pack("{s:s}", "kind", resource->name);
    for (unsigned i = 0; i < resource->field_count; i++) {
        const struct skr_field *field = &resource->fields[i];
        json_t *value = json_object_get(object, field->name);
        if (value && skr_member_is_writable(field) && !(field->flags & SKR_FIELD_IMMUTABLE))
            json_object_set_new(shown, field->name, skr_member_writable_part(field, value));
    }
    return shown;
}

static int write_file(const struct skr_resource *resource, const json_t *object, char *path, struct skr_error *error)
{
    int fd = mkstemps(path, (int)strlen(".yaml"));
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "%s cannot be written: %s", path, strerror(errno));
    json_t *shown = editable(resource, object);
    fprintf(out, "# %s \"%s\". Save to change it; leave it as it is to change nothing.\n", resource->name,
            json_string_value(json_object_get(object, "name")));
    skr_yaml_print(shown, out);
    json_decref(shown);
    return fclose(out) == 0 ? 0 : skr_error_set(error, SKR_ERROR_INTERNAL, "%s: %s", path, strerror(errno));
}

static int run_editor(const char *path, struct skr_error *error)
{
    const char *editor = getenv("VISUAL");
    int status = 0;
    editor = editor && *editor ? editor : getenv("EDITOR");
    editor = editor && *editor ? editor : "vi";
    pid_t pid = fork();
    if (pid == 0) {
        /* By the shell, as everybody does: EDITOR may hold flags. */
        execl("/bin/sh", "sh", "-c", "exec $0 \"$1\"", editor, path, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "The editor '%.60s' did not end well; set EDITOR to another one",
                             editor);
    return 0;
}

/* The file, as the body of a change. */
static int read_back(const char *path, const struct skr_resource *resource, struct skr_manifest *ret,
                     struct skr_error *error)
{
    char *text SKR_CLEANUP(skr_free_cleanup) = NULL;
    size_t size = 0;
    json_t *given = NULL;
    int r = skr_file_read(path, TEXT_MAX, (uint8_t **)&text, &size);
    if (r < 0)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "%.200s cannot be read: %s", path, strerror(-r));
    r = skr_document_parse(path, text, size, &given, error);
    if (r == 0)
        r = skr_manifest_parse(given, ret, error);
    json_decref(given);
    if (r == 0 && (ret->count != 1 || ret->entries[0].resource != resource))
        r = skr_error_set(error, SKR_ERROR_SYNTAX, "One %s is edited here; keep its kind as it was", resource->name);
    return r;
}

/* Secrets cannot be compared: whoever gives one means it. */
static void add_secrets(const struct skr_resource *resource, const json_t *body, json_t **patch)
{
    for (unsigned i = 0; i < resource->field_count; i++) {
        json_t *secret = json_object_get(body, resource->fields[i].name);
        if (!secret || resource->fields[i].kind != SKR_KIND_SECRET)
            continue;
        *patch = *patch ? *patch : json_object();
        json_object_set(*patch, resource->fields[i].name, secret);
    }
}

/* Writes what `body` says and `current` does not, on top of the version of `current`. */
static int change(struct skr_writing *writing, const struct skr_resource *resource, const json_t *current, json_t *body,
                  struct skr_error *error)
{
    json_t *patch = NULL, *object = NULL;
    int r = skr_lookup_references(writing->session->lookup, resource, body, "", error);
    if (r == 0)
        r = skr_manifest_diff(resource, current, body, &patch, error);
    if (r == 0)
        add_secrets(resource, body, &patch);
    if (r == 0 && patch)
        r = skr_write_patch(writing, resource, current, patch, &object, error);
    if (r < 0 && error->tag == SKR_ERROR_PRECONDITION_FAILED)
        skr_error_set(error, SKR_ERROR_PRECONDITION_FAILED,
                      "Somebody changed the %s while you edited; edit it again and look at what they did",
                      resource->name);
    if (r == 0)
        skr_write_tell(writing, resource, object ? object : current, patch ? "changed" : "left alone");
    json_decref(patch);
    json_decref(object);
    return r;
}

static int change_in_editor(struct skr_writing *writing, const struct skr_resource *resource, const json_t *current,
                            struct skr_error *error)
{
    struct skr_manifest manifest SKR_CLEANUP(skr_manifest_done) = {0};
    const char *directory = getenv("TMPDIR");
    char path[256];
    snprintf(path, sizeof(path), "%.200s/skerryctl-XXXXXX.yaml", directory && *directory ? directory : "/tmp");
    int r = write_file(resource, current, path, error);
    if (r < 0)
        return r;
    r = run_editor(path, error);
    if (r == 0)
        r = read_back(path, resource, &manifest, error);
    if (r == 0 && manifest.entries)
        r = change(writing, resource, current, manifest.entries[0].body, error);
    if (r < 0)
        skr_say("What you wrote is kept in %s", path);
    else
        unlink(path);
    return r;
}

/* The host's uplink of that interface as it is, or a new one: new reference. */
static json_t *uplink_of(const json_t *current, const char *interface)
{
    const struct skr_field *uplinks = &skr_resource_get(SKR_HOST)->fields[SKR_HOST_UPLINKS];
    json_t *list = skr_member_writable_part(uplinks, json_object_get(current, uplinks->name));
    json_t *uplink, *found = NULL;
    size_t i;
    json_array_foreach (list, i, uplink) {
        const char *its = json_string_value(json_object_get(uplink, "interface"));
        if (!found && its && strcmp(its, interface) == 0)
            found = json_incref(uplink);
    }
    json_decref(list);
    return found ? found : json_pack("{s:s, s:s}", "name", interface, "interface", interface);
}

/* The flags --uplink of "host edit" as the host's list. */
static int add_uplinks(const struct skr_arguments *arguments, const json_t *current, json_t *body,
                       struct skr_error *error)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < arguments->flag_count; i++)
        if (strcmp(arguments->flags[i].flag->name, "uplink") == 0)
            json_array_append_new(list, uplink_of(current, arguments->flags[i].value));
    if (json_array_size(list) && json_object_get(body, "uplinks")) {
        json_decref(list);
        return skr_error_set(error, SKR_ERROR_SYNTAX, "--uplink and --uplinks both say the host's list; give one");
    }
    if (json_array_size(list))
        json_object_set(body, "uplinks", list);
    json_decref(list);
    return 0;
}

static int change_fields(struct skr_writing *writing, const struct skr_resource *resource, const json_t *current,
                         struct skr_error *error)
{
    json_t *body = json_object();
    int r = skr_body_from_fields(resource, writing->arguments, body, error);
    if (r == 0)
        r = add_uplinks(writing->arguments, current, body, error);
    if (r == 0)
        r = change(writing, resource, current, body, error);
    json_decref(body);
    return r;
}

static int edit(const struct skr_arguments *arguments, const struct skr_resource *resource, const char *name)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_writing writing SKR_CLEANUP(skr_writing_done) = {.session = &session, .arguments = arguments};
    bool says_fields = arguments->field_count || skr_arguments_flag(arguments, "uplink");
    struct skr_error error = {0};
    json_t *current = NULL;
    int code = SKR_EXIT_DONE;
    int r = skr_session_open(arguments, &session, &error);
    if (r == 0)
        r = skr_lookup_find(session.lookup, resource, name, &current, &error);
    if (r == 0)
        r = says_fields ? change_fields(&writing, resource, current, &error)
                        : change_in_editor(&writing, resource, current, &error);
    if (r == 0)
        r = skr_write_settle(&writing, &code, &error);
    json_decref(current);
    return r < 0 ? skr_fail(&error) : code;
}

int skr_command_edit(const struct skr_command *command, const struct skr_arguments *arguments)
{
    const struct skr_resource *resource = NULL;
    struct skr_error error = {0};
    const char *name = NULL;
    if (!arguments->word_count)
        return skr_usage_because(command, "edit takes a kind and a name");
    int taken = skr_target_at(arguments, 0, &resource, &name, &error);
    if (taken < 0)
        return skr_usage(command, &error);
    if (!name || (unsigned)taken != arguments->word_count)
        return skr_usage_because(command, "edit takes the name of one %s", resource->name);
    if (resource->flags & (SKR_RESOURCE_VIEW | SKR_RESOURCE_NO_UPDATE))
        return skr_usage_because(command, "%s cannot be changed", resource->collection);
    return edit(arguments, resource, name);
}

int skr_command_host_edit(const struct skr_command *command, const struct skr_arguments *arguments)
{
    if (arguments->word_count != 1)
        return skr_usage_because(command, "host edit takes one host");
    return edit(arguments, skr_resource_get(SKR_HOST), arguments->words[0]);
}
