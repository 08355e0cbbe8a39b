/* The journal beside the cache file: what the controller has said since the file was written, in its own words (frames
 * with a Welcome, a Delta or a ScopeRemoved), noted before it is applied. Writing the whole file takes too long for
 * every change, and an agent that is killed must not come back with less than the kernel was told: it would take back
 * what hosts rely on by now. It is not synced: after a power cut the kernel knows nothing anyway.
 *
 * Said twice it does no harm: a delta that starts at another version than the scope has is left out. */
#include "agent/desired/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <skerry/file.h>
#include <skerry/frame.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Beyond, the file has not been writable for long, and the controller is asked. */
#define JOURNAL_MAX (64UL * 1024 * 1024)

static int journal_path(const char *path, char out[static PATH_MAX])
{
    return snprintf(out, PATH_MAX, "%s.journal", path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int skr_desired_note(const char *path, const Skerry__V1__Envelope *envelope)
{
    SKR_CLEANUP(skr_free_cleanup) uint8_t *frame = NULL;
    char name[PATH_MAX];
    struct stat facts;
    size_t size;
    int r = journal_path(path, name);
    if (r == 0)
        r = skr_frame_pack(envelope, &frame, &size);
    if (r < 0)
        return r;
    SKR_CLEANUP(skr_close_cleanup) int fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fstat(fd, &facts) < 0)
        return -errno;
    if ((size_t)facts.st_size + size > JOURNAL_MAX)
        return -EFBIG;
    ssize_t written = write(fd, frame, size);
    if (written == (ssize_t)size)
        return 0;
    r = written < 0 ? -errno : -ENOSPC;
    return ftruncate(fd, facts.st_size) < 0 ? -errno : r; /* what follows half a frame could not be read */
}

void skr_desired_forget_notes(const char *path)
{
    char name[PATH_MAX];
    if (journal_path(path, name) == 0)
        unlink(name);
}

static void replay(struct skr_desired *desired, const Skerry__V1__Envelope *envelope)
{
    struct skr_error error = {0};
    struct skr_uuid database_id;
    bool complete;
    if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_DELTA) {
        skr_desired_delta(desired, envelope->delta, &complete, &error);
    } else if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_SCOPE_REMOVED) {
        skr_desired_remove_scope(desired, envelope->scope_removed);
    } else if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_WELCOME &&
               skr_body_uuid(&envelope->welcome->database_id, &database_id)) {
        const Skerry__V1__Welcome *welcome = envelope->welcome;
        struct skr_digest_key key = {.k0 = welcome->digest_key_0, .k1 = welcome->digest_key_1};
        skr_desired_set_controller(desired, &database_id, welcome->incarnation, &key);
    }
}

void skr_desired_replay(struct skr_desired *desired, const char *path)
{
    SKR_CLEANUP(skr_free_cleanup) uint8_t *file = NULL;
    char name[PATH_MAX];
    size_t size, at = 0, body;
    if (journal_path(path, name) < 0 || skr_file_read(name, JOURNAL_MAX, &file, &size) < 0)
        return;
    while (skr_frame_peek(file + at, size - at, SKR_FRAME_MAX, &body) == 0 && size - at - SKR_FRAME_HEADER >= body) {
        Skerry__V1__Envelope *envelope = NULL;
        if (skr_frame_unpack(file + at + SKR_FRAME_HEADER, body, &envelope) < 0)
            break;
        replay(desired, envelope);
        skr_envelope_free(envelope);
        at += SKR_FRAME_HEADER + body;
    }
    if (at < size && truncate(name, (off_t)at) < 0)
        unlink(name);
    skr_desired_drop_partial(desired);
    while (desired->changed) /* acknowledged when it came, or found by its digest */
        skr_desired_scope_unmark(desired, desired->changed);
}
