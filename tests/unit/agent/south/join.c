#include "agent/south/join.h"
#include "tests/unit/agent/south/controller.h"
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct controller controller;
static struct skr_error error;
static char directory[] = "/tmp/skerry-join-XXXXXX";
static uint8_t first_key[SKR_TLS_HASH_SIZE];
static char *host_name;  /* that the join was told */
static char *given_name; /* that the controller gives; NULL: as one that is too old to say it */

#define TOKEN "0190a5b0-0000-7000-8000-000000000001"
#define HASH  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

Test(join_string, reads_its_parts)
{
    struct skr_join_string string;
    cr_assert_eq(skr_join_string_parse(" skerry://c.example:6653/" TOKEN ".aB-_9#" HASH "\n", &string, &error), 0);
    cr_assert_str_eq(string.controller, "c.example:6653");
    cr_assert_str_eq(string.secret, "aB-_9");
    cr_assert_eq(string.pin[1], 0x11);
    cr_assert_eq(skr_join_string_parse("skerry://[fd00::1]:6653/" TOKEN ".s#" HASH, &string, &error), 0);
    cr_assert_str_eq(string.controller, "[fd00::1]:6653");
}

Test(join_string, refuses_what_is_none)
{
    static const char *const bad[] = {
            "",
            "skerry://",
            "https://c:6653/" TOKEN ".s#" HASH,
            "skerry://c:6653/" TOKEN ".s",
            "skerry://c:6653/" TOKEN ".s#" HASH "0",
            "skerry://c:6653/" TOKEN "#" HASH,
            "skerry://c:6653/not-a-token.s#" HASH,
            "skerry://c:6653/" TOKEN ".#" HASH,
            "skerry://c:6653/" TOKEN ".s s#" HASH,
            "skerry://c/" TOKEN ".s#" HASH,
            "skerry://c:0/" TOKEN ".s#" HASH,
            "skerry://c:65536/" TOKEN ".s#" HASH,
            "skerry://:6653/" TOKEN ".s#" HASH,
            "skerry://[fd00::1:6653/" TOKEN ".s#" HASH,
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct skr_join_string string = {.secret = "untouched"};
        skr_error_clear(&error);
        cr_assert_eq(skr_join_string_parse(bad[i], &string, &error), -EINVAL, "%s", bad[i]);
        cr_assert_str_eq(string.secret, "untouched");
        cr_assert_eq(error.tag, SKR_ERROR_INVALID);
    }
}

/* ---- against a controller ---- */

static void enrolled(struct controller *c, SSL *ssl, const Skerry__V1__Enroll *enroll, bool pending)
{
    char *certificate = NULL;
    Skerry__V1__Enrolled body = SKERRY__V1__ENROLLED__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    cr_assert_eq(skr_tls_sign_host(c->authority, enroll->certificate_request, &c->host_id, skr_clock_wall_ms(), 3600000,
                                   &certificate, NULL),
                 0);
    body.host_id = (ProtobufCBinaryData){16, c->host_id.bytes};
    body.certificate = pending ? "" : certificate;
    body.authorities = &c->authority_pem;
    body.n_authorities = 1;
    body.pending_approval = pending;
    body.host_name = given_name ? given_name : body.host_name;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_ENROLLED;
    envelope.enrolled = &body;
    controller_write(ssl, &envelope);
    free(certificate);
}

/* The first answer is lost, the second says wait; the third enrols. All come with one key. */
static bool lose_then_wait(struct controller *c, SSL *ssl, int connection)
{
    uint8_t key[SKR_TLS_HASH_SIZE];
    Skerry__V1__Envelope *envelope = controller_expect(ssl, SKERRY__V1__ENVELOPE__BODY_ENROLL);
    cr_assert(envelope && skr_tls_is_join(ssl));
    const Skerry__V1__Enroll *enroll = envelope->enroll;
    cr_assert_eq(skr_tls_request_key_hash(enroll->certificate_request, key, NULL), 0);
    if (connection == 0)
        memcpy(first_key, key, sizeof(key));
    cr_assert_arr_eq(key, first_key, sizeof(key));
    cr_assert_str_eq(enroll->secret, "secret");
    cr_assert_str_eq(enroll->host_name, "h1");
    cr_assert_eq(enroll->n_uplinks, 1);
    if (connection > 0)
        enrolled(c, ssl, enroll, connection == 1);
    skr_envelope_free(envelope);
    return connection < 2;
}

