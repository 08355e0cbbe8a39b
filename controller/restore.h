/* skerry-controller restore FILE: puts a backup in the place of the database. */
#pragma once

#include <skerry/error.h>

/* `passphrase_file` may be NULL: the key in the backup must then stand in the clear. Prints what was done. */
int skr_restore(const char *database, const char *file, const char *passphrase_file, struct skr_error *error);
