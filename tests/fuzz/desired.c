/* rooms: agent/fastpath */
/* Deltas of a controller, as frames, into desired state and from there into a fast path in memory, with every
 * interface, address and neighbor bound as it appears. Digests are the sums they should be, a refused frame leaves
 * everything as it was, and the tables hold what was compiled. */
#include "agent/desired/private.h"
#include "agent/fastpath/program.h"
#include <errno.h>
#include <skerry/frame.h>
#include <stdio.h>
#include <string.h>

#define FRAMES_MAX 64
#define REMOTE_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct skr_desired *desired;
    struct skr_fastpath *fastpath;
    struct skr_program *program;
    struct skr_address remote[REMOTE_MAX];
    bool needed[REMOTE_MAX];
    size_t remote_count;
    unsigned told, failures;
};

struct snapshot {
    uint64_t root, revision;
    unsigned scopes, staged, told;
    size_t staged_bytes;
};

static struct snapshot snapshot(const struct run *run)
{
    return (struct snapshot){.root = skr_desired_root_digest(run->desired),
                             .revision = skr_desired_revision(run->desired),
                             .scopes = HASH_COUNT(run->desired->scopes),
                             .staged = HASH_COUNT(run->desired->staged),
                             .told = run->told,
                             .staged_bytes = run->desired->staged_bytes};
}

static bool same(const struct snapshot *a, const struct snapshot *b)
{
    return a->root == b->root && a->revision == b->revision && a->scopes == b->scopes && a->staged == b->staged &&
           a->told == b->told && a->staged_bytes == b->staged_bytes;
}

static void count(void *arg, const struct skr_desired_change *changes, size_t n)
{
    struct run *run = arg;
    for (size_t i = 0; i < n; i++)
        if (!changes[i].before && !changes[i].after)
            abort();
    run->told++;
}

/* Answered later: a real host does not resolve within the call either. */
static void remote(void *arg, const struct skr_address *pa, const struct skr_address *source)
{
    struct run *run = arg;
    if (run->remote_count == REMOTE_MAX)
        return;
    run->remote[run->remote_count] = *pa;
    run->needed[run->remote_count++] = source != NULL;
}

static int bind(void *arg, const struct skr_desired_change *object)
{
    struct run *run = arg;
    skr_program_bind(run->program, &object->id, 1 + object->id.bytes[15] % 8u, object->id.bytes[0] & 1);
    return 0;
}

static int own_pa(void *arg, const struct skr_desired_change *object)
{
    struct run *run = arg;
    struct skr_address address;
    const Skerry__V1__ProviderAddress *body = (const Skerry__V1__ProviderAddress *)object->after;
    if (!skr_body_address(&body->address, &address))
        abort(); /* bodies have been judged */
    skr_program_own_pa(run->program, &address, 100, body->mtu);
    return 0;
}

static void answer(struct run *run)
{
    skr_desired_each(run->desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, bind, run);
    skr_desired_each(run->desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS, own_pa, run);
    for (size_t i = 0; i < run->remote_count; i++) {
        struct skr_abi_neighbor neighbor = {.ifindex = run->needed[i] ? 100 : 0};
        skr_program_neighbor(run->program, &run->remote[i], &neighbor);
    }
    run->remote_count = 0;
}

static void check_digests(const struct skr_desired *desired)
{
    for (const struct skr_desired_scope *scope = desired->scopes; scope; scope = scope->hh.next) {
        uint64_t digest = 0;
        for (const struct skr_desired_object *o = scope->objects; o; o = o->hh.next)
            digest += skr_digest_object(&desired->digest_key, o->key.type, &o->key.id, o->bytes, o->size);
        if (digest != scope->digest)
            abort();
    }
}

