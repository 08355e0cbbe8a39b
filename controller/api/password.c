#include "controller/api/http.h"

#include <argon2.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <skerry/resource_fields.h>
#include <skerry/tls.h>
#include <string.h>

#define PASSES     2
#define MEMORY_KIB (19 * 1024)
#define LANES      1
#define SALT_SIZE  16
#define HASH_SIZE  32

/* Failures are remembered by name and by address, in a table of fixed size; a place is lost to another one only with a
 * hash that collides, which forgets failures and never invents them. */
#define FAILURES             4096
#define FAILURES_KEEP_NS     (60 * SKR_NS_PER_S)
#define FAILURES_NAME_MAX    10
#define FAILURES_ADDRESS_MAX 50

struct job {
    struct skr_http_slow_task task; /* first */
    unsigned references;            /* atomic: the request's and the queue's */
    struct skr_http_request *request;
    bool verify, nobody;
    char password[SKR_HTTP_PASSWORD_MAX + 1];
    char hash[SKR_HTTP_PASSWORD_HASH_MAX];
    int result;
};

struct failure {
    uint8_t key[16];
    int64_t since_ns;
    unsigned count;
};

struct skr_http_passwords {
    pthread_mutex_t lock;
    char nobody[SKR_HTTP_PASSWORD_HASH_MAX]; /* of a password that nobody knows */
    struct failure failures[FAILURES];
};

static void job_unref(void *arg)
{
    struct job *job = arg;
    if (__atomic_sub_fetch(&job->references, 1, __ATOMIC_ACQ_REL))
        return;
    OPENSSL_cleanse(job, sizeof(*job));
    free(job);
}

/* ---- the slow thread ---- */

static int make_hash(const char *password, char ret[static SKR_HTTP_PASSWORD_HASH_MAX])
{
    uint8_t salt[SALT_SIZE];
    if (RAND_bytes(salt, sizeof(salt)) != 1)
        return -EIO;
    return argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password, strlen(password), salt, sizeof(salt), HASH_SIZE,
                                 ret, SKR_HTTP_PASSWORD_HASH_MAX) == ARGON2_OK
                   ? 1
                   : -EIO;
}

static void compute(struct job *job)
{
    if (!job->verify)
        job->result = make_hash(job->password, job->hash);
    else
        job->result = argon2id_verify(job->hash, job->password, strlen(job->password)) == ARGON2_OK && !job->nobody;
    OPENSSL_cleanse(job->password, sizeof(job->password));
}

static void finish(struct job *job, enum skr_http_outcome outcome)
{
    struct skr_http_request *request = job->request;
    skr_http_complete(request, outcome);
    skr_http_request_unref(request);
    job_unref(job);
}

static void run(struct skr_http_slow_task *task, bool stopping)
{
    struct job *job = (struct job *)task;
    if (!stopping)
        compute(job);
    finish(job, stopping ? SKR_HTTP_STOPPING : SKR_HTTP_DONE);
}

struct skr_http_passwords *skr_http_passwords_new(void)
{
    struct skr_http_passwords *passwords = calloc(1, sizeof(*passwords));
    char unknown[SKR_SECRET_TEXT_MAX];
    if (!passwords || skr_secret_new(unknown) < 0 || make_hash(unknown, passwords->nobody) < 0)
        abort();
    pthread_mutex_init(&passwords->lock, NULL);
    return passwords;
}

void skr_http_passwords_free(struct skr_http_passwords *passwords)
{
    if (!passwords)
        return;
    pthread_mutex_destroy(&passwords->lock);
    free(passwords);
}

/* ---- requests ---- */

void skr_http_password_submit(struct skr_http_request *request, const char *password, const char *hash,
                              skr_http_step_fn *next)
{
    struct skr_api *api = request->api;
    struct job *job = calloc(1, sizeof(*job));
    if (!job)
        abort();
    job->references = 2;
    job->request = skr_http_request_ref(request);
    job->verify = hash != NULL;
    job->nobody = hash && !*hash;
    snprintf(job->password, sizeof(job->password), "%s", password);
    if (hash)
        snprintf(job->hash, sizeof(job->hash), "%s", *hash ? hash : api->passwords->nobody);
    request->job = job;
    request->free_job = job_unref;
    skr_http_suspend(request, skr_clock_monotonic_ns() + api->deadlines.answer * SKR_NS_PER_MS, next);
    job->task.run = run;
    if (skr_http_slow_submit(api->slow, &job->task))
        return;
    job->result = -EAGAIN;
    finish(job, SKR_HTTP_DONE);
}

