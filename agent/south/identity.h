/* The identity of this agent: key, certificate, the authorities it trusts, its host id, where the controller is, and
 * the number of its last session. On disk in the state directory (key.pem, cert.pem, authorities.pem, agent.ini), or in
 * memory alone when many agents live in one process. The key never leaves it. One thread. */
#pragma once

#include <openssl/ssl.h>
#include <skerry/error.h>
#include <skerry/tls.h>
#include <skerry/uuid.h>
#include <stdint.h>

#define SKR_IDENTITY_AUTHORITIES_MAX 16

struct skr_identity {
    char *directory; /* NULL: memory alone */
    struct skr_uuid host_id;
    char *controller; /* host:port */
    uint64_t session_number;
    struct skr_tls_identity *tls; /* key; the certificate once enrolled */
    char *certificate;            /* PEM */
    char *authorities;            /* PEM, one after the other */
};

/* The key of the directory, or a new one (mode 0600, on disk before anything is sent). Not enrolled yet. */
int skr_identity_prepare(const char *directory, struct skr_identity **ret, struct skr_error *error);
/* An enrolled identity. -ENOENT: the agent has not joined. */
int skr_identity_load(const char *directory, struct skr_identity **ret, struct skr_error *error);
void skr_identity_free(struct skr_identity *identity);
static inline void skr_identity_cleanup(struct skr_identity **identity)
{
    skr_identity_free(*identity);
}

/* Enrolled: takes a certificate and the authorities, and keeps them. */
int skr_identity_enrolled(struct skr_identity *identity, const struct skr_uuid *host_id, const char *controller,
                          const char *certificate, char *const *authorities, size_t authority_count,
                          struct skr_error *error);
/* Renewed: certificate NULL = only the authorities changed. Nothing is written when nothing differs. */
int skr_identity_update(struct skr_identity *identity, const char *certificate, char *const *authorities,
                        size_t authority_count, struct skr_error *error);
/* The number of a new session: one more than ever before, on disk when this returns. */
int skr_identity_next_session(struct skr_identity *identity, uint64_t *ret);

/* A client context with this certificate that trusts the authorities. */
int skr_identity_context(const struct skr_identity *identity, SSL_CTX **ret, struct skr_error *error);
/* Host and port of "host:port" or "[v6]:port". */
int skr_controller_split(const char *controller, char host[static 256], uint16_t *ret_port);
