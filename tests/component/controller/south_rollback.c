/* Hosts say something about the database: a proof of the controller's own, or several hosts that agree, shows that it
 * was set back; what one host says alone concerns that host. And one identity on two machines. The controller is set
 * back here as an administrator would: an older copy of the file. */
#include "tests/component/controller/south_scene.h"
#include <poll.h>
#include <stdlib.h>

#define FUTURE 1000000 /* revisions beyond the database's */

static struct scene scene;
static struct agent agents[3];

static void begin(void)
{
    scene_begin(&scene, NULL);
    struct token token = scene_token(&scene, 3, false);
    for (int i = 0; i < 3; i++)
        agent_enrol(&scene, &agents[i], &token); /* hosts "node", "node-2", "node-3" */
}

static void end(void)
{
    for (int i = 0; i < 3; i++)
        agent_done(&agents[i]);
    scene_end(&scene);
}

TestSuite(south_rollback, .init = begin, .fini = end, .timeout = 120);
TestSuite(south_identity, .init = begin, .fini = end, .timeout = 120);

#define EVENTUALLY(condition)                                                                                          \
    do {                                                                                                               \
        int64_t until_ns = skr_clock_monotonic_ns() + 5 * SKR_NS_PER_S;                                                \
        while (!(condition) && skr_clock_monotonic_ns() < until_ns)                                                    \
            poll(NULL, 0, 10);                                                                                         \
        cr_assert(condition);                                                                                          \
    } while (0)

static uint64_t future(void)
{
    return (uint64_t)skr_store_revision(scene.store) + FUTURE;
}

enum answer { WELCOME, HELD, ROLLED_BACK };

/* Opens a session and closes it again. A held host hears its own name. */
static enum answer hello(int index, uint64_t revision, const struct skr_uuid *database,
                         const Skerry__V1__RevisionProof *proof)
{
    struct wire wire;
    cr_assert(wire_open(&scene, &agents[index], &wire));
    wire_hello_of(&scene, &wire, &agents[index], revision, database, proof);
    Skerry__V1__Envelope *envelope = wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_WELCOME);
    const Skerry__V1__Welcome *welcome = envelope->welcome;
    enum answer answer = !welcome->rolled_back ? WELCOME : *welcome->held_reason ? HELD : ROLLED_BACK;
    cr_assert(answer != HELD || strstr(welcome->held_reason, "\"node"), "%s", welcome->held_reason);
    skr_envelope_free(envelope);
    wire_close(&wire);
    return answer;
}

static bool has_problem(int index, const char *word)
{
    struct skr_object *host = scene_host(&scene, &agents[index].host_id);
    const char *text = skr_object_text(host, SKR_HOST_PROBLEM);
    bool is = word ? text && strstr(text, word) : !text;
    skr_object_unref(host);
    return is;
}

/* The count of the newest event with this reason; 0: there is none, or it does not say all these words. */
static int64_t counted(const char *reason, const char *first, const char *second)
{
    struct skr_object *event;
    if (scene_events(&scene, reason, &event, 1) == 0)
        return 0;
    const char *message = skr_object_text(event, SKR_EVENT_MESSAGE);
    bool says = strstr(message, first) && strstr(message, second);
    int64_t count = says ? skr_object_integer(event, SKR_EVENT_COUNT) : 0;
    skr_object_unref(event);
    return count;
}

static void accept_database(void)
{
    struct skr_principal admin = {.role = SKR_ROLE_ADMIN};
    struct skr_error error = {0};
    cr_assert_eq(skr_store_write_wait(scene.store, skr_model_accept_database, &admin, NULL, &error), 0, "%s",
                 error.detail);
    cr_assert_not(scene_rolled_back(&scene));
}

/* The proof that the controller sends with Synced, once it is past a revision. */
static void take_proof(int index, uint64_t beyond, Skerry__V1__RevisionProof *ret, uint8_t mac[static 32])
{
    struct wire wire;
    wire_session(&scene, &agents[index], &wire);
    /* As agents do: the digest of nothing, for every scope that the controller asks about. */
    for (;;) {
        Skerry__V1__Envelope *envelope = wire_receive(&wire);
        cr_assert_not_null(envelope);
        if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_SCOPE_DIGESTS_REQUEST) {
            Skerry__V1__ScopeDigests digests = SKERRY__V1__SCOPE_DIGESTS__INIT;
            Skerry__V1__Envelope answer = SKERRY__V1__ENVELOPE__INIT;
            answer.body_case = SKERRY__V1__ENVELOPE__BODY_SCOPE_DIGESTS;
            answer.scope_digests = &digests;
            wire_send(&wire, &answer);
        }
        bool is = envelope->body_case == SKERRY__V1__ENVELOPE__BODY_SYNCED && envelope->synced->revision > beyond;
        if (is) {
            cr_assert_eq(envelope->synced->proof.len, 32);
            memcpy(mac, envelope->synced->proof.data, 32);
            ret->revision = envelope->synced->revision;
        }
        skr_envelope_free(envelope);
        if (is)
            break;
    }
    wire_close(&wire);
}

