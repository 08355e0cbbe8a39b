/* Users, role bindings and the sessions of the web page. */
#include "tests/component/controller/api_client.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <skerry/clock.h>
#include <stdio.h>
#include <string.h>

#define PASSWORD "correct horse battery"

static struct api_server server;
static char red[37], blue[37], anna[37], binding[37];

struct session {
    char cookie[300], csrf[140], id[37];
};

static char *text_of(const char *format, ...) SKR_PRINTF(1, 2);
static char *text_of(const char *format, ...)
{
    static __thread char text[16][1024];
    static __thread unsigned next;
    char *out = text[next++ % 16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out, sizeof(text[0]), format, arguments);
    va_end(arguments);
    return out;
}

static void set_up(void)
{
    api_server_start(&server, NULL, NULL);
    api_create(&server, "tenants", "{\"name\": \"Red\"}", red);
    api_create(&server, "tenants", "{\"name\": \"Blue\"}", blue);
    api_create(&server, "users", "{\"name\": \"anna\", \"password\": \"" PASSWORD "\"}", anna);
    api_create(&server, "role-bindings",
               text_of("{\"name\": \"b1\", \"user_id\": \"%s\", \"role\": \"tenant-admin\", \"tenant_id\": \"%s\"}",
                       anna, red),
               binding);
}

static void tear_down(void)
{
    api_server_stop(&server);
}

TestSuite(api_sessions, .init = set_up, .fini = tear_down, .timeout = 100);

static struct api_reply log_in(const char *name, const char *password, const char *more)
{
    static const char *const nobody[] = {"Authorization:", NULL};
    return api_call(&server, "POST", "/v1/sessions",
                    text_of("{\"name\": \"%s\", \"password\": \"%s\"%s}", name, password, more), nobody);
}

static struct session session_of(const struct api_reply *reply)
{
    struct session session = {0};
    cr_assert_eq(reply->status, 201, "%s", reply->text);
    snprintf(session.cookie, sizeof(session.cookie), "Cookie: %.*s", (int)strcspn(reply->cookie, ";"), reply->cookie);
    snprintf(session.csrf, sizeof(session.csrf), "X-CSRF-Token: %s", api_text(reply->json, "csrf_token"));
    snprintf(session.id, sizeof(session.id), "%s", api_text(reply->json, "id"));
    return session;
}

static struct session logged_in(void)
{
    API_REPLY reply = log_in("anna", PASSWORD, "");
    return session_of(&reply);
}

static struct api_reply ask(const struct session *session, const char *method, const char *path, const char *body,
                            const char *more)
{
    const char *const headers[] = {"Authorization:", session->cookie, more, NULL};
    return api_call(&server, method, path, body, headers);
}

static long status_of(const struct session *session)
{
    API_REPLY reply = ask(session, "GET", "/v1/vm-networks", NULL, NULL);
    return reply.status;
}

Test(api_sessions, a_login_answers_with_a_cookie_that_scripts_cannot_read)
{
    API_REPLY reply = log_in("anna", PASSWORD, "");
    struct session session = session_of(&reply);
    cr_assert(strstr(reply.cookie, "; HttpOnly") && strstr(reply.cookie, "; Secure") &&
                      strstr(reply.cookie, "; SameSite=Strict") && strstr(reply.cookie, "; Path=/;"),
              "%s", reply.cookie);
    cr_assert_str_eq(api_text(reply.json, "role"), "tenant-admin");
    cr_assert_str_eq(api_text(reply.json, "tenant_id"), red);
    cr_assert_str_eq(api_text(reply.json, "role_binding_id"), binding);
    cr_assert_null(json_object_get(reply.json, "password"));
    cr_assert_null(json_object_get(reply.json, "secret_hash"));
    API_REPLY me = ask(&session, "GET", "/v1/sessions/current", NULL, NULL);
    cr_assert_eq(me.status, 200);
    cr_assert_str_eq(api_text(me.json, "kind"), "session");
    cr_assert_str_eq(api_text(me.json, "name"), "anna");
    cr_assert_str_eq(api_text(me.json, "csrf_token"), api_text(reply.json, "csrf_token"));
    API_REPLY token = api_call(&server, "GET", "/v1/sessions/current", NULL, NULL);
    cr_assert_str_eq(api_text(token.json, "kind"), "token");
    cr_assert_str_eq(api_text(token.json, "role"), "admin");
}

