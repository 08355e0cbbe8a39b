#include "agent/drift/drift.h"

#include <errno.h>
#include <skerry/clock.h>
#include <skerry/digest.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#define INTERVAL_NS     (10LL * 1000 * 1000 * 1000)
#define SETTLE_NS       (20LL * 1000 * 1000) /* one look for a burst of notifications */
#define SETTLE_MAX_NS   (500LL * 1000 * 1000)
#define REST_FACTOR     9                      /* looks at the surroundings take at most a tenth of the time */
#define CONFIRM_NS      (1000LL * 1000 * 1000) /* to a second confirming round: what does not stay mended */
#define SLICE_ENTRIES   4096                   /* of the tables, a call: a full audit never holds up the loop */
#define KEY_TABLE_BYTES 64

/* Surroundings: links, addresses, filters; tables: the fast path's maps. Each is audited in rounds of its own, and a
 * finding that a whole round no longer saw is resolved. */
enum part { PART_SURROUNDINGS, PART_TABLES, PART_COUNT };

struct finding {
    struct skr_drift_item item;
    enum part part;
    uint64_t round;          /* in which it was seen last */
    uint64_t repaired_round; /* in which it was put back last */
    /* what to put back */
    enum { REPAIR_HOST, REPAIR_HOOK, REPAIR_ENTRY, REPAIR_PIN, REPAIR_NOT_OURS } repair;
    struct skr_host_difference difference;
    enum skr_fastpath_hook hook;
    uint32_t ifindex;
    unsigned pin;
    enum skr_fastpath_table table;
    uint8_t entry[KEY_TABLE_BYTES];
    UT_hash_handle hh;
};

struct expectation {
    struct {
        uint32_t hook, ifindex;
    } key;
    char interface[SKR_INTERFACE_NAME_MAX];
    struct skr_uuid object_id;
    UT_hash_handle hh;
};

struct skr_drift {
    struct skr_drift_options options;
    struct finding *findings;
    struct expectation *expectations;
    uint64_t rounds[PART_COUNT];
    int64_t due_ns[PART_COUNT];
    int64_t wall_ms, look_cost_ns;
    bool begun, remediate_once, in_round;
    bool round_repaired, confirming; /* this table round put something back; it confirms the one before */
};

int skr_drift_new(const struct skr_drift_options *options, struct skr_drift **ret)
{
    struct skr_drift *drift = calloc(1, sizeof(*drift));
    if (!drift)
        return -ENOMEM;
    drift->options = *options;
    if (!drift->options.interval_ns)
        drift->options.interval_ns = INTERVAL_NS;
    *ret = drift;
    return 0;
}

void skr_drift_free(struct skr_drift *drift)
{
    if (!drift)
        return;
    struct finding *finding, *next;
    HASH_ITER (hh, drift->findings, finding, next) {
        HASH_DEL(drift->findings, finding);
        free(finding);
    }
    struct expectation *expectation, *next_expectation;
    HASH_ITER (hh, drift->expectations, expectation, next_expectation) {
        HASH_DEL(drift->expectations, expectation);
        free(expectation);
    }
    free(drift);
}

static void resolve(struct skr_drift *drift, struct finding *finding)
{
    HASH_DEL(drift->findings, finding);
    finding->item.resolved = true;
    drift->options.report(drift->options.arg, &finding->item);
    free(finding);
}

void skr_drift_expect(struct skr_drift *drift, enum skr_fastpath_hook hook, uint32_t ifindex, const char *interface,
                      const struct skr_uuid *object_id, bool expected)
{
    struct expectation *expectation, search;
    memset(&search, 0, sizeof(search));
    search.key.hook = hook;
    search.key.ifindex = ifindex;
    HASH_FIND(hh, drift->expectations, &search.key, sizeof(search.key), expectation);
    if (!expected) {
        if (expectation) {
            HASH_DEL(drift->expectations, expectation);
            free(expectation);
        }
        return;
    }
    if (!expectation) {
        expectation = calloc(1, sizeof(*expectation));
        if (!expectation)
            abort();
        expectation->key = search.key;
        HASH_ADD(hh, drift->expectations, key, sizeof(expectation->key), expectation);
    }
    snprintf(expectation->interface, sizeof(expectation->interface), "%s", interface);
    expectation->object_id = object_id ? *object_id : (struct skr_uuid){0};
}

