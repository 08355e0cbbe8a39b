#include "controller/api/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <skerry/tls.h>
#include <string.h>
#include <strings.h>

/* The cache remembers the principal of a token for a second by the token's hash, so that a busy client costs no
 * database read a request. A change of any token or tenant empties the cache; the generation tells of a change that
 * commits while we read. */
#define ENTRIES    256
#define KEEP_NS    SKR_NS_PER_S
#define BEARER_MAX 256

struct entry {
    uint8_t hash[SKR_TLS_HASH_SIZE];
    struct skr_principal principal;
    int64_t until_ns;
};

struct skr_http_auth {
    pthread_mutex_t lock;
    uint64_t generation;
    struct entry entries[ENTRIES];
};

struct skr_http_auth *skr_http_auth_new(void)
{
    struct skr_http_auth *auth = calloc(1, sizeof(*auth));
    if (!auth)
        abort();
    pthread_mutex_init(&auth->lock, NULL);
    return auth;
}

void skr_http_auth_free(struct skr_http_auth *auth)
{
    if (!auth)
        return;
    pthread_mutex_destroy(&auth->lock);
    free(auth);
}

void skr_http_auth_forget(struct skr_http_auth *auth)
{
    pthread_mutex_lock(&auth->lock);
    auth->generation++;
    memset(auth->entries, 0, sizeof(auth->entries));
    pthread_mutex_unlock(&auth->lock);
}

static bool recall(struct skr_http_auth *auth, const uint8_t *hash, int64_t now_ns, struct skr_principal *ret,
                   uint64_t *ret_generation)
{
    pthread_mutex_lock(&auth->lock);
    const struct entry *entry = &auth->entries[hash[0] % ENTRIES];
    bool known = now_ns < entry->until_ns && CRYPTO_memcmp(entry->hash, hash, sizeof(entry->hash)) == 0;
    if (known)
        *ret = entry->principal;
    *ret_generation = auth->generation;
    pthread_mutex_unlock(&auth->lock);
    return known;
}

static void remember(struct skr_http_auth *auth, const uint8_t *hash, int64_t now_ns, uint64_t generation,
                     const struct skr_principal *principal)
{
    pthread_mutex_lock(&auth->lock);
    if (auth->generation == generation) {
        struct entry *entry = &auth->entries[hash[0] % ENTRIES];
        memcpy(entry->hash, hash, sizeof(entry->hash));
        entry->principal = *principal;
        entry->until_ns = now_ns + KEEP_NS;
    }
    pthread_mutex_unlock(&auth->lock);
}

/* ---- sessions ---- */

static void touched(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    (void)result, (void)revision, (void)error;
    free(arg);
}

/* Written down at most once a minute, and nobody waits for it. */
static void touch(struct skr_http_request *request, const struct skr_uuid *session_id)
{
    struct skr_uuid *id = malloc(sizeof(*id));
    if (!id)
        abort();
    *id = *session_id;
    if (skr_store_write(request->api->store, skr_model_touch_session, touched, id) < 0)
        free(id);
}

static const char *cookie_of(struct skr_http_request *request)
{
    return MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, SKR_HTTP_COOKIE);
}

int skr_http_csrf(struct skr_http_request *request, char ret[static SKR_SESSION_CSRF_MAX])
{
    const char *cookie = cookie_of(request), *dot = cookie ? strchr(cookie, '.') : NULL;
    if (!dot)
        return -EINVAL;
    skr_session_csrf(dot + 1, ret);
    return 0;
}

int skr_http_check_origin(struct skr_http_request *request, struct skr_error *error)
{
    const char *origin = skr_http_header(request, "Origin"), *host = skr_http_header(request, "Host");
    if (!origin)
        return 0;
    if (host && strncmp(origin, "https://", 8) == 0 && strcasecmp(origin + 8, host) == 0)
        return 0;
    return skr_error_set(error, SKR_ERROR_FORBIDDEN, "This request comes from a page of another site: %.100s", origin);
}