Test(api_sessions, a_write_needs_the_csrf_token_and_our_own_page)
{
    struct session session = logged_in();
    const char *body = "{\"name\": \"t\", \"role\": \"tenant-viewer\"}";
    API_REPLY without = ask(&session, "POST", "/v1/tokens", body, NULL);
    cr_assert_eq(without.status, 403, "%s", without.text);
    API_REPLY wrong = ask(&session, "POST", "/v1/tokens", body, "X-CSRF-Token: 00");
    cr_assert_eq(wrong.status, 403);
    API_REPLY good = ask(&session, "POST", "/v1/tokens", body, session.csrf);
    cr_assert_eq(good.status, 201, "%s", good.text);
    cr_assert_str_eq(api_text(good.json, "tenant_id"), red);
    API_REPLY foreign = ask(&session, "GET", "/v1/tokens", NULL, "Origin: https://evil.example");
    cr_assert_eq(foreign.status, 403);
    API_REPLY own = ask(&session, "GET", "/v1/tokens", NULL, text_of("Origin: %s", server.url));
    cr_assert_eq(own.status, 200, "%s", own.text);
    static const char *const elsewhere[] = {"Authorization:", "Origin: https://evil.example", NULL};
    API_REPLY login = api_call(&server, "POST", "/v1/sessions", "{\"name\": \"anna\", \"password\": \"" PASSWORD "\"}",
                               elsewhere);
    cr_assert_eq(login.status, 403);
}

/* Sites that only begin as we do, or lack the port, or the "s" of https. */
Test(api_sessions, an_origin_is_compared_as_a_whole)
{
    struct session session = logged_in();
    const char *authority = server.url + strlen("https://");
    const char *const origins[] = {text_of("Origin: %s.evil.example", server.url),
                                   text_of("Origin: %s@evil.example", server.url),
                                   text_of("Origin: %s1", server.url),
                                   text_of("Origin: %.*s", (int)(strlen(server.url) - 1), server.url),
                                   text_of("Origin: http://%s", authority),
                                   "Origin: https://",
                                   "Origin: null"};
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
        API_REPLY reply = ask(&session, "GET", "/v1/tokens", NULL, origins[i]);
        cr_expect_eq(reply.status, 403, "%s: %s", origins[i], reply.text);
    }
}

/* The API remembers for a second who a secret is. A cookie that has just been used is no bearer token for that: it
 * would need no X-CSRF-Token; nor is a token a cookie. */
Test(api_sessions, a_cookie_is_no_token_and_a_token_no_cookie)
{
    struct session session = logged_in();
    cr_assert_eq(status_of(&session), 200);
    const char *value = strchr(session.cookie, '=') + 1;
    API_REPLY bearer = api_call(&server, "GET", "/v1/vm-networks", NULL,
                                (const char *const[]){text_of("Authorization: Bearer %s", value), NULL});
    cr_expect_eq(bearer.status, 401, "%s", bearer.text);
    API_REPLY used = api_call(&server, "GET", "/v1/vm-networks", NULL, NULL);
    cr_assert_eq(used.status, 200);
    *strchr(session.cookie, '=') = '\0';
    const char *const cookie[] = {"Authorization:", text_of("%s=%s", session.cookie, server.token), NULL};
    API_REPLY token = api_call(&server, "GET", "/v1/vm-networks", NULL, cookie);
    cr_expect_eq(token.status, 401, "%s", token.text);
}

