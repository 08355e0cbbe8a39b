#include "cli/command/command.h"

#include <curl/curl.h>
#include <signal.h>
#include <string.h>

#define NAME_WORDS_MAX 2
#define NAME_MAX_BYTES 64

#define OUTPUT                                                                                                         \
    {                                                                                                                  \
        "output", 'o', "FORM", "table, wide, json, yaml, name or csv"                                                  \
    }
#define WAIT                                                                                                           \
    {                                                                                                                  \
        "wait", 0, NULL, "until every host that needs it has applied it"                                               \
    }
#define TIMEOUT                                                                                                        \
    {                                                                                                                  \
        "timeout", 0, "TIME", "how long to wait: 500ms, 30s, 5m; 30s"                                                  \
    }
#define DRY_RUN                                                                                                        \
    {                                                                                                                  \
        "dry-run", 0, NULL, "tell what would happen"                                                                   \
    }
#define CONFIRM                                                                                                        \
    {                                                                                                                  \
        "confirm", 0, NULL, "do it although it takes many ports from a host"                                           \
    }
#define KIND_OF_LINES                                                                                                  \
    {                                                                                                                  \
        "kind", 0, "KIND", "what the lines of a CSV file are that do not say it; standard input then is CSV"           \
    }
#define END                                                                                                            \
    {                                                                                                                  \
        0                                                                                                              \
    }

static const struct skr_flag login_flags[] = {
        {"ca", 0, "FILE", "certificate of the controller's authority (PEM)"},
        {"ca-hash", 0, "SHA256", "or the hash of its key, as join strings carry it"},
        {"token-file", 0, "FILE", "file that holds the token; otherwise standard input or a prompt"},
        END};
static const struct skr_flag output_flags[] = {OUTPUT, END};
static const struct skr_flag get_flags[] = {{"watch", 'w', NULL, "then show every change as it happens"}, OUTPUT, END};
static const struct skr_flag top_flags[] = {{"interval", 0, "TIME", "between two looks; 2s"},
                                            {"count", 0, "N", "looks, then end; otherwise until interrupted"},
                                            END};
static const struct skr_flag json_flags[] = {{"output", 'o', "FORM", "table or json"}, END};
static const struct skr_flag overlap_flags[] = {
        {"tenant", 0, "TENANT", "of this tenant"}, {"output", 'o', "FORM", "table or json"}, END};
static const struct skr_flag no_flags[] = {END};
static const struct skr_flag create_flags[] = {
        {"file", 'f', "FILE", "objects as YAML, JSON or (FILE.csv) CSV; - is standard input"},
        KIND_OF_LINES,
        WAIT,
        TIMEOUT,
        DRY_RUN,
        CONFIRM,
        OUTPUT,
        END};
static const struct skr_flag apply_flags[] = {
        {"file", 'f', "FILE", "objects as YAML, JSON or (FILE.csv) CSV; - is standard input"},
        KIND_OF_LINES,
        WAIT,
        TIMEOUT,
        DRY_RUN,
        CONFIRM,
        END};
static const struct skr_flag diff_flags[] = {
        {"file", 'f', "FILE", "objects as YAML, JSON or (FILE.csv) CSV; - is standard input"}, KIND_OF_LINES, END};
static const struct skr_flag act_flags[] = {WAIT, TIMEOUT, DRY_RUN, CONFIRM, OUTPUT, END};
static const struct skr_flag explain_flags[] = {{"protocol", 0, "PROTOCOL", "tcp, udp, icmp, icmpv6 or a number"},
                                                {"port", 0, "N", "port of the destination"},
                                                OUTPUT,
                                                END};
static const struct skr_flag job_wait_flags[] = {{"timeout", 0, "TIME", "how long to wait; otherwise until it ends"},
                                                 END};
static const struct skr_flag delete_flags[] = {WAIT, TIMEOUT, DRY_RUN, CONFIRM, END};
static const struct skr_flag wait_flags[] = {{"for", 0, "STATE", "realized, bound or deleted; realized"}, TIMEOUT, END};
static const struct skr_flag watch_flags[] = {
        {"timeout", 0, "TIME", "end after this long; otherwise never"}, OUTPUT, END};
static const struct skr_flag join_flags[] = {{"host-group", 0, "GROUP", "group of the hosts that join; All hosts"},
                                             {"ttl", 0, "TIME", "how long it can be used: 10m, 24h; 1h"},
                                             {"uses", 0, "N", "how many hosts can join with it; 1"},
                                             {"approve", 0, NULL, "hosts wait for: skerryctl host approve HOST"},
                                             END};
static const struct skr_flag host_edit_flags[] = {
        {"uplink", 0, "IFNAME",
         "interface that carries provider addresses; may be given several times, and all that are given replace the "
         "host's list (one that stays keeps its name and sites)"},
        WAIT,
        TIMEOUT,
        DRY_RUN,
        CONFIRM,
        END};
