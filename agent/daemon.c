#include "agent/daemon.h"
#include <errno.h>
#include <signal.h>
#include <skerry/clock.h>
#include <skerry/file.h>
#include <skerry/log.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define PATH_ROOM 4096

static int open_fastpath(const struct settings *settings, struct skr_fastpath **ret, struct skr_error *error)
{
    const struct skr_fastpath_options options = settings_fastpath(settings, true);
    return strcmp(settings->fastpath, "memory") == 0 ? skr_fastpath_memory_new(&options, ret, error)
                                                     : skr_fastpath_bpf_new(&options, ret, error);
}

/* Restores desired state from the cache before the controller is asked, so that ports work also when it cannot be
 * reached. */
static bool restore(struct daemon *daemon, const char *cache)
{
    struct skr_error error = {0};
    int64_t start_ns = skr_clock_monotonic_ns();
    int r = skr_desired_load(daemon->desired, cache, &error);
    if (r == 0) {
        skr_log(SKR_LOG_NOTICE, "restored from the cache", "ms=%lld revision=%llu",
                (long long)((skr_clock_monotonic_ns() - start_ns) / SKR_NS_PER_MS),
                (unsigned long long)skr_desired_revision(daemon->desired));
    } else if (r != -ENOENT) {
        skr_log(SKR_LOG_ERROR, "the cache cannot be used: everything is asked of the controller", "reason='%s'",
                error.detail);
    }
    return r == 0;
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct daemon *daemon = arg;
    (void)what;
    skr_log(SKR_LOG_NOTICE, "stopping; the fast path goes on", "signal=%d", (int)number);
    event_base_loopexit(daemon->base, NULL);
}

static int catch_signals(struct daemon *daemon)
{
    daemon->terminate = evsignal_new(daemon->base, SIGTERM, on_signal, daemon);
    daemon->interrupt = evsignal_new(daemon->base, SIGINT, on_signal, daemon);
    if (!daemon->terminate || !daemon->interrupt || event_add(daemon->terminate, NULL) < 0 ||
        event_add(daemon->interrupt, NULL) < 0)
        return -ENOMEM;
    return 0;
}

/* Two agents on one identity and cache would undo each other's work. */
static int lock_state(struct daemon *daemon, struct skr_error *error)
{
    const char *directory = daemon->settings->state_directory;
    pid_t holder;
    char who[32] = "another process";
    int r = skr_directory_lock(directory, &daemon->state_lock, &holder);
    if (r == -EWOULDBLOCK && holder)
        snprintf(who, sizeof(who), "process %d", (int)holder);
    if (r == -EWOULDBLOCK)
        return skr_error_set(error, SKR_ERROR_IN_USE,
                             "Another agent runs with the state in %s (%s); there can be one. Stop it first.",
                             directory, who);
    if (r == 0 || r == -ENOENT) /* without a state there is no identity either, which the next step says */
        return 0;
    return skr_error_set(error, SKR_ERROR_STORAGE, "The state directory %s cannot be locked: %s.", directory,
                         strerror(-r));
}

static int build(struct daemon *daemon, struct skr_error *error)
{
    int r = lock_state(daemon, error);
    if (r < 0)
        return r;
    r = skr_identity_load(daemon->settings->state_directory, &daemon->identity, error);
    if (r < 0)
        return r;
    daemon->base = event_base_new();
    if (!daemon->base || catch_signals(daemon) < 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The event loop cannot be made.");
    skr_desired_new(&daemon->desired);
    skr_report_new(&daemon->report);
    r = open_fastpath(daemon->settings, &daemon->fastpath, error);
    if (r < 0)
        return r;
    skr_program_new(daemon->fastpath, daemon->desired, &daemon->program);
    return wiring_host(daemon, error);
}

static int start(struct daemon *daemon, const char *cache, struct skr_error *error)
{
    /* First: where another agent answers on the socket, this one must not touch the fast path. */
    struct skr_diag_options diag = wiring_diag(daemon);
    int r = skr_diag_new(&diag, &daemon->diag, error);
    if (r < 0)
        return r;
    /* Nothing is written before interfaces and addresses are known: what is pinned goes on meanwhile. */
    skr_program_hold(daemon->program, true);
    bool restored = restore(daemon, cache);
    skr_program_hold(daemon->program, false);
    if (restored) {
        attachments_filled(daemon);
        skr_drift_begin(daemon->drift, skr_clock_monotonic_ns());
    }
    struct skr_session_options session = wiring_session(daemon);
    session.cache_path = cache;
    r = skr_session_new(&session, &daemon->session, error);
    if (r < 0)
        return r;
    wiring_settle(daemon);
    skr_session_start(daemon->session);
    return 0;
}

static void free_event(struct event *event)
{
    if (event)
        event_free(event);
}

/* From the outside in; the kernel keeps what was given to it. */
static void take_down(struct daemon *daemon)
{
    skr_diag_free(daemon->diag);
    skr_session_free(daemon->session);
    skr_drift_free(daemon->drift);
    skr_learn_free(daemon->learn);
    skr_host_free(daemon->host);
    skr_program_free(daemon->program);
    if (daemon->fastpath)
        daemon->fastpath->ops->free(daemon->fastpath);
    skr_report_free(daemon->report);
    skr_desired_free(daemon->desired);
    skr_identity_free(daemon->identity);
    skr_close_cleanup(&daemon->state_lock);
    attachments_free(daemon);
    struct event *events[] = {daemon->host_event, daemon->fastpath_event, daemon->timer,    daemon->inventory,
                              daemon->counters,   daemon->terminate,      daemon->interrupt};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        free_event(events[i]);
    if (daemon->base)
        event_base_free(daemon->base);
}

int daemon_run(const struct settings *settings, struct skr_error *error)
{
    struct daemon daemon = {.settings = settings, .state_lock = -1};
    char cache[PATH_ROOM], id[SKR_UUID_TEXT_MAX];
    int n = snprintf(cache, sizeof(cache), "%s/cache", settings->state_directory);
    if (n < 0 || (size_t)n >= sizeof(cache))
        return skr_error_set(error, SKR_ERROR_INVALID, "The state directory's name is too long.");
    int r = build(&daemon, error);
    if (r == 0)
        r = start(&daemon, cache, error);
    if (r == 0) {
        skr_log(SKR_LOG_NOTICE, "agent started", "version=%s host=%s fastpath=%s", SKR_VERSION,
                skr_uuid_format(&daemon.identity->host_id, id), daemon.fastpath->ops->name);
        sd_notify(0, "READY=1");
        event_base_dispatch(daemon.base);
        sd_notify(0, "STOPPING=1");
    }
    take_down(&daemon);
    return r;
}
