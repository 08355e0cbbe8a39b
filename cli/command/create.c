#include "cli/command/write.h"

#include <errno.h>

static int create_one(struct skr_writing *writing, struct skr_manifest_entry *entry, struct skr_error *error)
{
    json_t *object = NULL;
    int r = skr_lookup_references(writing->session->lookup, entry->resource, entry->body, entry->pointer, error);
    if (r == 0)
        r = skr_write_create(writing, entry, &object, error);
    if (r < 0)
        return r;
    skr_write_tell(writing, entry->resource, object, "created");
    json_decref(object);
    return 0;
}

static int manifest_from_words(const struct skr_command *command, const struct skr_arguments *arguments,
                               struct skr_manifest *ret, struct skr_error *error)
{
    const struct skr_resource *resource = NULL;
    const char *name = NULL;
    if (!arguments->word_count)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "%s takes a kind and a name, or -f FILE", command->name);
    int taken = skr_target_at(arguments, 0, &resource, &name, error);
    if (taken < 0)
        return taken;
    if (!name || (unsigned)taken != arguments->word_count)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "%s takes one name; fields are flags: --prefix 10.0.0.0/24",
                             command->name);
    if (resource->flags & SKR_RESOURCE_VIEW)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "%s are kept by the controller and can only be read",
                             resource->collection);
    json_t *body = json_pack("{s:s}", "name", name);
    if (!body)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "A name is UTF-8 text");
    int r = skr_body_from_fields(resource, arguments, body, error);
    if (r < 0) {
        json_decref(body);
        return r;
    }
    struct skr_manifest_entry entry;
    r = skr_manifest_entry_make(resource, body, "", &entry, error);
    if (r < 0)
        return r;
    ret->entries = calloc(1, sizeof(entry));
    if (!ret->entries)
        abort();
    ret->entries[0] = entry;
    ret->count = 1;
    return 0;
}

int skr_command_create(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_manifest manifest SKR_CLEANUP(skr_manifest_done) = {0};
    struct skr_writing writing SKR_CLEANUP(skr_writing_done) = {.session = &session, .arguments = arguments};
    struct skr_error error = {0};
    const char *file = skr_arguments_flag(arguments, "file");
    int code = SKR_EXIT_DONE;
    unsigned forms = 1U << SKR_FORM_TABLE | 1U << SKR_FORM_JSON | 1U << SKR_FORM_NAME;
    if (skr_form_parse(skr_arguments_flag(arguments, "output"), forms, &writing.form, &error) < 0)
        return skr_usage(command, &error);
    if (file && (arguments->word_count || arguments->field_count))
        return skr_usage_because(command, "-f FILE says everything; leave kind, name and fields out");
    int r = file ? skr_read_manifest(file, arguments, &manifest, &error)
                 : manifest_from_words(command, arguments, &manifest, &error);
    if (r < 0)
        return file ? skr_fail(&error) : skr_usage(command, &error);
    r = skr_session_open(arguments, &session, &error);
    for (size_t i = 0; i < manifest.count && r == 0; i++)
        r = create_one(&writing, &manifest.entries[i], &error);
    if (r == 0)
        r = skr_write_settle(&writing, &code, &error);
    return r < 0 ? skr_fail(&error) : code;
}