Test(api_sessions, a_wrong_password_and_an_unknown_name_are_told_alike)
{
    API_REPLY wrong = log_in("anna", "not the password", "");
    API_REPLY unknown = log_in("nobody", PASSWORD, "");
    cr_assert_eq(wrong.status, 401);
    cr_assert_eq(unknown.status, 401);
    cr_assert_str_eq(api_text(wrong.json, "detail"), api_text(unknown.json, "detail"));
    cr_assert_eq(wrong.cookie[0], '\0');
}

Test(api_sessions, a_name_has_so_many_failures_a_minute)
{
    long last = 0;
    for (unsigned i = 0; i < 12; i++) {
        API_REPLY reply = log_in("anna", "not the password", "");
        last = reply.status;
        if (last == 429)
            cr_assert(strtol(reply.retry_after, NULL, 10) > 30 && strtol(reply.retry_after, NULL, 10) <= 60,
                      "until the first failure is a minute old: %s", reply.retry_after);
    }
    cr_assert_eq(last, 429);
    API_REPLY other = log_in("somebody", "not the password", "");
    cr_assert_eq(other.status, 401);
}

Test(api_sessions, logging_out_ends_it)
{
    struct session session = logged_in();
    cr_assert_eq(status_of(&session), 200);
    API_REPLY out = ask(&session, "DELETE", "/v1/sessions/current", NULL, session.csrf);
    cr_assert_eq(out.status, 204, "%s", out.text);
    cr_assert(strstr(out.cookie, "Max-Age=0"));
    cr_assert_eq(status_of(&session), 401);
}

Test(api_sessions, a_new_password_ends_them)
{
    struct session session = logged_in();
    API_REPLY user = api_call(&server, "GET", text_of("/v1/users/%s", anna), NULL, NULL);
    const char *const match[] = {text_of("If-Match: %s", user.etag), NULL};
    API_REPLY changed =
            api_call(&server, "PATCH", text_of("/v1/users/%s", anna), "{\"password\": \"another long one\"}", match);
    cr_assert_eq(changed.status, 200, "%s", changed.text);
    cr_assert_null(strstr(changed.text, "password"));
    cr_assert_eq(status_of(&session), 401);
    API_REPLY old = log_in("anna", PASSWORD, "");
    cr_assert_eq(old.status, 401);
    API_REPLY fresh = log_in("anna", "another long one", "");
    cr_assert_eq(fresh.status, 201, "%s", fresh.text);
}

Test(api_sessions, the_end_of_the_role_binding_ends_them)
{
    struct session session = logged_in();
    API_REPLY gone = api_call(&server, "DELETE", text_of("/v1/role-bindings/%s", binding), NULL, NULL);
    cr_assert_eq(gone.status, 204, "%s", gone.text);
    cr_assert_eq(status_of(&session), 401);
    API_REPLY none = log_in("anna", PASSWORD, "");
    cr_assert_eq(none.status, 403, "%s", none.text);
}

Test(api_sessions, of_several_roles_one_is_named)
{
    char second[37];
    api_create(&server, "role-bindings",
               text_of("{\"name\": \"b2\", \"user_id\": \"%s\", \"role\": \"auditor\"}", anna), second);
    API_REPLY which = log_in("anna", PASSWORD, "");
    cr_assert_eq(which.status, 422, "%s", which.text);
    cr_assert(strstr(which.text, binding) && strstr(which.text, second) && strstr(which.text, "auditor") &&
                      strstr(which.text, "Red"),
              "%s", which.text);
    API_REPLY chosen = log_in("anna", PASSWORD, text_of(", \"role_binding_id\": \"%s\"", second));
    cr_assert_eq(chosen.status, 201, "%s", chosen.text);
    cr_assert_str_eq(api_text(chosen.json, "role"), "auditor");
    API_REPLY foreign = log_in("anna", PASSWORD, text_of(", \"role_binding_id\": \"%s\"", red));
    cr_assert_eq(foreign.status, 422);
}

