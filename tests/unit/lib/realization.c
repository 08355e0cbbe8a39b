/* The table by itself: what needs what, waits that fire once, what is given up, and readers beside a publisher. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <skerry/realization_publish.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct skr_uuid id_of(unsigned n)
{
    struct skr_uuid id = {{7}};
    memcpy(id.bytes + 8, &n, sizeof(n));
    return id;
}

static struct skr_map_key domain_of(unsigned n)
{
    return (struct skr_map_key){.id = id_of(1000 + n), .type = SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN};
}

static struct skr_realization_table *table_with_hosts(unsigned hosts)
{
    struct skr_realization_table *table;
    struct skr_map_key scope = domain_of(1);
    cr_assert_eq(skr_realization_table_new(&table), 0);
    for (unsigned i = 1; i <= hosts; i++) {
        struct skr_uuid id = id_of(i);
        char name[16];
        snprintf(name, sizeof(name), "host-%u", i);
        skr_realization_host_put(table, &id, name, 0);
        skr_realization_host_connected(table, &id, 1);
        skr_realization_join(table, &scope, &id, 1);
    }
    return table;
}

/* A write that changed object `object` in scope 1, at this version. */
static void publish(struct skr_realization_table *table, int64_t revision, uint64_t version, unsigned object)
{
    struct skr_realization_needs *needs = skr_realization_needs_new(1, 1);
    struct skr_uuid id = id_of(object);
    needs->pairs[0] = (struct skr_realization_pair){.scope = domain_of(1), .touch_count = 1, .version = version};
    needs->touches[0] = skr_realization_touch(SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, &id);
    struct skr_realization_change changed = {.resource = SKR_NETWORK_ADAPTER, .id = id};
    skr_realization_write(table, revision, needs, &changed, 1);
    skr_realization_object(table, SKR_NETWORK_ADAPTER, &id, needs);
    skr_realization_needs_unref(needs);
    skr_realization_reached(table, revision, false);
}

static void applied(struct skr_realization_table *table, unsigned host, uint64_t version, unsigned failing,
                    const char *reason)
{
    struct skr_map_key scope = domain_of(1);
    struct skr_uuid id = id_of(host);
    struct skr_realization_failure failure = {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, id_of(failing), reason};
    skr_realization_applied(table, &scope, &id, version, &failure, reason ? 1 : 0);
}

static enum skr_realization_state state_of(struct skr_realization_table *table, int64_t revision)
{
    struct skr_realization r;
    cr_assert_eq(skr_realization_of_write(table, revision, &r), 0);
    return r.state;
}

struct heard {
    unsigned times;
    struct skr_realization last;
};

static void hear(void *arg, const struct skr_realization *realization)
{
    struct heard *heard = arg;
    heard->times++;
    heard->last = *realization;
}

Test(realization, beyond_the_last_commit_there_is_nothing)
{
    struct skr_realization_table *table = table_with_hosts(1);
    struct skr_realization r = {.applied = 77};
    cr_assert_eq(skr_realization_of_write(table, 1, &r), -ENOENT);
    cr_assert_eq(r.applied, 77);
    skr_realization_committed(table, 1);
    cr_assert_eq(state_of(table, 1), SKR_REALIZATION_PENDING, "committed, and not yet seen by the policy");
    skr_realization_reached(table, 1, false);
    cr_assert_eq(state_of(table, 1), SKR_REALIZATION_REALIZED, "nobody needs it");
    skr_realization_table_free(table);
}

Test(realization, a_write_is_realized_when_every_member_has_its_version)
{
    struct skr_realization_table *table = table_with_hosts(2);
    struct skr_realization r;
    publish(table, 10, 3, 50);
    applied(table, 1, 3, 0, NULL);
    applied(table, 2, 2, 0, NULL);
    cr_assert_eq(skr_realization_of_write(table, 10, &r), 0);
    cr_assert_eq(r.state, SKR_REALIZATION_PENDING);
    cr_assert_eq(r.applied, 1);
    cr_assert_eq(r.pending, 1);
    cr_assert_str_eq(r.hosts[0].name, "host-2");
    cr_assert_str_eq(r.hosts[0].reason, "not acknowledged yet");
    applied(table, 2, 4, 0, NULL);
    cr_assert_eq(state_of(table, 10), SKR_REALIZATION_REALIZED);
    skr_realization_table_free(table);
}

