#include "cli/command/command.h"

#include "cli/output/yaml.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* On a host: one JSON line to the agent's Unix socket, one JSON line back. */

#define SOCKET_DEFAULT "/run/skerry/agent.sock"
#define ANSWER_MAX     (64 << 20)
#define TIMEOUT_S      30

static const char *const questions[] = {"records", "routes",  "ports",  "provider-addresses", "stats", "drift",
                                        "status",  "ping-pa", "release"};

static int open_socket(const char *path, int *ret, struct skr_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    if (strlen(path) >= sizeof(address.sun_path))
        return skr_error_set(error, SKR_ERROR_SYNTAX, "The path of the socket is too long");
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd SKR_CLEANUP(skr_close_cleanup) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "No socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return skr_error_set(error, errno == EACCES ? SKR_ERROR_FORBIDDEN : SKR_ERROR_UNAVAILABLE,
                             "The agent cannot be reached at %.100s: %s%s", path, strerror(errno),
                             errno == EACCES ? "; run it as root" : "; is skerry-agent running on this host?");
    *ret = skr_take_fd(&fd);
    return 0;
}

static int ask(const char *path, const char *question, char **ret, struct skr_error *error)
{
    int fd SKR_CLEANUP(skr_close_cleanup) = -1;
    int r = open_socket(path, &fd, error);
    if (r < 0)
        return r;
    FILE *agent = fdopen(fd, "r+");
    if (!agent)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "No stream: %s", strerror(errno));
    fd = -1;
    char *line SKR_CLEANUP(skr_free_cleanup) = NULL;
    size_t capacity = 0;
    ssize_t length = -1;
    if (fprintf(agent, "%s\n", question) > 0 && fflush(agent) == 0)
        length = getline(&line, &capacity, agent);
    fclose(agent);
    if (length <= 0 || length > ANSWER_MAX || line[length - 1] != '\n')
        return skr_error_set(error, SKR_ERROR_UNAVAILABLE, "The agent at %.100s did not answer within %d s", path,
                             TIMEOUT_S);
    line[length - 1] = '\0';
    *ret = SKR_TAKE(line);
    return 0;
}

static int error_of(const json_t *answer, struct skr_error *error)
{
    const json_t *told = json_object_get(answer, "error");
    const char *tag = json_string_value(json_object_get(told, "tag"));
    const char *detail = json_string_value(json_object_get(told, "detail"));
    if (!told)
        return 0;
    for (int i = SKR_ERROR_NONE + 1; tag && i < SKR_ERROR_TAG_COUNT; i++)
        if (strcmp(skr_error_tag_info((enum skr_error_tag)i)->name, tag) == 0)
            return skr_error_set(error, (enum skr_error_tag)i, "%.400s", detail ? detail : tag);
    return skr_error_set(error, SKR_ERROR_INTERNAL, "%.400s", detail ? detail : "The agent failed");
}

/* The agent's answer as it is for programs, a table for people. */
static int show(const char *question, const char *text, enum skr_form form, struct skr_error *error)
{
    json_t *answer = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!answer)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The agent answered something that is not JSON");
    int r = error_of(answer, error);
    if (r == 0 && form == SKR_FORM_JSON)
        printf("%s\n", text);
    else if (r == 0 && form == SKR_FORM_YAML)
        skr_yaml_print(answer, stdout);
    else if (r == 0 && json_is_array(json_object_get(answer, "items")) &&
             !json_array_size(json_object_get(answer, "items")))
        skr_say("No %s", question);
    else if (r == 0)
        skr_answer_print(answer, stdout, skr_colour_wanted(stdout));
    bool unanswered = json_is_false(json_object_get(answer, "answered"));
    json_decref(answer);
    return r < 0 ? r : unanswered ? SKR_EXIT_FAILED : SKR_EXIT_DONE;
}

static json_t *question_of(const struct skr_command *command, const struct skr_arguments *arguments, int *ret_code)
{
    const char *word = arguments->word_count ? arguments->words[0] : NULL,
               *vsid = skr_arguments_flag(arguments, "vsid");
    bool known = false, is_ping = word && strcmp(word, "ping-pa") == 0,
         is_release = word && strcmp(word, "release") == 0;
    for (size_t i = 0; word && i < SKR_ARRAY_SIZE(questions); i++)
        known = known || strcmp(questions[i], word) == 0;
    if (!known) {
        const char *near = word ? skr_nearest(word, questions, SKR_ARRAY_SIZE(questions)) : NULL;
        *ret_code =
                near ? skr_usage_because(command, "host local does not know '%.60s'; did you mean '%s'?", word, near)
                     : skr_usage_because(command, "host local takes records, routes, ports, provider-addresses, "
                                                  "stats, drift, status, ping-pa ADDRESS or release INTERFACE");
        return NULL;
    }
    if (arguments->word_count != (is_ping || is_release ? 2U : 1U)) {
        *ret_code = is_ping      ? skr_usage_because(command, "ping-pa takes one provider address")
                    : is_release ? skr_usage_because(command, "release takes the name of one interface")
                                 : skr_usage_because(command, "%s takes no further words", word);
        return NULL;
    }
    json_t *question = json_pack("{s:s}", "command", word);
    if (is_ping)
        json_object_set_new(question, "address", json_string(arguments->words[1]));
    if (is_release)
        json_object_set_new(question, "interface", json_string(arguments->words[1]));
    if (vsid)
        json_object_set_new(question, "vsid", json_integer(strtoll(vsid, NULL, 10)));
    return question;
}

int skr_command_host_local(const struct skr_command *command, const struct skr_arguments *arguments)
{
    const char *path = skr_arguments_flag(arguments, "socket");
    unsigned forms = 1U << SKR_FORM_TABLE | 1U << SKR_FORM_JSON | 1U << SKR_FORM_YAML;
    struct skr_error error = {0};
    enum skr_form form;
    int code = SKR_EXIT_USAGE;
    if (skr_form_parse(skr_arguments_flag(arguments, "output"), forms, &form, &error) < 0)
        return skr_usage(command, &error);
    json_t *question = question_of(command, arguments, &code);
    if (!question)
        return code;
    char *line SKR_CLEANUP(skr_free_cleanup) = json_dumps(question, JSON_COMPACT);
    char *text SKR_CLEANUP(skr_free_cleanup) = NULL;
    json_decref(question);
    int r = line ? ask(path ? path : SOCKET_DEFAULT, line, &text, &error)
                 : skr_error_set(&error, SKR_ERROR_SYNTAX, "An address is ASCII text");
    if (r == 0)
        r = show(arguments->words[0], text, form, &error);
    return r < 0 ? skr_fail(&error) : r;
}
