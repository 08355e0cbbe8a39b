/* Proof that a controller sent a revision of a database to a host: a MAC that only the controller can make. The
 * controller sends it with each Synced, the agent keeps it and shows it in Hello. A host can show only what it was
 * given, so a proof of a later revision shows that the controller's database was set back. */
#pragma once

#include <skerry/uuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKR_PROOF_SIZE 32

/* Derived from the key of the certificate authority, which every backup carries: a restored controller can check the
 * proofs that it gave after the backup. It never leaves the controller. */
struct skr_proof_key {
    uint8_t bytes[32];
};

/* HMAC-SHA256 (RFC 2104) over the host, the database and the revision in big-endian order. Any thread. */
void skr_proof_make(const struct skr_proof_key *key, const struct skr_uuid *host_id, const struct skr_uuid *database_id,
                    uint64_t revision, uint8_t ret[static SKR_PROOF_SIZE]);
/* Compares in constant time. A proof of another length does not hold. */
bool skr_proof_holds(const struct skr_proof_key *key, const struct skr_uuid *host_id,
                     const struct skr_uuid *database_id, uint64_t revision, const uint8_t *proof, size_t size);
