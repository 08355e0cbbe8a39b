#include "agent/daemon.h"
#include "agent/desired/arena.h"
#include "agent/desired/body.h"
#include <errno.h>
#include <jansson.h>
#include <skerry/clock.h>
#include <skerry/log.h>
#include <string.h>

#define COUNTERS_S   60
#define INVENTORY_MS 500 /* interfaces come and go in bursts */

/* ---- from host ---- */

static void on_binding(void *arg, const struct skr_uuid *adapter_id, const struct skr_host_interface *interface,
                       const char *reason)
{
    struct daemon *daemon = arg;
    uint32_t ifindex = interface ? interface->ifindex : 0;
    char id[SKR_UUID_TEXT_MAX];
    skr_log(SKR_LOG_INFO, ifindex ? "adapter bound" : "adapter not bound", "adapter=%s interface=%s reason=%s",
            skr_uuid_format(adapter_id, id), interface ? interface->name : "", reason ? reason : "");
    /* The entry first: an interface that the fast path knows is never without one. */
    skr_program_bind(daemon->program, adapter_id, ifindex, interface && interface->peer_elsewhere);
    skr_learn_port(daemon->learn, adapter_id, ifindex);
    attachment_bind(daemon, adapter_id, interface);
    bool placed = !reason || strcmp(reason, "removed") != 0;
    skr_report_binding(daemon->report, adapter_id, placed, interface ? interface->name : NULL, reason);
}

static void on_claim(void *arg, const struct skr_uuid *adapter_id, const char *interface, bool present)
{
    struct daemon *daemon = arg;
    skr_report_claim(daemon->report, adapter_id, interface, present);
}

static void on_own_pa(void *arg, const struct skr_uuid *id, const struct skr_address *pa, uint32_t ifindex,
                      uint32_t mtu, const char *reason)
{
    struct daemon *daemon = arg;
    char text[SKR_ADDRESS_TEXT_MAX];
    skr_log(SKR_LOG_INFO, ifindex ? "provider address stands" : "provider address does not stand",
            "address=%s reason=%s", skr_address_format(pa, text), reason ? reason : "");
    skr_program_own_pa(daemon->program, pa, ifindex, mtu);
    struct skr_uuid host_id = daemon->identity->host_id;
    const Skerry__V1__ScopeKind kind = SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST;
    const Skerry__V1__ObjectType type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS;
    bool failed = !ifindex && reason && strcmp(reason, "removed") != 0;
    char failure[128];
    if (failed)
        snprintf(failure, sizeof(failure), "%s: the provider address does not stand on its uplink", reason);
    skr_desired_failure_set(daemon->desired, kind, &host_id, type, id, SKR_DESIRED_HOST, failed ? failure : NULL);
}

static void on_neighbor(void *arg, const struct skr_address *pa, const struct skr_abi_neighbor *neighbor)
{
    struct daemon *daemon = arg;
    skr_program_neighbor(daemon->program, pa, neighbor);
}

static void on_uplink(void *arg, const struct skr_host_interface *interface, bool present)
{
    struct daemon *daemon = arg;
    attachment_put(daemon, SKR_HOOK_UPLINK, interface, present);
    skr_program_uplink(daemon->program, interface->name, present ? interface->ifindex : 0, interface->mtu);
}

static void on_tagging(void *arg, const struct skr_host_interface *uplink, bool tags)
{
    attachment_put(arg, SKR_HOOK_EGRESS, uplink, tags);
}

static void on_changed(void *arg, const char *kind, uint32_t ifindex)
{
    struct daemon *daemon = arg;
    (void)ifindex;
    skr_drift_changed(daemon->drift, skr_clock_monotonic_ns());
    if (strcmp(kind, "link") == 0 && !event_pending(daemon->inventory, EV_TIMEOUT, NULL)) {
        struct timeval delay = {.tv_usec = INVENTORY_MS * 1000L};
        event_add(daemon->inventory, &delay);
    }
}

