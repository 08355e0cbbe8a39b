/* The API bounds a client: deadlines of headers and bodies, connections of an address, requests of a token, big bodies.
 */
#include "tests/component/controller/api_client.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <skerry/clock.h>
#include <string.h>
#include <sys/socket.h>

static struct api_server server;

static void start_with(const struct skr_api_options *options)
{
    api_server_start(&server, options, NULL);
}

/* Reads until the server ends the connection; the milliseconds that took. */
static int64_t until_closed(struct api_raw *raw)
{
    char buffer[4096];
    int64_t from_ns = skr_clock_monotonic_ns();
    while (SSL_read(raw->ssl, buffer, sizeof(buffer)) > 0)
        ;
    return (skr_clock_monotonic_ns() - from_ns) / SKR_NS_PER_MS;
}

Test(api_limits, a_client_that_never_shakes_hands_is_cut_off)
{
    char byte;
    start_with(&(struct skr_api_options){.deadlines = {.headers = 300}});
    int64_t from_ns = skr_clock_monotonic_ns();
    int fd = api_raw_socket(&server);
    cr_assert_leq(recv(fd, &byte, 1, 0), 0);
    int64_t took_ms = (skr_clock_monotonic_ns() - from_ns) / SKR_NS_PER_MS;
    cr_assert_geq(took_ms, 290);
    cr_assert_lt(took_ms, 10000);
    close(fd);
    api_server_stop(&server);
}

