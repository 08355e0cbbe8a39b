#include "cli/rest/settings.h"

#include <errno.h>
#include <jansson.h>
#include <skerry/file.h>
#include <skerry/macros.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PORT_DEFAULT "8443"
#define URL_MAX      512

int skr_settings_path(char ret[static PATH_MAX], struct skr_error *error)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int length;
    if (base && *base == '/')
        length = snprintf(ret, PATH_MAX, "%s/skerry/config.json", base);
    else if (home && *home == '/')
        length = snprintf(ret, PATH_MAX, "%s/.config/skerry/config.json", home);
    else
        return skr_error_set(error, SKR_ERROR_INTERNAL,
                             "Neither XDG_CONFIG_HOME nor HOME is set, so there is no place for the configuration");
    if (length >= PATH_MAX)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The path of the configuration is too long");
    return 0;
}

static char *copy_member(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text && *text ? strdup(text) : NULL;
}

int skr_settings_read(struct skr_settings *ret, struct skr_error *error)
{
    char path[PATH_MAX];
    uint8_t *data SKR_CLEANUP(skr_free_cleanup) = NULL;
    size_t size = 0;
    int r = skr_settings_path(path, error);
    if (r < 0)
        return r;
    r = skr_file_read(path, SKR_SETTINGS_MAX, &data, &size);
    if (r == -ENOENT)
        return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED,
                             "You are not logged in; run: skerryctl login URL --ca FILE --token-file FILE");
    if (r < 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "%.300s cannot be read: %s", path, strerror(-r));
    json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct skr_settings settings = {
            .url = copy_member(json, "url"), .ca_pem = copy_member(json, "ca"), .token = copy_member(json, "token")};
    json_decref(json);
    if (!settings.url || !settings.token) {
        skr_settings_done(&settings);
        return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED,
                             "%.300s holds no login that can be used; run: skerryctl login URL", path);
    }
    *ret = settings;
    return 0;
}

int skr_settings_write(const struct skr_settings *settings, struct skr_error *error)
{
    char path[PATH_MAX], directory[PATH_MAX];
    int r = skr_settings_path(path, error);
    if (r < 0)
        return r;
    memcpy(directory, path, sizeof(directory));
    *strrchr(directory, '/') = '\0';
    json_t *json = json_object();
    json_object_set_new(json, "url", json_string(settings->url));
    if (settings->ca_pem)
        json_object_set_new(json, "ca", json_string(settings->ca_pem));
    json_object_set_new(json, "token", json_string(settings->token));
    char *text SKR_CLEANUP(skr_free_cleanup) = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    if (!text)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The login holds text that is not UTF-8");
    r = skr_directory_make(directory, 0700);
    if (r == 0)
        r = skr_file_replace(path, text, strlen(text), 0600);
    return r < 0 ? skr_error_set(error, SKR_ERROR_INTERNAL, "%.300s cannot be written: %s", path, strerror(-r)) : 0;
}

void skr_settings_done(struct skr_settings *settings)
{
    free(SKR_TAKE(settings->url));
    free(SKR_TAKE(settings->ca_pem));
    if (settings->token)
        explicit_bzero(settings->token, strlen(settings->token));
    free(SKR_TAKE(settings->token));
}

/* Where the port begins in host[:port], NULL without one; the colons of a bracketed IPv6 address are none. */
static const char *port_of(const char *authority)
{
    const char *bracket = strchr(authority, ']');
    return strchr(bracket ? bracket : authority, ':');
}

int skr_settings_url(const char *text, char **ret, struct skr_error *error)
{
    char authority[URL_MAX];
    if (strncmp(text, "http://", 7) == 0)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "The controller answers HTTPS alone: https://%.200s", text + 7);
    const char *start = strncmp(text, "https://", 8) == 0 ? text + 8 : text;
    size_t length = strcspn(start, "/");
    bool rest_is_ours = strcmp(start + length, "") == 0 || strcmp(start + length, "/") == 0 ||
                        strcmp(start + length, "/v1") == 0 || strcmp(start + length, "/v1/") == 0;
    if (!length || length >= sizeof(authority) || !rest_is_ours || strpbrk(start, " @?#\\"))
        return skr_error_set(error, SKR_ERROR_SYNTAX,
                             "'%.200s' is no address of a controller; write it like https://controller.example:8443",
                             text);
    snprintf(authority, sizeof(authority), "%.*s", (int)length, start);
    const char *port = port_of(authority);
    if (asprintf(ret, "https://%s%s", authority, port ? "" : ":" PORT_DEFAULT) < 0)
        abort();
    return 0;
}