Test(api_sessions, a_user_has_so_many_sessions_and_the_oldest_ends)
{
    struct session first = logged_in();
    for (unsigned i = 0; i < SKR_SESSIONS_PER_USER_MAX; i++)
        logged_in();
    cr_assert_eq(status_of(&first), 401);
    API_REPLY list = api_call(&server, "GET", "/v1/sessions?limit=100", NULL, NULL);
    cr_assert_eq(json_array_size(json_object_get(list.json, "items")), SKR_SESSIONS_PER_USER_MAX);
}

static bool file_holds(const char *path, const char *text)
{
    FILE *file = fopen(path, "r");
    bool found = false;
    static char bytes[8 << 20];
    if (!file)
        return false;
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    found = memmem(bytes, size, text, strlen(text)) != NULL;
    return found;
}

Test(api_sessions, the_password_is_nowhere)
{
    struct session session = logged_in();
    API_REPLY users = api_call(&server, "GET", "/v1/users", NULL, NULL);
    cr_assert_null(strstr(users.text, "password"), "%s", users.text);
    char wal[256];
    snprintf(wal, sizeof(wal), "%s-wal", server.database.path);
    cr_assert(file_holds(server.database.path, "$argon2id$v=19$m=19456,t=2,p=1$") ||
              file_holds(wal, "$argon2id$v=19$"));
    cr_assert_not(file_holds(server.database.path, PASSWORD) || file_holds(wal, PASSWORD));
    const char *secret = strchr(session.cookie, '.') + 1;
    cr_assert_not(file_holds(server.database.path, secret) || file_holds(wal, secret));
}

Test(api_sessions, nobody_grants_more_than_he_has)
{
    struct session session = logged_in();
    char bert[37], carl[37];
    api_create(&server, "users", text_of("{\"name\": \"bert\", \"tenant_id\": \"%s\"}", red), bert);
    api_create(&server, "users", text_of("{\"name\": \"carl\", \"tenant_id\": \"%s\"}", blue), carl);
    const struct {
        const char *collection, *body;
        long status;
    } rows[] = {
            {"tokens", "{\"name\": \"a\"}", 403},
            {"tokens", "{\"name\": \"a\", \"role\": \"auditor\"}", 403},
            {"tokens", "{\"name\": \"a\", \"role\": \"fabric-operator\"}", 403},
            {"tokens", text_of("{\"name\": \"a\", \"role\": \"tenant-admin\", \"tenant_id\": \"%s\"}", blue), 422},
            {"tokens", "{\"name\": \"a\", \"role\": \"tenant-admin\"}", 201},
            {"role-bindings", text_of("{\"name\": \"x\", \"role\": \"admin\", \"user_id\": \"%s\"}", bert), 403},
            {"role-bindings", text_of("{\"name\": \"x\", \"role\": \"tenant-viewer\", \"user_id\": \"%s\"}", carl),
             422},
    };
    for (size_t i = 0; i < SKR_ARRAY_SIZE(rows); i++) {
        API_REPLY reply = ask(&session, "POST", text_of("/v1/%s", rows[i].collection), rows[i].body, session.csrf);
        cr_expect_eq(reply.status, rows[i].status, "%s: %s", rows[i].body, reply.text);
    }
    API_REPLY bound =
            ask(&session, "POST", "/v1/role-bindings",
                text_of("{\"name\": \"x\", \"role\": \"tenant-viewer\", \"user_id\": \"%s\"}", bert), session.csrf);
    cr_expect_eq(bound.status, 201, "%s", bound.text);
    API_REPLY user = ask(&session, "POST", "/v1/users", "{\"name\": \"d\"}", session.csrf);
    cr_expect_eq(user.status, 403);
}

/* ---- one's own password ---- */

#define CHANGE "/v1/sessions/current:password"