static struct skr_join_options options_for(const struct controller *c)
{
    static char *uplinks[] = {"eth0"};
    struct skr_join_options options = {
            .host_name = "h1", .uplinks = uplinks, .uplink_count = 1, .retry_ms = 10, .timeout_ms = 5000};
    memcpy(options.string.controller, c->address, sizeof(c->address));
    memcpy(options.string.pin, c->pin, sizeof(c->pin));
    strcpy(options.string.secret, "secret");
    return options;
}

Test(join, enrols_with_one_key_whatever_is_lost)
{
    struct skr_identity *identity, *again;
    struct stat key;
    char path[64];
    cr_assert(mkdtemp(directory));
    controller_start(&controller, lose_then_wait);
    struct skr_join_options options = options_for(&controller);
    cr_assert_eq(skr_identity_load(directory, &again, &error), -ENOENT);
    cr_assert_eq(skr_identity_prepare(directory, &identity, &error), 0, "%s", error.detail);
    cr_assert_eq(skr_join(identity, &options, &host_name, &error), 0, "%s", error.detail);
    cr_assert_eq(atomic_load(&controller.connections), 3);
    cr_assert_null(host_name, "what an older controller does not say is not made up: %s", host_name);
    snprintf(path, sizeof(path), "%s/key.pem", directory);
    cr_assert_eq(stat(path, &key), 0);
    cr_assert_eq(key.st_mode & 0777, 0600);
    uint64_t number;
    cr_assert_eq(skr_identity_next_session(identity, &number), 0);
    cr_assert_eq(number, 1);
    skr_identity_free(identity);
    cr_assert_eq(skr_identity_load(directory, &again, &error), 0, "%s", error.detail);
    cr_assert_eq(skr_uuid_compare(&again->host_id, &controller.host_id), 0);
    cr_assert_str_eq(again->controller, controller.address);
    cr_assert_eq(again->session_number, 1);
    SSL_CTX *context = NULL;
    cr_assert_eq(skr_identity_context(again, &context, &error), 0);
    SSL_CTX_free(context);
    skr_identity_free(again);
    controller_stop(&controller);
}

/* ---- quick, and not to be killed by a controller that leaves ---- */

#define TRIES 5
static int64_t quickest_ns = INT64_MAX;

/* Each but the last is told to come again; measured is how long the request takes after the handshake. */
static bool measure(struct controller *c, SSL *ssl, int connection)
{
    int64_t start_ns = skr_clock_monotonic_ns();
    Skerry__V1__Envelope *envelope = controller_expect(ssl, SKERRY__V1__ENVELOPE__BODY_ENROLL);
    int64_t took_ns = skr_clock_monotonic_ns() - start_ns;
    cr_assert(envelope);
    quickest_ns = took_ns < quickest_ns ? took_ns : quickest_ns;
    enrolled(c, ssl, envelope->enroll, connection + 1 < TRIES);
    skr_envelope_free(envelope);
    return connection + 1 < TRIES;
}

Test(join, the_request_follows_the_handshake_at_once)
{
    struct skr_identity *identity;
    given_name = "h1-2";
    controller_start(&controller, measure);
    struct skr_join_options options = options_for(&controller);
    cr_assert_eq(skr_identity_prepare(NULL, &identity, &error), 0);
    cr_assert_eq(skr_join(identity, &options, &host_name, &error), 0, "%s", error.detail);
    cr_assert_lt(quickest_ns, 20 * SKR_NS_PER_MS, "a delayed acknowledgement takes 40 ms: %lld ns",
                 (long long)quickest_ns);
    cr_assert_str_eq(host_name, "h1-2");
    free(host_name);
    skr_identity_free(identity);
    controller_stop(&controller);
}