Test(api_limits, headers_that_trickle_are_cut_off)
{
    start_with(&(struct skr_api_options){.deadlines = {.headers = 400}});
    struct api_raw raw = api_raw_open(&server);
    api_raw_send(&raw, "GET /v1/tenants HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    int64_t took_ms = until_closed(&raw);
    cr_assert_lt(took_ms, 10000);
    api_raw_close(&raw);
    api_server_stop(&server);
}

Test(api_limits, a_body_that_trickles_is_cut_off)
{
    char head[512];
    start_with(&(struct skr_api_options){.deadlines = {.body = 400}});
    struct api_raw raw = api_raw_open(&server);
    snprintf(head, sizeof(head),
             "POST /v1/tenants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
             "Content-Length: 100\r\n\r\n{\"name\":",
             server.token);
    api_raw_send(&raw, head);
    int64_t took_ms = until_closed(&raw);
    cr_assert_geq(took_ms, 300);
    cr_assert_lt(took_ms, 10000);
    api_raw_close(&raw);
    api_server_stop(&server);
}

Test(api_limits, an_idle_connection_is_closed_and_a_used_one_kept)
{
    start_with(&(struct skr_api_options){.deadlines = {.idle = 400}});
    struct api_raw raw = api_raw_open(&server);
    char buffer[4096];
    for (int i = 0; i < 3; i++) {
        api_raw_send(&raw, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        cr_assert_gt(SSL_read(raw.ssl, buffer, sizeof(buffer)), 0);
    }
    int64_t took_ms = until_closed(&raw);
    cr_assert_lt(took_ms, 10000);
    api_raw_close(&raw);
    api_server_stop(&server);
}

Test(api_limits, an_address_has_so_many_connections)
{
    start_with(&(struct skr_api_options){.connections_per_address_max = 3});
    struct api_raw raws[3];
    for (int i = 0; i < 3; i++)
        raws[i] = api_raw_open(&server);
    CURL *handle = api_handle_new(&server);
    API_REPLY refused = api_call_on(handle, &server, "GET", "/healthz", NULL, 0, NULL);
    cr_assert_eq(refused.status, 0);
    curl_easy_cleanup(handle);
    for (int i = 0; i < 3; i++)
        api_raw_close(&raws[i]);
    api_server_stop(&server);
}

Test(api_limits, a_token_has_so_many_requests)
{
    start_with(&(struct skr_api_options){.requests_per_second = 5});
    CURL *handle = api_handle_new(&server);
    long status = 200;
    for (int i = 0; i < 200 && status == 200; i++) {
        API_REPLY reply = api_call_on(handle, &server, "GET", "/v1/tenants", NULL, 0, NULL);
        status = reply.status;
        if (status == 429)
            cr_assert_str_eq(reply.retry_after, "1");
    }
    cr_assert_eq(status, 429);
    API_REPLY health = api_call_on(handle, &server, "GET", "/healthz", NULL, 0, NULL);
    cr_assert_eq(health.status, 200, "health needs no token and no budget");
    curl_easy_cleanup(handle);
    api_server_stop(&server);
}

/* Calls until one is refused, at most `max`; how many were answered. */
static int call_until_refused(const char *const *headers, int max, struct api_reply *ret)
{
    CURL *handle = api_handle_new(&server);
    int i = 0;
    for (; i < max; i++) {
        *ret = api_call_on(handle, &server, "GET", "/v1/vm-networks", NULL, 0, headers);
        if (ret->status != 200)
            break;
        api_reply_done(ret);
        *ret = (struct api_reply){0};
    }
    curl_easy_cleanup(handle);
    return i;
}

/* A token of the tenant, as the header that sends it. */
static void make_token(const char *tenant, const char *name, char header[static 400])
{
    char body[256];
    snprintf(body, sizeof(body), "{\"name\": \"%s\", \"role\": \"tenant-admin\", \"tenant_id\": \"%s\"}", name, tenant);
    API_REPLY token = api_call(&server, "POST", "/v1/tokens", body, NULL);
    cr_assert_eq(token.status, 201, "%s", token.text);
    snprintf(header, 400, "Authorization: Bearer %s.%s", api_text(token.json, "id"),
             json_string_value(json_object_get(token.json, "secret")));
}

Test(api_limits, a_tenant_has_so_many_requests_whoever_sends_them)
{
    char tenant[37], body[256], headers[2][400];
    start_with(NULL);
    api_create(&server, "tenants", "{\"name\": \"red\", \"quotas\": {\"requests_per_second\": 3}}", tenant);
    make_token(tenant, "t0", headers[0]);
    make_token(tenant, "t1", headers[1]);
    API_REPLY first = {0}, second = {0}, raised = {0};
    int answered = call_until_refused((const char *const[]){headers[0], NULL}, 200, &first);
    cr_expect_geq(answered, 6, "a burst of twice the rate: %d", answered);
    cr_expect_eq(first.status, 429);
    cr_expect_str_eq(first.retry_after, "1");
    cr_expect(strstr(first.text, "requests_per_second of 3"), "%s", first.text);
    answered = call_until_refused((const char *const[]){headers[1], NULL}, 200, &second);
    cr_expect_lt(answered, 6, "the other token has what is left: %d", answered);
    cr_expect_eq(second.status, 429);
    API_REPLY other = api_call(&server, "GET", "/v1/vm-networks", NULL, NULL);
    cr_expect_eq(other.status, 200, "administrators are no tenant's");
    snprintf(body, sizeof(body), "/v1/tenants/%s", tenant);
    API_REPLY now = api_call(&server, "GET", body, NULL, NULL);
    char match[64];
    snprintf(match, sizeof(match), "If-Match: %s", now.etag);
    API_REPLY changed = api_call(&server, "PATCH", body, "{\"quotas\": {\"requests_per_second\": null}}",
                                 (const char *const[]){match, "Content-Type: application/merge-patch+json", NULL});
    cr_assert_eq(changed.status, 200, "%s", changed.text);
    answered = call_until_refused((const char *const[]){headers[0], NULL}, 30, &raised);
    cr_expect_eq(answered, 30, "what the tenant may is known at once: %d", answered);
    api_server_stop(&server);
}

/* All but the last byte of a large body. */
static struct api_raw begin_big_body(const char *authorization)
{
    enum { BIG = 100 * 1000 };
    char head[800];
    char *body SKR_CLEANUP(skr_free_cleanup) = malloc(BIG + 1);
    struct api_raw raw = api_raw_open(&server);
    memset(body, ' ', BIG);
    body[BIG] = '\0';
    snprintf(head, sizeof(head),
             "POST /v1/vm-networks HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Type: application/json\r\n"
             "Content-Length: %d\r\n\r\n",
             authorization, BIG + 1);
    api_raw_send(&raw, head);
    api_raw_send(&raw, body);
    return raw;
}

static long send_big_body(const char *authorization)
{
    char *body SKR_CLEANUP(skr_free_cleanup) = malloc(100001);
    memset(body, ' ', 100000);
    body[100000] = '\0';
    API_REPLY reply = api_call(&server, "POST", "/v1/vm-networks", body, (const char *const[]){authorization, NULL});
    return reply.status;
}

static void wait_for_big_body(const char *authorization, long wanted)
{
    int64_t deadline_ns = skr_clock_monotonic_ns() + 20 * SKR_NS_PER_S;
    long status = 0;
    while ((status = send_big_body(authorization)) != wanted)
        cr_assert_lt(skr_clock_monotonic_ns(), deadline_ns, "%ld", status);
}

/* Two are a principal's, three a tenant's. */
Test(api_limits, slow_large_bodies_of_one_tenant_leave_room_for_others)
{
    char tenant[37], other[37], red[2][400], blue[400], admin[400];
    start_with(NULL);
    api_create(&server, "tenants", "{\"name\": \"red\"}", tenant);
    api_create(&server, "tenants", "{\"name\": \"blue\"}", other);
    make_token(tenant, "r1", red[0]);
    make_token(tenant, "r2", red[1]);
    make_token(other, "b1", blue);
    snprintf(admin, sizeof(admin), "Authorization: Bearer %s", server.token);
    struct api_raw raws[3] = {begin_big_body(red[0]), begin_big_body(red[0])};
    wait_for_big_body(red[0], 429);
    raws[2] = begin_big_body(red[1]);
    wait_for_big_body(red[1], 429);
    cr_expect_neq(send_big_body(blue), 429, "another tenant's pass");
    cr_expect_neq(send_big_body(admin), 429, "an administrator's pass");
    API_REPLY small = api_call(&server, "GET", "/v1/vm-networks", NULL, (const char *const[]){red[0], NULL});
    cr_expect_eq(small.status, 200, "small ones pass");
    for (int i = 0; i < 3; i++)
        api_raw_close(&raws[i]);
    wait_for_big_body(red[0], 400); /* its places are free again, and blanks are no JSON */
    api_server_stop(&server);
}

/* Without a token nobody gets one of the places of large bodies. */
Test(api_limits, a_login_is_small)
{
    char head[400], answer[4096] = "";
    char *body SKR_CLEANUP(skr_free_cleanup) = malloc(5001);
    memset(body, ' ', 5000);
    body[5000] = '\0';
    start_with(NULL);
    API_REPLY said = api_call(&server, "POST", "/v1/sessions", body, (const char *const[]){"Authorization:", NULL});
    cr_expect_eq(said.status, 413, "%s", said.text);
    struct api_raw raw = api_raw_open(&server);
    snprintf(head, sizeof(head),
             "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n%s\r\n0\r\n\r\n", "");
    head[strlen(head) - 7] = '\0'; /* the head of one chunk of 5,000 bytes */
    api_raw_send(&raw, head);
    api_raw_send(&raw, body);
    api_raw_send(&raw, "\r\n0\r\n\r\n");
    cr_assert_gt(SSL_read(raw.ssl, answer, sizeof(answer) - 1), 0);
    cr_expect(strstr(answer, " 413 "), "%s", answer);
    api_raw_close(&raw);
    api_server_stop(&server);
}

Test(api_limits, one_tenant_does_not_take_all_watches)
{
    enum { OF_TOKEN = 64, OF_TENANT = 96 };
    char tenant[37], red[2][400], blue[400], other[37];
    struct api_raw raws[OF_TENANT];
    char request[600], answer[2048];
    start_with(NULL);
    api_create(&server, "tenants", "{\"name\": \"red\"}", tenant);
    api_create(&server, "tenants", "{\"name\": \"blue\"}", other);
    make_token(tenant, "r1", red[0]);
    make_token(tenant, "r2", red[1]);
    make_token(other, "b1", blue);
    for (int i = 0; i < OF_TENANT; i++) {
        raws[i] = api_raw_open(&server);
        snprintf(request, sizeof(request), "GET /v1/watch HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", red[i >= OF_TOKEN]);
        api_raw_send(&raws[i], request);
        int size = SSL_read(raws[i].ssl, answer, sizeof(answer) - 1);
        cr_assert_gt(size, 0);
        answer[size] = '\0';
        cr_assert(strstr(answer, " 200 "), "watch %d: %s", i, answer);
    }
    API_REPLY first = api_call(&server, "GET", "/v1/watch", NULL, (const char *const[]){red[0], NULL});
    cr_expect_eq(first.status, 429);
    cr_expect(strstr(first.text, "This token has watches open already, the most one may have is 64"), "%s", first.text);
    API_REPLY second = api_call(&server, "GET", "/v1/watch", NULL, (const char *const[]){red[1], NULL});
    cr_expect_eq(second.status, 429);
    cr_expect(strstr(second.text, "Your tenant has watches open already"), "%s", second.text);
    struct api_event event = {0};
    struct api_watch *watch = api_watch_open(&server, "/v1/watch", NULL);
    cr_expect(api_watch_next(watch, 10000, &event), "the administrator watches: %s", api_watch_rest(watch));
    json_decref(event.data);
    api_watch_close(watch);
    for (int i = 0; i < OF_TENANT; i++)
        api_raw_close(&raws[i]);
    api_server_stop(&server);
}