static void take_delta(struct run *run, const Skerry__V1__Delta *delta)
{
    struct skr_error error = {0};
    struct snapshot before = snapshot(run), after;
    bool complete = !delta->more;
    bool untouched = !complete;
    complete = untouched;
    int r = skr_desired_delta(run->desired, delta, &complete, &error);
    after = snapshot(run);
    if (r == 0 ? complete != !delta->more : complete != untouched || error.tag == SKR_ERROR_NONE)
        abort();
    if (r == -EBADMSG ? !same(&before, &after) : r != 0 && r != -ESTALE)
        abort();
}

static void take(struct run *run, const Skerry__V1__Envelope *envelope)
{
    if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_DELTA)
        take_delta(run, envelope->delta);
    else if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_SCOPE_REMOVED)
        skr_desired_remove_scope(run->desired, envelope->scope_removed);
    else
        return;
    check_digests(run->desired);
    answer(run);
}

static int count_failure(void *arg, const void *key, const void *value)
{
    (void)key;
    (void)value;
    (*(unsigned *)arg)++;
    return 0;
}

static void difference(void *arg, enum skr_fastpath_table table, const void *key, const void *expected,
                       const void *found)
{
    (void)arg;
    char text[512];
    skr_program_describe(((struct run *)arg)->program, table, key, expected ? expected : found, text, sizeof(text),
                         NULL);
    fprintf(stderr, "%s: %s\n", expected ? found ? "differs" : "missing" : "too much", text);
    abort();
}

/* Every entry stands as it was compiled, and nothing else; without scopes nothing at all, whatever was there before. */
static void check_tables(struct run *run)
{
    skr_program_remove_unintended(run->program);
    for (unsigned i = 0; i < 2u * SKR_TABLE_COUNT && !skr_program_audit(run->program, 1 << 20, difference, run); i++)
        ;
    for (enum skr_fastpath_table table = 0; table < SKR_TABLE_COUNT; table++) {
        unsigned entries = 0;
        run->fastpath->ops->walk(run->fastpath, table, count_failure, &entries);
        if (entries && !run->desired->scopes)
            abort();
    }
}

static void acknowledge(struct skr_desired *desired)
{
    Skerry__V1__ScopeKind kind;
    struct skr_uuid id;
    uint8_t *packed;
    size_t size;
    while (skr_desired_next_changed(desired, &kind, &id)) {
        Skerry__V1__Envelope *applied = skr_desired_applied(desired, kind, &id);
        if (!applied || skr_frame_pack(applied, &packed, &size) < 0)
            abort();
        free(packed);
        skr_envelope_free(applied);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct skr_digest_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    static const struct skr_uuid database = {{0xdb}};
    struct run run = {0};
    struct skr_error error = {0};
    struct skr_fastpath_options options = {0};
    size_t body;
    if (skr_fastpath_memory_new(&options, &run.fastpath, &error) < 0 || skr_desired_new(&run.desired) < 0 ||
        skr_program_new(run.fastpath, run.desired, &run.program) < 0)
        abort();
    skr_desired_set_controller(run.desired, &database, 7, &key);
    skr_desired_listen(run.desired, count, &run);
    skr_desired_listen(run.desired, skr_program_changes, run.program);
    skr_program_on_remote_pa(run.program, remote, &run);
    for (unsigned i = 0; i < FRAMES_MAX && skr_frame_peek(data, size, SKR_FRAME_MAX, &body) >= 0 && size &&
                         body <= size - SKR_FRAME_HEADER;
         i++) {
        Skerry__V1__Envelope *envelope = NULL;
        if (skr_frame_unpack(data + SKR_FRAME_HEADER, body, &envelope) == 0)
            take(&run, envelope);
        skr_envelope_free(envelope);
        data += SKR_FRAME_HEADER + body;
        size -= SKR_FRAME_HEADER + body;
    }
    acknowledge(run.desired);
    check_tables(&run);
    skr_program_free(run.program);
    skr_desired_free(run.desired);
    run.fastpath->ops->free(run.fastpath);
    return 0;
}
