/* A controller's southbound side on a real socket with a real database, and agents to talk to it. Everything a helper
 * here finds wrong fails the test at once. */
#pragma once

#include "controller/south/south.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/clock.h>
#include <skerry/frame.h>
#include <skerry/resource_fields.h>
#include <skerry/tls.h>
#include <string.h>

#define WAIT_MS 10000

struct scene {
    char directory[64];
    struct skr_store *store;
    struct skr_realization_table *realizations;
    struct skr_south *south;
    struct skr_policy *policy;
    struct skr_tls_identity *authority;
    uint8_t pin[1][SKR_TLS_HASH_SIZE];
    const char *source;                        /* address that agents come from; NULL: any */
    void (*before_south)(struct scene *scene); /* on the writer's thread, before sessions hear of a commit */
};

struct agent {
    struct skr_tls_identity *identity;
    char *request;
    struct skr_uuid host_id;
    uint64_t session_number;
};

struct wire {
    int fd;
    SSL *ssl;
};

struct token {
    struct skr_uuid id;
    char secret[SKR_SECRET_TEXT_MAX];
};

/* NULL: defaults. Keeps nothing of `options`. */
void scene_begin(struct scene *scene, const struct skr_south_options *options);
void scene_end(struct scene *scene);
/* Ends the controller and begins it again with the files that are in the directory then. */
void scene_stop(struct scene *scene);
void scene_start(struct scene *scene, const struct skr_south_options *options);
/* The database of a controller that is stopped goes to, or comes from, a file beside it. */
void scene_copy_database(struct scene *scene, const char *from, const char *to);
bool scene_rolled_back(struct scene *scene);
/* Events with this reason, newest first; *ret_count of at most `max`, for the caller to unref. */
uint32_t scene_events(struct scene *scene, const char *reason, struct skr_object **ret, uint32_t max);
struct token scene_token(struct scene *scene, int uses, bool approve);
/* An action of the API on a host, by an administrator. */
void scene_host_action(struct scene *scene, const struct skr_uuid *host_id, const char *verb);
struct skr_object *scene_host(struct scene *scene, const struct skr_uuid *host_id);

void agent_new(struct agent *agent);
void agent_done(struct agent *agent);
/* Enrols over the wire and takes the certificate. */
void agent_enrol(struct scene *scene, struct agent *agent, const struct token *token);
/* Gives the agent a certificate of the scene's authority with these times. */
void agent_sign(struct scene *scene, struct agent *agent, int64_t now_ms, int64_t lifetime_ms);

int plain_connect(struct scene *scene);
/* TCP and TLS; false when the handshake failed on this side. */
bool wire_open(struct scene *scene, const struct agent *agent, struct wire *ret);
void wire_close(struct wire *wire);
void wire_send(struct wire *wire, const Skerry__V1__Envelope *envelope);
void wire_send_raw(struct wire *wire, const void *data, size_t size);
/* The next frame; NULL when the controller has ended the connection. Waits at most WAIT_MS. */
Skerry__V1__Envelope *wire_receive(struct wire *wire);
/* The next frame of this kind; others are dropped. Fails the test when the connection ends first. */
Skerry__V1__Envelope *wire_expect(struct wire *wire, Skerry__V1__Envelope__BodyCase body);
/* The session goes on: it answers a ping. */
void wire_ping(struct wire *wire);
/* True when the connection ends without another frame of this kind. */
bool wire_ends(struct wire *wire);
void wire_hello(struct scene *scene, struct wire *wire, struct agent *agent, uint64_t revision);
/* The same of another database (NULL: of this one) and with a proof (NULL: without, as an older agent). */
void wire_hello_of(struct scene *scene, struct wire *wire, struct agent *agent, uint64_t revision,
                   const struct skr_uuid *database, const Skerry__V1__RevisionProof *proof);
void wire_enroll(struct wire *wire, const struct agent *agent, const struct token *token);
/* Opens a session up to Welcome. */
void wire_session(struct scene *scene, struct agent *agent, struct wire *ret);
/* Waits for Goodbye and checks how its reason begins. */
void wire_goodbye(struct wire *wire, const char *reason);