static const struct skr_flag local_flags[] = {{"socket", 0, "PATH", "of the agent; /run/skerry/agent.sock"},
                                              {"vsid", 0, "N", "only the records of one virtual subnet"},
                                              {"output", 'o', "FORM", "table, json (as the agent says it) or yaml"},
                                              END};

const struct skr_command skr_commands[] = {
        {"login", "login URL [--ca FILE | --ca-hash SHA256] [--token-file FILE]",
         "Remember a controller, whom to trust as it, and your token", login_flags, false, false, skr_command_login},
        {"config", "config [-o table|json]", "Show what login keeps, without the token", output_flags, false, false,
         skr_command_config},
        {"get", "get KIND [NAME|ID] [-o FORM] [--FILTER VALUE ...]", "List objects, or show one", get_flags, true, true,
         skr_command_get},
        {"describe", "describe KIND NAME", "Everything about one object, with its latest events", no_flags, false, true,
         skr_command_describe},
        {"create", "create KIND NAME [--FIELD VALUE ...] | create -f FILE", "Create objects", create_flags, true, true,
         skr_command_create},
        {"apply", "apply -f FILE",
         "Make objects what a file says: create what is missing, change what differs, leave the rest alone",
         apply_flags, false, false, skr_command_apply},
        {"diff", "diff -f FILE", "Show what apply would create and change; exit code 1 when something differs",
         diff_flags, false, false, skr_command_diff},
        {"edit", "edit KIND NAME [--FIELD VALUE ...]",
         "Change fields of an object, or all of it in your editor (VISUAL, EDITOR)", delete_flags, true, true,
         skr_command_edit},
        {"act", "act KIND NAME ACTION [--FIELD VALUE ...]",
         "Do what a kind can do beside being changed: allocate, migrate, remediate; skerryctl help KIND lists it",
         act_flags, true, true, skr_command_act},
        {"delete", "delete KIND NAME ...", "Delete objects", delete_flags, false, true, skr_command_delete},
        {"wait", "wait KIND NAME [--for realized|bound|deleted] [--timeout TIME]",
         "Wait until an object is realized, bound or deleted; 7 when it is not in time", wait_flags, false, true,
         skr_command_wait},
        {"watch", "watch KIND [NAME] [--FILTER VALUE ...]", "List objects, then show every change as it happens",
         watch_flags, true, true, skr_command_watch},
        {"ipam find", "ipam find ADDRESS", "Who holds an address, and who held it before", output_flags, false, false,
         skr_command_ipam_find},
        {"ipam utilization", "ipam utilization", "How full pools, VM subnets, sites and logical networks are",
         json_flags, false, false, skr_command_ipam_utilization},
        {"ipam overlaps", "ipam overlaps [--tenant TENANT]",
         "Subnets that overlap: a tenant's, or those of sites with VLANs that are used twice", overlap_flags, false,
         false, skr_command_ipam_overlaps},
        {"top", "top [--interval TIME] [--count N]", "Packets a second of every host, live", top_flags, false, false,
         skr_command_top},
        {"explain", "explain ADAPTER ADAPTER|ADDRESS [--protocol tcp|udp|icmp|N] [--port N]",
         "Why one network adapter can or cannot reach another, by what the controller knows; 1 when it cannot",
         explain_flags, false, false, skr_command_explain},
        {"job wait", "job wait ID [--timeout TIME]", "Follow a job until it ends, with its steps", job_wait_flags,
         false, false, skr_command_job_wait},
        {"job cancel", "job cancel ID", "End a job and undo what it did", act_flags, false, false,
         skr_command_job_cancel},
        {"password", "password USER", "Change your own password, as a user of the controller that login keeps",
         no_flags, false, false, skr_command_password},
        {"controller show", "controller show [-o table|json]", "What the controller is: version, database, revision",
         output_flags, false, false, skr_command_controller_show},
        {"controller accept-database", "controller accept-database",
         "After a restore: let the database hold, and hosts become what it says", no_flags, false, false,
         skr_command_controller_accept},
        {"host list", "host list [-o FORM]", "Hosts: whether they are online, and what is wrong with them",
         output_flags, false, false, skr_command_host_list},
        {"host join-command", "host join-command [--host-group GROUP] [--ttl TIME] [--uses N] [--approve]",
         "Make a join token and print the command to run on a host", join_flags, false, false, skr_command_host_join},
        {"host approve", "host approve HOST", "Let a host in that waits for it", act_flags, true, false,
         skr_command_host_action},
        {"host edit", "host edit HOST [--uplink IFNAME ...] [--FIELD VALUE ...]",
         "Change a host: its uplinks, or other fields (skerryctl help hosts), or all of it in your editor",
         host_edit_flags, true, false, skr_command_host_edit},
        {"host drain", "host drain HOST [--FIELD VALUE ...] [--wait]", "Move everything off a host", act_flags, true,
         false, skr_command_host_action},
        {"host remediate", "host remediate HOST [--wait]", "Put back what differs on a host", act_flags, true, false,
         skr_command_host_action},
        {"host replace", "host replace HOST --new-host HOST [--wait]", "Give everything of a host to another one",
         act_flags, true, false, skr_command_host_action},
        {"host revoke", "host revoke HOST", "End a host's certificate for good", act_flags, true, false,
         skr_command_host_action},
        {"host local",
         "host local records|routes|ports|provider-addresses|stats|drift|status|ping-pa ADDRESS|release INTERFACE "
         "[--socket PATH]",
         "On a host: ask its agent what it holds, or release a closed interface, without the controller", local_flags,
         false, false, skr_command_host_local},
        {"completion", "completion bash|zsh",
         "Print a script that completes command lines: source <(skerryctl completion bash)", no_flags, false, false,
         skr_command_completion},
        {"help", "help [COMMAND | KIND]", "Explain a command, or the fields of a kind", no_flags, false, false,
         skr_command_help},
        /* For scripts and the build; no help lists them. */
        {"__complete", "__complete -- WORD ...", "What could stand in the place of the last word", no_flags, false,
         false, skr_command_complete},
        {"__manual", "__manual PAGE", "A manual page as man(7) source", no_flags, false, false, skr_command_manual},
};
const unsigned skr_command_count = SKR_ARRAY_SIZE(skr_commands);

