#include "controller/api/http.h"

#include <openssl/crypto.h>
#include <skerry/tls.h>
#include <string.h>
#include <strings.h>

/* Who asks, remembered for a second by the token's hash, so that a busy client costs no database read a request. A
 * change of any token forgets all of it; one that commits while we read is seen by the generation. */
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

int skr_http_authenticate(struct skr_http_request *request, struct skr_error *error)
{
    const char *header = skr_http_header(request, "Authorization");
    struct skr_http_auth *auth = request->api->auth;
    uint8_t hash[SKR_TLS_HASH_SIZE];
    uint64_t generation;
    if (!header)
        return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED,
                             "Send your token: Authorization: Bearer <token>; skerryctl login keeps one for you");
    if (strncasecmp(header, "Bearer ", 7) != 0 || strlen(header) > BEARER_MAX)
        return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED,
                             "Authorization holds no bearer token; send Authorization: Bearer <token>");
    const char *bearer = header + 7;
    skr_sha256(bearer, strlen(bearer), hash);
    if (recall(auth, hash, request->started_ns, &request->principal, &generation))
        return 0;
    struct skr_txn *txn SKR_CLEANUP(skr_store_read_cleanup) = NULL;
    int r = skr_store_read_begin(request->api->store, &txn, error);
    if (r < 0)
        return r;
    r = skr_model_authenticate(txn, bearer, skr_clock_wall_ms(), &request->principal, error);
    if (r < 0)
        return r;
    remember(auth, hash, request->started_ns, generation, &request->principal);
    return 0;
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
