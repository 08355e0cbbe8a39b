#include "agent/south/join.h"
#include <ctype.h>
#include <skerry/macros.h>
#include <string.h>

#define SCHEME "skerry://"

static int refuse(struct skr_error *error, const char *what)
{
    return skr_error_set(error, SKR_ERROR_INVALID,
                         "The join string %s; it looks like skerry://controller:6653/<token id>.<secret>#<hash>.",
                         what);
}

/* Cuts `text` at the first `separator`; NULL: not there. */
static char *cut(char *text, char separator)
{
    char *at = strchr(text, separator);
    if (!at)
        return NULL;
    *at = 0;
    return at + 1;
}

static bool secret_ok(const char *secret, size_t max)
{
    size_t length = strlen(secret);
    for (const char *c = secret; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
            return false;
    return length > 0 && length < max;
}

int skr_join_string_parse(const char *text, struct skr_join_string *ret, struct skr_error *error)
{
    char copy[SKR_JOIN_STRING_MAX], host[256];
    struct skr_join_string out = {0};
    uint16_t port;
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    if (length >= sizeof(copy))
        return refuse(error, "is too long");
    memcpy(copy, text, length);
    copy[length] = 0;
    if (strncmp(copy, SCHEME, strlen(SCHEME)) != 0)
        return refuse(error, "does not start with skerry://");
    char *controller = copy + strlen(SCHEME);
    char *hash = cut(controller, '#'), *token = cut(controller, '/'), *secret = token ? cut(token, '.') : NULL;
    if (!hash || skr_tls_hash_parse(hash, out.pin) < 0)
        return refuse(error, "does not end in # and 64 hexadecimal digits");
    if (!secret || skr_uuid_parse(token, &out.token_id) < 0 || !secret_ok(secret, sizeof(out.secret)))
        return refuse(error, "has no token");
    if (strlen(controller) >= sizeof(out.controller) || skr_controller_split(controller, host, &port) < 0)
        return refuse(error, "names no controller and port");
    memcpy(out.controller, controller, strlen(controller) + 1);
    memcpy(out.secret, secret, strlen(secret) + 1);
    *ret = out;
    return 0;
}
