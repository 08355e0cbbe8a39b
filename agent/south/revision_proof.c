#include "agent/south/revision_proof.h"
#include "agent/desired/arena.h"
#include <errno.h>
#include <limits.h>
#include <skerry/file.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file: database id, revision in big-endian order, MAC. */
#define FILE_SIZE (16 + 8 + SKR_PROOF_SIZE)
#define FILE_MODE 0600

static int path_of(const char *cache_path, char ret[static PATH_MAX])
{
    int n = snprintf(ret, PATH_MAX, "%s.proof", cache_path);
    return n > 0 && n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

void skr_revision_proof_take(struct skr_revision_proof *proof, const struct skr_uuid *database_id,
                             const Skerry__V1__Synced *synced)
{
    if (synced->proof.len != sizeof(proof->mac))
        return;
    *proof = (struct skr_revision_proof){
            .there = true, .unsaved = true, .database_id = *database_id, .revision = synced->revision};
    memcpy(proof->mac, synced->proof.data, sizeof(proof->mac));
}

static ProtobufCBinaryData copy_bytes(const void *data, size_t size)
{
    ProtobufCBinaryData bytes = {.len = size, .data = skr_must(malloc(size))};
    memcpy(bytes.data, data, size);
    return bytes;
}

void skr_revision_proof_show(const struct skr_revision_proof *proof, Skerry__V1__Hello *hello)
{
    if (!proof->there)
        return;
    hello->proof = skr_must(malloc(sizeof(*hello->proof)));
    skerry__v1__revision_proof__init(hello->proof);
    hello->proof->database_id = copy_bytes(proof->database_id.bytes, sizeof(proof->database_id.bytes));
    hello->proof->revision = proof->revision;
    hello->proof->mac = copy_bytes(proof->mac, sizeof(proof->mac));
}

void skr_revision_proof_load(struct skr_revision_proof *proof, const char *cache_path)
{
    SKR_CLEANUP(skr_free_cleanup) uint8_t *file = NULL;
    char path[PATH_MAX];
    size_t size;
    *proof = (struct skr_revision_proof){0};
    if (path_of(cache_path, path) < 0 || skr_file_read(path, FILE_SIZE, &file, &size) < 0 || size != FILE_SIZE)
        return;
    proof->there = true;
    memcpy(proof->database_id.bytes, file, 16);
    for (int i = 0; i < 8; i++)
        proof->revision = proof->revision << 8 | file[16 + i];
    memcpy(proof->mac, file + 24, sizeof(proof->mac));
}

int skr_revision_proof_save(struct skr_revision_proof *proof, const char *cache_path)
{
    uint8_t file[FILE_SIZE];
    char path[PATH_MAX];
    if (!proof->unsaved)
        return 0;
    memcpy(file, proof->database_id.bytes, 16);
    for (int i = 0; i < 8; i++)
        file[16 + i] = (uint8_t)(proof->revision >> (56 - 8 * i));
    memcpy(file + 24, proof->mac, sizeof(proof->mac));
    int r = path_of(cache_path, path);
    if (r == 0)
        r = skr_file_replace(path, file, sizeof(file), FILE_MODE);
    proof->unsaved = r < 0;
    return r;
}
