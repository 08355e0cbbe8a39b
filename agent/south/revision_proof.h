/* The controller's proof of the last revision that it sent here, for the next Hello (skerry/proof.h). Kept beside the
 * cache, because the cache's format is what older agents read too. One thread. */
#pragma once

#include <skerry/proof.h>
#include <skerry/v1/southbound.pb-c.h>

struct skr_revision_proof {
    bool there;
    bool unsaved;
    struct skr_uuid database_id;
    uint64_t revision;
    uint8_t mac[SKR_PROOF_SIZE];
};

/* Takes what Synced says; nothing when an older controller gave no proof. */
void skr_revision_proof_take(struct skr_revision_proof *proof, const struct skr_uuid *database_id,
                             const Skerry__V1__Synced *synced);
/* Adds it to a Hello, which owns the copy. */
void skr_revision_proof_show(const struct skr_revision_proof *proof, Skerry__V1__Hello *hello);
/* Reads the file beside the cache. A file that is not there, or damaged, is no proof. */
void skr_revision_proof_load(struct skr_revision_proof *proof, const char *cache_path);
/* Writes it when it has changed. 0 or -errno. */
int skr_revision_proof_save(struct skr_revision_proof *proof, const char *cache_path);
