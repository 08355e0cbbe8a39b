#include "agent/settings.h"
#include <skerry/log.h>
#include <skerry/macros.h>
#include <string.h>

#define AT(member) offsetof(struct settings, member)

static const struct skr_option options[] = {
        {NULL, NULL, "config", SKR_OPTION_TEXT, AT(config), NULL, 0, 0,
         "file to read instead of " SKR_AGENT_CONFIG_PATH},
        {"agent", "state_directory", "state-directory", SKR_OPTION_TEXT, AT(state_directory), "/var/lib/skerry-agent",
         0, 0, "key, certificate and cache"},
        {"agent", "socket", "socket", SKR_OPTION_TEXT, AT(socket), "/run/skerry/agent.sock", 0, 0,
         "where skerryctl host local asks"},
        {"agent", "audit_interval", "audit-interval", SKR_OPTION_DURATION, AT(audit_interval_ms), "10s", 100, 86400000,
         "between two full comparisons of this host with what it should be"},
        {"fastpath", "provider", "fastpath", SKR_OPTION_TEXT, AT(fastpath), "bpf", 0, 0,
         "bpf, or memory: forwards nothing"},
        {"fastpath", "pin_directory", "pin-directory", SKR_OPTION_TEXT, AT(pin_directory), "/sys/fs/bpf/skerry", 0, 0,
         "where maps and programs outlive the agent"},
        {"fastpath", "object", "object", SKR_OPTION_TEXT, AT(object), NULL, 0, 0, "another build of the eBPF programs"},
        {"fastpath", "records_max", "records-max", SKR_OPTION_INTEGER, AT(records_max), "0", 0, 16777216,
         "capacity of the record tables, 0 = default"},
        {"fastpath", "filter_priority", "filter-priority", SKR_OPTION_INTEGER, AT(filter_priority), "0", 0, 65535,
         "tc priority of our filters, 0 = 49152"},
        {"fastpath", "filter_handle", "filter-handle", SKR_OPTION_INTEGER, AT(filter_handle), "0", 0, 4294967295,
         "tc handle of our filters, 0 = 1"},
        {"log", "level", "log-level", SKR_OPTION_TEXT, AT(log_level), "info", 0, 0,
         "error, warning, notice, info or debug"},
        {"log", "json", "log-json", SKR_OPTION_BOOLEAN, AT(log_json), "false", 0, 0, "JSON lines"},
        {NULL, NULL, "name", SKR_OPTION_TEXT, AT(name), NULL, 0, 0, "join: the host's name (default: the kernel's)"},
};

/* The file must be known before the flags are read. */
static const char *config_path(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            return argv[i + 1];
        if (strncmp(argv[i], "--config=", strlen("--config=")) == 0)
            return argv[i] + strlen("--config=");
    }
    return NULL;
}

int settings_read(struct settings *settings, int argc, char **argv, int *index, struct skr_error *error)
{
    const char *path = config_path(argc, argv);
    enum skr_log_level level;
    int r = skr_config_read(options, SKR_ARRAY_SIZE(options), settings, path ? path : SKR_AGENT_CONFIG_PATH, !path,
                            argc, argv, index, error);
    if (r < 0)
        return r;
    if (skr_log_level_parse(settings->log_level, &level) < 0)
        r = skr_error_set(error, SKR_ERROR_INVALID, "--log-level is error, warning, notice, info or debug.");
    else if (!*settings->state_directory || !*settings->socket || !*settings->pin_directory)
        r = skr_error_set(error, SKR_ERROR_INVALID,
                          "--state-directory, --socket and --pin-directory each need a path, not an empty word.");
    else if (strcmp(settings->fastpath, "bpf") != 0 && strcmp(settings->fastpath, "memory") != 0)
        r = skr_error_set(error, SKR_ERROR_INVALID, "--fastpath is bpf or memory.");
    if (r < 0) {
        settings_done(settings);
        return r;
    }
    skr_log_init(level, settings->log_json);
    return 0;
}

struct skr_fastpath_options settings_fastpath(const struct settings *settings, bool exclusive)
{
    return (struct skr_fastpath_options){.pin_directory = settings->pin_directory,
                                         .object_path = settings->object,
                                         .records_max = (uint32_t)settings->records_max,
                                         .filter_priority = (uint16_t)settings->filter_priority,
                                         .filter_handle = (uint32_t)settings->filter_handle,
                                         .exclusive = exclusive};
}

void settings_done(struct settings *settings)
{
    skr_config_done(options, SKR_ARRAY_SIZE(options), settings);
}

void settings_help(void)
{
    skr_config_help(options, SKR_ARRAY_SIZE(options));
}