Test(realization, a_host_that_loses_what_it_had_is_pending_again)
{
    struct skr_realization_table *table = table_with_hosts(2);
    publish(table, 10, 3, 50);
    applied(table, 1, 3, 0, NULL);
    applied(table, 1, 0, 0, NULL);
    applied(table, 2, 3, 0, NULL);
    cr_assert_eq(state_of(table, 10), SKR_REALIZATION_PENDING);
    applied(table, 1, 3, 0, NULL);
    cr_assert_eq(state_of(table, 10), SKR_REALIZATION_REALIZED);
    skr_realization_table_free(table);
}

Test(realization, a_wait_fires_once_when_realized_and_cancel_says_so)
{
    struct skr_realization_table *table = table_with_hosts(1);
    struct heard heard = {0};
    struct skr_realization_wait *wait = skr_realization_wait_new(table, 10, hear, &heard);
    publish(table, 10, 3, 50);
    cr_assert_eq(heard.times, 0);
    applied(table, 1, 3, 0, NULL);
    cr_assert_eq(heard.times, 1);
    cr_assert_eq(heard.last.state, SKR_REALIZATION_REALIZED);
    cr_assert_eq(heard.last.applied, 1);
    applied(table, 1, 4, 0, NULL);
    cr_assert_eq(heard.times, 1);
    cr_assert(!skr_realization_wait_cancel(wait));
    wait = skr_realization_wait_new(table, 10, hear, &heard);
    cr_assert_eq(heard.times, 2, "already realized: at once");
    cr_assert_eq(heard.last.applied, 1);
    cr_assert(!skr_realization_wait_cancel(wait));
    skr_realization_table_free(table);
}

Test(realization, a_cancelled_wait_never_fires)
{
    struct skr_realization_table *table = table_with_hosts(1);
    struct heard heard = {0};
    struct skr_realization_wait *early = skr_realization_wait_new(table, 10, hear, &heard);
    cr_assert(skr_realization_wait_cancel(early));
    publish(table, 10, 3, 50);
    struct skr_realization_wait *late = skr_realization_wait_new(table, 10, hear, &heard);
    cr_assert(skr_realization_wait_cancel(late));
    applied(table, 1, 3, 0, NULL);
    cr_assert_eq(heard.times, 0);
    skr_realization_table_free(table);
}

Test(realization, a_wait_hears_of_a_failure_of_what_was_written_and_of_nothing_else)
{
    struct skr_realization_table *table = table_with_hosts(2);
    struct heard heard = {0};
    publish(table, 10, 3, 50);
    struct skr_realization_wait *wait = skr_realization_wait_new(table, 10, hear, &heard);
    applied(table, 1, 2, 50, "map_full: old news, from before the write");
    applied(table, 1, 3, 51, "map_full: another object");
    applied(table, 2, 3, 50, "waiting: for its VM network");
    cr_assert_eq(heard.times, 0);
    cr_assert_eq(state_of(table, 10), SKR_REALIZATION_PENDING);
    applied(table, 1, 3, 50, "map_full: no room");
    cr_assert_eq(heard.times, 1);
    cr_assert_eq(heard.last.state, SKR_REALIZATION_FAILED);
    cr_assert_eq(heard.last.failed, 1);
    cr_assert_str_eq(heard.last.hosts[0].reason, "map_full: no room");
    cr_assert_eq(heard.last.hosts[1].state, SKR_HOST_PENDING, "failed ones first");
    cr_assert(!skr_realization_wait_cancel(wait));
    /* It is not forgotten: once mended it is realized. */
    applied(table, 1, 3, 0, NULL);
    applied(table, 2, 3, 0, NULL);
    cr_assert_eq(state_of(table, 10), SKR_REALIZATION_REALIZED);
    skr_realization_table_free(table);
}

