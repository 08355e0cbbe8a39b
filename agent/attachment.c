/* This file decides which program is on which interface: of ports, uplinks, and interfaces of guests that no adapter is
 * on (closed). What wiring.c and daemon.c decide is done here, in an order that leaves no interface of a guest open for
 * a moment. */
#include "agent/daemon.h"
#include "agent/desired/arena.h"
#include <errno.h>
#include <skerry/log.h>
#include <string.h>

const struct attachment *attachment_find(const struct daemon *daemon, enum skr_fastpath_hook hook, uint32_t ifindex)
{
    const struct attachment_key key = {.ifindex = ifindex, .egress = skr_fastpath_is_egress(hook)};
    struct attachment *attachment;
    HASH_FIND(hh, daemon->attachments, &key, sizeof(key), attachment);
    return attachment && attachment->hook == hook ? attachment : NULL;
}

const struct attachment *attachment_of(const struct daemon *daemon, const struct skr_uuid *adapter_id)
{
    for (const struct attachment *attachment = daemon->attachments; attachment; attachment = attachment->hh.next)
        if (attachment->hook == SKR_HOOK_PORT && skr_uuid_compare(&attachment->adapter_id, adapter_id) == 0)
            return attachment;
    return NULL;
}

static void put_program(struct daemon *daemon, struct attachment *attachment)
{
    int r = daemon->fastpath->ops->attach(daemon->fastpath, attachment->hook, attachment->key.ifindex);
    attachment->waits = false;
    if (r < 0 && r != -ENODEV)
        skr_log(SKR_LOG_ERROR, "the fast path cannot be attached", "interface=%s reason='%s'", attachment->name,
                strerror(-r));
}

/* Until the tables are filled, a program of an earlier agent knows more than ours, whose tables may be empty. */
static bool served(const struct daemon *daemon, const struct attachment *attachment)
{
    struct skr_fastpath_attachment found;
    return !daemon->filled && attachment->hook != SKR_HOOK_CLOSED && attachment->hook != SKR_HOOK_CLOSED_EGRESS &&
           daemon->fastpath->ops->inspect(daemon->fastpath, attachment->hook, attachment->key.ifindex, &found) == 0 &&
           found.serves;
}

/* A program takes the place of what stands in the same direction. */
static void attach(struct daemon *daemon, enum skr_fastpath_hook hook, uint32_t ifindex, const char *name,
                   const struct skr_uuid *adapter_id)
{
    const struct attachment_key key = {.ifindex = ifindex, .egress = skr_fastpath_is_egress(hook)};
    struct attachment *attachment;
    HASH_FIND(hh, daemon->attachments, &key, sizeof(key), attachment);
    if (!attachment) {
        attachment = skr_must(calloc(1, sizeof(*attachment)));
        attachment->key = key;
        HASH_ADD(hh, daemon->attachments, key, sizeof(attachment->key), attachment);
    } else if (attachment->hook != hook) {
        skr_drift_expect(daemon->drift, attachment->hook, ifindex, attachment->name, &attachment->adapter_id, false);
    }
    attachment->hook = hook;
    attachment->adapter_id = *adapter_id;
    snprintf(attachment->name, sizeof(attachment->name), "%s", name);
    attachment->waits = served(daemon, attachment);
    if (!attachment->waits)
        put_program(daemon, attachment);
    /* A failed attachment is drift: it is shown and tried again. */
    skr_drift_expect(daemon->drift, hook, ifindex, attachment->name, adapter_id, true);
}

static void detach(struct daemon *daemon, enum skr_fastpath_hook hook, uint32_t ifindex)
{
    struct attachment *attachment = (struct attachment *)attachment_find(daemon, hook, ifindex);
    if (!attachment) { /* the guard may have put it there */
        (void)daemon->fastpath->ops->detach(daemon->fastpath, hook, ifindex);
        return;
    }
    skr_drift_expect(daemon->drift, hook, ifindex, attachment->name, &attachment->adapter_id, false);
    int r = daemon->fastpath->ops->detach(daemon->fastpath, hook, ifindex);
    if (r < 0 && r != -ENODEV)
        skr_log(SKR_LOG_WARNING, "the fast path cannot be detached", "interface=%s reason='%s'", attachment->name,
                strerror(-r));
    HASH_DELETE(hh, daemon->attachments, attachment); /* NOLINT(clang-analyzer-core.NullDereference): it is there */
    free(attachment);
}

