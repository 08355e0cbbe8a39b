#include "controller/south/private.h"
#include <errno.h>
#include <skerry/clock.h>
#include <string.h>

struct skr_note {
    UT_hash_handle hh;
    struct skr_uuid host_id;
    bool seen;
    char *agent_version, *kernel; /* NULL: unchanged */
    int64_t certificate_expires_at_ms, seen_at_ms;
    int64_t synced_revision; /* 0: not synced */
};

void skr_notes_init(struct skr_notes *notes)
{
    pthread_mutex_init(&notes->lock, NULL);
    notes->due_ns = INT64_MAX;
}

static void free_all(struct skr_note **notes)
{
    struct skr_note *note, *next;
    HASH_ITER (hh, *notes, note, next) {
        HASH_DEL(*notes, note);
        free(note->agent_version);
        free(note->kernel);
        free(note);
    }
}

void skr_notes_done(struct skr_notes *notes)
{
    free_all(&notes->notes);
    free_all(&notes->batch);
    pthread_mutex_destroy(&notes->lock);
}

static struct skr_note *find_or_add(struct skr_notes *notes, const struct skr_uuid *host_id)
{
    struct skr_note *note;
    HASH_FIND(hh, notes->notes, host_id, sizeof(*host_id), note);
    if (note)
        return note;
    note = calloc(1, sizeof(*note));
    if (!note)
        abort();
    note->host_id = *host_id;
    HASH_ADD(hh, notes->notes, host_id, sizeof(note->host_id), note);
    return note;
}

/* Called with the lock held. True when the acceptor has to learn that there is something to do. */
static bool set_due(struct skr_notes *notes)
{
    if (notes->due_ns != INT64_MAX)
        return false;
    notes->due_ns = skr_clock_monotonic_ns() + SKR_SOUTH_NOTES_MS * SKR_NS_PER_MS;
    return true;
}

static void replace_text(char **at, const char *text)
{
    if (!text)
        return;
    free(*at);
    *at = strndup(text, SKR_TEXT_MAX);
}

void skr_notes_seen(struct skr_south *south, const struct skr_uuid *host_id, const char *agent_version,
                    const char *kernel, int64_t certificate_expires_at_ms)
{
    struct skr_notes *notes = &south->notes;
    pthread_mutex_lock(&notes->lock);
    struct skr_note *note = find_or_add(notes, host_id);
    note->seen = true;
    note->seen_at_ms = skr_clock_wall_ms();
    replace_text(&note->agent_version, agent_version);
    replace_text(&note->kernel, kernel);
    if (certificate_expires_at_ms)
        note->certificate_expires_at_ms = certificate_expires_at_ms;
    bool wake = set_due(notes);
    pthread_mutex_unlock(&notes->lock);
    if (wake)
        skr_acceptor_wake(south);
}

void skr_notes_synced(struct skr_south *south, const struct skr_uuid *host_id, int64_t revision)
{
    struct skr_notes *notes = &south->notes;
    pthread_mutex_lock(&notes->lock);
    struct skr_note *note = find_or_add(notes, host_id);
    if (revision > note->synced_revision)
        note->synced_revision = revision;
    bool wake = set_due(notes);
    pthread_mutex_unlock(&notes->lock);
    if (wake)
        skr_acceptor_wake(south);
}

/* An skr_write_fn over the batch. A host that is gone meanwhile needs no note; anything else refuses the batch. */
static int write_batch(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct skr_south *south = arg;
    struct skr_note *note, *next;
    int result = 0;
    HASH_ITER (hh, south->notes.batch, note, next) {
        if (note->seen) {
            struct skr_host_seen seen = {.host_id = note->host_id,
                                         .agent_version = note->agent_version,
                                         .kernel = note->kernel,
                                         .certificate_expires_at_ms = note->certificate_expires_at_ms,
                                         .now_ms = note->seen_at_ms};
            result = skr_model_host_seen(txn, &seen, error);
        }
        if (result == 0 && note->synced_revision > 0) {
            struct skr_host_synced synced = {.host_id = note->host_id, .revision = note->synced_revision};
            result = skr_model_host_synced(txn, &synced, error);
        }
        if (result < 0 && result != -ENOENT)
            return result;
        result = 0;
        skr_error_clear(error);
    }
    return 0;
}

static void batch_written(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    struct skr_south *south = arg;
    struct skr_note *done;
    (void)revision;
    if (result < 0)
        skr_log(SKR_LOG_WARNING, "what hosts have synced could not be written", "reason='%s'",
                error ? error->detail : "");
    pthread_mutex_lock(&south->notes.lock);
    done = south->notes.batch;
    south->notes.batch = NULL;
    south->notes.queued = false;
    if (south->notes.notes)
        set_due(&south->notes);
    pthread_mutex_unlock(&south->notes.lock);
    free_all(&done);
    skr_acceptor_wake(south);
    skr_south_written(south);
}

static void take_batch(struct skr_notes *notes)
{
    struct skr_note *note, *next;
    size_t count = 0;
    HASH_ITER (hh, notes->notes, note, next) {
        if (count++ == SKR_SOUTH_NOTES_BATCH_MAX)
            break;
        HASH_DEL(notes->notes, note);
        HASH_ADD(hh, notes->batch, host_id, sizeof(note->host_id), note);
    }
}

int64_t skr_notes_flush(struct skr_south *south, int64_t now_ns)
{
    struct skr_notes *notes = &south->notes;
    bool submit = false;
    pthread_mutex_lock(&notes->lock);
    if (notes->due_ns <= now_ns) {
        notes->due_ns = INT64_MAX; /* batch_written sets it again when more has come */
        if (!notes->queued) {
            if (!notes->batch)
                take_batch(notes);
            submit = notes->queued = notes->batch != NULL;
        }
    }
    pthread_mutex_unlock(&notes->lock);
    bool refused = submit && skr_south_write(south, write_batch, batch_written, south) < 0;
    pthread_mutex_lock(&notes->lock);
    if (refused) { /* the batch waits in its place for the next try */
        notes->queued = false;
        notes->due_ns = now_ns + SKR_SOUTH_RETRY_MS * SKR_NS_PER_MS;
    }
    int64_t due = notes->due_ns;
    pthread_mutex_unlock(&notes->lock);
    return due;
}