Test(realization, an_object_keeps_its_last_change_and_failures_that_name_it)
{
    struct skr_realization_table *table = table_with_hosts(1);
    struct skr_uuid id = id_of(50);
    struct skr_realization r;
    skr_realization_of_object(table, SKR_NETWORK_ADAPTER, &id, &r);
    cr_assert_eq(r.state, SKR_REALIZATION_REALIZED);
    publish(table, 10, 3, 50);
    skr_realization_of_object(table, SKR_NETWORK_ADAPTER, &id, &r);
    cr_assert_eq(r.state, SKR_REALIZATION_PENDING);
    applied(table, 1, 3, 0, NULL);
    skr_realization_of_object(table, SKR_NETWORK_ADAPTER, &id, &r);
    cr_assert_eq(r.state, SKR_REALIZATION_REALIZED);
    applied(table, 1, 3, 50, "map_full: later");
    skr_realization_of_object(table, SKR_NETWORK_ADAPTER, &id, &r);
    cr_assert_eq(r.state, SKR_REALIZATION_FAILED);
    skr_realization_object(table, SKR_NETWORK_ADAPTER, &id, NULL);
    skr_realization_of_object(table, SKR_NETWORK_ADAPTER, &id, &r);
    cr_assert_eq(r.state, SKR_REALIZATION_REALIZED);
    skr_realization_table_free(table);
}

Test(realization, a_leaving_host_holds_nothing_up)
{
    struct skr_realization_table *table = table_with_hosts(2);
    struct skr_map_key scope = domain_of(1);
    struct skr_uuid first = id_of(1), second = id_of(2);
    struct heard heard = {0};
    publish(table, 10, 3, 50);
    struct skr_realization_wait *wait = skr_realization_wait_new(table, 10, hear, &heard);
    applied(table, 1, 3, 0, NULL);
    skr_realization_leave(table, &scope, &second);
    cr_assert_eq(heard.times, 1);
    skr_realization_leave(table, &scope, &first);
    cr_assert_eq(state_of(table, 10), SKR_REALIZATION_REALIZED);
    cr_assert(!skr_realization_wait_cancel(wait));
    skr_realization_table_free(table);
}

Test(realization, a_later_member_neither_holds_up_nor_settles_an_older_write)
{
    struct skr_realization_table *table = table_with_hosts(1);
    struct skr_map_key scope = domain_of(1);
    struct skr_uuid later = id_of(2);
    struct heard heard = {0};
    publish(table, 10, 3, 50);
    struct skr_realization_wait *wait = skr_realization_wait_new(table, 10, hear, &heard);
    skr_realization_join(table, &scope, &later, 4);
    applied(table, 2, 4, 0, NULL);
    cr_assert_eq(heard.times, 0, "host 1 still owes it");
    applied(table, 1, 3, 0, NULL);
    cr_assert_eq(heard.times, 1);
    cr_assert_eq(heard.last.applied, 1);
    cr_assert(!skr_realization_wait_cancel(wait));
    skr_realization_table_free(table);
}

Test(realization, more_failures_than_are_kept_fail_everything)
{
    struct skr_realization_table *table = table_with_hosts(1);
    struct skr_map_key scope = domain_of(1);
    struct skr_uuid host = id_of(1);
    struct skr_realization_failure failures[SKR_REALIZATION_FAILURES_MAX + 1];
    for (unsigned i = 0; i < SKR_ARRAY_SIZE(failures); i++)
        failures[i] =
                (struct skr_realization_failure){SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, id_of(5000 + i), "no"};
    publish(table, 10, 3, 50);
    skr_realization_applied(table, &scope, &host, 3, failures, SKR_ARRAY_SIZE(failures));
    cr_assert_eq(state_of(table, 10), SKR_REALIZATION_FAILED);
    skr_realization_applied(table, &scope, &host, 3, failures, SKR_REALIZATION_FAILURES_MAX);
    cr_assert_eq(state_of(table, 10), SKR_REALIZATION_REALIZED);
    skr_realization_table_free(table);
}

