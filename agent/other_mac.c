/* A guest that sends from another MAC than its adapter's: its frames are dropped, and to everybody else the port looks
 * well. The host sees which MAC it is and counts the frames; it says so with the port's binding. Called by wiring.c. */
#include "agent/daemon.h"
#include <skerry/clock.h>
#include <skerry/log.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>

#define uthash_fatal(msg) abort()
#include <uthash.h>

struct count {
    uint32_t ifindex;
    uint64_t frames;
};

static void add_frames(void *arg, uint32_t reason, uint32_t ifindex, uint64_t count)
{
    struct count *sum = arg;
    if (reason == SKR_DROP_SOURCE_MAC && ifindex == sum->ifindex)
        sum->frames += count;
}

static uint64_t frames_of(const struct daemon *daemon, uint32_t ifindex)
{
    struct count count = {.ifindex = ifindex};
    daemon->fastpath->ops->drops(daemon->fastpath, add_frames, &count);
    return count.frames;
}

static uint64_t own_frames_of(const struct daemon *daemon, uint32_t ifindex)
{
    struct skr_abi_meter meter = {0};
    return daemon->fastpath->ops->meter(daemon->fastpath, ifindex, &meter) == 0 ? meter.tx_packets : 0;
}

/* wrong_mac: nothing has come from the adapter's own MAC, so the guest is cut off. other_mac: some has. */
static void tell(struct daemon *daemon, const struct attachment *attachment)
{
    const struct other_mac *other = &attachment->other_mac;
    struct skr_abi_port port;
    struct skr_mac own;
    char text[200], wrong[SKR_MAC_TEXT_MAX], right[SKR_MAC_TEXT_MAX], since[SKR_TIME_TEXT_MAX];
    uint32_t ifindex = attachment->key.ifindex;
    if (daemon->fastpath->ops->get(daemon->fastpath, SKR_TABLE_PORTS, &ifindex, &port) < 0)
        return;
    memcpy(own.bytes, port.mac, sizeof(own.bytes));
    bool silent = own_frames_of(daemon, ifindex) == other->own;
    snprintf(text, sizeof(text),
             "%s: the guest sends from MAC %s, and its adapter's is %s; frames dropped since %s: %llu%s",
             silent ? "wrong_mac" : "other_mac", skr_mac_format(&other->mac, wrong), skr_mac_format(&own, right),
             skr_time_format(other->since_ms, since), (unsigned long long)(other->frames - other->first),
             silent ? ", none came from its own" : "");
    skr_report_binding(daemon->report, &attachment->adapter_id, true, attachment->name, text);
}

void other_mac_seen(struct daemon *daemon, const struct skr_abi_event *event)
{
    struct attachment *attachment = (struct attachment *)attachment_find(daemon, SKR_HOOK_PORT, event->ifindex);
    if (!attachment)
        return;
    struct other_mac *other = &attachment->other_mac;
    memcpy(other->mac.bytes, event->mac, sizeof(other->mac.bytes));
    if (other->told)
        return; /* the next look tells how many they are */
    uint64_t frames = frames_of(daemon, event->ifindex), own = own_frames_of(daemon, event->ifindex);
    /* The frame of the event is counted by now, or at once. A guest that had sent before is not silent yet. */
    *other = (struct other_mac){.told = true,
                                .mac = other->mac,
                                .since_ms = skr_clock_wall_ms(),
                                .first = frames ? frames - 1 : 0,
                                .frames = frames ? frames : 1,
                                .own = own ? UINT64_MAX : 0};
    skr_log(SKR_LOG_NOTICE, "a guest sends from another MAC than its adapter's", "interface=%s", attachment->name);
    tell(daemon, attachment);
}

void other_mac_look(struct daemon *daemon)
{
    struct attachment *attachment, *next;
    HASH_ITER (hh, daemon->attachments, attachment, next) {
        struct other_mac *other = &attachment->other_mac;
        if (!other->told)
            continue;
        uint64_t frames = frames_of(daemon, attachment->key.ifindex);
        if (frames == other->frames) { /* none since the last look */
            *other = (struct other_mac){0};
            skr_report_binding(daemon->report, &attachment->adapter_id, true, attachment->name, NULL);
            continue;
        }
        other->frames = frames;
        tell(daemon, attachment);
        other->own = own_frames_of(daemon, attachment->key.ifindex);
    }
}
