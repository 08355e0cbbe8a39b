/* skerry-agent: run | join | guard | uninstall. */
#include "agent/daemon.h"
#include "agent/south/join.h"
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define UPLINKS_MAX 64

static int usage(void)
{
    printf("skerry-agent run [flags]                 keep this host as its controller says\n"
           "skerry-agent join STRING|- [flags] [--uplink INTERFACE]...\n"
           "                                         enrol this host; - reads the join string from standard input\n"
           "skerry-agent guard [flags]               close interfaces of guests that no agent has bound yet\n"
           "skerry-agent uninstall [flags]           take the fast path, and the addresses, rules, routes and\n"
           "                                         neighbours that the agent made, away from this host\n"
           "skerry-agent version\n\nFlags, also as key = value in the file:\n");
    settings_help();
    return 0;
}

static int fail(const struct skr_error *error)
{
    fprintf(stderr, "skerry-agent: %s\n", error->detail);
    int code = skr_error_tag_info(error->tag)->exit_code;
    return code ? code : 1;
}

/* ---- join ---- */

struct join_words {
    const char *string;
    char *uplinks[UPLINKS_MAX];
    size_t uplink_count;
    int argc;
    char **argv; /* the other words */
};

/* --uplink may be given several times, which a table of settings does not know. */
static int sort_words(int argc, char **argv, struct join_words *words, struct skr_error *error)
{
    for (int i = 0; i < argc; i++) {
        char *value = NULL;
        if (strcmp(argv[i], "--uplink") == 0 && i + 1 < argc)
            value = argv[++i];
        else if (strncmp(argv[i], "--uplink=", strlen("--uplink=")) == 0)
            value = argv[i] + strlen("--uplink=");
        if (value && words->uplink_count == UPLINKS_MAX)
            return skr_error_set(error, SKR_ERROR_INVALID, "More than %d uplinks.", UPLINKS_MAX);
        if (value)
            words->uplinks[words->uplink_count++] = value;
        else
            words->argv[words->argc++] = argv[i];
    }
    return 0;
}

static int read_string(const char *word, char out[static SKR_JOIN_STRING_MAX], struct skr_error *error)
{
    if (strcmp(word, "-") != 0) {
        if (strlen(word) >= SKR_JOIN_STRING_MAX)
            return skr_error_set(error, SKR_ERROR_INVALID, "The join string is too long.");
        memcpy(out, word, strlen(word) + 1);
        return 0;
    }
    if (!fgets(out, SKR_JOIN_STRING_MAX, stdin))
        return skr_error_set(error, SKR_ERROR_INVALID, "There is no join string on standard input.");
    return 0;
}

static void tell_waiting(void *arg, const char *what)
{
    (void)arg;
    fprintf(stderr, "skerry-agent: %s Trying on.\n", what);
}

static void nothing_binding(void *arg, const struct skr_uuid *id, const struct skr_host_interface *interface,
                            const char *reason)
{
    (void)arg, (void)id, (void)interface, (void)reason;
}
static void nothing_claim(void *arg, const struct skr_uuid *id, const char *interface, bool present)
{
    (void)arg, (void)id, (void)interface, (void)present;
}
static void nothing_own_pa(void *arg, const struct skr_uuid *id, const struct skr_address *pa, uint32_t ifindex,
                           uint32_t mtu, const char *reason)
{
    (void)arg, (void)id, (void)pa, (void)ifindex, (void)mtu, (void)reason;
}
static void nothing_neighbor(void *arg, const struct skr_address *pa, const struct skr_abi_neighbor *neighbor)
{
    (void)arg, (void)pa, (void)neighbor;
}
static void nothing_uplink(void *arg, const struct skr_host_interface *interface, bool present)
{
    (void)arg, (void)interface, (void)present;
}
static void nothing_tagging(void *arg, const struct skr_host_interface *uplink, bool tags)
{
    (void)arg, (void)uplink, (void)tags;
}
static void nothing_guest(void *arg, uint32_t ifindex, const char *name, enum skr_guest_state state)
{
    (void)arg, (void)ifindex, (void)name, (void)state;
}
static void nothing_changed(void *arg, const char *kind, uint32_t ifindex)
{
    (void)arg, (void)kind, (void)ifindex;
}

const struct skr_host_output daemon_nothing = {.binding = nothing_binding,
                                               .claim = nothing_claim,
                                               .own_pa = nothing_own_pa,
                                               .neighbor = nothing_neighbor,
                                               .uplink = nothing_uplink,
                                               .tagging = nothing_tagging,
                                               .guest = nothing_guest,
                                               .changed = nothing_changed};