Test(realization, what_is_given_up_is_judged_by_synced_revisions)
{
    struct skr_realization_table *table = table_with_hosts(1);
    struct skr_uuid host = id_of(1);
    struct heard heard = {0};
    publish(table, 1, 2, 50);
    struct skr_realization_wait *wait = skr_realization_wait_new(table, 1, hear, &heard);
    for (int64_t i = 0; i < SKR_REALIZATION_WRITES_MAX; i++)
        publish(table, 2 + i, 3 + (uint64_t)i, 50);
    cr_assert_eq(state_of(table, 1), SKR_REALIZATION_PENDING);
    cr_assert_eq(heard.times, 0);
    skr_realization_host_synced(table, &host, 1);
    cr_assert_eq(state_of(table, 1), SKR_REALIZATION_REALIZED);
    cr_assert_eq(heard.times, 1);
    cr_assert(!skr_realization_wait_cancel(wait));
    applied(table, 1, SKR_REALIZATION_WRITES_MAX + 10, 0, NULL);
    cr_assert_eq(state_of(table, 2), SKR_REALIZATION_REALIZED);
    cr_assert_eq(state_of(table, SKR_REALIZATION_WRITES_MAX), SKR_REALIZATION_REALIZED);
    skr_realization_table_free(table);
}

Test(realization, after_a_start_older_writes_are_judged_by_synced_revisions)
{
    struct skr_realization_table *table = table_with_hosts(1);
    struct skr_uuid host = id_of(1);
    struct skr_realization r;
    skr_realization_reached(table, 100, true);
    skr_realization_host_connected(table, &host, 0);
    cr_assert_eq(skr_realization_of_write(table, 90, &r), 0);
    cr_assert_eq(r.state, SKR_REALIZATION_PENDING);
    cr_assert_eq(r.offline, 1);
    skr_realization_host_synced(table, &host, 95);
    cr_assert_eq(state_of(table, 90), SKR_REALIZATION_REALIZED);
    cr_assert_eq(state_of(table, 100), SKR_REALIZATION_PENDING);
    skr_realization_table_free(table);
}

Test(realization, a_host_is_online_since_it_connected)
{
    struct skr_realization_table *table = table_with_hosts(1);
    struct skr_uuid host = id_of(1), unknown = id_of(9);
    int64_t since = -1;
    skr_realization_host_connected(table, &host, 1234);
    cr_assert(skr_realization_host_online(table, &host, &since));
    cr_assert_eq(since, 1234);
    skr_realization_host_connected(table, &host, 0);
    cr_assert(!skr_realization_host_online(table, &host, &since));
    cr_assert(!skr_realization_host_online(table, &unknown, &since));
    skr_realization_table_free(table);
}

/* A failure that the policy itself found counts as soon as the host has the version, whatever the host reports. */
Test(realization, what_the_policy_knows_to_fail_ends_with_its_mending)
{
    struct skr_realization_table *table = table_with_hosts(1);
    struct skr_map_key scope = domain_of(1);
    struct skr_uuid host = id_of(1), object = id_of(50);
    const Skerry__V1__ObjectType type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD;
    struct heard heard = {0};
    publish(table, 10, 3, 50);
    skr_realization_local_failure(table, &scope, &host, type, &object, "no_provider_address");
    cr_assert_eq(state_of(table, 10), SKR_REALIZATION_FAILED);
    applied(table, 1, 3, 0, NULL);
    cr_assert_eq(state_of(table, 10), SKR_REALIZATION_FAILED, "the host has it, and it still cannot work");
    skr_realization_local_failure(table, &scope, &host, type, &object, NULL);
    cr_assert_eq(state_of(table, 10), SKR_REALIZATION_REALIZED);
    /* While only the local failure is there, another version of the host is a change of what it owes. */
    publish(table, 11, 4, 50);
    applied(table, 1, 4, 0, NULL);
    struct skr_realization_wait *wait = skr_realization_wait_new(table, 12, hear, &heard);
    skr_realization_local_failure(table, &scope, &host, type, &object, "no_provider_address");
    publish(table, 12, 5, 50);
    applied(table, 1, 6, 0, NULL);
    cr_assert_eq(heard.times, 1);
    cr_assert_eq(heard.last.state, SKR_REALIZATION_FAILED);
    applied(table, 1, 4, 0, NULL);
    skr_realization_local_failure(table, &scope, &host, type, &object, NULL);
    cr_assert_eq(state_of(table, 12), SKR_REALIZATION_PENDING, "it has lost the version meanwhile");
    cr_assert_not(skr_realization_wait_cancel(wait));
    skr_realization_table_free(table);
}

