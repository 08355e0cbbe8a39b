#include "tests/component/controller/south_scene.h"
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define RACERS 100

static struct scene scene;

static void begin(void)
{
    scene_begin(&scene, NULL);
}

static void end(void)
{
    scene_end(&scene);
}

TestSuite(south_enrolment, .init = begin, .fini = end, .timeout = 120);

/* Sends Enroll and gives the answer. */
static Skerry__V1__Envelope *ask(const struct agent *agent, const struct token *token)
{
    struct wire wire;
    cr_assert(wire_open(&scene, NULL, &wire));
    wire_enroll(&wire, agent, token);
    Skerry__V1__Envelope *answer = wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_ENROLLED);
    cr_assert(wire_ends(&wire));
    wire_close(&wire);
    return answer;
}

static void assert_refused(Skerry__V1__Envelope *answer, const char *tag)
{
    cr_assert_not_null(answer->enrolled->error);
    cr_assert_str_eq(answer->enrolled->error->tag, tag, "%s: %s", answer->enrolled->error->tag,
                     answer->enrolled->error->detail);
    cr_assert_str_eq(answer->enrolled->certificate, "");
    cr_assert_eq(answer->enrolled->host_id.len, 0);
    skr_envelope_free(answer);
}

Test(south_enrolment, one_use_is_one_host_and_its_key_may_ask_again)
{
    struct agent first, second;
    struct token token = scene_token(&scene, 1, false);
    agent_enrol(&scene, &first, &token);
    agent_new(&second);

    Skerry__V1__Envelope *again = ask(&first, &token);
    cr_assert_null(again->enrolled->error);
    cr_assert_arr_eq(again->enrolled->host_id.data, first.host_id.bytes, 16);
    cr_assert_str_eq(again->enrolled->host_name, "node", "also to a key that asks again");
    cr_assert_eq(again->enrolled->n_authorities, 1);
    cr_assert_str_eq(again->enrolled->authorities[0], skr_south_authority_pem(scene.south));
    skr_envelope_free(again);

    assert_refused(ask(&second, &token), "unauthenticated");
    struct skr_south_stats stats;
    skr_south_stats(scene.south, &stats);
    cr_assert_eq(stats.enrolments, 2);
    cr_assert_eq(stats.refused, 1);
    agent_done(&first);
    agent_done(&second);
}

Test(south_enrolment, a_hundred_racers_for_one_use_have_one_winner)
{
    static struct agent agents[RACERS];
    static struct wire wires[RACERS];
    struct token token = scene_token(&scene, 1, false);
    int winners = 0;
    for (int i = 0; i < RACERS; i++) {
        agent_new(&agents[i]);
        cr_assert(wire_open(&scene, NULL, &wires[i]));
    }
    for (int i = 0; i < RACERS; i++)
        wire_enroll(&wires[i], &agents[i], &token);
    for (int i = 0; i < RACERS; i++) {
        Skerry__V1__Envelope *answer = wire_expect(&wires[i], SKERRY__V1__ENVELOPE__BODY_ENROLLED);
        winners += answer->enrolled->error == NULL;
        skr_envelope_free(answer);
        wire_close(&wires[i]);
        agent_done(&agents[i]);
    }
    cr_assert_eq(winners, 1);
}

Test(south_enrolment, wrong_secrets_and_unknown_tokens_are_refused)
{
    struct agent agent;
    struct token token = scene_token(&scene, 1, false), wrong = token, unknown = token;
    agent_new(&agent);
    wrong.secret[7] = wrong.secret[7] == 'a' ? 'b' : 'a';
    assert_refused(ask(&agent, &wrong), "unauthenticated");
    unknown.id = skr_uuid_new();
    assert_refused(ask(&agent, &unknown), "unauthenticated");
    /* None of that took the use. */
    agent_done(&agent);
    agent_enrol(&scene, &agent, &token);
    agent_done(&agent);
}

static int expire(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct skr_object *token;
    int result = skr_txn_get(txn, SKR_JOIN_TOKEN, arg, NULL, &token, error);
    if (result < 0)
        return result;
    struct skr_object *expired = skr_object_copy(token);
    skr_object_set_integer(expired, SKR_JOIN_TOKEN_EXPIRES_AT, skr_clock_wall_ms() - 1);
    result = skr_txn_update(txn, token, expired, error);
    skr_object_unref(expired);
    skr_object_unref(token);
    return result;
}

Test(south_enrolment, expired_tokens_are_refused)
{
    struct agent agent;
    struct skr_error error = {0};
    struct token token = scene_token(&scene, 1, false);
    cr_assert_eq(skr_store_write_wait(scene.store, expire, &token.id, NULL, &error), 0, "%s", error.detail);
    agent_new(&agent);
    assert_refused(ask(&agent, &token), "unauthenticated");
    agent_done(&agent);
}