Test(south_rollback, the_controllers_own_proof_shows_it)
{
    Skerry__V1__RevisionProof proof = SKERRY__V1__REVISION_PROOF__INIT;
    struct skr_uuid database = skr_store_database_id(scene.store);
    uint8_t mac[32];
    int64_t since_ms;
    scene_stop(&scene);
    scene_copy_database(&scene, "skerry.db", "older.db");
    scene_start(&scene, NULL);
    uint64_t old = (uint64_t)skr_store_revision(scene.store) + 5; /* a start writes */
    while ((uint64_t)skr_store_revision(scene.store) <= old)
        scene_token(&scene, 1, false);
    take_proof(0, old, &proof, mac);
    proof.database_id = (ProtobufCBinaryData){16, database.bytes};
    proof.mac = (ProtobufCBinaryData){32, mac};
    cr_assert_eq(hello(0, proof.revision, NULL, &proof), WELCOME, "it is no proof against the database that gave it");
    scene_stop(&scene);
    scene_copy_database(&scene, "older.db", "skerry.db");
    scene_start(&scene, NULL);
    cr_assert_lt((uint64_t)skr_store_revision(scene.store), proof.revision);

    struct wire bystander;
    wire_session(&scene, &agents[2], &bystander);
    EVENTUALLY(skr_realization_host_online(scene.realizations, &agents[2].host_id, &since_ms));
    cr_assert_eq(hello(1, proof.revision, NULL, &proof), HELD, "another host's proof is none");
    cr_assert_eq(hello(1, 0, NULL, NULL),
                 WELCOME); /* and says no more that it is ahead: two of three would be enough */
    proof.revision++;
    cr_assert_eq(hello(0, proof.revision, NULL, &proof), HELD, "of another revision neither");
    proof.revision--;
    mac[31] ^= 1;
    cr_assert_eq(hello(0, proof.revision, NULL, &proof), HELD);
    mac[31] ^= 1;
    cr_assert_not(scene_rolled_back(&scene));
    cr_assert_eq(hello(0, proof.revision, NULL, &proof), ROLLED_BACK);
    EVENTUALLY(scene_rolled_back(&scene));
    EVENTUALLY(counted("DatabaseRolledBack", "host \"node\"", "proof") == 1);
    /* From now on every host keeps what it has, those too that came before the proof. */
    wire_goodbye(&bystander, "database_rolled_back");
    wire_close(&bystander);
    cr_assert_eq(hello(2, 0, NULL, NULL), ROLLED_BACK);
    accept_database();
    cr_assert_eq(hello(0, proof.revision, NULL, &proof), WELCOME, "the database is past it");
}

Test(south_rollback, what_one_host_says_alone_concerns_that_host)
{
    struct wire bystander;
    struct skr_uuid other = {{0xdb, 0xdb}};
    wire_session(&scene, &agents[1], &bystander);
    cr_assert_eq(hello(0, future(), NULL, NULL), HELD);
    EVENTUALLY(counted("HostStateInDoubt", "\"node\"", "without a proof") == 1);
    cr_assert(has_problem(0, "accept-database"));
    cr_assert_eq(hello(0, UINT64_MAX, &other, NULL), HELD);
    EVENTUALLY(counted("HostStateInDoubt", "\"node\"", "another database") == 2);
    cr_assert(has_problem(0, "another database"));
    cr_assert(has_problem(1, NULL));
    /* Writes go on, and so does the other session. */
    cr_assert_not(scene_rolled_back(&scene));
    scene_token(&scene, 1, false);
    wire_ping(&bystander);
    wire_close(&bystander);
    /* It is a host like any other once it says what can be. */
    cr_assert_eq(hello(0, 1, NULL, NULL), WELCOME);
    EVENTUALLY(has_problem(0, NULL));
}