/* Ports come and go with their VMs and are reported as bindings; the inventory is of the host's own interfaces. */
static void on_inventory(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    const struct skr_host_interface *all;
    size_t count = skr_host_interfaces(daemon->host, &all), kept = 0;
    struct skr_host_interface *own = skr_must(calloc(count + 1, sizeof(*own)));
    (void)fd;
    (void)what;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].name, "lo") != 0 && !attachment_find(daemon, SKR_HOOK_PORT, all[i].ifindex))
            own[kept++] = all[i];
    }
    skr_report_interfaces(daemon->report, own, kept);
    free(own);
}

/* ---- counters ---- */

struct counters {
    struct skr_fastpath *fastpath;
    uint64_t dropped, rx_packets, tx_packets;
};

static void add_dropped(void *arg, uint32_t reason, uint32_t ifindex, uint64_t count)
{
    struct counters *counters = arg;
    (void)reason;
    (void)ifindex;
    counters->dropped += count;
}

static int add_port(void *arg, const void *key, const void *value)
{
    struct counters *counters = arg;
    struct skr_abi_meter meter;
    uint32_t ifindex;
    (void)value;
    memcpy(&ifindex, key, sizeof(ifindex));
    if (counters->fastpath->ops->meter(counters->fastpath, ifindex, &meter) == 0) {
        counters->rx_packets += meter.rx_packets;
        counters->tx_packets += meter.tx_packets;
    }
    return 0;
}

static void on_counters(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    struct counters counters = {.fastpath = daemon->fastpath};
    (void)fd;
    (void)what;
    daemon->fastpath->ops->drops(daemon->fastpath, add_dropped, &counters);
    skr_program_each(daemon->program, SKR_TABLE_PORTS, add_port, &counters);
    skr_report_counters(daemon->report, counters.dropped, counters.rx_packets, counters.tx_packets);
    other_mac_look(daemon);
}

/* ---- from learn, drift, program, session ---- */

static void on_learned(void *arg, const struct skr_learned *learned)
{
    struct daemon *daemon = arg;
    skr_report_learned(daemon->report, learned);
}

static void on_drift(void *arg, const struct skr_drift_item *item)
{
    static struct skr_log_limit limit; /* somebody may put it back as often as it is remedied */
    struct daemon *daemon = arg;
    if (skr_log_allowed(&limit, 20))
        skr_log(SKR_LOG_NOTICE, item->resolved ? "drift resolved" : "drift found",
                "kind=%s object='%s' field=%s expected='%s' found='%s'", item->object_kind, item->object, item->field,
                item->expected, item->found);
    skr_report_drift(daemon->report, item);
}

static void on_remote_pa(void *arg, const struct skr_address *pa, const struct skr_address *source)
{
    struct daemon *daemon = arg;
    skr_host_need_neighbor(daemon->host, pa, source);
}

static void on_synced(void *arg)
{
    struct daemon *daemon = arg;
    if (!daemon->settled) {
        skr_program_remove_unintended(daemon->program);
        skr_host_remove_unintended(daemon->host, NULL);
    }
    daemon->settled = true;
    attachments_filled(daemon);
    skr_drift_begin(daemon->drift, skr_clock_monotonic_ns());
    wiring_settle(daemon);
}

static void on_command(void *arg, const Skerry__V1__Command *command)
{
    struct daemon *daemon = arg;
    struct skr_uuid adapter_id;
    struct skr_address address;
    int64_t now_ns = skr_clock_monotonic_ns();
    if (command->kind == SKERRY__V1__COMMAND__KIND__KIND_REMEDIATE)
        skr_drift_remediate(daemon->drift, now_ns);
    else if (command->kind == SKERRY__V1__COMMAND__KIND__KIND_AUDIT)
        skr_drift_changed(daemon->drift, now_ns);
    else if (command->kind == SKERRY__V1__COMMAND__KIND__KIND_ASK && skr_body_uuid(&command->adapter_id, &adapter_id) &&
             skr_body_address(&command->customer_address, &address))
        skr_learn_ask(daemon->learn, &adapter_id, &address, now_ns);
    wiring_settle(daemon);
}

static void on_flood(void *arg, uint32_t ifindex, const void *frame, size_t size)
{
    struct daemon *daemon = arg;
    static struct skr_log_limit limit;
    int r = daemon->fastpath->ops->flood_as_guest(daemon->fastpath, ifindex, frame, size);
    if (r < 0 && skr_log_allowed(&limit, 60))
        skr_log(SKR_LOG_WARNING, "an address could not be announced", "ifindex=%u reason='%s'", ifindex, strerror(-r));
}