Test(south_enrolment, bad_requests_are_refused)
{
    struct agent agent;
    struct token token = scene_token(&scene, 1, false);
    agent_new(&agent);
    free(agent.request);
    agent.request = strdup("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n");
    assert_refused(ask(&agent, &token), "invalid");
    agent_done(&agent);
}

Test(south_enrolment, approval_is_waited_for)
{
    struct agent agent;
    struct token token = scene_token(&scene, 1, true);
    agent_new(&agent);
    Skerry__V1__Envelope *answer = ask(&agent, &token);
    cr_assert_null(answer->enrolled->error);
    cr_assert(answer->enrolled->pending_approval);
    cr_assert_str_eq(answer->enrolled->certificate, "");
    memcpy(agent.host_id.bytes, answer->enrolled->host_id.data, 16);
    skr_envelope_free(answer);

    scene_host_action(&scene, &agent.host_id, "approve");
    answer = ask(&agent, &token);
    cr_assert_not(answer->enrolled->pending_approval);
    cr_assert_str_neq(answer->enrolled->certificate, "");
    cr_assert_arr_eq(answer->enrolled->host_id.data, agent.host_id.bytes, 16);
    skr_envelope_free(answer);
    agent_done(&agent);
}

Test(south_enrolment, frames_over_16_kib_end_the_connection)
{
    static const uint8_t header[] = {0, 0, 0x40, 1};
    struct wire wire;
    cr_assert(wire_open(&scene, NULL, &wire));
    wire_send_raw(&wire, header, sizeof(header));
    cr_assert(wire_ends(&wire));
    wire_close(&wire);
}

Test(south_enrolment, garbage_ends_the_connection)
{
    uint8_t garbage[4096] = {0};
    struct wire wire;
    char byte;
    cr_assert_eq(getrandom(garbage, sizeof(garbage), 0), sizeof(garbage));
    int fd = plain_connect(&scene);
    garbage[0] = 'G'; /* no TLS record */
    cr_assert_gt(send(fd, garbage, sizeof(garbage), MSG_NOSIGNAL), 0);
    ssize_t got;
    while ((got = recv(fd, &byte, 1, 0)) > 0)
        ;
    cr_assert(got == 0 || errno == ECONNRESET);
    close(fd);

    cr_assert(wire_open(&scene, NULL, &wire));
    garbage[0] = garbage[1] = 0;
    garbage[2] = 0x0f;
    garbage[3] = 0xfc;
    garbage[4] = 0xff; /* field 31 with a wire type that does not exist */
    wire_send_raw(&wire, garbage, sizeof(garbage));
    cr_assert(wire_ends(&wire));
    wire_close(&wire);
}

Test(south_enrolment, nothing_but_enroll_is_taken)
{
    struct agent agent;
    struct wire wire;
    agent_new(&agent);
    cr_assert(wire_open(&scene, NULL, &wire));
    wire_hello(&scene, &wire, &agent, 0);
    Skerry__V1__Envelope *answer = wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_ENROLLED);
    assert_refused(answer, "syntax");
    wire_close(&wire);
    agent_done(&agent);
}

Test(south_enrolment, a_wrong_pin_sends_nothing)
{
    struct wire wire;
    scene.pin[0][0] ^= 0x80;
    cr_assert_not(wire_open(&scene, NULL, &wire));
    wire_close(&wire);
}

/* Neither a peer that never speaks TLS nor one that joins and says nothing keeps its place. */
Test(south_enrolment, silent_peers_are_gone_after_five_seconds)
{
    struct wire wire;
    char byte;
    int fd = plain_connect(&scene);
    cr_assert(wire_open(&scene, NULL, &wire));
    int64_t begin_ns = skr_clock_monotonic_ns();
    cr_assert(wire_ends(&wire));
    cr_assert_eq(recv(fd, &byte, 1, 0), 0);
    int64_t ms = (skr_clock_monotonic_ns() - begin_ns) / SKR_NS_PER_MS;
    cr_assert(ms > 4000 && ms < 8000, "%lld ms", (long long)ms);
    wire_close(&wire);
    close(fd);
}

TestSuite(south_handshakes, .timeout = 60);

Test(south_handshakes, those_in_progress_are_capped)
{
    const struct skr_south_options options = {.handshakes_max = 2};
    struct wire wire;
    scene_begin(&scene, &options);
    int first = plain_connect(&scene), second = plain_connect(&scene);
    /* The third waits in the listen queue until the others have been given up. */
    int64_t begin_ns = skr_clock_monotonic_ns();
    cr_assert(wire_open(&scene, NULL, &wire));
    cr_assert_gt(skr_clock_monotonic_ns() - begin_ns, 4 * SKR_NS_PER_S);
    wire_close(&wire);
    close(first);
    close(second);
    scene_end(&scene);
}