static bool leave_three_times(struct controller *c, SSL *ssl, int connection)
{
    if (connection < 3) { /* without a word and without reading: what the agent writes is answered by a reset */
        SSL_set_quiet_shutdown(ssl, 1);
        return true;
    }
    Skerry__V1__Envelope *envelope = controller_expect(ssl, SKERRY__V1__ENVELOPE__BODY_ENROLL);
    cr_assert(envelope);
    enrolled(c, ssl, envelope->enroll, false);
    skr_envelope_free(envelope);
    return false;
}

/* The program itself: how it treats signals is its own affair. */
static int run_join(const char *string, const char *state)
{
    char program[PATH_MAX], *slash;
    ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 32);
    cr_assert_gt(size, 0);
    program[size] = 0;
    for (int i = 0; i < 2 && (slash = strrchr(program, '/')); i++)
        *slash = 0;
    strcat(program, "/skerry-agent");
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        execl(program, program, "join", "--state-directory", state, string, NULL);
        _exit(127);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return status;
}

Test(join, outlives_a_controller_that_leaves, .timeout = 90)
{
    char string[512], state[] = "/tmp/skerry-join-XXXXXX", pin[SKR_TLS_HASH_TEXT_MAX];
    cr_assert(mkdtemp(state));
    controller_start(&controller, leave_three_times);
    snprintf(string, sizeof(string), "skerry://%s/" TOKEN ".secret#%s", controller.address,
             skr_tls_hash_format(controller.pin, pin));
    int status = run_join(string, state);
    cr_assert(WIFEXITED(status), "it was killed by signal %d", WTERMSIG(status));
    cr_assert_eq(WEXITSTATUS(status), 0);
    cr_assert_eq(atomic_load(&controller.connections), 4);
    controller_stop(&controller);
}

static atomic_int bytes_heard;
static bool never(struct controller *c, SSL *ssl, int connection)
{
    (void)c;
    (void)connection;
    uint8_t byte;
    if (SSL_read(ssl, &byte, 1) > 0)
        atomic_fetch_add(&bytes_heard, 1);
    return false;
}

Test(join, tells_a_stranger_nothing)
{
    struct skr_identity *identity;
    controller_start(&controller, never);
    struct skr_join_options options = options_for(&controller);
    options.string.pin[0] ^= 1;
    cr_assert_eq(skr_identity_prepare(NULL, &identity, &error), 0);
    cr_assert_lt(skr_join(identity, &options, &host_name, &error), 0);
    cr_assert_eq(error.tag, SKR_ERROR_FORBIDDEN, "%s", error.detail);
    skr_identity_free(identity);
    controller_stop(&controller);
    cr_assert_eq(atomic_load(&bytes_heard), 0);
}

static bool refuse(struct controller *c, SSL *ssl, int connection)
{
    (void)c;
    (void)connection;
    Skerry__V1__Error reason = SKERRY__V1__ERROR__INIT;
    Skerry__V1__Enrolled body = SKERRY__V1__ENROLLED__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    reason.tag = "unauthenticated";
    reason.detail = "The token has been used.";
    body.error = &reason;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_ENROLLED;
    envelope.enrolled = &body;
    skr_envelope_free(controller_read(ssl));
    controller_write(ssl, &envelope);
    return false;
}

Test(join, passes_a_refusal_on)
{
    struct skr_identity *identity;
    controller_start(&controller, refuse);
    struct skr_join_options options = options_for(&controller);
    cr_assert_eq(skr_identity_prepare(NULL, &identity, &error), 0);
    cr_assert_lt(skr_join(identity, &options, &host_name, &error), 0);
    cr_assert_eq(error.tag, SKR_ERROR_UNAUTHENTICATED);
    cr_assert(strstr(error.detail, "The token has been used."));
    skr_identity_free(identity);
    controller_stop(&controller);
}

Test(join, gives_up_in_time)
{
    struct skr_identity *identity;
    controller_start(&controller, refuse);
    struct skr_join_options options = options_for(&controller);
    controller_stop(&controller);
    options.timeout_ms = 50;
    cr_assert_eq(skr_identity_prepare(NULL, &identity, &error), 0);
    cr_assert_eq(skr_join(identity, &options, &host_name, &error), -ETIMEDOUT);
    cr_assert_eq(error.tag, SKR_ERROR_UNAVAILABLE);
    skr_identity_free(identity);
}
