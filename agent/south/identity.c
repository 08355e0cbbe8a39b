#include "agent/south/identity.h"
#include <errno.h>
#include <inttypes.h>
#include <skerry/config.h>
#include <skerry/file.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX       (256UL * 1024)
#define PATH_ROOM      4096
#define DIRECTORY_MODE 0700
#define FILE_MODE      0600
#define PEM_BEGIN      "-----BEGIN CERTIFICATE-----"
#define PEM_END        "-----END CERTIFICATE-----"

static int path_in(const char *directory, const char *name, char out[static PATH_ROOM])
{
    int n = snprintf(out, PATH_ROOM, "%s/%s", directory, name);
    return n > 0 && n < PATH_ROOM ? 0 : -ENAMETOOLONG;
}

static int read_file(const char *directory, const char *name, char **ret, struct skr_error *error)
{
    char path[PATH_ROOM];
    uint8_t *data;
    size_t size;
    int r = path_in(directory, name, path);
    if (r == 0)
        r = skr_file_read(path, FILE_MAX, &data, &size);
    if (r < 0) {
        skr_error_set(error, r == -ENOENT ? SKR_ERROR_NOT_FOUND : SKR_ERROR_STORAGE, "%s/%s cannot be read: %s.",
                      directory, name, strerror(-r));
        return r;
    }
    *ret = (char *)data;
    return 0;
}

static int write_file(const struct skr_identity *identity, const char *name, const char *text, struct skr_error *error)
{
    char path[PATH_ROOM];
    if (!identity->directory)
        return 0;
    int r = path_in(identity->directory, name, path);
    if (r == 0)
        r = skr_file_replace(path, text, strlen(text), FILE_MODE);
    if (r < 0)
        skr_error_set(error, SKR_ERROR_STORAGE, "%s/%s cannot be written: %s.", identity->directory, name,
                      strerror(-r));
    return r;
}

static int write_settings(const struct skr_identity *identity, struct skr_error *error)
{
    char text[1024], id[SKR_UUID_TEXT_MAX];
    int n = snprintf(text, sizeof(text),
                     "# Written by skerry-agent.\n[agent]\nhost_id = %s\ncontroller = %s\nsession_number = %" PRIu64
                     "\n",
                     skr_uuid_format(&identity->host_id, id), identity->controller, identity->session_number);
    if (n < 0 || (size_t)n >= sizeof(text))
        return -ENAMETOOLONG;
    return write_file(identity, "agent.ini", text, error);
}

static struct skr_identity *identity_new(const char *directory)
{
    struct skr_identity *identity = calloc(1, sizeof(*identity));
    if (!identity || (directory && !(identity->directory = strdup(directory))))
        abort();
    return identity;
}

void skr_identity_free(struct skr_identity *identity)
{
    if (!identity)
        return;
    skr_tls_identity_free(identity->tls);
    free(identity->directory);
    free(identity->controller);
    free(identity->certificate);
    free(identity->authorities);
    free(identity);
}

/* ---- the key ---- */

static int make_key(struct skr_identity *identity, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *pem = NULL;
    int r = skr_tls_key_new(&identity->tls, error);
    if (r == 0)
        r = skr_tls_identity_key_pem(identity->tls, &pem);
    if (r == 0)
        r = write_file(identity, "key.pem", pem, error);
    return r;
}

int skr_identity_prepare(const char *directory, struct skr_identity **ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_identity_cleanup) struct skr_identity *identity = identity_new(directory);
    SKR_CLEANUP(skr_free_cleanup) char *pem = NULL;
    int r = directory ? skr_directory_make(directory, DIRECTORY_MODE) : 0;
    if (r < 0)
        return skr_error_set(error, SKR_ERROR_STORAGE, "The state directory %s cannot be made: %s.", directory,
                             strerror(-r));
    r = directory ? read_file(directory, "key.pem", &pem, error) : -ENOENT;
    if (r == -ENOENT) {
        skr_error_clear(error);
        r = make_key(identity, error);
    } else if (r == 0) {
        r = skr_tls_identity_from_pem(pem, NULL, &identity->tls, error);
    }
    if (r == 0)
        *ret = SKR_TAKE(identity);
    return r;
}