/* ---- dispatch ---- */

static const struct skr_command *find(const char *name)
{
    for (unsigned i = 0; i < skr_command_count; i++)
        if (strcmp(skr_commands[i].name, name) == 0)
            return &skr_commands[i];
    return NULL;
}

/* The command with the longest name that the words begin with; *ret_words: how many it took. */
static const struct skr_command *find_words(int argc, char *const *argv, int *ret_words)
{
    char name[NAME_MAX_BYTES] = "";
    const struct skr_command *found = NULL;
    for (int i = 0; i < argc && i < NAME_WORDS_MAX; i++) {
        size_t length = strlen(name);
        snprintf(name + length, sizeof(name) - length, "%s%s", i ? " " : "", argv[i]);
        const struct skr_command *longer = find(name);
        if (longer) {
            found = longer;
            *ret_words = i + 1;
        }
    }
    return found;
}

static int unknown(int argc, char *const *argv)
{
    char word[NAME_MAX_BYTES];
    const char *names[SKR_ARRAY_SIZE(skr_commands)];
    bool is_host = strcmp(argv[0], "host") == 0;
    snprintf(word, sizeof(word), "%s%s%s", argv[0], is_host && argc > 1 ? " " : "", is_host && argc > 1 ? argv[1] : "");
    for (unsigned i = 0; i < skr_command_count; i++)
        names[i] = skr_commands[i].name;
    const char *near = is_host && argc == 1 ? NULL : skr_nearest(word, names, skr_command_count);
    if (near)
        skr_say("skerryctl: there is no command '%s'; did you mean '%s'?", word, near);
    else
        skr_say("skerryctl: there is no command '%s'", word);
    fputs("Commands:", stderr);
    for (unsigned i = 0; i < skr_command_count; i++)
        if (names[i][0] != '_')
            fprintf(stderr, "%s %s", i ? "," : "", names[i]);
    fputc('\n', stderr);
    return SKR_EXIT_USAGE;
}

static bool asks_for_help(int argc, char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int help_on(const char *word)
{
    struct skr_arguments arguments = {.words = {word}, .word_count = word ? 1 : 0};
    return skr_command_help(find("help"), &arguments);
}

int skr_run(int argc, char *const *argv)
{
    struct skr_arguments arguments;
    struct skr_error error = {0};
    int words = 0;
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help_on(NULL);
    if (strcmp(argv[1], "--version") == 0) {
        puts("skerryctl " SKR_VERSION);
        return SKR_EXIT_DONE;
    }
    const struct skr_command *command = find_words(argc - 1, argv + 1, &words);
    if (!command)
        return unknown(argc - 1, argv + 1);
    argc -= 1 + words;
    argv += 1 + words;
    if (asks_for_help(argc, argv))
        return help_on(command->name);
    if (skr_arguments_parse(command->flags, command->takes_fields, argc, argv, &arguments, &error) < 0)
        return skr_usage(command, &error);
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int code = command->run(command, &arguments);
    curl_global_cleanup();
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == SKR_EXIT_DONE)
        code = SKR_EXIT_FAILED;
    return code;
}
