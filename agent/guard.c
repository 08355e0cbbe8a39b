/* skerry-agent guard: closes interfaces with an alias skerry:... that carry no program of ours, at once when it starts
 * and whenever one appears. It needs no identity, no cache and no controller, so that the interface of a VM that starts
 * while no agent runs is not open until one does. The agent, when there is one, opens what it binds. */
#include "agent/daemon.h"
#include <errno.h>
#include <poll.h>
#include <skerry/clock.h>
#include <skerry/log.h>
#include <string.h>
#include <systemd/sd-daemon.h>

struct guard {
    struct skr_fastpath *fastpath;
    struct skr_host *host;
};

/* The ingress decides whose the interface is: what an agent has put there it wins by, also a moment later. */
static int close_interface(struct skr_fastpath *fastpath, uint32_t ifindex)
{
    struct skr_fastpath_attachment found;
    int r = fastpath->ops->attach(fastpath, SKR_HOOK_CLOSED, ifindex);
    if (r < 0)
        return r;
    r = fastpath->ops->attach(fastpath, SKR_HOOK_CLOSED_EGRESS, ifindex);
    if (fastpath->ops->inspect(fastpath, SKR_HOOK_CLOSED, ifindex, &found) == 0 && !found.serves)
        (void)fastpath->ops->detach(fastpath, SKR_HOOK_CLOSED_EGRESS, ifindex);
    return r == -EEXIST ? 0 : r;
}

static void on_guest(void *arg, uint32_t ifindex, const char *name, enum skr_guest_state state)
{
    struct guard *guard = arg;
    if (state != SKR_GUEST_CLOSED)
        return;
    int r = close_interface(guard->fastpath, ifindex);
    if (r == 0)
        skr_log(SKR_LOG_NOTICE, "interface closed until an agent binds it", "interface=%s", name);
    else if (r != -EEXIST && r != -ENODEV)
        skr_log(SKR_LOG_ERROR, "an interface cannot be closed", "interface=%s reason='%s'", name, strerror(-r));
}

static int watch(struct guard *guard)
{
    for (;;) {
        int64_t now_ns = skr_clock_monotonic_ns(), due_ns = skr_host_deadline_ns(guard->host);
        int64_t wait_ms = due_ns == INT64_MAX ? -1 : due_ns <= now_ns ? 0 : (due_ns - now_ns) / SKR_NS_PER_MS + 1;
        struct pollfd events = {.fd = skr_host_fd(guard->host), .events = POLLIN};
        int r = poll(&events, 1, wait_ms > INT32_MAX ? INT32_MAX : (int)wait_ms);
        if (r < 0 && errno != EINTR)
            return -errno;
        if (r > 0)
            skr_host_read(guard->host);
        now_ns = skr_clock_monotonic_ns();
        if (skr_host_deadline_ns(guard->host) <= now_ns)
            skr_host_run(guard->host, now_ns);
    }
}

int guard_run(const struct settings *settings, struct skr_error *error)
{
    const struct skr_fastpath_options options = settings_fastpath(settings, false);
    struct guard guard = {0};
    struct skr_host_output output = daemon_nothing;
    struct skr_desired *desired = NULL;
    output.guest = on_guest;
    output.arg = &guard;
    int r = skr_fastpath_bpf_guard_new(&options, &guard.fastpath, error);
    if (r < 0)
        return r;
    skr_desired_new(&desired);
    r = skr_host_new(desired, &output, &guard.host, error);
    if (r == 0) {
        skr_host_guests_begin(guard.host);
        skr_log(SKR_LOG_NOTICE, "guard started", "version=%s", SKR_VERSION);
        sd_notify(0, "READY=1");
        r = watch(&guard);
        skr_error_set(error, SKR_ERROR_INTERNAL, "The kernel's notifications cannot be waited for: %s.", strerror(-r));
    }
    skr_host_free(guard.host);
    skr_desired_free(desired);
    guard.fastpath->ops->free(guard.fastpath);
    return r;
}