static struct api_reply change(const struct session *session, const char *current, const char *password)
{
    return ask(session, "POST", CHANGE,
               text_of("{\"current_password\": \"%s\", \"password\": \"%s\"}", current, password), session->csrf);
}

Test(api_sessions, a_user_changes_the_own_password_and_the_other_sessions_end)
{
    struct session here = logged_in(), elsewhere = logged_in();
    API_REPLY wrong = change(&here, "not the password", "a new long password");
    cr_assert_eq(wrong.status, 403, "%s", wrong.text);
    API_REPLY brief = change(&here, PASSWORD, "short");
    cr_assert_eq(brief.status, 422, "%s", brief.text);
    API_REPLY unsigned_one = ask(&here, "POST", CHANGE, "{}", NULL);
    cr_assert_eq(unsigned_one.status, 403, "needs the CSRF token");
    cr_assert_eq(status_of(&elsewhere), 200, "nothing has changed yet");
    API_REPLY changed = change(&here, PASSWORD, "a new long password");
    cr_assert_eq(changed.status, 204, "%s", changed.text);
    cr_expect_eq(status_of(&here), 200);
    cr_expect_eq(status_of(&elsewhere), 401);
    API_REPLY old = log_in("anna", PASSWORD, "");
    cr_expect_eq(old.status, 401);
    API_REPLY new = log_in("anna", "a new long password", "");
    cr_expect_eq(new.status, 201);
    API_REPLY token =
            api_call(&server, "POST", CHANGE, "{\"current_password\": \"x\", \"password\": \"0123456789\"}", NULL);
    cr_expect_eq(token.status, 409, "a token has none");
    API_REPLY log = api_call(&server, "GET", "/v1/audit-log?limit=1000", NULL, NULL);
    cr_expect(strstr(log.text, CHANGE));
    cr_expect_null(strstr(log.text, "a new long password"));
}

Test(api_sessions, guessing_the_current_password_is_slowed_like_a_login)
{
    struct session session = logged_in();
    long last = 0;
    for (int i = 0; i < 11; i++) {
        API_REPLY wrong = change(&session, "not the password", "a new long password");
        last = wrong.status;
    }
    cr_expect_eq(last, 429);
    API_REPLY right = change(&session, PASSWORD, "a new long password");
    cr_expect_eq(right.status, 429, "not even the right one");
}

/* ---- ends ---- */

Test(api_sessions, tokens_end_with_the_role_binding_that_made_them)
{
    struct session session = logged_in();
    API_REPLY first =
            ask(&session, "POST", "/v1/tokens", "{\"name\": \"t1\", \"role\": \"tenant-admin\"}", session.csrf);
    cr_assert_eq(first.status, 201, "%s", first.text);
    const char *bearer =
            text_of("Authorization: Bearer %s.%s", api_text(first.json, "id"), api_text(first.json, "secret"));
    API_REPLY second = api_call(&server, "POST", "/v1/tokens", "{\"name\": \"t2\", \"role\": \"tenant-viewer\"}",
                                (const char *const[]){bearer, NULL});
    cr_assert_eq(second.status, 201, "%s", second.text);
    cr_assert_str_eq(api_text(second.json, "role_binding_id"), binding);
    const char *other =
            text_of("Authorization: Bearer %s.%s", api_text(second.json, "id"), api_text(second.json, "secret"));
    API_REPLY gone = api_call(&server, "DELETE", text_of("/v1/role-bindings/%s", binding), NULL, NULL);
    cr_assert_eq(gone.status, 204, "%s", gone.text);
    API_REPLY after = api_call(&server, "GET", "/v1/vm-networks", NULL, (const char *const[]){bearer, NULL});
    cr_expect_eq(after.status, 401);
    API_REPLY later = api_call(&server, "GET", "/v1/vm-networks", NULL, (const char *const[]){other, NULL});
    cr_expect_eq(later.status, 401);
    cr_expect_eq(status_of(&session), 401);
}

