/* Writes that create and apply share. */
#pragma once

#include "cli/command/command.h"

struct skr_writing {
    struct skr_session *session;
    const struct skr_arguments *arguments; /* --wait, --timeout, --dry-run */
    enum skr_form form;
};

/* POST of an entry whose references are ids. *ret_object: what was created. Returns 0 or -errno; *ret_code is the exit
 * code of a wait. */
int skr_write_create(struct skr_writing *writing, const struct skr_manifest_entry *entry, json_t **ret_object,
                     int *ret_code, struct skr_error *error);
/* PATCH of what differs. */
int skr_write_patch(struct skr_writing *writing, const struct skr_resource *resource, const json_t *current,
                    const json_t *patch, json_t **ret_object, int *ret_code, struct skr_error *error);
/* "vm-network/red/web created" */
void skr_write_tell(struct skr_writing *writing, const struct skr_resource *resource, const json_t *object,
                    const char *what);
bool skr_write_is_dry(const struct skr_writing *writing);
