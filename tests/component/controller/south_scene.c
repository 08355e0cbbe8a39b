#include "tests/component/controller/south_scene.h"
#include "tests/support/test_store.h"
#include <arpa/inet.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAMES_MAX 1000

static void changed(void *arg, const struct skr_change *changes, size_t count)
{
    struct scene *scene = arg;
    if (scene->policy)
        skr_policy_changes(scene->policy, changes, count);
    if (scene->before_south)
        scene->before_south(scene);
    if (scene->south)
        skr_south_changes(scene->south, changes, count);
}

static void read_authority(struct scene *scene)
{
    struct skr_txn *txn;
    struct skr_error error = {0};
    char *key, *certificate;
    cr_assert_eq(skr_store_read_begin(scene->store, &txn, &error), 0);
    cr_assert_eq(skr_model_authority_get(txn, &key, &certificate, &error), 0, "%s", error.detail);
    skr_store_read_end(txn);
    cr_assert_eq(skr_tls_identity_from_pem(key, certificate, &scene->authority, &error), 0, "%s", error.detail);
    memcpy(scene->pin[0], skr_south_authority_key_hash(scene->south), SKR_TLS_HASH_SIZE);
    free(key);
    free(certificate);
}

static void begin_policy(struct scene *scene)
{
    struct skr_error error = {0};
    struct skr_txn *txn;
    const struct skr_policy_options options = {.realizations = scene->realizations,
                                               .database_id = skr_store_database_id(scene->store),
                                               .digest_key = skr_store_digest_key(scene->store),
                                               .incarnation = skr_store_incarnation(scene->store),
                                               .proof_key = skr_south_proof_key(scene->south),
                                               .output = skr_south_policy_output(scene->south)};
    cr_assert_eq(skr_policy_new(&options, &scene->policy, &error), 0, "%s", error.detail);
    cr_assert_eq(skr_store_read_begin(scene->store, &txn, &error), 0);
    cr_assert_eq(skr_policy_load(scene->policy, txn, &error), 0, "%s", error.detail);
    skr_store_read_end(txn);
    cr_assert_eq(skr_policy_start(scene->policy), 0);
}

void scene_begin(struct scene *scene, const struct skr_south_options *options)
{
    char path[128];
    *scene = (struct scene){0};
    strcpy(scene->directory, "/tmp/skerry-south-XXXXXX");
    cr_assert_not_null(mkdtemp(scene->directory));
    snprintf(path, sizeof(path), "%s/skerry.db", scene->directory);
    skr_test_database_make(path);
    scene_start(scene, options);
}

void scene_start(struct scene *scene, const struct skr_south_options *given)
{
    struct skr_error error = {0};
    char path[128];
    static const char *const names[] = {"localhost", "127.0.0.1"};
    struct skr_south_options options = given ? *given : (struct skr_south_options){0};
    snprintf(path, sizeof(path), "%s/skerry.db", scene->directory);
    const struct skr_store_options store = {.path = path};
    cr_assert_eq(skr_store_open(&store, &scene->store, &error), 0, "%s", error.detail);
    skr_store_listen(scene->store, changed, scene);
    cr_assert_eq(skr_store_write_wait(scene->store, skr_model_bootstrap, NULL, NULL, &error), 0, "%s", error.detail);
    cr_assert_eq(skr_realization_table_new(&scene->realizations), 0);
    options.listen = "127.0.0.1:0";
    options.store = scene->store;
    options.server_names = names;
    options.server_name_count = 2;
    options.workers = 2;
    cr_assert_eq(skr_south_new(&options, &scene->south, &error), 0, "%s", error.detail);
    begin_policy(scene);
    cr_assert_eq(skr_south_start(scene->south, scene->policy, &error), 0, "%s", error.detail);
    read_authority(scene);
}

static int remove_entry(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status, (void)flag, (void)walk;
    return remove(path);
}

void scene_stop(struct scene *scene)
{
    skr_south_stop(scene->south);
    skr_policy_stop(scene->policy);
    skr_store_close(scene->store);
    skr_policy_free(scene->policy);
    skr_south_free(scene->south);
    skr_realization_table_free(scene->realizations);
    skr_tls_identity_free(scene->authority);
    scene->south = NULL;
    scene->policy = NULL;
}

