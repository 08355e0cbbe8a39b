/* Settings are the file that `skerryctl login` keeps: $XDG_CONFIG_HOME/skerry/config.json, or
 * ~/.config/skerry/config.json, mode 0600. */
#pragma once

#include <limits.h>
#include <skerry/error.h>

#define SKR_SETTINGS_MAX (64 << 10) /* bytes of the file */

struct skr_settings {
    char *url;    /* https://host:port, no slash at the end */
    char *ca_pem; /* the authority that must have signed the controller; NULL: the system's authorities */
    char *token;  /* bearer token */
};

int skr_settings_path(char ret[static PATH_MAX], struct skr_error *error);
/* UNAUTHENTICATED with the way to log in when there are none. */
int skr_settings_read(struct skr_settings *ret, struct skr_error *error);
int skr_settings_write(const struct skr_settings *settings, struct skr_error *error);
/* Cleanup function; the struct may be zeroed. */
void skr_settings_done(struct skr_settings *settings);
/* "host", "host:port" or a URL -> https://host:port; 8443 when no port is given. SYNTAX. */
int skr_settings_url(const char *text, char **ret, struct skr_error *error);
