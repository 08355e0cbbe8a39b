#include "cli/command/command.h"

/* These commands concern the controller itself: they show it, and let it go on with a database that was put back. */

int skr_command_controller_show(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_error error = {0};
    enum skr_form form;
    json_t *shown = NULL;
    unsigned forms = 1U << SKR_FORM_TABLE | 1U << SKR_FORM_JSON;
    if (arguments->word_count)
        return skr_usage_because(command, "controller show takes no words");
    if (skr_form_parse(skr_arguments_flag(arguments, "output"), forms, &form, &error) < 0)
        return skr_usage(command, &error);
    int r = skr_session_open(arguments, &session, &error);
    if (r == 0)
        r = skr_client_get(session.client, "/v1/controller", &shown, &error);
    if (r < 0)
        return skr_fail(&error);
    if (form == SKR_FORM_JSON)
        skr_json_print(shown, stdout);
    else
        skr_answer_print(shown, stdout, skr_colour_wanted(stdout));
    json_decref(shown);
    return SKR_EXIT_DONE;
}

int skr_command_controller_accept(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_request request = {.method = "POST", .path = "/v1/controller:accept-database"};
    struct skr_answer answer = {0};
    struct skr_error error = {0};
    if (arguments->word_count)
        return skr_usage_because(command, "controller accept-database takes no words");
    int r = skr_session_open(arguments, &session, &error);
    if (r == 0)
        r = skr_client_send(session.client, &request, &answer, &error);
    if (r < 0)
        return skr_fail(&error);
    puts("the database is accepted; hosts become what it says");
    skr_answer_done(&answer);
    return SKR_EXIT_DONE;
}