/* The same finding has the same key on every audit and after a restart. */
static void make_key(struct skr_drift_item *item, const void *detail, size_t detail_size)
{
    static const struct skr_digest_key halves[2] = {{1, 2}, {3, 4}};
    uint8_t text[sizeof(item->object_kind) + sizeof(item->object) + sizeof(item->field) + KEY_TABLE_BYTES] = {0};
    size_t size = (size_t)snprintf((char *)text, sizeof(text) - KEY_TABLE_BYTES, "%s/%s/%s", item->object_kind,
                                   detail ? "" : item->object, item->field);
    if (detail) {
        memcpy(text + size, detail, detail_size);
        size += detail_size;
    }
    for (int i = 0; i < 2; i++) {
        uint64_t hash = skr_siphash(&halves[i], text, size);
        memcpy(item->key + i * sizeof(hash), &hash, sizeof(hash));
    }
}

/* Enters a finding, or marks the known one as seen in this round. NULL when the list is full. */
static struct finding *enter(struct skr_drift *drift, enum part part, const struct skr_drift_item *item)
{
    struct finding *finding;
    HASH_FIND(hh, drift->findings, item->key, sizeof(item->key), finding);
    if (finding) {
        finding->round = drift->rounds[part];
        if (strcmp(finding->item.found, item->found) != 0 || strcmp(finding->item.expected, item->expected) != 0) {
            memcpy(finding->item.found, item->found, sizeof(item->found));
            memcpy(finding->item.expected, item->expected, sizeof(item->expected));
            drift->options.report(drift->options.arg, &finding->item);
        }
        return finding;
    }
    if (HASH_COUNT(drift->findings) >= SKR_DRIFT_ITEMS_MAX)
        return NULL;
    finding = calloc(1, sizeof(*finding));
    if (!finding)
        abort();
    finding->item = *item;
    finding->item.since_ms = drift->wall_ms;
    finding->part = part;
    finding->round = drift->rounds[part];
    HASH_ADD_KEYPTR(hh, drift->findings, finding->item.key, sizeof(finding->item.key), finding);
    drift->options.report(drift->options.arg, &finding->item);
    return finding;
}

static void on_host_difference(void *arg, const struct skr_host_difference *difference)
{
    struct skr_drift *drift = arg;
    struct skr_drift_item item = {.object_id = difference->object_id};
    snprintf(item.object_kind, sizeof(item.object_kind), "%s", difference->object_kind);
    snprintf(item.object, sizeof(item.object), "%s", difference->object);
    snprintf(item.field, sizeof(item.field), "%s", difference->field);
    snprintf(item.expected, sizeof(item.expected), "%s", difference->expected);
    snprintf(item.found, sizeof(item.found), "%s", difference->found);
    make_key(&item, NULL, 0);
    struct finding *finding = enter(drift, PART_SURROUNDINGS, &item);
    if (!finding)
        return;
    finding->repair = REPAIR_HOST;
    finding->difference = *difference;
}

static const char *const programs[] = {[SKR_HOOK_PORT] = "port_ingress",
                                       [SKR_HOOK_UPLINK] = "uplink_ingress",
                                       [SKR_HOOK_EGRESS] = "uplink_egress",
                                       [SKR_HOOK_CLOSED] = "port_closed",
                                       [SKR_HOOK_CLOSED_EGRESS] = "port_closed.egress"};

/* Filters and programs of others stay, because their owners may need them. They are reported, because they see, and may
 * drop, the frames that pass here. */
static void look_at_others(struct skr_drift *drift, const struct expectation *expectation, unsigned count)
{
    struct skr_drift_item item = {.object_kind = "filter", .object_id = expectation->object_id, .expected = "none"};
    snprintf(item.object, sizeof(item.object), "%s", expectation->interface);
    snprintf(item.field, sizeof(item.field), "%s.others", programs[expectation->key.hook]);
    snprintf(item.found, sizeof(item.found), "%u filters or programs of others", count);
    make_key(&item, NULL, 0);
    struct finding *finding = enter(drift, PART_SURROUNDINGS, &item);
    if (finding)
        finding->repair = REPAIR_NOT_OURS;
}

static void look_at_hook(struct skr_drift *drift, const struct expectation *expectation)
{
    const struct skr_fastpath_ops *ops = drift->options.fastpath->ops;
    struct skr_fastpath_attachment found;
    int r = ops->inspect(drift->options.fastpath, expectation->key.hook, expectation->key.ifindex, &found);
    if (r == 0 && found.foreign)
        look_at_others(drift, expectation, found.foreign);
    if (r == 0 && found.attached && found.ours)
        return;
    if (r < 0 && r != -ENOENT)
        return; /* an interface that is gone is the binding's matter, and what cannot be seen is nobody's drift */
    struct skr_drift_item item = {.object_id = expectation->object_id};
    bool replaced = r == 0 && found.attached;
    snprintf(item.object_kind, sizeof(item.object_kind), replaced ? "program" : "filter");
    snprintf(item.object, sizeof(item.object), "%s", expectation->interface);
    snprintf(item.field, sizeof(item.field), "%s", programs[expectation->key.hook]);
    snprintf(item.expected, sizeof(item.expected), "our program");
    if (replaced)
        snprintf(item.found, sizeof(item.found), "program %u", found.program_id);
    else
        snprintf(item.found, sizeof(item.found), "missing");
    make_key(&item, NULL, 0);
    struct finding *finding = enter(drift, PART_SURROUNDINGS, &item);
    if (!finding)
        return;
    finding->repair = REPAIR_HOOK;
    finding->hook = expectation->key.hook;
    finding->ifindex = expectation->key.ifindex;
}

