#include "controller/installation.h"

#include <dirent.h>
#include <errno.h>
#include <skerry/macros.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void directory_cleanup(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

/* A controller writes these files once it has a database. The database itself, its lock and SQLite's files beside
 * it may be left of a first start that was cut off. */
static bool is_evidence(const char *name, const char *database)
{
    size_t length = strlen(database);
    if (!strncmp(name, database, length))
        return name[length] == '.' && strcmp(name + length, ".lock") != 0;
    return !strcmp(name, "ca.pem") || !strcmp(name, "admin.token") || !strcmp(name, "backups");
}

int skr_installation_look(const char *directory, const char *database, bool initialize, char **ret_evidence,
                          struct skr_error *error)
{
    SKR_CLEANUP(directory_cleanup) DIR *entries = opendir(directory);
    const char *slash = strrchr(database, '/');
    struct stat facts;
    char *found = NULL;
    if (!entries)
        return skr_error_set(error, SKR_ERROR_STORAGE, "The data directory %s cannot be read: %s.", directory,
                             strerrordesc_np(errno));
    if (initialize && stat(database, &facts) == 0 && facts.st_size > 0)
        return skr_error_set(error, SKR_ERROR_CONFLICT,
                             "--initialize begins a new installation, but %s exists. Start without --initialize, or "
                             "move the old installation away first.",
                             database);
    for (struct dirent *entry; !initialize && !found && (entry = readdir(entries));)
        if (is_evidence(entry->d_name, slash ? slash + 1 : database))
            found = strdup(entry->d_name);
    *ret_evidence = found;
    return 0;
}