static void on_refused(void *arg, const struct skr_uuid *adapter_id, const struct skr_address *address,
                       const char *reason)
{
    struct daemon *daemon = arg;
    char id[SKR_UUID_TEXT_MAX], text[SKR_ADDRESS_TEXT_MAX];
    skr_log(SKR_LOG_INFO, "a learned address was refused", "adapter=%s address=%s reason='%s'",
            skr_uuid_format(adapter_id, id), skr_address_format(address, text), reason);
    skr_learn_refused(daemon->learn, adapter_id, address, strcmp(reason, "resting") == 0);
    wiring_settle(daemon);
}

/* ---- moves ---- */

static void on_moved(void *arg, const struct skr_uuid *adapter_id)
{
    struct daemon *daemon = arg;
    char id[SKR_UUID_TEXT_MAX];
    skr_log(SKR_LOG_INFO, "adapter has moved here", "adapter=%s", skr_uuid_format(adapter_id, id));
    skr_report_moved(daemon->report, adapter_id, true, skr_clock_monotonic_ns());
}

/* Before the program forgets a port: what it has counted goes with its adapter, if that has moved. */
static void on_leaving(void *arg, const struct skr_desired_change *changes, size_t count)
{
    struct daemon *daemon = arg;
    for (size_t i = 0; i < count; i++) {
        const Skerry__V1__Port *before = (const void *)changes[i].before, *after = (const void *)changes[i].after;
        struct skr_abi_meter meter;
        if (changes[i].type != SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT)
            continue;
        if (!after || !after->armed)
            skr_report_moved(daemon->report, &changes[i].id, false, 0);
        const struct attachment *port =
                before && !before->armed && !after ? attachment_of(daemon, &changes[i].id) : NULL;
        if (port && daemon->session && daemon->fastpath->ops->meter(daemon->fastpath, port->key.ifindex, &meter) == 0)
            skr_session_port_state(daemon->session, &changes[i].id, &meter);
    }
}

static void on_port_state(void *arg, const struct skr_uuid *adapter_id, const struct skr_abi_meter *meter)
{
    struct daemon *daemon = arg;
    const struct attachment *port = attachment_of(daemon, adapter_id);
    int r = port ? daemon->fastpath->ops->carry(daemon->fastpath, port->key.ifindex, meter) : 0;
    if (r < 0)
        skr_log(SKR_LOG_WARNING, "what an adapter counted elsewhere is lost", "interface=%s reason='%s'", port->name,
                strerror(-r));
}

static void on_changes(void *arg, const struct skr_desired_change *changes, size_t count)
{
    (void)changes;
    (void)count;
    wiring_settle(arg);
}

struct skr_session_options wiring_session(struct daemon *daemon)
{
    return (struct skr_session_options){.base = daemon->base,
                                        .identity = daemon->identity,
                                        .desired = daemon->desired,
                                        .report = daemon->report,
                                        .fastpath = daemon->fastpath->ops->name,
                                        .synced = on_synced,
                                        .command = on_command,
                                        .refused = on_refused,
                                        .port_state = on_port_state,
                                        .arg = daemon};
}

/* ---- diag ---- */

static void add_drift(void *arg, const struct skr_drift_item *item)
{
    char id[SKR_UUID_TEXT_MAX], since[SKR_TIME_TEXT_MAX];
    json_array_append_new(arg, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "object_kind", item->object_kind, "object_id",
                                         skr_uuid_is_nil(&item->object_id) ? "" : skr_uuid_format(&item->object_id, id),
                                         "object", item->object, "field", item->field, "expected", item->expected,
                                         "found", item->found, "since", skr_time_format(item->since_ms, since)));
}

static json_t *tell_drift(void *arg)
{
    struct daemon *daemon = arg;
    json_t *items = json_array();
    skr_drift_each(daemon->drift, add_drift, items);
    return json_pack("{s:o}", "items", items);
}

