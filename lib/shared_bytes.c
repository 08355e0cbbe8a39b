#include <skerry/shared_bytes.h>
#include <stdlib.h>

struct skr_shared_bytes *skr_shared_bytes_new(size_t size)
{
    struct skr_shared_bytes *bytes = malloc(sizeof(*bytes) + size);
    if (!bytes)
        abort();
    bytes->references = 1;
    bytes->size = size;
    return bytes;
}

struct skr_shared_bytes *skr_shared_bytes_ref(struct skr_shared_bytes *bytes)
{
    __atomic_add_fetch(&bytes->references, 1, __ATOMIC_RELAXED);
    return bytes;
}

void skr_shared_bytes_unref(struct skr_shared_bytes *bytes)
{
    if (bytes && __atomic_sub_fetch(&bytes->references, 1, __ATOMIC_ACQ_REL) == 0)
        free(bytes);
}
