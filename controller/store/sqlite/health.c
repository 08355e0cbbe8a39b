/* This file knows what is wrong with the database: damage, which a thread looks for once after the start and which
 * every statement may meet, and writes that it could not take. /readyz and the writer ask. */
#include "controller/store/sqlite/private.h"

#include <skerry/log.h>
#include <stdio.h>
#include <string.h>

#define LOOK_EVERY 10000 /* steps of SQLite's machine between two looks at `closing` */
#define REMEDY                                                                                                         \
    "Nothing is written any more. Stop the controller and put a backup in its place: skerry-controller restore FILE."

static void set_state(struct skr_store *store, enum skr_store_state state, const char *why)
{
    struct skr_health *health = &store->health;
    pthread_mutex_lock(&health->lock);
    enum skr_store_state before = atomic_load(&health->state);
    bool news = before != state && before != SKR_STORE_DAMAGED;
    if (news) {
        snprintf(health->why, sizeof(health->why), "%s", why);
        atomic_store(&health->state, state);
    }
    pthread_mutex_unlock(&health->lock);
    if (news && state == SKR_STORE_SOUND)
        skr_log(SKR_LOG_NOTICE, "the database takes writes again", NULL);
    else if (news)
        skr_log(SKR_LOG_ERROR, "the database is in trouble", "reason='%s'", why);
}

int skr_health_damaged(struct skr_store *store, const char *what, struct skr_error *error)
{
    char why[SKR_STORE_WHY_MAX];
    if (what) {
        snprintf(why, sizeof(why), "The database is damaged: %.250s. " REMEDY, what);
        set_state(store, SKR_STORE_DAMAGED, why);
    }
    skr_store_health(store, why);
    return skr_error_set(error, SKR_ERROR_STORAGE, "%s", why);
}

void skr_health_note(struct skr_store *store, const struct skr_error *error)
{
    char why[SKR_STORE_WHY_MAX];
    if (!error && atomic_load(&store->health.state) == SKR_STORE_SOUND)
        return;
    snprintf(why, sizeof(why), "%.350s Reading goes on. Make room on the disk, or see why it takes no writes.",
             error ? error->detail : "");
    set_state(store, error ? SKR_STORE_DEGRADED : SKR_STORE_SOUND, error ? why : "");
}

bool skr_health_is_damaged(const struct skr_store *store)
{
    return atomic_load(&store->health.state) == SKR_STORE_DAMAGED;
}

enum skr_store_state skr_store_health(struct skr_store *store, char ret_why[static SKR_STORE_WHY_MAX])
{
    struct skr_health *health = &store->health;
    pthread_mutex_lock(&health->lock);
    enum skr_store_state state = atomic_load(&health->state);
    memcpy(ret_why, health->why, sizeof(health->why));
    pthread_mutex_unlock(&health->lock);
    return state;
}

/* ---- looking for damage ---- */

static int is_closing(void *arg)
{
    return atomic_load(&((struct skr_store *)arg)->health.closing);
}

/* Checks one table and its indexes, in a snapshot of its own: a longer one would keep the log from being emptied. */
static bool check_table(struct skr_store *store, sqlite3 *db, const char *table)
{
    SKR_CLEANUP(skr_free_cleanup) char *verdict = NULL;
    struct skr_error error = {0};
    char sql[160];
    snprintf(sql, sizeof(sql), "PRAGMA quick_check(\"%.100s\")", table);
    int r = skr_check_ask(db, sql, NULL, NULL, &verdict, &error);
    int code = sqlite3_errcode(db) & 0xff;
    if (r < 0 && code != SQLITE_CORRUPT && code != SQLITE_NOTADB)
        return true; /* it could not be looked at */
    if (r == 0 && verdict && strcmp(verdict, "ok") == 0)
        return true;
    skr_health_damaged(store, r < 0 ? sqlite3_errstr(code) : verdict ? verdict : "no answer", &error);
    return false;
}

static void *check_main(void *arg)
{
    struct skr_store *store = arg;
    SKR_CLEANUP(skr_check_close) sqlite3 *db = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *name = strdup("");
    if (skr_check_open(store->path, SQLITE_OPEN_READONLY, &db, NULL) < 0)
        return NULL;
    sqlite3_progress_handler(db, LOOK_EVERY, is_closing, store);
    for (bool sound = true; sound && name && !is_closing(store);) {
        char *next = NULL;
        skr_check_ask(db, "SELECT min(name) FROM sqlite_schema WHERE type = 'table' AND name > ?1", name, NULL, &next,
                      NULL);
        free(name);
        name = next;
        sound = !name || check_table(store, db, name);
    }
    return NULL;
}

int skr_store_check_begin(struct skr_store *store, struct skr_error *error)
{
    if (pthread_create(&store->health.thread, NULL, check_main, store))
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The check of the database could not be started.");
    store->health.started = true;
    pthread_setname_np(store->health.thread, "check");
    return 0;
}

void skr_health_stop(struct skr_store *store)
{
    atomic_store(&store->health.closing, true);
    if (store->health.started)
        pthread_join(store->health.thread, NULL);
}
