#include "cli/command/command.h"

#include <errno.h>
#include <skerry/uuid.h>
#include <string.h>

static int join_body(const struct skr_arguments *arguments, json_t *body, struct skr_error *error)
{
    const char *ttl = skr_arguments_flag(arguments, "ttl"), *uses = skr_arguments_flag(arguments, "uses");
    const char *group = skr_arguments_flag(arguments, "host-group");
    struct skr_uuid id = skr_uuid_new();
    char name[SKR_UUID_TEXT_MAX + 8], text[SKR_UUID_TEXT_MAX];
    int64_t ms;
    snprintf(name, sizeof(name), "join-%s", skr_uuid_format(&id, text));
    json_object_set_new(body, "name", json_string(name));
    if (ttl) {
        if (skr_duration_parse("ttl", ttl, &ms, error) < 0)
            return -EINVAL;
        json_object_set_new(body, "ttl_s", json_integer(ms / 1000));
    }
    if (uses) {
        char *end;
        errno = 0;
        long count = strtol(uses, &end, 10);
        if (errno || end == uses || *end)
            return skr_error_set(error, SKR_ERROR_SYNTAX, "--uses takes a number, not '%.40s'", uses);
        json_object_set_new(body, "uses", json_integer(count));
    }
    if (group)
        json_object_set_new(body, "host_group_id", json_string(group));
    if (skr_arguments_flag(arguments, "approve"))
        json_object_set_new(body, "approve", json_true());
    return 0;
}

static int make_join_token(json_t *body, json_t **ret, struct skr_error *error)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_answer answer = {0};
    struct skr_request request = {.method = "POST", .path = "/v1/join-tokens", .body = body};
    int r = skr_session_open(NULL, &session, error);
    if (r == 0)
        r = skr_lookup_references(session.lookup, skr_resource_get(SKR_JOIN_TOKEN), body, "", error);
    if (r == 0)
        r = skr_client_send(session.client, &request, &answer, error);
    if (r == 0)
        *ret = SKR_TAKE(answer.body);
    return r;
}

int skr_command_host_join(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_error error = {0};
    json_t *body = json_object(), *token = NULL;
    int code = SKR_EXIT_DONE;
    if (arguments->word_count || join_body(arguments, body, &error) < 0)
        code = error.detail[0] ? skr_usage(command, &error) : skr_usage_because(command, "join-command takes no words");
    else if (make_join_token(body, &token, &error) < 0)
        code = skr_fail(&error);
    const char *join = json_string_value(json_object_get(token, "join_command"));
    const char *expires = json_string_value(json_object_get(token, "expires_at"));
    if (join) {
        printf("%s\n", join);
        skr_say("Run it as root on the host, with the interface that carries provider addresses in the place of "
                "IFNAME; "
                "it is good until %s",
                expires ? expires : "?");
    }
    json_decref(body);
    json_decref(token);
    return code;
}
