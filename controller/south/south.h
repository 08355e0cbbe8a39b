/* Agents: enrolment, sessions over TLS, renewal, revocation, reports in. An acceptor and one worker a core on libevent;
 * each session lives on one worker. Judges identity by the database (host id, key hash, not revoked), hands messages to
 * the policy and reports to the model through ordinary writes. */
#pragma once

#include "controller/model/model.h"
#include "controller/policy/policy.h"
#include "controller/store/store.h"
#include <stdio.h>

struct skr_south;
struct skr_south_options {
    const char *listen; /* "0.0.0.0:6653" */
    struct skr_store *store;
    const char *const *server_names; /* SANs of the server certificate */
    size_t server_name_count;
    int64_t certificate_lifetime_ms; /* 0 = 24 h */
    unsigned workers;                /* 0 = one a core */
    unsigned keepalive_ms;           /* 0 = 5,000; a silent peer is gone after three */
    unsigned handshakes_max;         /* 0 = 256 in progress; the rest waits in the listen queue */
    int64_t shared_ms;               /* 0 = 10 min: a host's identity counts as in use twice this long after the last
                                        sign of it */
};

/* Makes or loads the certificate authority (in the database, through model). */
int skr_south_new(const struct skr_south_options *options, struct skr_south **ret, struct skr_error *error);
/* 32 bytes: SHA-256 of the authority's public key, what join strings pin. */
const uint8_t *skr_south_authority_key_hash(const struct skr_south *south);
/* The authority's certificate in PEM, for clients to trust. Valid until skr_south_free. */
const char *skr_south_authority_pem(const struct skr_south *south);
/* The policy makes proofs of revisions with this key, which is a secret. */
struct skr_proof_key skr_south_proof_key(const struct skr_south *south);
/* A server certificate of the authority for the API; PEM owned by the caller. */
int skr_south_server_certificate(struct skr_south *south, const char *const *names, size_t count, char **ret_key_pem,
                                 char **ret_certificate_pem, struct skr_error *error);
/* The functions that the policy calls (struct skr_policy_output with arg = south). skr_south_start takes the policy
 * that was started with them. */
struct skr_policy_output skr_south_policy_output(struct skr_south *south);
int skr_south_start(struct skr_south *south, struct skr_policy *policy, struct skr_error *error);
uint16_t skr_south_port(const struct skr_south *south);
/* Goodbye to every session, ends the threads and waits for its writes: before skr_policy_stop and skr_store_close. What
 * the policy and the store still call afterwards (output, skr_south_changes) is dropped. */
void skr_south_stop(struct skr_south *south);
/* Stopped or never started; last, when neither the policy nor the store can call any more. NULL is fine. */
void skr_south_free(struct skr_south *south);
/* An skr_commit_fn: ends the sessions of hosts that were revoked or removed; Command remediate for an event with reason
 * SKR_SOUTH_REMEDIATE, which the model writes for host:remediate. */
#define SKR_SOUTH_REMEDIATE "RemediationRequested"
void skr_south_changes(void *south, const struct skr_change *changes, size_t count);
struct skr_south_stats {
    uint64_t sessions, handshakes, enrolments, refused, frames_in, frames_out, bytes_in, bytes_out, reports;
};
void skr_south_stats(struct skr_south *south, struct skr_south_stats *ret);
/* Lines for /metrics; `south` is a struct skr_south. */
void skr_south_metrics(void *south, FILE *out);
