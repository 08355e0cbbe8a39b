#include "controller/south/private.h"
#include <errno.h>
#include <skerry/clock.h>
#include <skerry/resource_fields.h>
#include <string.h>
#include <sys/eventfd.h>

#define DAY_MS                86400000LL
#define SERVER_LIFETIME_MS    (825 * DAY_MS) /* made anew at every start */
#define KEEPALIVE_MS          5000
#define HANDSHAKES_MAX        256
#define LAST_NOTES_ROUNDS_MAX 64
#define SHARED_MS             600000 /* longer than two agents leave each other the session (agent/south/session.c) */
#define PROOF_PURPOSE         "skerry: proof of a revision"

/* ---- writes ---- */

static int write_by(struct skr_south *south,
                    int (*way)(struct skr_store *store, skr_write_fn *fn, skr_write_done_fn *done, void *arg),
                    skr_write_fn *fn, skr_write_done_fn *done, void *arg)
{
    pthread_mutex_lock(&south->writes_lock);
    south->writes++;
    pthread_mutex_unlock(&south->writes_lock);
    int result = way(south->store, fn, done, arg);
    if (result < 0)
        skr_south_written(south);
    return result;
}

int skr_south_write(struct skr_south *south, skr_write_fn *fn, skr_write_done_fn *done, void *arg)
{
    return write_by(south, skr_store_write, fn, done, arg);
}

int skr_south_write_bulk(struct skr_south *south, skr_write_fn *fn, skr_write_done_fn *done, void *arg)
{
    return write_by(south, skr_store_write_bulk, fn, done, arg);
}

void skr_south_written(struct skr_south *south)
{
    pthread_mutex_lock(&south->writes_lock);
    if (--south->writes == 0)
        pthread_cond_broadcast(&south->writes_over);
    pthread_mutex_unlock(&south->writes_lock);
}

static void wait_for_writes(struct skr_south *south)
{
    pthread_mutex_lock(&south->writes_lock);
    while (south->writes > 0)
        pthread_cond_wait(&south->writes_over, &south->writes_lock);
    pthread_mutex_unlock(&south->writes_lock);
}

/* ---- the authority ---- */

struct authority_write {
    const char *key_pem, *certificate_pem;
};

static int write_authority(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    const struct authority_write *authority = arg;
    return skr_model_authority_set(txn, authority->key_pem, authority->certificate_pem, error);
}

static int read_authority(struct skr_south *south, char **ret_key, char **ret_certificate, struct skr_error *error)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    int result = skr_store_read_begin(south->store, &txn, error);
    return result < 0 ? result : skr_model_authority_get(txn, ret_key, ret_certificate, error);
}