/* A client asks while the controller starts and has compiled nothing yet: "realized" would be a guess. */
Test(realization, a_wait_from_before_a_start_is_over_ends_by_synced_revisions)
{
    struct skr_realization_table *table = table_with_hosts(1);
    struct skr_uuid host = id_of(1);
    struct heard heard = {0}, early = {0};
    skr_realization_committed(table, 100);
    skr_realization_host_synced(table, &host, 80);
    struct skr_realization_wait *wait = skr_realization_wait_new(table, 90, hear, &heard);
    struct skr_realization_wait *done = skr_realization_wait_new(table, 70, hear, &early);
    skr_realization_reached(table, 100, true);
    cr_assert_eq(early.times, 1);
    cr_assert_eq(early.last.state, SKR_REALIZATION_REALIZED);
    cr_assert_eq(heard.times, 0, "the host has 80");
    skr_realization_host_synced(table, &host, 90);
    cr_assert_eq(heard.times, 1);
    cr_assert_eq(heard.last.state, SKR_REALIZATION_REALIZED);
    cr_assert_not(skr_realization_wait_cancel(done));
    cr_assert_not(skr_realization_wait_cancel(wait));
    skr_realization_table_free(table);
}

/* A wait for a write that is given up ends with the hosts' synced revisions, at once and by nothing else. */
Test(realization, a_wait_for_what_is_given_up_ends_by_synced_revisions_alone)
{
    struct skr_realization_table *table = table_with_hosts(2);
    struct skr_uuid one = id_of(1), two = id_of(2);
    struct heard first_heard = {0};
    for (int64_t i = 0; i <= SKR_REALIZATION_WRITES_MAX; i++)
        publish(table, 1 + i, 2 + (uint64_t)i, 50);
    /* The second one is given up by a write that is not reached yet. */
    struct skr_realization_needs *needs = skr_realization_needs_new(1, 0);
    struct skr_realization_wait *first = skr_realization_wait_new(table, 2, hear, &first_heard);
    needs->pairs[0] = (struct skr_realization_pair){.scope = domain_of(1), .version = 1 << 20};
    skr_realization_write(table, 1 << 20, needs, NULL, 0);
    skr_realization_needs_unref(needs);
    skr_realization_host_synced(table, &one, 2);
    cr_assert_eq(first_heard.times, 0);
    skr_realization_host_synced(table, &two, 2);
    cr_assert_eq(first_heard.times, 1, "it waited for what both hosts have");
    cr_assert_not(skr_realization_wait_cancel(first));
    skr_realization_table_free(table);
}

/* ---- counts, against what the test itself knows ---- */

#define CENSUS_HOSTS 7

struct known {
    bool member, excused, fails, local;
    uint64_t joined, applied;
};

static void change_one(struct skr_realization_table *table, unsigned scope_number, unsigned host, struct known *known)
{
    struct skr_map_key scope = domain_of(scope_number);
    struct skr_uuid id = id_of(host), object = id_of(50);
    struct skr_realization_failure failure = {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, object, "no"};
    unsigned kind = (unsigned)rand() % 6;
    if (!known->member) {
        *known = (struct known){.member = true, .joined = 1 + (unsigned)rand() % 4};
        skr_realization_join(table, &scope, &id, known->joined);
    } else if (kind == 0) {
        *known = (struct known){0};
        skr_realization_leave(table, &scope, &id);
    } else if (kind == 1) {
        known->excused = !known->excused;
        skr_realization_excuse(table, &scope, &id, known->excused);
    } else if (kind == 2) {
        known->local = !known->local;
        skr_realization_local_failure(table, &scope, &id, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, &object,
                                      known->local ? "no address" : NULL);
    } else {
        known->applied = 1 + (unsigned)rand() % 5;
        known->fails = rand() % 4 == 0;
        skr_realization_applied(table, &scope, &id, known->applied, &failure, known->fails);
    }
}