static json_t *tell_status(void *arg)
{
    static const char *const states[] = {"waiting", "connecting", "greeting", "connected"};
    struct daemon *daemon = arg;
    struct skr_session_status status;
    char id[SKR_UUID_TEXT_MAX], until[SKR_TIME_TEXT_MAX];
    skr_session_status(daemon->session, &status);
    return json_pack("{s:s,s:s,s:s,s:s,s:b,s:I,s:I,s:I,s:I,s:s,s:s}", "version", SKR_VERSION, "host_id",
                     skr_uuid_format(&daemon->identity->host_id, id), "controller", daemon->identity->controller,
                     "session", states[status.state], "rolled_back", status.rolled_back, "session_number",
                     (json_int_t)status.number, "attempts", (json_int_t)status.attempts, "deltas",
                     (json_int_t)status.deltas, "revision", (json_int_t)skr_desired_revision(daemon->desired),
                     "certificate_until", skr_time_format(status.certificate_until_ms, until), "last_error",
                     status.last_error);
}

static int release(void *arg, const char *interface, struct skr_error *error)
{
    struct daemon *daemon = arg;
    int r = skr_host_guest_release(daemon->host, interface, error);
    if (r == 0)
        skr_drift_changed(daemon->drift, skr_clock_monotonic_ns());
    wiring_settle(daemon);
    return r;
}

struct skr_diag_options wiring_diag(struct daemon *daemon)
{
    return (struct skr_diag_options){.base = daemon->base,
                                     .path = daemon->settings->socket,
                                     .desired = daemon->desired,
                                     .program = daemon->program,
                                     .fastpath = daemon->fastpath,
                                     .host = daemon->host,
                                     .release = release,
                                     .drift = tell_drift,
                                     .status = tell_status,
                                     .arg = daemon};
}

/* ---- the loop ---- */

static void on_host_readable(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    (void)fd;
    (void)what;
    skr_host_read(daemon->host);
    wiring_settle(daemon);
}

static void on_fastpath_event(void *arg, const struct skr_abi_event *event)
{
    struct daemon *daemon = arg;
    const struct attachment *port =
            event->kind == SKR_EVENT_MOVED ? attachment_find(daemon, SKR_HOOK_PORT, event->ifindex) : NULL;
    if (port)
        on_moved(daemon, &port->adapter_id);
    if (event->kind == SKR_EVENT_PA_CLAIMED) {
        struct skr_address address;
        struct skr_mac mac;
        memcpy(address.bytes, event->ca.bytes, sizeof(address.bytes));
        memcpy(mac.bytes, event->mac, sizeof(mac.bytes));
        skr_host_pa_claimed(daemon->host, &address, &mac);
    }
    if (event->kind == SKR_EVENT_OTHER_MAC)
        other_mac_seen(daemon, event);
    skr_learn_event(daemon->learn, event, skr_clock_monotonic_ns());
}

static void on_fastpath_readable(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    (void)fd;
    (void)what;
    daemon->fastpath->ops->events_poll(daemon->fastpath, on_fastpath_event, daemon);
    wiring_settle(daemon);
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    int64_t now_ns = skr_clock_monotonic_ns();
    (void)fd;
    (void)what;
    if (skr_host_deadline_ns(daemon->host) <= now_ns)
        skr_host_run(daemon->host, now_ns);
    if (skr_learn_deadline_ns(daemon->learn) <= now_ns)
        skr_learn_run(daemon->learn, now_ns);
    if (skr_program_deadline_ns(daemon->program) <= now_ns)
        skr_program_run(daemon->program, now_ns);
    if (skr_drift_deadline_ns(daemon->drift) <= now_ns)
        skr_drift_run(daemon->drift, now_ns, skr_clock_wall_ms());
    wiring_settle(daemon);
}

void wiring_settle(struct daemon *daemon)
{
    Skerry__V1__ScopeKind kind;
    struct skr_uuid id;
    int64_t now_ns = skr_clock_monotonic_ns();
    int64_t due_ns = earliest(skr_host_deadline_ns(daemon->host),
                              earliest(skr_learn_deadline_ns(daemon->learn), skr_drift_deadline_ns(daemon->drift)));
    due_ns = earliest(due_ns, skr_program_deadline_ns(daemon->program));
    if (daemon->session && skr_desired_next_changed(daemon->desired, &kind, &id))
        skr_session_wake(daemon->session);
    if (due_ns == INT64_MAX) {
        event_del(daemon->timer);
        return;
    }
    int64_t wait_us = due_ns > now_ns ? (due_ns - now_ns) / 1000 + 1 : 0;
    struct timeval delay = {.tv_sec = wait_us / 1000000, .tv_usec = wait_us % 1000000};
    event_add(daemon->timer, &delay);
}