/* ---- loading ---- */

struct settings {
    char *host_id, *controller;
    char *session_number; /* text: 64 bits without a sign */
};

static const struct skr_option setting_options[] = {
        {"agent", "host_id", NULL, SKR_OPTION_TEXT, offsetof(struct settings, host_id), NULL, 0, 0, "this host's id"},
        {"agent", "controller", NULL, SKR_OPTION_TEXT, offsetof(struct settings, controller), NULL, 0, 0,
         "host:port of the controller"},
        {"agent", "session_number", NULL, SKR_OPTION_TEXT, offsetof(struct settings, session_number), "0", 0, 0,
         "number of the last session"},
};

static int load_settings(struct skr_identity *identity, struct skr_error *error)
{
    struct settings settings = {0};
    char path[PATH_ROOM];
    int index = 0, r = path_in(identity->directory, "agent.ini", path);
    if (r < 0)
        return r;
    if (access(path, F_OK) < 0) {
        skr_error_set(error, SKR_ERROR_NOT_FOUND,
                      "This host has not joined a controller (%s is not there): run skerry-agent join.", path);
        return -ENOENT;
    }
    r = skr_config_read(setting_options, SKR_ARRAY_SIZE(setting_options), &settings, path, false, 0, NULL, &index,
                        error);
    if (r == 0 &&
        (!settings.host_id || !settings.controller || skr_uuid_parse(settings.host_id, &identity->host_id) < 0))
        r = skr_error_set(error, SKR_ERROR_INVALID, "%s does not name a host id and a controller.", path);
    if (r == 0) {
        identity->controller = SKR_TAKE(settings.controller);
        identity->session_number = strtoull(settings.session_number, NULL, 10);
    }
    skr_config_done(setting_options, SKR_ARRAY_SIZE(setting_options), &settings);
    return r;
}

int skr_identity_load(const char *directory, struct skr_identity **ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_identity_cleanup) struct skr_identity *identity = identity_new(directory);
    SKR_CLEANUP(skr_free_cleanup) char *key = NULL;
    int r = load_settings(identity, error);
    if (r == 0)
        r = read_file(directory, "key.pem", &key, error);
    if (r == 0)
        r = read_file(directory, "cert.pem", &identity->certificate, error);
    if (r == 0)
        r = read_file(directory, "authorities.pem", &identity->authorities, error);
    if (r == 0)
        r = skr_tls_identity_from_pem(key, identity->certificate, &identity->tls, error);
    if (r == 0)
        *ret = SKR_TAKE(identity);
    return r;
}

/* ---- changing ---- */

static char *join_pems(char *const *pems, size_t count)
{
    size_t size = 1;
    for (size_t i = 0; i < count; i++)
        size += strlen(pems[i]) + 1;
    char *out = malloc(size), *at = out;
    if (!out)
        abort();
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(pems[i]);
        memcpy(at, pems[i], length);
        at += length;
        if (length > 0 && at[-1] != '\n')
            *at++ = '\n';
    }
    *at = 0;
    return out;
}

/* Key hashes of the certificates in the text. */
static int read_pins(const char *pems, uint8_t (*pins)[SKR_TLS_HASH_SIZE], size_t *ret_count, struct skr_error *error)
{
    size_t count = 0;
    for (const char *at = strstr(pems, PEM_BEGIN); at; at = strstr(at, PEM_BEGIN)) {
        const char *end = strstr(at, PEM_END);
        if (!end || count == SKR_IDENTITY_AUTHORITIES_MAX)
            break;
        end += strlen(PEM_END);
        SKR_CLEANUP(skr_free_cleanup) char *one = NULL;
        if (asprintf(&one, "%.*s\n", (int)(end - at), at) < 0)
            abort();
        int r = skr_tls_certificate_key_hash(one, pins[count], error);
        if (r < 0)
            return r;
        count++;
        at = end;
    }
    if (count == 0)
        return skr_error_set(error, SKR_ERROR_INVALID, "There is no authority to trust.");
    *ret_count = count;
    return 0;
}