Test(south_rollback, hosts_with_older_agents_show_it_when_they_agree)
{
    uint64_t revision = future();
    cr_assert_eq(hello(0, revision, NULL, NULL), HELD);
    cr_assert_eq(hello(0, revision, NULL, NULL), HELD, "twice is still one host");
    cr_assert_not(scene_rolled_back(&scene));
    cr_assert_eq(hello(1, revision + 1, NULL, NULL), ROLLED_BACK, "two of three");
    EVENTUALLY(scene_rolled_back(&scene));
    EVENTUALLY(counted("DatabaseRolledBack", "\"node\", \"node-2\"", "agree") == 1);
    accept_database();
    cr_assert_eq(hello(0, revision, NULL, NULL), WELCOME);
    EVENTUALLY(has_problem(0, NULL));
}

Test(south_rollback, another_database_is_let_in_once_it_is_accepted)
{
    struct skr_uuid other = {{0xdb, 0xdb}}, third = {{0xdb, 0xdc}};
    cr_assert_eq(hello(0, 5, &other, NULL), HELD);
    cr_assert_eq(hello(1, 5, &third, NULL), HELD, "they do not agree");
    cr_assert_eq(hello(2, 5, &other, NULL), ROLLED_BACK);
    EVENTUALLY(scene_rolled_back(&scene));
    accept_database();
    cr_assert_eq(hello(0, 5, &other, NULL), WELCOME);
    cr_assert_eq(hello(1, 5, &third, NULL), HELD);
}

Test(south_rollback, an_administrator_may_believe_a_host_that_is_alone)
{
    uint64_t revision = future();
    scene_host_action(&scene, &agents[1].host_id, "revoke");
    scene_host_action(&scene, &agents[2].host_id, "revoke");
    cr_assert_eq(hello(0, revision, NULL, NULL), HELD);
    EVENTUALLY(has_problem(0, "without a proof"));
    cr_assert_not(scene_rolled_back(&scene));
    accept_database();
    cr_assert_eq(hello(0, revision, NULL, NULL), WELCOME);
}

/* ---- one identity on two machines ---- */

static void open_from(const char *source, uint64_t number, struct wire *ret)
{
    scene.source = source;
    agents[0].session_number = number - 1;
    wire_session(&scene, &agents[0], ret);
}

Test(south_identity, two_machines_are_told_with_their_addresses)
{
    struct wire first, copy, again, stale;
    const struct skr_south_options quick = {.shared_ms = 300, .keepalive_ms = 200};
    scene_stop(&scene);
    scene_start(&scene, &quick);
    open_from("127.0.0.1", 7, &first);
    open_from("127.0.0.2", 8, &copy); /* a host whose address has changed looks like this */
    wire_goodbye(&first, "newer_session");
    cr_assert_eq(counted("HostIdentityShared", "", ""), 0);
    open_from("127.0.0.1", 8, &again); /* and this only a second agent does */
    wire_goodbye(&copy, "newer_session");
    EVENTUALLY(counted("HostIdentityShared", "127.0.0.1", "127.0.0.2") == 1);
    cr_assert(has_problem(0, "127.0.0.2"));
    /* A copy that is behind is refused, and seen. */
    scene.source = "127.0.0.3";
    agents[0].session_number = 2;
    cr_assert(wire_open(&scene, &agents[0], &stale));
    wire_hello(&scene, &stale, &agents[0], 0);
    wire_goodbye(&stale, "A newer session");
    EVENTUALLY(counted("HostIdentityShared", "127.0.0.1", "127.0.0.3") == 2);
    EVENTUALLY(has_problem(0, NULL)); /* no sign of it any more */
    wire_close(&first);
    wire_close(&copy);
    wire_close(&again);
    wire_close(&stale);
}

/* An agent that was killed, or whose number could not be written down. */
Test(south_identity, one_machine_may_come_again_as_it_likes)
{
    struct wire wires[3];
    open_from("127.0.0.1", 7, &wires[0]);
    open_from("127.0.0.1", 7, &wires[1]);
    wire_goodbye(&wires[0], "newer_session");
    open_from("127.0.0.2", 8, &wires[2]);
    wire_goodbye(&wires[1], "newer_session");
    scene_token(&scene, 1, false); /* what was to be written is written by now */
    cr_assert_eq(counted("HostIdentityShared", "", ""), 0);
    cr_assert(has_problem(0, NULL));
    for (int i = 0; i < 3; i++)
        wire_close(&wires[i]);
}