/* A browser sends the cookie by itself, so a write must show that the page which asks is ours. */
static int check_page(struct skr_http_request *request, struct skr_error *error)
{
    char csrf[SKR_SESSION_CSRF_MAX] = "";
    int r = skr_http_check_origin(request, error);
    if (r < 0 || request->method == SKR_HTTP_GET)
        return r;
    const char *header = skr_http_header(request, "X-CSRF-Token");
    if (skr_http_csrf(request, csrf) == 0 && header && strlen(header) == strlen(csrf) &&
        CRYPTO_memcmp(header, csrf, strlen(csrf)) == 0)
        return 0;
    return skr_error_set(error, SKR_ERROR_FORBIDDEN,
                         "A write of a session needs its X-CSRF-Token; GET /v1/sessions/current answers it");
}

/* ---- all ---- */

/* An IPv4 client of a socket for both families stands there as ::ffff:a.b.c.d; people know it as a.b.c.d. */
static void write_address(const struct sockaddr *from, char out[static INET6_ADDRSTRLEN])
{
    struct skr_address address = {0};
    char text[SKR_ADDRESS_TEXT_MAX];
    out[0] = '\0';
    if (from && from->sa_family == AF_INET6)
        memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, sizeof(address.bytes));
    else if (from && from->sa_family == AF_INET)
        address = skr_address_from_v4(((const struct sockaddr_in *)(const void *)from)->sin_addr.s_addr);
    else
        return;
    snprintf(out, INET6_ADDRSTRLEN, "%s", skr_address_format(&address, text));
}

void skr_http_say_where(struct skr_http_request *request)
{
    const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    write_address(info ? info->client_addr : NULL, request->principal.address);
    memcpy(request->principal.request_id, request->id, sizeof(request->principal.request_id));
}

static int look_up(struct skr_http_request *request, const char *text, bool cookie, struct skr_principal *ret,
                   struct skr_error *error)
{
    struct skr_txn *txn SKR_CLEANUP(skr_store_read_cleanup) = NULL;
    bool due = false;
    int r = skr_store_read_begin(request->api->store, &txn, error);
    if (r == 0)
        r = cookie ? skr_model_authenticate_session(txn, text, skr_clock_wall_ms(), ret, &due, error)
                   : skr_model_authenticate(txn, text, skr_clock_wall_ms(), ret, error);
    if (r == 0 && due)
        touch(request, &ret->token_id);
    return r;
}

static int find_secret(struct skr_http_request *request, const char **ret, bool *ret_cookie, struct skr_error *error)
{
    const char *header = skr_http_header(request, "Authorization"), *cookie = cookie_of(request);
    if (!header && cookie && strlen(cookie) <= BEARER_MAX) {
        *ret = cookie;
        *ret_cookie = true;
        return 0;
    }
    if (!header)
        return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED,
                             "Send your token: Authorization: Bearer <token>; skerryctl login keeps one for you");
    if (strncasecmp(header, "Bearer ", 7) != 0 || strlen(header) > BEARER_MAX)
        return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED,
                             "Authorization holds no bearer token; send Authorization: Bearer <token>");
    *ret = header + 7;
    *ret_cookie = false;
    return 0;
}

int skr_http_authenticate(struct skr_http_request *request, struct skr_error *error)
{
    struct skr_http_auth *auth = request->api->auth;
    struct skr_principal principal = {0};
    uint8_t hash[SKR_TLS_HASH_SIZE];
    uint64_t generation;
    const char *secret = "";
    bool cookie = false;
    int r = find_secret(request, &secret, &cookie, error);
    if (r < 0)
        return r;
    skr_sha256(secret, strlen(secret), hash);
    hash[SKR_TLS_HASH_SIZE - 1] = (uint8_t)(hash[SKR_TLS_HASH_SIZE - 1] ^ cookie); /* a cookie is no token */
    if (!recall(auth, hash, request->started_ns, &principal, &generation)) {
        r = look_up(request, secret, cookie, &principal, error);
        if (r < 0)
            return r;
        remember(auth, hash, request->started_ns, generation, &principal);
    }
    request->principal = principal;
    skr_http_say_where(request);
    return cookie ? check_page(request, error) : 0;
}

int skr_http_authorize(const struct skr_principal *principal, const struct skr_route *route,
                       enum skr_http_method method, struct skr_error *error)
{
    enum skr_role reserved = skr_route_role(route, method), role = principal->role;
    if (method == SKR_HTTP_GET ? skr_role_reads(reserved, role) : skr_role_writes(reserved, role))
        return 0;
    const char *name = skr_role_name(role);
    return skr_error_set(error, SKR_ERROR_FORBIDDEN, "The role %s does not reach as far; ask an administrator",
                         name ? name : "of this token");
}
