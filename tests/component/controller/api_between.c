/* Changes that come while a request has taken its snapshot of the database and has not ended: a read is held there. */
#include "tests/component/controller/api_client.h"
#include "tests/support/slow_vfs.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <skerry/macros.h>
#include <string.h>

#define SOON   10 /* s */
#define LATE_S 60

static struct api_server server;

static void start(void)
{
    struct skr_api_options options = {.deadlines = {.bookmark = LATE_S * 1000}};
    skr_slow_vfs_configure(&(struct skr_slow_vfs_options){0});
    api_server_start(&server, &options, SKR_SLOW_VFS);
}

static void stop(void)
{
    api_server_stop(&server);
}

TestSuite(api_between, .init = start, .fini = stop);

/* Every reader lags behind now, and nobody is told of anything: no request follows, no watch looks at host groups. */
static void hold_the_next_reader(void)
{
    struct skr_object *group SKR_CLEANUP(skr_object_cleanup) = skr_test_object(SKR_HOST_GROUP, "rack");
    cr_assert_eq(skr_store_write_wait(server.database.store, skr_test_insert, group, NULL, NULL), 0);
    skr_slow_vfs_hold_read();
}

static char bearer[300];

static void *ask(void *status)
{
    API_REPLY reply = api_call(&server, "GET", "/v1/tenants", NULL, (const char *const[]){bearer, NULL});
    *(long *)status = reply.status;
    return NULL;
}

/* The API remembers for a second who a token is. What it read before the token went must not be remembered after. */
Test(api_between, a_token_that_goes_while_it_is_looked_up_is_not_remembered)
{
    char path[80];
    long status = 0;
    pthread_t client;
    API_REPLY token = api_call(&server, "POST", "/v1/tokens", "{\"name\": \"t\", \"role\": \"auditor\"}", NULL);
    cr_assert_eq(token.status, 201, "%s", token.text);
    snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s.%s", api_text(token.json, "id"),
             api_text(token.json, "secret"));
    snprintf(path, sizeof(path), "/v1/tokens/%s", api_text(token.json, "id"));
    hold_the_next_reader();
    pthread_create(&client, NULL, ask, &status);
    cr_assert(skr_slow_vfs_wait_held(SOON));
    API_REPLY gone = api_call(&server, "DELETE", path, NULL, NULL);
    cr_assert_eq(gone.status, 204, "%s", gone.text);
    skr_slow_vfs_let_go();
    pthread_join(client, NULL);
    cr_assert_eq(status, 200, "it began before");
    ask(&status);
    cr_assert_eq(status, 401, "the token was taken away before this request began");
}

/* A watch that looked, found nothing and goes to sleep must see what came in between, not its next bookmark first. */
Test(api_between, a_change_that_comes_before_a_watch_sleeps_wakes_it)
{
    char id[37];
    struct api_event event;
    struct skr_realization_change nothing = {.resource = SKR_TENANT};
    struct api_watch *watch = api_watch_open(&server, "/v1/watch?kinds=tenant", NULL);
    cr_assert(api_watch_next(watch, SOON * 1000, &event));
    cr_assert_str_eq(event.type, "bookmark");
    json_decref(event.data);
    hold_the_next_reader();
    skr_api_realizations(server.api, &nothing, 1); /* of an object that is not there */
    cr_assert(skr_slow_vfs_wait_held(SOON));
    api_create(&server, "tenants", "{\"name\": \"Red\"}", id);
    skr_slow_vfs_let_go();
    cr_assert(api_watch_next(watch, SOON * 1000, &event), "the watch sleeps although a tenant was created");
    cr_assert_str_eq(event.type, "put");
    cr_assert_str_eq(api_text(event.data, "id"), id);
    json_decref(event.data);
    api_watch_close(watch);
}
