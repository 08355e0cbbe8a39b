#include "agent/fastpath/program_private.h"
#include <errno.h>
#include <string.h>

int skr_program_new(struct skr_fastpath *fastpath, struct skr_desired *desired, struct skr_program **ret)
{
    struct skr_program *program = skr_must(calloc(1, sizeof(*program)));
    program->fastpath = fastpath;
    program->desired = desired;
    program->formers_due_ns = INT64_MAX;
    *ret = program;
    return 0;
}

void skr_program_free(struct skr_program *program)
{
    if (!program)
        return;
    skr_program_entries_free(program);
    skr_program_flood_free(program);
    skr_program_formers_free(program);
    skr_program_adapters_free(program);
    skr_program_pas_free(program);
    skr_program_segments_free(program);
    skr_program_domains_sweep(program, true);
    free(program);
}

void skr_program_commit(struct skr_program *program)
{
    skr_program_ports_settle(program);
    skr_program_places_settle(program);
    if (program->held)
        return;
    skr_program_pas_settle(program);
    skr_program_commit_entries(program);
    if (program->domains_gone)
        skr_program_domains_sweep(program, false);
    program->domains_gone = false;
}

void skr_program_hold(struct skr_program *program, bool hold)
{
    program->held = hold;
    skr_program_commit(program);
}

/* An object that this agent does not support stays in desired state and counts in digests; a failure reports it, so
 * that it is never ignored silently. */
static void tell_unsupported(struct skr_program *program, const struct skr_desired_change *change)
{
    char text[SKR_SUPPORT_TEXT_MAX];
    const char *reason = change->after ? skr_support_object(change->type, text) : NULL;
    if (reason)
        skr_desired_failure_set(program->desired, change->scope, &change->scope_id, change->type, &change->id,
                                SKR_DESIRED_PLACE, reason);
}

void skr_program_changes(void *arg, const struct skr_desired_change *changes, size_t count)
{
    struct skr_program *program = arg;
    for (size_t i = 0; i < count; i++) {
        tell_unsupported(program, &changes[i]);
        const struct skr_desired_change *change = &changes[i];
        if (change->scope == SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN) {
            skr_program_domain_change(program, change);
            continue;
        }
        skr_program_self(program, &change->scope_id);
        if (change->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT)
            skr_program_port_change(program, change);
        else if (change->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS)
            skr_program_provider_address_change(program, change);
        else if (change->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH)
            program->segments_touched = true;
    }
    skr_program_commit(program);
}