static int make_authority(struct skr_south *south, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *key = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *certificate = NULL;
    int result = skr_tls_authority_new("Skerry certificate authority", skr_clock_wall_ms(), &south->authority, error);
    if (result < 0)
        return result;
    if (skr_tls_identity_key_pem(south->authority, &key) < 0 ||
        skr_tls_identity_certificate_pem(south->authority, &certificate) < 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The certificate authority could not be written as text.");
    struct authority_write write = {key, certificate};
    result = skr_store_write_wait(south->store, write_authority, &write, NULL, error);
    explicit_bzero(key, strlen(key));
    return result;
}

static int load_authority(struct skr_south *south, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *key = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *certificate = NULL;
    int result = read_authority(south, &key, &certificate, error);
    if (result == -ENOENT) {
        skr_error_clear(error);
        result = make_authority(south, error);
    } else if (result == 0) {
        result = skr_tls_identity_from_pem(key, certificate, &south->authority, error);
        explicit_bzero(key, strlen(key));
    }
    if (result < 0)
        return result;
    if (skr_tls_identity_secret(south->authority, PROOF_PURPOSE, south->proof_key.bytes) < 0 ||
        skr_tls_identity_certificate_pem(south->authority, &south->authority_pem) < 0 ||
        skr_tls_identity_key_hash(south->authority, south->authority_key_hash) < 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The certificate authority cannot be read.");
    south->authority_pems[0] = south->authority_pem;
    return 0;
}

static int make_tls(struct skr_south *south, const struct skr_south_options *options, struct skr_error *error)
{
    SKR_CLEANUP(skr_tls_identity_cleanup) struct skr_tls_identity *server = NULL;
    int result = skr_tls_sign_server(south->authority, options->server_names, options->server_name_count,
                                     skr_clock_wall_ms(), SERVER_LIFETIME_MS, &server, error);
    return result < 0 ? result : skr_tls_server_context(server, south->authority_pem, &south->tls, error);
}

int skr_south_server_certificate(struct skr_south *south, const char *const *names, size_t count, char **ret_key_pem,
                                 char **ret_certificate_pem, struct skr_error *error)
{
    SKR_CLEANUP(skr_tls_identity_cleanup) struct skr_tls_identity *server = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *key = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *certificate = NULL;
    int result = skr_tls_sign_server(south->authority, names, count, skr_clock_wall_ms(), SERVER_LIFETIME_MS, &server,
                                     error);
    if (result < 0)
        return result;
    if (skr_tls_identity_key_pem(server, &key) < 0 || skr_tls_identity_certificate_pem(server, &certificate) < 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The server's certificate could not be written as text.");
    *ret_key_pem = SKR_TAKE(key);
    *ret_certificate_pem = SKR_TAKE(certificate);
    return 0;
}

/* ---- making and ending ---- */

static void settle_options(struct skr_south *south, const struct skr_south_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned workers = options->workers ? options->workers : cores > 0 ? (unsigned)cores : 1;
    south->store = options->store;
    south->worker_count = workers < SKR_SOUTH_WORKERS_MAX ? workers : SKR_SOUTH_WORKERS_MAX;
    south->certificate_lifetime_ms = options->certificate_lifetime_ms ? options->certificate_lifetime_ms : DAY_MS;
    south->keepalive_ms = options->keepalive_ms ? options->keepalive_ms : KEEPALIVE_MS;
    south->handshakes_max = options->handshakes_max ? options->handshakes_max : HANDSHAKES_MAX;
    south->shared_ms = options->shared_ms ? options->shared_ms : SHARED_MS;
}

int skr_south_new(const struct skr_south_options *options, struct skr_south **ret, struct skr_error *error)
{
    struct skr_south *south = calloc(1, sizeof(*south));
    if (!south)
        abort();
    south->listen_fd = -1;
    south->next_session = 1;
    pthread_mutex_init(&south->writes_lock, NULL);
    pthread_cond_init(&south->writes_over, NULL);
    skr_registry_init(&south->registry);
    skr_witnesses_init(&south->witnesses);
    skr_notes_init(&south->notes);
    south->evidence = skr_evidence_new();
    settle_options(south, options);
    south->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int result = south->wake_fd < 0 ? skr_error_set(error, SKR_ERROR_INTERNAL, "No event descriptor is left.") : 0;
    if (result == 0)
        result = load_authority(south, error);
    if (result == 0)
        result = make_tls(south, options, error);
    if (result == 0)
        result = skr_acceptor_open(south, options->listen, error);
    if (result < 0) {
        skr_south_free(south);
        return result;
    }
    *ret = south;
    return 0;
}

int skr_south_start(struct skr_south *south, struct skr_policy *policy, struct skr_error *error)
{
    int result = 0;
    south->policy = policy;
    for (unsigned i = 0; result == 0 && i < south->worker_count; i++)
        result = skr_worker_start(&south->workers[i], south, i, error);
    if (result == 0)
        result = skr_acceptor_start(south, error);
    return result;
}

/* Writes what was noted last: when each host was seen to go. */
static void write_last_notes(struct skr_south *south)
{
    for (int i = 0; i < LAST_NOTES_ROUNDS_MAX; i++) {
        int64_t due_ns = skr_notes_flush(south, INT64_MAX - SKR_NS_PER_S);
        wait_for_writes(south);
        if (due_ns == INT64_MAX && !south->notes.notes)
            return;
    }
}

void skr_south_stop(struct skr_south *south)
{
    if (atomic_exchange(&south->stopping, true))
        return;
    skr_acceptor_join(south);
    for (unsigned i = 0; i < south->worker_count; i++)
        skr_worker_join(&south->workers[i]);
    wait_for_writes(south);
    write_last_notes(south);
}

void skr_south_free(struct skr_south *south)
{
    if (!south)
        return;
    skr_south_stop(south);
    for (unsigned i = 0; i < south->worker_count; i++)
        skr_worker_done(&south->workers[i]);
    if (south->listen_fd >= 0)
        close(south->listen_fd);
    if (south->wake_fd >= 0)
        close(south->wake_fd);
    SSL_CTX_free(south->tls);
    skr_tls_identity_free(south->authority);
    free(south->authority_pem);
    skr_registry_done(&south->registry);
    skr_witnesses_done(&south->witnesses);
    explicit_bzero(&south->proof_key, sizeof(south->proof_key));
    skr_notes_done(&south->notes);
    skr_evidence_free(south->evidence);
    pthread_cond_destroy(&south->writes_over);
    pthread_mutex_destroy(&south->writes_lock);
    free(south);
}

/* ---- what the policy and the writer call ---- */

static void send_frame(void *arg, uint64_t session, struct skr_shared_bytes *frame)
{
    struct skr_south *south = arg;
    if (atomic_load(&south->stopping))
        return;
    struct skr_worker_mail *mail = skr_worker_mail_new(SKR_MAIL_SEND, session);
    mail->frame = skr_shared_bytes_ref(frame);
    skr_worker_post(skr_worker_of(south, session), mail);
}

/* The policy has said Goodbye itself when there was something to say. */
static void close_session(void *arg, uint64_t session, const char *reason)
{
    struct skr_south *south = arg;
    skr_log(SKR_LOG_INFO, "session ended by the policy", "session=%llu reason='%s'", (unsigned long long)session,
            reason ? reason : "");
    if (!atomic_load(&south->stopping))
        skr_worker_end_session(south, session, "");
}

static void host_synced(void *arg, const struct skr_uuid *host_id, int64_t revision)
{
    struct skr_south *south = arg;
    if (!atomic_load(&south->stopping))
        skr_notes_synced(south, host_id, revision);
}

struct skr_policy_output skr_south_policy_output(struct skr_south *south)
{
    return (struct skr_policy_output){.send = send_frame, .close = close_session, .synced = host_synced, .arg = south};
}

static bool may_no_longer_speak(const struct skr_change *change)
{
    const char *enrolment = skr_object_text(change->object, SKR_HOST_ENROLMENT);
    const char *state = skr_object_text(change->object, SKR_HOST_STATE);
    return change->op == SKR_CHANGE_DELETE || (enrolment && strcmp(enrolment, "revoked") == 0) ||
           (state && strcmp(state, "removed") == 0);
}

static void host_changed(struct skr_south *south, const struct skr_change *change)
{
    if (!may_no_longer_speak(change))
        return;
    struct skr_uuid host_id = skr_object_uuid(change->object, SKR_FIELD_ID);
    skr_witnesses_forget(&south->witnesses, &host_id);
    atomic_fetch_add(&south->revocations, 1);
    uint64_t session = skr_registry_find(&south->registry, &host_id);
    if (session)
        skr_worker_end_session(south, session, "revoked");
}

/* The database was set back or accepted: every host is judged anew when it comes back, and so is one that is coming in
 * now. */
static void end_all_sessions(struct skr_south *south, const char *reason)
{
    size_t count;
    atomic_fetch_add(&south->revocations, 1);
    struct skr_registry_row *rows = skr_registry_rows(&south->registry, &count);
    for (size_t i = 0; rows && i < count; i++) {
        uint64_t session = skr_registry_find(&south->registry, &rows[i].host_id);
        if (session)
            skr_worker_end_session(south, session, reason);
    }
    free(rows);
}

static void event_written(struct skr_south *south, const struct skr_change *change)
{
    const char *reason = skr_object_text(change->object, SKR_EVENT_REASON);
    struct skr_uuid host_id = skr_object_uuid(change->object, SKR_EVENT_HOST_ID);
    if (change->op != SKR_CHANGE_PUT || !reason)
        return;
    if (strcmp(reason, SKR_EVENT_DATABASE_ROLLED_BACK) == 0)
        end_all_sessions(south, "database_rolled_back");
    else if (strcmp(reason, SKR_EVENT_DATABASE_ACCEPTED) == 0)
        end_all_sessions(south, "database_accepted");
    else if (strcmp(reason, SKR_SOUTH_REMEDIATE) == 0 && south->policy)
        skr_policy_command(south->policy, &host_id,
                           &(struct skr_policy_command){.kind = SKERRY__V1__COMMAND__KIND__KIND_REMEDIATE});
}

void skr_south_changes(void *arg, const struct skr_change *changes, size_t count)
{
    struct skr_south *south = arg;
    if (atomic_load(&south->stopping))
        return;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].resource == SKR_HOST)
            host_changed(south, &changes[i]);
        else if (changes[i].resource == SKR_EVENT)
            event_written(south, &changes[i]);
    }
}

/* ---- questions ---- */

const uint8_t *skr_south_authority_key_hash(const struct skr_south *south)
{
    return south->authority_key_hash;
}

struct skr_proof_key skr_south_proof_key(const struct skr_south *south)
{
    return south->proof_key;
}

const char *skr_south_authority_pem(const struct skr_south *south)
{
    return south->authority_pem;
}

uint16_t skr_south_port(const struct skr_south *south)
{
    return south->port;
}

void skr_south_stats(struct skr_south *south, struct skr_south_stats *ret)
{
    const struct skr_south_counters *counters = &south->counters;
    *ret = (struct skr_south_stats){.sessions = atomic_load(&counters->sessions),
                                    .handshakes = atomic_load(&counters->handshakes),
                                    .enrolments = atomic_load(&counters->enrolments),
                                    .refused = atomic_load(&counters->refused),
                                    .frames_in = atomic_load(&counters->frames_in),
                                    .frames_out = atomic_load(&counters->frames_out),
                                    .bytes_in = atomic_load(&counters->bytes_in),
                                    .bytes_out = atomic_load(&counters->bytes_out),
                                    .reports = atomic_load(&counters->reports)};
}
