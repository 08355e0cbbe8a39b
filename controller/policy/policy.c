/* The engine's life, its mailbox and its thread. */
#include "controller/policy/graph.h"
#include <errno.h>
#include <skerry/clock.h>
#include <skerry/frame.h>
#include <skerry/object.h>
#include <stdlib.h>
#include <string.h>

enum message_kind { MESSAGE_CHANGES, MESSAGE_OPEN, MESSAGE_RECEIVE, MESSAGE_CLOSED, MESSAGE_COMMAND, MESSAGE_WAKE };

struct message {
    struct skr_mail mail;
    enum message_kind kind;
    uint64_t session;
    struct skr_uuid host_id;
    Skerry__V1__Envelope *envelope;
    struct skr_policy_command command;
    char **authorities; /* NULL-terminated */
    struct skr_change *changes;
    size_t change_count;
};

static void default_u32(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

int skr_policy_new(const struct skr_policy_options *options, struct skr_policy **ret, struct skr_error *error)
{
    struct skr_policy *policy = calloc(1, sizeof(*policy));
    int r = policy ? skr_mailbox_new(&policy->mailbox) : -ENOMEM;

    if (r < 0) {
        free(policy);
        skr_error_set(error, SKR_ERROR_INTERNAL, "The policy engine cannot start: %s", strerror(-r));
        return r;
    }
    policy->options = *options;
    default_u32(&policy->options.window_bytes, 4U << 20);
    default_u32(&policy->options.keepalive_ms, 5000);
    policy->linger_due = policy->sync_due = policy->idle_due = INT64_MAX;
    skr_policy_graph_init(policy);
    *ret = policy;
    return 0;
}

static void message_free(struct message *message)
{
    for (size_t i = 0; i < message->change_count; i++)
        skr_object_unref(message->changes[i].object);
    for (char **pem = message->authorities; pem && *pem; pem++)
        free(*pem);
    if (message->envelope)
        skr_envelope_free(message->envelope);
    free(message->authorities);
    free(message->changes);
    free(message);
}

void skr_policy_free(struct skr_policy *policy)
{
    uint32_t cursor = 0;

    if (!policy)
        return;
    for (struct skr_mail *mail = skr_mailbox_take_all(policy->mailbox), *next; mail; mail = next) {
        next = mail->next;
        message_free(SKR_CONTAINER_OF(mail, struct message, mail));
    }
    for (struct session *session; (session = skr_id_map_next(&policy->sessions, &cursor));)
        skr_policy_session_done(session);
    skr_id_map_done(&policy->sessions);
    skr_policy_graph_done(policy);
    skr_mailbox_free(policy->mailbox);
    free(policy);
}

/* ---- its own thread ---- */

/* Changes of a batch, one write after the other. */
static void process_changes(struct skr_policy *policy, const struct skr_change *changes, size_t count)
{
    for (size_t i = 0; i < count;) {
        int64_t revision = changes[i].write_revision;
        if (policy->revision < revision)
            policy->revision = revision;
        for (; i < count && changes[i].write_revision == revision; i++)
            skr_policy_graph_apply(policy, changes[i].op, changes[i].object);
        skr_policy_write_end(policy, revision);
        if (revision)
            skr_realization_reached(policy->options.realizations, policy->revision, false);
    }
}

static void process(struct skr_policy *policy, struct message *message)
{
    switch (message->kind) {
    case MESSAGE_CHANGES:
        process_changes(policy, message->changes, message->change_count);
        break;
    case MESSAGE_OPEN:
        if (message->envelope->body_case == SKERRY__V1__ENVELOPE__BODY_HELLO)
            skr_policy_open_session(policy, message->session, &message->host_id, message->envelope->hello,
                                    (const char *const *)message->authorities);
        break;
    case MESSAGE_RECEIVE:
        skr_policy_session_receive(policy, message->session, message->envelope);
        break;
    case MESSAGE_CLOSED:
        skr_policy_forget_session(policy, message->session);
        break;
    case MESSAGE_COMMAND:
        skr_policy_session_command(policy, &message->host_id, &message->command);
        break;
    case MESSAGE_WAKE:
        break;
    }
}

size_t skr_policy_run(struct skr_policy *policy, int64_t now_ns)
{
    size_t count = 0;

    policy->now_ns = now_ns;
    for (struct skr_mail *mail = skr_mailbox_take_all(policy->mailbox), *next; mail; mail = next) {
        struct message *message = SKR_CONTAINER_OF(mail, struct message, mail);
        next = mail->next;
        process(policy, message);
        message_free(message);
        count++;
    }
    skr_policy_linger_run(policy);
    skr_policy_sync_run(policy);
    return count;
}

static void *thread_main(void *arg)
{
    struct skr_policy *policy = arg;

    pthread_setname_np(pthread_self(), "policy");
    while (!__atomic_load_n(&policy->stopping, __ATOMIC_ACQUIRE)) {
        int64_t due = policy->linger_due;
        due = due < policy->sync_due ? due : policy->sync_due;
        due = due < policy->idle_due ? due : policy->idle_due;
        skr_mailbox_wait(policy->mailbox, due);
        skr_policy_run(policy, skr_clock_monotonic_ns());
    }
    return NULL;
}

int skr_policy_start(struct skr_policy *policy)
{
    int r = pthread_create(&policy->thread, NULL, thread_main, policy);

    policy->started = r == 0;
    return -r;
}

/* ---- any thread ---- */

static struct message *message_new(enum message_kind kind)
{
    struct message *message = skr_policy_must(calloc(1, sizeof(*message)));
    message->kind = kind;
    return message;
}

static void post(struct skr_policy *policy, struct message *message)
{
    skr_mailbox_send(policy->mailbox, &message->mail);
}

void skr_policy_stop(struct skr_policy *policy)
{
    if (!policy->started)
        return;
    __atomic_store_n(&policy->stopping, true, __ATOMIC_RELEASE);
    post(policy, message_new(MESSAGE_WAKE));
    pthread_join(policy->thread, NULL);
    policy->started = false;
}

void skr_policy_changes(void *arg, const struct skr_change *changes, size_t count)
{
    struct skr_policy *policy = arg;
    struct message *message = message_new(MESSAGE_CHANGES);

    message->changes = skr_policy_must(calloc(count + 1, sizeof(*changes)));
    memcpy(message->changes, changes, count * sizeof(*changes));
    message->change_count = count;
    for (size_t i = 0; i < count; i++) {
        skr_object_ref(changes[i].object);
        skr_realization_committed(policy->options.realizations, changes[i].write_revision);
    }
    post(policy, message);
}

void skr_policy_session_open(struct skr_policy *policy, uint64_t session, const struct skr_uuid *host_id,
                             Skerry__V1__Envelope *hello, const char *const *authority_pems)
{
    struct message *message = message_new(MESSAGE_OPEN);
    size_t count = 0;

    while (authority_pems && authority_pems[count])
        count++;
    message->authorities = skr_policy_must(calloc(count + 1, sizeof(char *)));
    for (size_t i = 0; i < count; i++)
        message->authorities[i] = skr_policy_must(strdup(authority_pems[i]));
    message->session = session;
    message->host_id = *host_id;
    message->envelope = hello;
    post(policy, message);
}

void skr_policy_receive(struct skr_policy *policy, uint64_t session, Skerry__V1__Envelope *envelope)
{
    struct message *message = message_new(MESSAGE_RECEIVE);

    message->session = session;
    message->envelope = envelope;
    post(policy, message);
}

void skr_policy_session_closed(struct skr_policy *policy, uint64_t session)
{
    struct message *message = message_new(MESSAGE_CLOSED);

    message->session = session;
    post(policy, message);
}

void skr_policy_command(struct skr_policy *policy, const struct skr_uuid *host_id,
                        const struct skr_policy_command *command)
{
    struct message *message = message_new(MESSAGE_COMMAND);

    message->host_id = *host_id;
    message->command = *command;
    post(policy, message);
}