/* How one host stands to the object, by the words of the header: -1 not concerned, 0 applied, 1 pending, 2 failed. */
static int expected_standing(const struct known *known, uint64_t version)
{
    int standing = !known->member || known->joined > version ? -1
                   : known->local                            ? 2
                   : known->applied < version                ? 1
                   : known->fails                            ? 2
                                                             : 0;
    return known->excused && standing > 0 ? -1 : standing;
}

Test(realization, counts_are_those_of_every_host_by_itself)
{
    struct skr_realization_table *table;
    struct known known[2][CENSUS_HOSTS] = {0};
    struct skr_uuid object = id_of(50);
    srand(7);
    cr_assert_eq(skr_realization_table_new(&table), 0);
    for (unsigned i = 0; i < CENSUS_HOSTS; i++) {
        struct skr_uuid id = id_of(i + 1);
        skr_realization_host_put(table, &id, "host", 0);
        skr_realization_host_connected(table, &id, 1);
    }
    for (unsigned round = 0; round < 20000; round++) {
        unsigned scope = (unsigned)rand() % 2, host = (unsigned)rand() % CENSUS_HOSTS, counts[3] = {0};
        change_one(table, scope + 1, host + 1, &known[scope][host]);
        struct skr_realization_needs *needs = skr_realization_needs_new(2, 2);
        for (unsigned i = 0; i < 2; i++) {
            needs->pairs[i] = (struct skr_realization_pair){
                    .scope = domain_of(i + 1), .touch_count = 1, .touch_first = i, .version = 1 + (unsigned)rand() % 5};
            needs->touches[i] = skr_realization_touch(SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, &object);
        }
        skr_realization_object(table, SKR_NETWORK_ADAPTER, &object, needs);
        for (unsigned i = 0; i < CENSUS_HOSTS; i++) {
            int first = expected_standing(&known[0][i], needs->pairs[0].version);
            int second = expected_standing(&known[1][i], needs->pairs[1].version);
            int worst = first > second ? first : second;
            if (worst >= 0)
                counts[worst]++;
        }
        struct skr_realization r;
        skr_realization_of_object(table, SKR_NETWORK_ADAPTER, &object, &r);
        cr_assert(r.applied == counts[0] && r.pending == counts[1] && r.failed == counts[2] && !r.offline,
                  "round %u: %u/%u/%u and not %u/%u/%u", round, r.applied, r.pending, r.failed, counts[0], counts[1],
                  counts[2]);
        skr_realization_needs_unref(needs);
    }
    skr_realization_table_free(table);
}