static int set_authorities(struct skr_identity *identity, char *const *authorities, size_t count,
                           struct skr_error *error)
{
    if (count == 0)
        return 0;
    uint8_t pins[SKR_IDENTITY_AUTHORITIES_MAX][SKR_TLS_HASH_SIZE];
    size_t pin_count;
    SKR_CLEANUP(skr_free_cleanup) char *joined = join_pems(authorities, count);
    if (identity->authorities && strcmp(joined, identity->authorities) == 0)
        return 0;
    int r = read_pins(joined, pins, &pin_count, error);
    if (r == 0)
        r = write_file(identity, "authorities.pem", joined, error);
    if (r < 0)
        return r;
    free(identity->authorities);
    identity->authorities = SKR_TAKE(joined);
    return 0;
}

static int set_certificate(struct skr_identity *identity, const char *certificate, struct skr_error *error)
{
    int r = skr_tls_identity_set_certificate(identity->tls, certificate, error);
    if (r == 0)
        r = write_file(identity, "cert.pem", certificate, error);
    if (r < 0)
        return r;
    free(identity->certificate);
    identity->certificate = strdup(certificate);
    return identity->certificate ? 0 : -ENOMEM;
}

int skr_identity_update(struct skr_identity *identity, const char *certificate, char *const *authorities,
                        size_t authority_count, struct skr_error *error)
{
    int r = set_authorities(identity, authorities, authority_count, error);
    if (r == 0 && certificate)
        r = set_certificate(identity, certificate, error);
    return r;
}

int skr_identity_enrolled(struct skr_identity *identity, const struct skr_uuid *host_id, const char *controller,
                          const char *certificate, char *const *authorities, size_t authority_count,
                          struct skr_error *error)
{
    int r = skr_identity_update(identity, certificate, authorities, authority_count, error);
    if (r < 0)
        return r;
    if (!identity->authorities)
        return skr_error_set(error, SKR_ERROR_INVALID, "The controller sent no authority to trust.");
    identity->host_id = *host_id;
    free(identity->controller);
    identity->controller = strdup(controller);
    /* Last: what makes the agent enrolled. */
    return write_settings(identity, error);
}

int skr_identity_next_session(struct skr_identity *identity, uint64_t *ret)
{
    identity->session_number++;
    *ret = identity->session_number;
    return write_settings(identity, NULL);
}

int skr_identity_context(const struct skr_identity *identity, SSL_CTX **ret, struct skr_error *error)
{
    uint8_t pins[SKR_IDENTITY_AUTHORITIES_MAX][SKR_TLS_HASH_SIZE];
    size_t count = 0;
    int r = read_pins(identity->authorities, pins, &count, error);
    return r < 0 ? r
                 : skr_tls_client_context(identity->tls, (const uint8_t(*)[SKR_TLS_HASH_SIZE])pins, count, ret, error);
}

int skr_controller_split(const char *controller, char host[static 256], uint16_t *ret_port)
{
    const char *colon = strrchr(controller, ':'), *start = controller, *end = colon;
    char *rest;
    if (!colon || colon == controller)
        return -EINVAL;
    if (*start == '[') {
        if (colon[-1] != ']')
            return -EINVAL;
        start++;
        end--;
    }
    errno = 0;
    unsigned long port = strtoul(colon + 1, &rest, 10);
    if (colon[1] < '0' || colon[1] > '9' || *rest || port == 0 || port > 65535 || end <= start || end - start > 255)
        return -EINVAL;
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = 0;
    *ret_port = (uint16_t)port;
    return 0;
}
