/* Writes that the commands share: create, apply, edit, delete and actions. */
#pragma once

#include "cli/command/command.h"

struct skr_writing {
    struct skr_session *session;
    const struct skr_arguments *arguments; /* --wait, --timeout, --dry-run, --confirm */
    enum skr_form form;
    json_t *revisions; /* with --wait: [what, revision, an adapter?] of each write that was done */
    json_t *jobs;      /* ids of the jobs that writes started */
};
/* Cleanup function; the struct may be zeroed but for its first members. */
void skr_writing_done(struct skr_writing *writing);

/* Any write: adds what the flags ask for to the path and remembers the revision. `what` names it when it is waited
 * for. */
int skr_write_send(struct skr_writing *writing, struct skr_request *request, struct skr_request_path *path,
                   const char *what, struct skr_answer *ret, struct skr_error *error);
/* POST of an entry whose references are ids. *ret_object: what was created. */
int skr_write_create(struct skr_writing *writing, const struct skr_manifest_entry *entry, json_t **ret_object,
                     struct skr_error *error);
/* PATCH of what differs, on top of the version of `current`. */
int skr_write_patch(struct skr_writing *writing, const struct skr_resource *resource, const json_t *current,
                    const json_t *patch, json_t **ret_object, struct skr_error *error);
/* "vm-network/red/web created" */
void skr_write_tell(struct skr_writing *writing, const struct skr_resource *resource, const json_t *object,
                    const char *what);
bool skr_write_is_dry(const struct skr_writing *writing);
/* The end of a command that wrote. With --wait: follows the jobs that were started and waits until all of the writes
 * are realized, --timeout at most for all together; *ret_code: of the first that is not. Without it: names the jobs. */
int skr_write_settle(struct skr_writing *writing, int *ret_code, struct skr_error *error);
