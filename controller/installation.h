/* This says what the data directory holds when the controller starts: an installation, a part of one, or nothing yet.
 * main.c calls it before the database is opened. */
#pragma once

#include <skerry/error.h>
#include <stdbool.h>

/* *ret_evidence: the name of a file that only an installation has, beside the database itself; the caller frees it.
 * NULL: nothing of an installation is there, or `initialize` says that a new one shall begin. CONFLICT: it says so
 * where a database is. */
int skr_installation_look(const char *directory, const char *database, bool initialize, char **ret_evidence,
                          struct skr_error *error);