static int make_events(struct daemon *daemon)
{
    int events_fd = daemon->fastpath->ops->events_fd(daemon->fastpath);
    daemon->timer = evtimer_new(daemon->base, on_timer, daemon);
    daemon->inventory = evtimer_new(daemon->base, on_inventory, daemon);
    daemon->host_event =
            event_new(daemon->base, skr_host_fd(daemon->host), EV_READ | EV_PERSIST, on_host_readable, daemon);
    daemon->counters = event_new(daemon->base, -1, EV_PERSIST, on_counters, daemon);
    const struct timeval period = {.tv_sec = COUNTERS_S};
    if (!daemon->timer || !daemon->inventory || !daemon->host_event || !daemon->counters ||
        event_add(daemon->host_event, NULL) < 0 || event_add(daemon->counters, &period) < 0)
        return -ENOMEM;
    if (events_fd < 0)
        return 0;
    daemon->fastpath_event = event_new(daemon->base, events_fd, EV_READ | EV_PERSIST, on_fastpath_readable, daemon);
    return daemon->fastpath_event && event_add(daemon->fastpath_event, NULL) == 0 ? 0 : -ENOMEM;
}

/* The pinned fast path knows which adapter was on which interface. */
static int remember(void *arg, const void *key, const void *value)
{
    struct daemon *daemon = arg;
    struct skr_uuid adapter_id;
    uint32_t ifindex;
    memcpy(&ifindex, key, sizeof(ifindex));
    memcpy(adapter_id.bytes, ((const struct skr_abi_port *)value)->adapter_id, sizeof(adapter_id.bytes));
    skr_host_remember(daemon->host, &adapter_id, ifindex);
    return 0;
}

int wiring_host(struct daemon *daemon, struct skr_error *error)
{
    const struct skr_host_output output = {.binding = on_binding,
                                           .claim = on_claim,
                                           .own_pa = on_own_pa,
                                           .neighbor = on_neighbor,
                                           .uplink = on_uplink,
                                           .tagging = on_tagging,
                                           .guest = attachment_guest,
                                           .changed = on_changed,
                                           .arg = daemon};
    int r = skr_host_new(daemon->desired, &output, &daemon->host, error);
    if (r < 0)
        return r;
    daemon->fastpath->ops->walk(daemon->fastpath, SKR_TABLE_PORTS, remember, daemon);
    const struct skr_learn_options learn = {.report = on_learned, .flood = on_flood, .arg = daemon};
    const struct skr_drift_options drift = {.desired = daemon->desired,
                                            .program = daemon->program,
                                            .fastpath = daemon->fastpath,
                                            .host = daemon->host,
                                            .interval_ns = daemon->settings->audit_interval_ms * SKR_NS_PER_MS,
                                            .report = on_drift,
                                            .arg = daemon};
    r = skr_learn_new(&learn, &daemon->learn);
    if (r == 0)
        r = skr_drift_new(&drift, &daemon->drift);
    if (r == 0)
        r = make_events(daemon);
    if (r < 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The agent cannot start: %s.", strerror(-r));
    skr_program_on_remote_pa(daemon->program, on_remote_pa, daemon);
    skr_program_on_moved(daemon->program, on_moved, daemon);
    skr_desired_listen(daemon->desired, on_leaving, daemon);
    skr_desired_listen(daemon->desired, skr_program_changes, daemon->program);
    skr_desired_listen(daemon->desired, skr_host_changes, daemon->host);
    skr_desired_listen(daemon->desired, skr_learn_changes, daemon->learn);
    skr_desired_listen(daemon->desired, on_changes, daemon);
    attachments_begin(daemon);
    on_inventory(-1, 0, daemon);
    on_counters(-1, 0, daemon);
    return 0;
}