/* CPU of 100 looks at an object that `hosts` hosts have. One of them reports a failure of something else. */
static double cpu_of_a_page(unsigned hosts)
{
    struct skr_realization_table *table = table_with_hosts(hosts);
    struct skr_uuid id = id_of(50000);
    struct skr_realization r;
    struct timespec begin, end;
    publish(table, 10, 2, 50000);
    for (unsigned i = 1; i <= hosts; i++)
        applied(table, i, 2, 60000, i == 3 ? "no: another object" : NULL);
    skr_realization_of_object(table, SKR_NETWORK_ADAPTER, &id, &r);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert(skr_realization_knows(table, 10));
        skr_realization_of_object(table, SKR_NETWORK_ADAPTER, &id, &r);
        cr_assert_eq(r.applied, hosts);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    skr_realization_table_free(table);
    return (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
}

/* A page of a big data centre must not cost what its hosts are: 1,000 times as many were 1,000 times as much. */
Test(realization, a_page_costs_the_same_with_10000_hosts)
{
    double few = cpu_of_a_page(10), many = cpu_of_a_page(10000);
    cr_assert_lt(many, 20 * few, "%.0f ns with 10,000 hosts, %.0f ns with 10", many, few);
}

Test(realization, a_wait_for_an_old_write_ends_when_the_last_host_has_it_and_says_who_owes)
{
    struct skr_realization_table *table = table_with_hosts(30);
    struct heard heard = {0};
    struct skr_realization r;
    skr_realization_reached(table, 100, true);
    struct skr_realization_wait *wait = skr_realization_wait_new(table, 90, hear, &heard);
    struct skr_realization_wait *later = skr_realization_wait_new(table, 99, hear, &heard);
    for (unsigned i = 1; i <= 30; i++) {
        struct skr_uuid host = id_of(i);
        if (i % 3 == 0)
            skr_realization_host_connected(table, &host, 0);
        if (i > 25)
            skr_realization_host_synced(table, &host, 95);
    }
    cr_assert_eq(skr_realization_of_write(table, 90, &r), 0);
    cr_assert_eq(r.applied, 5);
    cr_assert_eq(r.pending, 17);
    cr_assert_eq(r.offline, 8);
    cr_assert_eq(r.named, SKR_REALIZATION_HOSTS_MAX);
    for (unsigned i = 0; i < r.named; i++)
        cr_assert_eq(r.hosts[i].state, i < 17 ? SKR_HOST_PENDING : SKR_HOST_OFFLINE, "those that answer stand first");
    for (unsigned i = 1; i <= 25; i++) {
        struct skr_uuid host = id_of(i);
        cr_assert_eq(heard.times, 0);
        skr_realization_host_synced(table, &host, 95);
    }
    cr_assert_eq(heard.times, 1, "one of the two waits for a later write");
    cr_assert_eq(heard.last.applied, 30);
    cr_assert_not(skr_realization_wait_cancel(wait));
    cr_assert(skr_realization_wait_cancel(later));
    skr_realization_table_free(table);
}

/* ---- readers beside the publisher ---- */

#define RACES 2000

struct racer {
    struct skr_realization_table *table;
    unsigned fired; /* atomic */
    unsigned cancelled;
};

static void count(void *arg, const struct skr_realization *realization)
{
    struct racer *racer = arg;
    cr_assert_eq(realization->state, SKR_REALIZATION_REALIZED);
    __atomic_add_fetch(&racer->fired, 1, __ATOMIC_RELAXED);
}

static void *wait_and_cancel(void *arg)
{
    struct racer *racer = arg;
    struct skr_realization r;
    for (int64_t revision = 1; revision <= RACES; revision++) {
        struct skr_realization_wait *wait = skr_realization_wait_new(racer->table, revision, count, racer);
        skr_realization_of_write(racer->table, revision, &r);
        racer->cancelled += skr_realization_wait_cancel(wait);
    }
    return NULL;
}

struct listened {
    struct skr_realization_table *table;
    struct skr_realization_change last;
    enum skr_realization_state state; /* of the object, as read from within */
    unsigned count;
};

static void listen_to(void *arg, const struct skr_realization_change *changes, size_t count)
{
    struct listened *listened = arg;
    struct skr_realization now;
    listened->count += (unsigned)count;
    listened->last = changes[count - 1];
    skr_realization_of_object(listened->table, listened->last.resource, &listened->last.id, &now);
    listened->state = now.state;
}

Test(realization, a_listener_hears_of_each_turn_and_of_nothing_else)
{
    struct skr_realization_table *table = table_with_hosts(2);
    struct listened listened = {.table = table};
    struct skr_uuid five = id_of(5), one = id_of(1);

    skr_realization_listen(table, listen_to, &listened);
    publish(table, 10, 2, 5);
    cr_assert_eq(listened.count, 0, "a write that waits for its hosts is no news");
    applied(table, 1, 2, 0, NULL);
    cr_assert_eq(listened.count, 0, "one of two hosts has it: still pending");
    applied(table, 2, 2, 5, "unsupported: cannot");
    cr_assert_eq(listened.count, 2, "the write has failed, and the record is named");
    cr_assert_eq(listened.state, SKR_REALIZATION_FAILED);
    applied(table, 2, 2, 5, "unsupported: cannot");
    cr_assert_eq(listened.count, 2, "the same failure again is no news");
    applied(table, 2, 2, 0, NULL);
    cr_assert_eq(listened.count, 4);
    cr_assert_eq(listened.last.resource, SKR_NETWORK_ADAPTER);
    cr_assert_eq(memcmp(&listened.last.id, &five, sizeof(five)), 0);
    cr_assert_eq(listened.state, SKR_REALIZATION_REALIZED);
    skr_realization_host_connected(table, &one, 0);
    cr_assert_eq(listened.count, 5);
    cr_assert_eq(listened.last.resource, SKR_HOST);
    skr_realization_table_free(table);
}

/* A listener asks at once when it is told, and must not hear "pending" then. */
Test(realization, a_write_that_needs_nobody_is_told_when_its_revision_is_reached)
{
    struct skr_realization_table *table = table_with_hosts(0);
    struct skr_realization_needs *needs = skr_realization_needs_new(0, 0);
    struct listened listened = {.table = table};
    struct skr_realization_change changed = {.resource = SKR_VM_NETWORK, .id = id_of(7)};

    skr_realization_listen(table, listen_to, &listened);
    skr_realization_write(table, 10, needs, &changed, 1);
    cr_assert_eq(listened.count, 0);
    skr_realization_reached(table, 10, false);
    cr_assert_eq(listened.count, 1);
    cr_assert_eq(listened.last.resource, SKR_VM_NETWORK);
    cr_assert_eq(state_of(table, 10), SKR_REALIZATION_REALIZED);
    skr_realization_needs_unref(needs);
    skr_realization_table_free(table);
}

Test(realization, an_excused_host_holds_nothing_up)
{
    struct skr_realization_table *table = table_with_hosts(2);
    struct skr_map_key scope = domain_of(1);
    struct skr_uuid two = id_of(2);
    struct skr_realization r;
    struct heard heard = {0};

    publish(table, 10, 2, 5);
    struct skr_realization_wait *wait = skr_realization_wait_new(table, 10, hear, &heard);
    applied(table, 1, 2, 0, NULL);
    cr_assert_eq(heard.times, 0);
    skr_realization_excuse(table, &scope, &two, true);
    cr_assert_eq(heard.times, 1);
    cr_assert_eq(heard.last.state, SKR_REALIZATION_REALIZED);
    cr_assert_eq(skr_realization_of_write(table, 10, &r), 0);
    cr_assert_eq(r.applied, 1, "it is not counted as what it is not");
    cr_assert_eq(r.pending + r.offline + r.failed, 0);
    cr_assert_not(skr_realization_wait_cancel(wait));

    publish(table, 11, 3, 5);
    applied(table, 1, 3, 0, NULL);
    cr_assert_eq(state_of(table, 11), SKR_REALIZATION_REALIZED);
    applied(table, 2, 3, 0, NULL);
    cr_assert_eq(skr_realization_of_write(table, 11, &r), 0);
    cr_assert_eq(r.applied, 2, "what it has counts");
    publish(table, 12, 4, 5);
    skr_realization_excuse(table, &scope, &two, false);
    applied(table, 1, 4, 0, NULL);
    cr_assert_eq(state_of(table, 12), SKR_REALIZATION_PENDING, "back from maintenance it owes again");
    skr_realization_table_free(table);
}

Test(realization, an_excused_host_holds_nothing_up_by_its_synced_revision)
{
    struct skr_realization_table *table = table_with_hosts(2);
    struct skr_uuid one = id_of(1), two = id_of(2);

    skr_realization_reached(table, 7, true);
    skr_realization_host_synced(table, &one, 7);
    cr_assert_eq(state_of(table, 5), SKR_REALIZATION_PENDING);
    skr_realization_host_excuse(table, &two, true);
    cr_assert_eq(state_of(table, 5), SKR_REALIZATION_REALIZED);
    skr_realization_table_free(table);
}

Test(realization, each_wait_is_either_called_or_cancelled)
{
    struct skr_realization_table *table = table_with_hosts(2);
    struct racer racers[2] = {{.table = table}, {.table = table}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, wait_and_cancel, &racers[i]);
    for (int64_t revision = 1; revision <= RACES; revision++) {
        publish(table, revision, (uint64_t)revision + 1, 50);
        applied(table, 1, (uint64_t)revision + 1, 0, NULL);
        applied(table, 2, (uint64_t)revision + 1, 0, NULL);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(racers[i].fired + racers[i].cancelled, RACES);
    }
    skr_realization_table_free(table);
}