static void look_at_pin(void *arg, unsigned pin, const char *name, const char *found)
{
    struct skr_drift *drift = arg;
    struct skr_drift_item item = {.object_kind = "pin", .field = "map", .expected = "our table"};
    snprintf(item.object, sizeof(item.object), "%s", name);
    snprintf(item.found, sizeof(item.found), "%s", found);
    make_key(&item, NULL, 0);
    struct finding *finding = enter(drift, PART_SURROUNDINGS, &item);
    if (!finding)
        return;
    finding->repair = REPAIR_PIN;
    finding->pin = pin;
}

static int read_remediate(void *arg, const struct skr_desired_change *object)
{
    *(bool *)arg = ((const Skerry__V1__Host *)object->after)->remediate;
    return 1;
}

static bool may_repair(struct skr_drift *drift)
{
    bool remediate = false;
    skr_desired_each(drift->options.desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST, read_remediate, &remediate);
    return remediate || drift->remediate_once;
}

static void on_entry_difference(void *arg, enum skr_fastpath_table table, const void *key, const void *expected,
                                const void *found)
{
    struct skr_drift *drift = arg;
    const struct skr_fastpath_table_info *info = skr_fastpath_table_info(table);
    struct skr_drift_item item = {.object_kind = "map-entry"};
    skr_program_describe(drift->options.program, table, key, expected ? expected : found, item.object,
                         sizeof(item.object), &item.object_id);
    snprintf(item.field, sizeof(item.field), "%s", info->name);
    if (expected)
        skr_program_describe(drift->options.program, table, key, expected, item.expected, sizeof(item.expected), NULL);
    else
        snprintf(item.expected, sizeof(item.expected), "no entry");
    if (found)
        skr_program_describe(drift->options.program, table, key, found, item.found, sizeof(item.found), NULL);
    else
        snprintf(item.found, sizeof(item.found), "missing");
    make_key(&item, key, info->key_size);
    struct finding *finding = enter(drift, PART_TABLES, &item);
    if (!finding) { /* the list is full */
        if (may_repair(drift) && skr_program_repair(drift->options.program, table, key) == 0)
            drift->round_repaired = true;
        return;
    }
    finding->repair = REPAIR_ENTRY;
    finding->table = table;
    memcpy(finding->entry, key, info->key_size);
}

static int put_back(struct skr_drift *drift, struct finding *finding)
{
    switch (finding->repair) {
    case REPAIR_HOST:
        return skr_host_repair(drift->options.host, &finding->difference);
    case REPAIR_HOOK:
        return drift->options.fastpath->ops->attach(drift->options.fastpath, finding->hook, finding->ifindex);
    case REPAIR_ENTRY:
        return skr_program_repair(drift->options.program, finding->table, finding->entry);
    case REPAIR_PIN:
        return drift->options.fastpath->ops->pin(drift->options.fastpath, finding->pin);
    case REPAIR_NOT_OURS:
        return -ENOTSUP;
    }
    return -EINVAL;
}

/* Without its program an interface of a guest is open to the host's own stack, so the program is put back whatever the
 * host's setting is. */
static bool keeps_guest_out(const struct finding *finding)
{
    return finding->repair == REPAIR_HOOK && (finding->hook == SKR_HOOK_PORT || finding->hook == SKR_HOOK_CLOSED ||
                                              finding->hook == SKR_HOOK_CLOSED_EGRESS);
}

/* Returns true when something was put back, so that another look at the part is worth it. */
static bool repair(struct skr_drift *drift, enum part part)
{
    bool any = false, all = may_repair(drift);
    struct finding *finding, *next;
    HASH_ITER (hh, drift->findings, finding, next) {
        /* Once a round, and only what this round has seen: what is not there any more needs no mending. */
        if (finding->part != part || finding->round != drift->rounds[part] ||
            finding->repaired_round == drift->rounds[part] || (!all && !keeps_guest_out(finding)))
            continue;
        finding->repaired_round = drift->rounds[part];
        if (put_back(drift, finding) == 0)
            any = true;
    }
    return any;
}

