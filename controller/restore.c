#include "controller/restore.h"
#include "controller/model/model.h"

#include <errno.h>
#include <limits.h>
#include <skerry/clock.h>
#include <skerry/file.h>
#include <skerry/tls.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PASSPHRASE_MAX 1024

/* The first line of the file. */
static int read_passphrase(const char *path, char **ret, struct skr_error *error)
{
    uint8_t *text;
    size_t size;
    int r = skr_file_read(path, PASSPHRASE_MAX + 2, &text, &size);
    if (r < 0)
        return skr_error_set(error, SKR_ERROR_INVALID, "The passphrase file %.200s cannot be read: %s.", path,
                             strerrordesc_np(-r));
    text[strcspn((char *)text, "\r\n")] = '\0';
    *ret = (char *)text;
    return 0;
}

static int open_key(void *passphrase, const char *pem, char **ret, struct skr_error *error)
{
    int r = skr_tls_key_decrypt(pem, passphrase ? passphrase : "", ret, error);
    if (r == -ENOTSUP) /* it stands in the clear */
        return 0;
    if (r < 0 && !passphrase)
        return skr_error_set(error, SKR_ERROR_INVALID,
                             "The key in the backup is encrypted: give --passphrase-file with its passphrase.");
    return r;
}

int skr_restore(const char *database, const char *file, const char *passphrase_file, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *passphrase = NULL;
    char aside[PATH_MAX];
    snprintf(aside, sizeof(aside), "%.4000s.before-restore-%lld", database, (long long)skr_clock_wall_ms());
    int r = passphrase_file ? read_passphrase(passphrase_file, &passphrase, error) : 0;
    if (r < 0)
        return r;
    const struct skr_store_restore options = {.path = database,
                                              .file = file,
                                              .aside = aside,
                                              .mark = SKR_SETTING_ROLLED_BACK,
                                              .setting = SKR_SETTING_AUTHORITY_KEY,
                                              .change = open_key,
                                              .arg = passphrase};
    r = skr_store_restore(&options, error);
    if (passphrase)
        explicit_bzero(passphrase, strlen(passphrase));
    if (r < 0)
        return r;
    printf("%s is restored from %s.\n", database, file);
    if (access(aside, F_OK) == 0)
        printf("The old database is %s now.\n", aside);
    printf("Start the controller. Nothing is written, and hosts keep what they have, until you accept this database:\n"
           "  skerryctl get orphans                      what hosts have and this database does not know\n"
           "                                             (GET /v1/orphans)\n"
           "  skerryctl controller accept-database       hosts become what this database says\n"
           "                                             (POST /v1/controller:accept-database)\n");
    return 0;
}