static int authenticate(const char *cookie, int64_t now_ms, bool *ret_touch)
{
    struct skr_principal principal;
    struct skr_error error = {0};
    struct skr_txn *txn = NULL;
    cr_assert_eq(skr_store_read_begin(server.database.store, &txn, &error), 0);
    int r = skr_model_authenticate_session(txn, cookie, now_ms, &principal, ret_touch, &error);
    if (r == 0)
        cr_expect_eq(skr_model_check_principal(txn, &principal, now_ms + SKR_SESSION_MS, &error) < 0, true);
    skr_store_read_end(txn);
    return r;
}

Test(api_sessions, end_after_half_an_hour_without_use_and_after_twelve_hours)
{
    struct session session = logged_in();
    const char *cookie = strchr(session.cookie, '=') + 1;
    int64_t now_ms = skr_clock_wall_ms(), minute = 60000;
    bool touch = true;
    cr_expect_eq(authenticate(cookie, now_ms, &touch), 0);
    cr_expect_not(touch);
    cr_expect_eq(authenticate(cookie, now_ms + 29 * minute, &touch), 0);
    cr_expect(touch, "its use is written down");
    cr_expect_lt(authenticate(cookie, now_ms + 31 * minute, &touch), 0);
    /* Used all the time, it ends all the same. */
    struct skr_uuid id;
    struct skr_error error = {0};
    cr_assert_eq(skr_uuid_parse(session.id, &id), 0);
    cr_assert_eq(skr_store_write_wait(server.database.store, skr_model_touch_session, &id, NULL, &error), 0);
    cr_expect_lt(authenticate(cookie, now_ms + SKR_SESSION_MS + minute, &touch), 0);
}

/* ---- the password thread ---- */

struct storm {
    pthread_t thread;
    long status;
};

static void *log_in_once(void *arg)
{
    API_REPLY reply = log_in("anna", PASSWORD, "");
    ((struct storm *)arg)->status = reply.status;
    return NULL;
}

Test(api_sessions, more_passwords_than_the_queue_holds_are_told_to_come_again)
{
    enum { STORM = 90 };
    static struct storm storm[STORM];
    unsigned let_in = 0, later = 0;
    for (int i = 0; i < STORM; i++)
        cr_assert_eq(pthread_create(&storm[i].thread, NULL, log_in_once, &storm[i]), 0);
    for (int i = 0; i < STORM; i++) {
        pthread_join(storm[i].thread, NULL);
        let_in += storm[i].status == 201;
        later += storm[i].status == 429;
    }
    cr_expect_eq(let_in + later, STORM, "%u and %u", let_in, later);
    cr_expect_geq(let_in, 32, "%u", let_in);
    cr_expect_geq(later, 1, "%u", later);
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Interleaved, with names enough that none is slowed down. */
Test(api_sessions, an_unknown_name_takes_as_long_as_a_wrong_password)
{
    enum { PAIRS = 24 };
    int64_t took[2][PAIRS];
    char ignored[37];
    for (int i = 0; i < 3; i++)
        api_create(&server, "users", text_of("{\"name\": \"u%d\", \"password\": \"" PASSWORD "\"}", i), ignored);
    for (int i = 0; i < PAIRS; i++)
        for (int k = 0; k < 2; k++) {
            int known = (i + k) % 2;
            int64_t from_ns = skr_clock_monotonic_ns();
            API_REPLY reply = log_in(text_of("%s%d", known ? "u" : "x", i % 3), "not the password", "");
            took[known][i] = skr_clock_monotonic_ns() - from_ns;
            cr_assert_eq(reply.status, 401, "%s", reply.text);
        }
    for (int known = 0; known < 2; known++)
        qsort(took[known], PAIRS, sizeof(took[0][0]), compare_times);
    double ratio = (double)took[0][PAIRS / 2] / (double)took[1][PAIRS / 2];
    cr_expect(ratio > 0.75 && ratio < 1.33, "an unknown name takes %.2f times as long", ratio);
}