static void end_round(struct skr_drift *drift, enum part part)
{
    struct finding *finding, *next;
    HASH_ITER (hh, drift->findings, finding, next) {
        if (finding->part == part && finding->round != drift->rounds[part])
            resolve(drift, finding);
    }
}

static void look_at_surroundings(struct skr_drift *drift)
{
    drift->rounds[PART_SURROUNDINGS]++;
    if (drift->options.host)
        skr_host_audit(drift->options.host, on_host_difference, drift);
    for (struct expectation *expectation = drift->expectations; expectation; expectation = expectation->hh.next)
        look_at_hook(drift, expectation);
    drift->options.fastpath->ops->pins(drift->options.fastpath, look_at_pin, drift);
    end_round(drift, PART_SURROUNDINGS);
}

static void run_surroundings(struct skr_drift *drift, int64_t now_ns)
{
    int64_t start_ns = skr_clock_monotonic_ns();
    look_at_surroundings(drift);
    if (drift->findings && repair(drift, PART_SURROUNDINGS))
        look_at_surroundings(drift);
    drift->look_cost_ns = skr_clock_monotonic_ns() - start_ns;
    drift->due_ns[PART_SURROUNDINGS] = now_ns + drift->options.interval_ns;
}

/* A round that repaired something is followed at once by one that confirms it. If that round repaired something too,
 * the repair does not last, so the next rounds come CONFIRM_NS apart, or interval_ns if that is shorter. */
static int64_t next_round(struct skr_drift *drift, int64_t now_ns)
{
    bool again = drift->round_repaired && drift->confirming;
    int64_t pause_ns = !drift->round_repaired ? drift->options.interval_ns : again ? CONFIRM_NS : 0;
    drift->confirming = drift->round_repaired;
    drift->round_repaired = false;
    return now_ns + (pause_ns < drift->options.interval_ns ? pause_ns : drift->options.interval_ns);
}

static void run_tables(struct skr_drift *drift, int64_t now_ns)
{
    if (!drift->in_round) {
        drift->rounds[PART_TABLES]++;
        drift->in_round = true;
    }
    bool done = skr_program_audit(drift->options.program, SLICE_ENTRIES, on_entry_difference, drift);
    if (drift->findings && repair(drift, PART_TABLES))
        drift->round_repaired = true;
    if (!done)
        return; /* it stays due */
    end_round(drift, PART_TABLES);
    drift->in_round = false;
    drift->due_ns[PART_TABLES] = next_round(drift, now_ns);
}

void skr_drift_begin(struct skr_drift *drift, int64_t now_ns)
{
    if (drift->begun)
        return;
    drift->begun = true;
    drift->due_ns[PART_SURROUNDINGS] = now_ns + SETTLE_NS;
    drift->due_ns[PART_TABLES] = now_ns + drift->options.interval_ns;
}

void skr_drift_changed(struct skr_drift *drift, int64_t now_ns)
{
    int64_t rest_ns = drift->look_cost_ns * REST_FACTOR;
    rest_ns = rest_ns < SETTLE_NS ? SETTLE_NS : rest_ns > SETTLE_MAX_NS ? SETTLE_MAX_NS : rest_ns;
    int64_t due = now_ns + rest_ns;
    if (due < drift->due_ns[PART_SURROUNDINGS])
        drift->due_ns[PART_SURROUNDINGS] = due;
}

void skr_drift_remediate(struct skr_drift *drift, int64_t now_ns)
{
    if (!drift->begun)
        return;
    drift->remediate_once = true;
    drift->confirming = false;
    drift->due_ns[PART_SURROUNDINGS] = drift->due_ns[PART_TABLES] = now_ns;
}

int64_t skr_drift_deadline_ns(const struct skr_drift *drift)
{
    int64_t a = drift->due_ns[PART_SURROUNDINGS], b = drift->due_ns[PART_TABLES];
    if (!drift->begun)
        return INT64_MAX;
    return a < b ? a : b;
}

void skr_drift_run(struct skr_drift *drift, int64_t now_ns, int64_t wall_ms)
{
    drift->wall_ms = wall_ms;
    if (!drift->begun)
        return;
    if (drift->due_ns[PART_SURROUNDINGS] <= now_ns)
        run_surroundings(drift, now_ns);
    if (drift->due_ns[PART_TABLES] <= now_ns)
        run_tables(drift, now_ns);
    if (!drift->in_round && drift->due_ns[PART_TABLES] > now_ns)
        drift->remediate_once = false;
}

void skr_drift_each(const struct skr_drift *drift, void (*fn)(void *arg, const struct skr_drift_item *item), void *arg)
{
    for (const struct finding *finding = drift->findings; finding; finding = finding->hh.next)
        fn(arg, &finding->item);
}