/* A host that is asked and told nothing: desired state is empty. NULL: it cannot be looked at. */
static struct skr_host *open_host(struct skr_desired *desired, struct skr_error *error)
{
    struct skr_host *host = NULL;
    return skr_host_new(desired, &daemon_nothing, &host, error) < 0 ? NULL : host;
}

/* The inventory, as far as it fits into what a host that nobody knows yet may send. */
#define INVENTORY_MAX 64
static size_t inventory(Skerry__V1__Interface *out[static INVENTORY_MAX])
{
    const struct skr_host_interface *interfaces;
    struct skr_desired *desired;
    size_t count = 0;
    skr_desired_new(&desired);
    struct skr_host *host = open_host(desired, NULL);
    if (host) {
        size_t all = skr_host_interfaces(host, &interfaces);
        for (size_t i = 0; i < all && count < INVENTORY_MAX; i++)
            if (strcmp(interfaces[i].name, "lo") != 0)
                out[count++] = skr_report_interface_message(&interfaces[i]);
        skr_host_free(host);
    }
    skr_desired_free(desired);
    return count;
}

/* Before the token is spent: a host whose uplinks are not there carries no virtualized network. */
static int check_uplinks(const struct join_words *words, struct skr_error *error)
{
    for (size_t i = 0; i < words->uplink_count; i++)
        if (!if_nametoindex(words->uplinks[i]))
            return skr_error_set(error, SKR_ERROR_INVALID,
                                 "This host has no interface %.40s, so nothing was sent and the join string is still "
                                 "good; `ip -br link` lists the interfaces.",
                                 words->uplinks[i]);
    return 0;
}

/* Is it the wished name and a number, as a controller makes a name that is taken unique? */
static bool is_numbered(const char *name, const char *wished)
{
    size_t length = strlen(wished);
    const char *number = name + length + 1;
    return strncmp(name, wished, length) == 0 && name[length] == '-' && *number &&
           strspn(number, "0123456789") == strlen(number);
}

static void tell_name(const char *name, const char *wished)
{
    if (!name || strcmp(name, wished) == 0)
        return;
    if (is_numbered(name, wished))
        printf("The name %s is taken by another host, so this host is called %s. If it replaces %s, let it take over "
               "that host's adapters: `skerryctl host replace %s --new-host %s`.\n",
               wished, name, wished, wished, name);
    else
        printf("This host asked for the name %s and is called %s: another host has the name, no host can have it as it "
               "is written, or an administrator changed it.\n",
               wished, name);
}

/* `name`: that the controller gave; NULL: it is too old to say it, and may have given another than the wished one. */
static void tell_joined(const struct skr_identity *identity, const struct skr_join_options *options, const char *name)
{
    struct utsname kernel;
    char id[SKR_UUID_TEXT_MAX];
    uname(&kernel);
    const char *wished = options->host_name ? options->host_name : kernel.nodename;
    skr_uuid_format(&identity->host_id, id);
    if (name)
        printf("joined %s as host %s (%s)\n", identity->controller, name, id);
    else
        printf("joined %s as host %s, which asked for the name %s\n", identity->controller, id, wished);
    tell_name(name, wished);
    if (!options->uplink_count)
        printf("This host has no uplink yet and carries no virtualized network; give it one with `skerryctl host edit "
               "%s --uplink INTERFACE`.\n",
               name ? name : id);
}

static int enrol(const struct settings *settings, const struct join_words *words, struct skr_error *error)
{
    char text[SKR_JOIN_STRING_MAX], id[SKR_UUID_TEXT_MAX];
    SKR_CLEANUP(skr_identity_cleanup) struct skr_identity *identity = NULL, *known = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *name = NULL;
    Skerry__V1__Interface *interfaces[INVENTORY_MAX];
    struct skr_join_options options = {.host_name = settings->name,
                                       .uplinks = words->uplinks,
                                       .uplink_count = words->uplink_count,
                                       .interfaces = interfaces,
                                       .waiting = tell_waiting};
    if (skr_identity_load(settings->state_directory, &known, NULL) == 0)
        return skr_error_set(error, SKR_ERROR_EXISTS,
                             "This host has already joined %s as %s; remove %s to join another controller.",
                             known->controller, skr_uuid_format(&known->host_id, id), settings->state_directory);
    int r = check_uplinks(words, error);
    if (r == 0)
        r = read_string(words->string, text, error);
    if (r == 0)
        r = skr_join_string_parse(text, &options.string, error);
    if (r == 0)
        r = skr_identity_prepare(settings->state_directory, &identity, error);
    if (r != 0)
        return r;
    options.interface_count = inventory(interfaces);
    r = skr_join(identity, &options, &name, error);
    for (size_t i = 0; i < options.interface_count; i++)
        protobuf_c_message_free_unpacked(&interfaces[i]->base, NULL);
    if (r == 0)
        tell_joined(identity, &options, name);
    return r;
}