void scene_copy_database(struct scene *scene, const char *from, const char *to)
{
    char command[256];
    snprintf(command, sizeof(command), "cd %s && rm -f %s-wal %s-shm && cp %s %s", scene->directory, to, to, from, to);
    cr_assert_eq(system(command), 0);
}

bool scene_rolled_back(struct scene *scene)
{
    struct skr_txn *txn;
    struct skr_error error = {0};
    bool rolled_back = false;
    cr_assert_eq(skr_store_read_begin(scene->store, &txn, &error), 0);
    cr_assert_eq(skr_model_rolled_back(txn, &rolled_back, &error), 0);
    skr_store_read_end(txn);
    return rolled_back;
}

uint32_t scene_events(struct scene *scene, const char *reason, struct skr_object **ret, uint32_t max)
{
    struct skr_txn *txn;
    struct skr_error error = {0};
    struct skr_object *all[100];
    uint32_t count, found = 0;
    bool more;
    const struct skr_principal principal = {.role = SKR_ROLE_ADMIN};
    struct skr_list_query query = {.resource = SKR_EVENT, .limit = 100};
    cr_assert_eq(skr_store_read_begin(scene->store, &txn, &error), 0);
    cr_assert_eq(skr_model_list(txn, &principal, &query, all, &count, &more, &error), 0, "%s", error.detail);
    skr_store_read_end(txn);
    for (uint32_t i = count; i-- > 0;) {
        if (found < max && strcmp(skr_object_text(all[i], SKR_EVENT_REASON), reason) == 0)
            ret[found++] = all[i];
        else
            skr_object_unref(all[i]);
    }
    return found;
}

