#include "cli/command/command.h"

#include <string.h>

/* One's own password. A token has none, so the user logs in as on the web page, with name and password, for as long as
 * the change takes. */

/* A user with several roles acts under one at a time; any of them will do, because the password is the same. */
static bool take_any_role(const struct skr_error *refused, json_t *body)
{
    for (unsigned i = 0; i < refused->field_count && i < SKR_ERROR_FIELDS_MAX; i++) {
        struct skr_uuid id;
        char text[SKR_UUID_TEXT_MAX];
        snprintf(text, sizeof(text), "%.36s", refused->fields[i].detail);
        if (strcmp(refused->fields[i].pointer, "/role_binding_id") == 0 && skr_uuid_parse(text, &id) == 0)
            return json_object_set_new(body, "role_binding_id", json_string(text)) == 0;
    }
    return false;
}

static int log_in(struct skr_client *client, const char *name, const char *password, struct skr_error *error)
{
    struct skr_error refused = {0};
    json_t *body = json_pack("{s:s, s:s}", "name", name, "password", password);
    if (!body)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "A name and a password are UTF-8 text");
    int r = skr_client_log_in(client, body, &refused);
    if (r < 0 && take_any_role(&refused, body)) {
        skr_error_clear(&refused);
        r = skr_client_log_in(client, body, &refused);
    }
    json_decref(body);
    if (r < 0)
        *error = refused;
    return r;
}

static int change(struct skr_client *client, const char *current, const char *password, struct skr_error *error)
{
    struct skr_answer answer = {0};
    json_t *body = json_pack("{s:s, s:s}", "current_password", current, "password", password);
    struct skr_request request = {.method = "POST", .path = "/v1/sessions/current:password", .body = body};
    int r = body ? skr_client_send(client, &request, &answer, error)
                 : skr_error_set(error, SKR_ERROR_SYNTAX, "A password is UTF-8 text");
    json_decref(body);
    skr_answer_done(&answer);
    return r;
}

static void log_out(struct skr_client *client)
{
    struct skr_answer answer = {0};
    /* A session that stays ends by itself after 30 minutes. */
    skr_client_send(client, &(struct skr_request){.method = "DELETE", .path = "/v1/sessions/current"}, &answer, NULL);
    skr_answer_done(&answer);
}

static int open_without_token(struct skr_client **ret, struct skr_error *error)
{
    struct skr_settings settings SKR_CLEANUP(skr_settings_done) = {0};
    int r = skr_settings_read(&settings, error);
    if (r < 0)
        return r;
    free(SKR_TAKE(settings.token));
    return skr_client_new(&settings, ret, error);
}

int skr_command_password(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_client *client SKR_CLEANUP(skr_client_cleanup) = NULL;
    struct skr_error error = {0};
    char current[SKR_SECRET_LINE_MAX] = "", password[SKR_SECRET_LINE_MAX] = "";
    if (arguments->word_count != 1)
        return skr_usage_because(command, "password takes your name as a user, nothing else: it asks for passwords");
    int r = open_without_token(&client, &error);
    if (r == 0)
        r = skr_secret_ask("Current password", current, &error);
    if (r == 0)
        r = log_in(client, arguments->words[0], current, &error);
    bool in = r == 0;
    if (r == 0)
        r = skr_secret_choose("New password", password, &error);
    if (r == 0)
        r = change(client, current, password, &error);
    if (in)
        log_out(client);
    explicit_bzero(current, sizeof(current));
    explicit_bzero(password, sizeof(password));
    if (r < 0)
        return skr_fail(&error);
    skr_say("The password of %s is changed; other sessions of %s have ended", arguments->words[0], arguments->words[0]);
    return SKR_EXIT_DONE;
}
