/* The commands of skerryctl. Each is one entry of a table and one function that returns the exit code of the process.
 * Data goes to standard output, talk to standard error. */
#pragma once

#include "cli/apply/manifest.h"
#include "cli/command/arguments.h"
#include "cli/output/print.h"
#include "cli/rest/lookup.h"

/* docs/design/api.md, "skerryctl". The exit code for a request that the controller refuses stands in the table of error
 * tags. */
enum { SKR_EXIT_DONE = 0, SKR_EXIT_FAILED = 1, SKR_EXIT_USAGE = 2, SKR_EXIT_NOT_YET_REALIZED = 7 };

struct skr_command {
    const char *name; /* "get", "host list" */
    const char *usage;
    const char *help;
    const struct skr_flag *flags; /* ends with a nameless one */
    bool takes_fields;
    bool takes_kind; /* its first word is a kind: help says so */
    int (*run)(const struct skr_command *command, const struct skr_arguments *arguments);
};
extern const struct skr_command skr_commands[];
extern const unsigned skr_command_count;

int skr_run(int argc, char *const *argv);

/* ---- talk (say.c) ---- */

void skr_say(const char *format, ...) SKR_PRINTF(1, 2);
/* Tells what went wrong and returns the exit code that goes with it. */
int skr_fail(const struct skr_error *error);
/* The same for a mistake on the command line, with the way to help. */
int skr_usage(const struct skr_command *command, const struct skr_error *error);
int skr_usage_because(const struct skr_command *command, const char *format, ...) SKR_PRINTF(2, 3);

/* ---- what commands share (session.c) ---- */

struct skr_session {
    struct skr_client *client;
    struct skr_lookup *lookup;
};
/* `arguments` may be NULL; a --timeout of theirs is also how long requests wait as Retry-After says. */
int skr_session_open(const struct skr_arguments *arguments, struct skr_session *ret, struct skr_error *error);
void skr_session_close(struct skr_session *session);

/* A kind by any of its names. SYNTAX, "did you mean". */
int skr_kind_find(const char *text, const struct skr_resource **ret, struct skr_error *error);
/* KIND NAME..., or KIND/NAME... each: the kind and name at word `at`; *ret_name NULL when there is none. Returns how
 * many words it took, or -errno. */
int skr_target_at(const struct skr_arguments *arguments, unsigned at, const struct skr_resource **ret_kind,
                  const char **ret_name, struct skr_error *error);
/* --wait and --timeout of a write: 0 ms = none was asked for. */
int skr_wait_flags(const struct skr_arguments *arguments, unsigned *ret_ms, struct skr_error *error);
/* DONE, FAILED or NOT_YET_REALIZED, and talk about the hosts that have not applied it. `realization` may be NULL. */
int skr_realization_code(const char *what, const json_t *realization);
/* The same as objects, in the order in which they can be created. */
int skr_read_manifest(const char *path, const struct skr_arguments *arguments, struct skr_manifest *ret,
                      struct skr_error *error);
/* The fields of a command line as filters of a list, names turned into ids. */
int skr_filters_add(struct skr_session *session, const struct skr_resource *resource,
                    const struct skr_arguments *arguments, struct skr_request_path *path, struct skr_error *error);
/* The fields of a command line as a body. */
int skr_body_from_fields(const struct skr_resource *resource, const struct skr_arguments *arguments, json_t *body,
                         struct skr_error *error);

/* ---- secrets (secret.c) ---- */

/* They come from standard input, a line each, or are asked for on a terminal, without echo; never from a word of the
 * command line, which everybody on the machine can read. SYNTAX when there is none or it is too long. */
#define SKR_SECRET_LINE_MAX (1024 + 2) /* the longest password, its newline, NUL */
int skr_secret_ask(const char *title, char ret[static SKR_SECRET_LINE_MAX], struct skr_error *error);
/* A new one: on a terminal it is asked for twice. */
int skr_secret_choose(const char *title, char ret[static SKR_SECRET_LINE_MAX], struct skr_error *error);
/* Reads the secret of a field's flag, whose word must be "-". */
int skr_secret_from_flag(const struct skr_field *field, const char *word, json_t **ret, struct skr_error *error);

/* ---- waiting (progress.c, follow.c) ---- */

/* Waits until a write is realized, at most `ms`, and tells how far it is where standard error is a terminal. *ret_code:
 * as skr_realization_code. *ret_hosts: how many hosts need it. */
int skr_wait_realized(struct skr_session *session, const char *what, int64_t revision, unsigned ms, int *ret_code,
                      json_int_t *ret_hosts, struct skr_error *error);
/* Follows a job until it ends, at most `ms` (0: as long as it takes), and tells its steps. *ret_code: DONE when it
 * succeeded, FAILED when it failed or was cancelled, NOT_YET_REALIZED when it goes on. */
int skr_wait_job(struct skr_session *session, const char *id, int64_t ms, int *ret_code, struct skr_error *error);
/* One question whether a write is realized, which the controller answers when it is or after `ms`. */
int skr_ask_realized(struct skr_session *session, int64_t revision, unsigned ms, struct skr_answer *ret,
                     struct skr_error *error);
/* Shows an object (borrowed; NULL: deleted) as it is and whenever it changes, until `seen` returns true, the connection
 * ends, or the deadline is reached (0: none). Not a change is missed in between. NOT_FOUND when it is not there. */
typedef bool skr_object_fn(void *arg, json_t *object);
int skr_follow_object(struct skr_session *session, const struct skr_resource *resource, const char *id,
                      int64_t deadline_ns, skr_object_fn *seen, void *arg, struct skr_error *error);
/* A member of an object as the controller shows it, at the top or inside "status"; NULL: none. */
const json_t *skr_shown_member(const json_t *object, const char *name);

/* ---- one file a command ---- */

typedef int skr_command_fn(const struct skr_command *command, const struct skr_arguments *arguments);
skr_command_fn skr_command_login, skr_command_config, skr_command_get, skr_command_describe, skr_command_create,
        skr_command_apply, skr_command_delete, skr_command_wait, skr_command_watch, skr_command_host_list,
        skr_command_host_join, skr_command_host_edit, skr_command_host_action, skr_command_host_local, skr_command_help,
        skr_command_diff, skr_command_edit, skr_command_act, skr_command_password, skr_command_job_wait,
        skr_command_job_cancel, skr_command_explain, skr_command_completion, skr_command_complete, skr_command_manual,
        skr_command_top, skr_command_controller_show, skr_command_controller_accept, skr_command_ipam_find,
        skr_command_ipam_utilization, skr_command_ipam_overlaps;