static int join(int argc, char **argv, struct skr_error *error)
{
    struct settings settings;
    SKR_CLEANUP(skr_free_cleanup) char **rest = calloc((size_t)argc + 1, sizeof(*rest));
    struct join_words words = {.argv = rest};
    int index = 0, r = rest ? sort_words(argc, argv, &words, error) : -ENOMEM;
    if (r < 0)
        return r;
    if (words.argc > 0 && strncmp(words.argv[0], "--", 2) != 0)
        words.string = words.argv[index++];
    r = settings_read(&settings, words.argc, words.argv, &index, error);
    if (r < 0)
        return r;
    if (!words.string && index < words.argc)
        words.string = words.argv[index++];
    if (!words.string || index < words.argc)
        r = skr_error_set(error, SKR_ERROR_SYNTAX, "join takes one join string, or - for standard input.");
    else
        r = enrol(&settings, &words, error);
    settings_done(&settings);
    return r;
}

/* ---- run, uninstall ---- */

static int with_settings(int argc, char **argv, int (*fn)(const struct settings *settings, struct skr_error *error),
                         struct skr_error *error)
{
    struct settings settings;
    int index = 0, r = settings_read(&settings, argc, argv, &index, error);
    if (r < 0)
        return r;
    if (index < argc)
        r = skr_error_set(error, SKR_ERROR_SYNTAX, "'%s' is not understood; see skerry-agent --help.", argv[index]);
    else
        r = fn(&settings, error);
    settings_done(&settings);
    return r;
}

/* Everything on the host that carries our mark: nothing is desired any more. */
static int uninstall_host(struct skr_error *error)
{
    struct skr_host_removed removed;
    struct skr_desired *desired;
    skr_desired_new(&desired);
    struct skr_host *host = open_host(desired, error);
    if (host) {
        skr_host_remove_unintended(host, &removed);
        skr_host_free(host);
    }
    skr_desired_free(desired);
    if (!host)
        return -EIO;
    printf("removed: %zu provider addresses, %zu rules, %zu routes, %zu neighbours\n", removed.addresses, removed.rules,
           removed.routes, removed.neighbors);
    if (removed.promiscuous > 0)
        printf("removed: promiscuous mode of %zu uplinks\n", removed.promiscuous);
    if (removed.failed > 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL,
                             "The kernel did not remove %zu of the agent's addresses, rules, routes or neighbours.",
                             removed.failed);
    return 0;
}

static int uninstall(const struct settings *settings, struct skr_error *error)
{
    const struct skr_fastpath_options options = settings_fastpath(settings, true);
    int r = skr_fastpath_bpf_uninstall(&options, error);
    if (r < 0)
        return r;
    printf("removed: the fast path's programs and tables\n");
    r = uninstall_host(error);
    if (r == 0)
        printf("%s still holds this host's identity\n", settings->state_directory);
    return r;
}

int main(int argc, char **argv)
{
    struct skr_error error = {0};
    const char *command = argc > 1 ? argv[1] : "";
    int r;
    signal(SIGPIPE, SIG_IGN); /* a controller that ends a connection is an error code, for every command */
    if (strcmp(command, "--help") == 0 || strcmp(command, "help") == 0 || strcmp(command, "-h") == 0)
        return usage();
    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0)
        return printf("skerry-agent %s\n", SKR_VERSION) < 0;
    if (strcmp(command, "run") == 0)
        r = with_settings(argc - 2, argv + 2, daemon_run, &error);
    else if (strcmp(command, "join") == 0)
        r = join(argc - 2, argv + 2, &error);
    else if (strcmp(command, "guard") == 0)
        r = with_settings(argc - 2, argv + 2, guard_run, &error);
    else if (strcmp(command, "uninstall") == 0)
        r = with_settings(argc - 2, argv + 2, uninstall, &error);
    else
        r = skr_error_set(&error, SKR_ERROR_SYNTAX, "say run, join, guard or uninstall; see skerry-agent --help.");
    return r < 0 ? fail(&error) : 0;
}
