/* Immutable bytes that several threads send: encoded once, counted, freed by the last. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct skr_shared_bytes {
    unsigned references; /* atomic */
    size_t size;
    uint8_t data[];
};

/* Room for `size` bytes, one reference. */
struct skr_shared_bytes *skr_shared_bytes_new(size_t size);
struct skr_shared_bytes *skr_shared_bytes_ref(struct skr_shared_bytes *bytes);
void skr_shared_bytes_unref(struct skr_shared_bytes *bytes);
