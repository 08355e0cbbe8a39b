/* rooms: agent/desired */
/* A cache file. The checksum is no secret, so the target puts a good header before most inputs; those whose first byte
 * is odd are taken as they are. What loads is written again byte for byte; what does not load leaves nothing. */
#include "agent/desired/private.h"
#include <errno.h>
#include <skerry/file.h>
#include <skerry/tls.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEADER_SIZE (8 + 4 + 4 + 8 + SKR_TLS_HASH_SIZE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned told;

static void count(void *arg, const struct skr_desired_change *changes, size_t n)
{
    (void)arg;
    for (size_t i = 0; i < n; i++)
        if (changes[i].before || !changes[i].after)
            abort(); /* everything comes as new */
    told += n;
}

static void put(int fd, const void *data, size_t size)
{
    if (write(fd, data, size) != (ssize_t)size)
        abort();
}

static void put_header(int fd, const uint8_t *content, size_t size)
{
    uint8_t header[HEADER_SIZE] = {'S', 'K', 'R', 'C', 'A', 'C', 'H', 'E', 1};
    for (unsigned i = 0; i < 8; i++)
        header[16 + i] = (uint8_t)((uint64_t)size >> (8 * i));
    skr_sha256(content, size, header + 24);
    put(fd, header, sizeof(header));
}

static void check_loaded(const struct skr_desired *desired, const char *path)
{
    char copy[64];
    uint8_t *first, *second;
    size_t first_size, second_size;
    unsigned objects = 0;
    for (const struct skr_desired_scope *scope = desired->scopes; scope; scope = scope->hh.next) {
        uint64_t digest = 0;
        objects += HASH_COUNT(scope->objects);
        for (const struct skr_desired_object *o = scope->objects; o; o = o->hh.next)
            digest += skr_digest_object(&desired->digest_key, o->key.type, &o->key.id, o->bytes, o->size);
        if (digest != scope->digest || (scope->key.kind != SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST &&
                                        scope->key.kind != SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN))
            abort();
    }
    snprintf(copy, sizeof(copy), "/dev/shm/skerry-fuzz-cache-%d", getpid());
    if (objects != told || skr_desired_save(desired, copy) < 0 ||
        skr_file_read(path, SIZE_MAX / 4, &first, &first_size) < 0 ||
        skr_file_read(copy, SIZE_MAX / 4, &second, &second_size) < 0 || first_size != second_size ||
        memcmp(first, second, first_size) != 0)
        abort();
    free(first);
    free(second);
    unlink(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skr_desired *desired;
    struct skr_error error = {0};
    char path[32];
    if (size == 0)
        return 0;
    int fd = memfd_create("cache", MFD_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (!(data[0] & 1))
        put_header(fd, data + 1, size - 1);
    put(fd, data + 1, size - 1);
    told = 0;
    skr_desired_new(&desired);
    skr_desired_listen(desired, count, NULL);
    int r = skr_desired_load(desired, path, &error);
    if (r == 0)
        check_loaded(desired, path);
    else if (r != -EBADMSG || error.tag == SKR_ERROR_NONE || told || desired->scopes || desired->revision ||
             desired->incarnation)
        abort();
    skr_desired_free(desired);
    close(fd);
    return 0;
}