void scene_end(struct scene *scene)
{
    scene_stop(scene);
    nftw(scene->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

struct token scene_token(struct scene *scene, int uses, bool approve)
{
    static atomic_uint count;
    struct skr_error error = {0};
    struct token token = {0};
    json_t *json = json_pack("{s:o, s:i, s:b}", "name", json_sprintf("token-%u", atomic_fetch_add(&count, 1)), "uses",
                             uses, "approve", approve);
    struct skr_write_request request = {
            .operation = SKR_OPERATION_CREATE, .resource = SKR_JOIN_TOKEN, .principal = {.role = SKR_ROLE_ADMIN}};
    cr_assert_eq(
            skr_object_from_json(skr_resource_get(SKR_JOIN_TOKEN), json, false, SKR_ROLE_ADMIN, &request.input, &error),
            0, "%s", error.detail);
    cr_assert_eq(skr_store_write_wait(scene->store, skr_model_write, &request, NULL, &error), 0, "%s", error.detail);
    token.id = skr_object_uuid(request.result, SKR_FIELD_ID);
    snprintf(token.secret, sizeof(token.secret), "%s", skr_object_text(request.result, SKR_JOIN_TOKEN_SECRET));
    skr_object_unref(request.input);
    skr_write_request_done(&request);
    json_decref(json);
    return token;
}

void scene_host_action(struct scene *scene, const struct skr_uuid *host_id, const char *verb)
{
    struct skr_error error = {0};
    struct skr_action_request request = {
            .resource = SKR_HOST, .verb = verb, .principal = {.role = SKR_ROLE_ADMIN}, .id = *host_id};
    cr_assert_eq(skr_store_write_wait(scene->store, skr_model_action, &request, NULL, &error), 0, "%s", error.detail);
    skr_action_request_done(&request);
}

struct skr_object *scene_host(struct scene *scene, const struct skr_uuid *host_id)
{
    struct skr_txn *txn;
    struct skr_object *host;
    struct skr_error error = {0};
    cr_assert_eq(skr_store_read_begin(scene->store, &txn, &error), 0);
    cr_assert_eq(skr_txn_get(txn, SKR_HOST, host_id, NULL, &host, &error), 0);
    skr_store_read_end(txn);
    return host;
}

void agent_new(struct agent *agent)
{
    struct skr_error error = {0};
    *agent = (struct agent){0};
    cr_assert_eq(skr_tls_key_new(&agent->identity, &error), 0);
    cr_assert_eq(skr_tls_request_new(agent->identity, &agent->request, &error), 0);
}

void agent_done(struct agent *agent)
{
    skr_tls_identity_free(agent->identity);
    free(agent->request);
}

void agent_sign(struct scene *scene, struct agent *agent, int64_t now_ms, int64_t lifetime_ms)
{
    struct skr_error error = {0};
    char *pem;
    cr_assert_eq(
            skr_tls_sign_host(scene->authority, agent->request, &agent->host_id, now_ms, lifetime_ms, &pem, &error), 0);
    cr_assert_eq(skr_tls_identity_set_certificate(agent->identity, pem, &error), 0);
    free(pem);
}

void agent_enrol(struct scene *scene, struct agent *agent, const struct token *token)
{
    struct wire wire;
    struct skr_error error = {0};
    agent_new(agent);
    cr_assert(wire_open(scene, NULL, &wire));
    wire_enroll(&wire, agent, token);
    Skerry__V1__Envelope *answer = wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_ENROLLED);
    cr_assert_null(answer->enrolled->error, "%s", answer->enrolled->error->detail);
    cr_assert_eq(answer->enrolled->host_id.len, 16);
    memcpy(agent->host_id.bytes, answer->enrolled->host_id.data, 16);
    cr_assert_eq(skr_tls_identity_set_certificate(agent->identity, answer->enrolled->certificate, &error), 0);
    skr_envelope_free(answer);
    wire_close(&wire);
}

int plain_connect(struct scene *scene)
{
    const struct timeval patience = {.tv_sec = WAIT_MS / 1000};
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(skr_south_port(scene->south)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    struct sockaddr_in source = {.sin_family = AF_INET};
    if (scene->source) {
        cr_assert_eq(inet_pton(AF_INET, scene->source, &source.sin_addr), 1);
        cr_assert_eq(bind(fd, (const struct sockaddr *)&source, sizeof(source)), 0);
    }
    cr_assert_eq(connect(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

bool wire_open(struct scene *scene, const struct agent *agent, struct wire *ret)
{
    struct skr_error error = {0};
    SSL_CTX *context;
    cr_assert_eq(skr_tls_client_context(agent ? agent->identity : NULL, scene->pin, 1, &context, &error), 0, "%s",
                 error.detail);
    ret->fd = plain_connect(scene);
    ret->ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_fd(ret->ssl, ret->fd);
    return SSL_connect(ret->ssl) == 1;
}

void wire_close(struct wire *wire)
{
    SSL_free(wire->ssl);
    close(wire->fd);
}

void wire_send_raw(struct wire *wire, const void *data, size_t size)
{
    const uint8_t *at = data;
    for (int sent; size > 0; at += sent, size -= (size_t)sent) {
        sent = SSL_write(wire->ssl, at, (int)size);
        cr_assert_gt(sent, 0);
    }
}

void wire_send(struct wire *wire, const Skerry__V1__Envelope *envelope)
{
    uint8_t *frame;
    size_t size;
    cr_assert_eq(skr_frame_pack(envelope, &frame, &size), 0);
    wire_send_raw(wire, frame, size);
    free(frame);
}

static bool read_exactly(struct wire *wire, uint8_t *out, size_t size)
{
    while (size > 0) {
        errno = 0;
        int got = SSL_read(wire->ssl, out, (int)size);
        cr_assert_neq(errno, EAGAIN, "the controller did not answer in time");
        if (got <= 0)
            return false;
        out += got;
        size -= (size_t)got;
    }
    return true;
}

Skerry__V1__Envelope *wire_receive(struct wire *wire)
{
    uint8_t header[SKR_FRAME_HEADER];
    size_t size;
    Skerry__V1__Envelope *envelope;
    if (!read_exactly(wire, header, sizeof(header)))
        return NULL;
    cr_assert_eq(skr_frame_peek(header, sizeof(header), SKR_FRAME_MAX, &size), 0);
    uint8_t *body = malloc(size);
    cr_assert(read_exactly(wire, body, size));
    cr_assert_eq(skr_frame_unpack(body, size, &envelope), 0);
    free(body);
    return envelope;
}

Skerry__V1__Envelope *wire_expect(struct wire *wire, Skerry__V1__Envelope__BodyCase body)
{
    for (int i = 0; i < FRAMES_MAX; i++) {
        Skerry__V1__Envelope *envelope = wire_receive(wire);
        cr_assert_not_null(envelope, "the connection ended before message %d came", body);
        if (envelope->body_case == body)
            return envelope;
        cr_assert_neq(envelope->body_case, SKERRY__V1__ENVELOPE__BODY_GOODBYE, "Goodbye instead of message %d: %s",
                      body, envelope->goodbye->reason);
        skr_envelope_free(envelope);
    }
    cr_assert_fail("message %d did not come", body);
    return NULL;
}

void wire_ping(struct wire *wire)
{
    Skerry__V1__Ping ping = SKERRY__V1__PING__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    ping.sequence = 4711;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_PING;
    envelope.ping = &ping;
    wire_send(wire, &envelope);
    Skerry__V1__Envelope *pong = wire_expect(wire, SKERRY__V1__ENVELOPE__BODY_PONG);
    cr_assert_eq(pong->pong->sequence, ping.sequence);
    skr_envelope_free(pong);
}

bool wire_ends(struct wire *wire)
{
    Skerry__V1__Envelope *envelope = wire_receive(wire);
    skr_envelope_free(envelope);
    return envelope == NULL;
}

void wire_enroll(struct wire *wire, const struct agent *agent, const struct token *token)
{
    Skerry__V1__Enroll enroll = SKERRY__V1__ENROLL__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    enroll.protocol_version = 1;
    enroll.token_id = (ProtobufCBinaryData){16, (uint8_t *)token->id.bytes};
    enroll.secret = (char *)token->secret;
    enroll.certificate_request = agent->request;
    enroll.host_name = "node";
    enroll.agent_version = "test";
    enroll.kernel = "6.1";
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_ENROLL;
    envelope.enroll = &enroll;
    wire_send(wire, &envelope);
}

void wire_hello(struct scene *scene, struct wire *wire, struct agent *agent, uint64_t revision)
{
    wire_hello_of(scene, wire, agent, revision, NULL, NULL);
}

void wire_hello_of(struct scene *scene, struct wire *wire, struct agent *agent, uint64_t revision,
                   const struct skr_uuid *another, const Skerry__V1__RevisionProof *proof)
{
    struct skr_uuid database = another ? *another : skr_store_database_id(scene->store);
    Skerry__V1__Hello hello = SKERRY__V1__HELLO__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    hello.protocol_version = 1;
    hello.agent_version = "test-1";
    hello.kernel = "6.1-test";
    hello.session_number = ++agent->session_number;
    hello.fastpath = "memory";
    if (revision > 0) {
        hello.database_id = (ProtobufCBinaryData){16, database.bytes};
        hello.revision = revision;
    }
    hello.proof = (Skerry__V1__RevisionProof *)(uintptr_t)proof;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    wire_send(wire, &envelope);
}

void wire_session(struct scene *scene, struct agent *agent, struct wire *ret)
{
    cr_assert(wire_open(scene, agent, ret));
    wire_hello(scene, ret, agent, 0);
    Skerry__V1__Envelope *welcome = wire_expect(ret, SKERRY__V1__ENVELOPE__BODY_WELCOME);
    cr_assert_not(welcome->welcome->rolled_back);
    skr_envelope_free(welcome);
}

void wire_goodbye(struct wire *wire, const char *reason)
{
    Skerry__V1__Envelope *goodbye = wire_receive(wire);
    for (int i = 0; i < FRAMES_MAX && goodbye && goodbye->body_case != SKERRY__V1__ENVELOPE__BODY_GOODBYE; i++) {
        skr_envelope_free(goodbye);
        goodbye = wire_receive(wire);
    }
    cr_assert_not_null(goodbye, "the connection ended without Goodbye");
    cr_assert_eq(strncmp(goodbye->goodbye->reason, reason, strlen(reason)), 0, "the reason is: %s",
                 goodbye->goodbye->reason);
    skr_envelope_free(goodbye);
}