void attachment_put(struct daemon *daemon, enum skr_fastpath_hook hook, const struct skr_host_interface *interface,
                    bool present)
{
    static const struct skr_uuid nobody;
    if (present)
        attach(daemon, hook, interface->ifindex, interface->name, &nobody);
    else
        detach(daemon, hook, interface->ifindex);
}

void attachment_bind(struct daemon *daemon, const struct skr_uuid *adapter_id,
                     const struct skr_host_interface *interface)
{
    struct attachment *attachment, *next;
    HASH_ITER (hh, daemon->attachments, attachment, next)
        if (attachment->hook == SKR_HOOK_PORT && (!interface || attachment->key.ifindex != interface->ifindex) &&
            skr_uuid_compare(&attachment->adapter_id, adapter_id) == 0)
            detach(daemon, SKR_HOOK_PORT, attachment->key.ifindex);
    if (interface)
        attach(daemon, SKR_HOOK_PORT, interface->ifindex, interface->name, adapter_id);
}

static void keep(struct daemon *daemon, uint32_t ifindex, enum skr_guest_memory memory)
{
    int r = daemon->fastpath->ops->guest_keep(daemon->fastpath, ifindex, memory);
    if (r < 0)
        skr_log(SKR_LOG_ERROR, "what an interface is cannot be kept over a restart", "ifindex=%u reason='%s'", ifindex,
                strerror(-r));
}

static void open_up(struct daemon *daemon, uint32_t ifindex, enum skr_guest_memory memory)
{
    detach(daemon, SKR_HOOK_CLOSED, ifindex);
    detach(daemon, SKR_HOOK_CLOSED_EGRESS, ifindex);
    keep(daemon, ifindex, memory);
}

void attachment_guest(void *arg, uint32_t ifindex, const char *name, enum skr_guest_state state)
{
    static const struct skr_uuid nobody;
    struct daemon *daemon = arg;
    switch (state) {
    case SKR_GUEST_NONE:
        open_up(daemon, ifindex, SKR_GUEST_FORGOTTEN);
        break;
    case SKR_GUEST_RELEASED:
        skr_log(SKR_LOG_NOTICE, "an administrator released an interface: it is open to this host", "interface=%s",
                name);
        open_up(daemon, ifindex, SKR_GUEST_LET_GO);
        break;
    case SKR_GUEST_BOUND: /* the port's program has replaced the other at the ingress */
        detach(daemon, SKR_HOOK_CLOSED_EGRESS, ifindex);
        break;
    case SKR_GUEST_CLOSED:
        skr_log(SKR_LOG_INFO, "interface closed: no adapter is on it", "interface=%s", name);
        attach(daemon, SKR_HOOK_CLOSED, ifindex, name, &nobody);
        attach(daemon, SKR_HOOK_CLOSED_EGRESS, ifindex, name, &nobody);
        break;
    }
}

static void remember(void *arg, uint32_t ifindex, enum skr_guest_memory memory, bool runs)
{
    struct daemon *daemon = arg;
    skr_host_guest_remember(daemon->host, ifindex, memory != SKR_GUEST_FORGOTTEN, memory == SKR_GUEST_LET_GO, runs);
}

void attachments_begin(struct daemon *daemon)
{
    daemon->fastpath->ops->guests(daemon->fastpath, remember, daemon);
    skr_host_guests_begin(daemon->host);
}

void attachments_filled(struct daemon *daemon)
{
    daemon->filled = true;
    for (struct attachment *attachment = daemon->attachments; attachment; attachment = attachment->hh.next)
        if (attachment->waits)
            put_program(daemon, attachment);
    skr_host_guests_settled(daemon->host);
}

void attachments_free(struct daemon *daemon)
{
    struct attachment *attachment, *next;
    HASH_ITER (hh, daemon->attachments, attachment, next) {
        HASH_DELETE(hh, daemon->attachments, attachment);
        free(attachment);
    }
}
