/* Settings are the values that the administrator sets for the agent: /etc/skerry/agent.conf, and flags that override
 * it. */
#pragma once

#include "agent/fastpath/fastpath.h"
#include <skerry/config.h>
#include <stdbool.h>
#include <stdint.h>

#define SKR_AGENT_CONFIG_PATH "/etc/skerry/agent.conf"

struct settings {
    char *config;
    char *state_directory;
    char *fastpath; /* bpf or memory */
    char *pin_directory;
    char *object;
    char *socket;
    char *log_level;
    bool log_json;
    int64_t audit_interval_ms;
    int64_t records_max;
    int64_t filter_priority, filter_handle;
    char *name; /* join */
};

/* Reads the file (--config names another one) and the flags from argv[*index]. */
int settings_read(struct settings *settings, int argc, char **argv, int *index, struct skr_error *error);
/* How the fast path is opened; the texts stay the settings'. */
struct skr_fastpath_options settings_fastpath(const struct settings *settings, bool exclusive);
void settings_done(struct settings *settings);
void settings_help(void);