int skr_http_password_result(struct skr_http_request *request, const char **ret_hash)
{
    struct job *job = request->job;
    if (request->outcome == SKR_HTTP_STOPPING)
        return skr_error_set(&request->error, SKR_ERROR_UNAVAILABLE,
                             "The controller is stopping; try again in a moment");
    if (request->outcome != SKR_HTTP_DONE || job->result == -EAGAIN)
        return skr_error_set(&request->error, SKR_ERROR_TOO_MANY, SKR_HTTP_SLOW_FULL);
    if (job->result < 0)
        return skr_error_set(&request->error, SKR_ERROR_INTERNAL, "The password could not be hashed");
    *ret_hash = job->hash;
    return job->result;
}

/* ---- too many failures ---- */

static void make_key(const char *kind, const char *text, uint8_t key[static 16])
{
    char whole[16 + SKR_NAME_MAX * 4 + 1];
    uint8_t hash[SKR_TLS_HASH_SIZE];
    snprintf(whole, sizeof(whole), "%s %s", kind, text);
    skr_sha256(whole, strlen(whole), hash);
    memcpy(key, hash, 16);
}

/* Adds to the failures of a key. 0, or how long they are too many. Under the lock. */
static int64_t blocked_for(struct skr_http_passwords *passwords, const uint8_t key[static 16], unsigned most,
                           int64_t now_ns, unsigned add)
{
    struct failure *failure = &passwords->failures[((unsigned)key[0] << 8 | key[1]) % FAILURES];
    bool same = memcmp(failure->key, key, sizeof(failure->key)) == 0 && now_ns - failure->since_ns < FAILURES_KEEP_NS;
    if (!same && !add)
        return 0;
    if (!same) {
        *failure = (struct failure){.since_ns = now_ns};
        memcpy(failure->key, key, sizeof(failure->key));
    }
    failure->count += add;
    return failure->count < most ? 0 : failure->since_ns + FAILURES_KEEP_NS - now_ns;
}

/* The same for who tries: the name, and the address he comes from. */
static int64_t count_failures(struct skr_http_request *request, const char *name, unsigned add)
{
    struct skr_http_passwords *passwords = request->api->passwords;
    uint8_t by_name[16], by_address[16];
    make_key("name", name, by_name);
    make_key("address", request->principal.address, by_address);
    pthread_mutex_lock(&passwords->lock);
    int64_t of_name = blocked_for(passwords, by_name, FAILURES_NAME_MAX, request->started_ns, add);
    int64_t of_address = blocked_for(passwords, by_address, FAILURES_ADDRESS_MAX, request->started_ns, add);
    pthread_mutex_unlock(&passwords->lock);
    return of_name > of_address ? of_name : of_address;
}

bool skr_http_password_may_try(struct skr_http_request *request, const char *name)
{
    int64_t wait_ns = count_failures(request, name, 0);
    skr_http_retry_after(request, wait_ns);
    return !wait_ns;
}

void skr_http_password_failed(struct skr_http_request *request, const char *name)
{
    count_failures(request, name, 1);
}

/* ---- passwords in bodies ---- */

/* The password that requests write, -1 = none. Other secrets (a backup's passphrase) are the model's. */
static int password_field(const struct skr_resource *resource)
{
    return resource && resource->id == SKR_USER ? SKR_USER_PASSWORD : -1;
}

static void take_hash(struct skr_http_request *request)
{
    const char *hash = "";
    skr_http_step_fn *next = SKR_TAKE(request->after_passwords);
    int r = skr_http_password_result(request, &hash);
    if (r < 0) {
        skr_http_answer_error(request, &request->error);
        return;
    }
    const char *member = request->route.resource->fields[password_field(request->route.resource)].name;
    json_t *body = json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, NULL);
    if (body)
        json_object_set_new(body, member, json_string(hash));
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    job_unref(SKR_TAKE(request->job));
    request->free_job = NULL;
    if (text) {
        OPENSSL_cleanse(request->body, request->body_size);
        free(request->body);
        request->body = text;
        request->body_size = request->body_capacity = strlen(text);
    }
    next(request);
}

/* A value that is no password, or that no password may be, is left as it is, because the parser refuses it. */
void skr_http_hash_passwords(struct skr_http_request *request, skr_http_step_fn *next)
{
    const struct skr_resource *resource = request->route.resource;
    int index = request->route.kind == SKR_ROUTE_ACTION ? -1 : password_field(resource);
    struct skr_error ignored = {0};
    json_t *body = NULL;
    if (index >= 0 && request->body_size && skr_json_prescan(request->body, request->body_size, &ignored) == 0)
        body = json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *member = body ? json_object_get(body, resource->fields[index].name) : NULL;
    const char *password = json_string_value(member);
    size_t length = password ? json_string_length(member) : 0;
    bool usable = password && strlen(password) == length && length >= (size_t)resource->fields[index].minimum &&
                  length <= (size_t)resource->fields[index].maximum && length <= SKR_HTTP_PASSWORD_MAX;
    if (usable) {
        request->after_passwords = next;
        skr_http_password_submit(request, password, NULL, take_hash);
    }
    json_decref(body);
    if (!usable)
        next(request);
}
