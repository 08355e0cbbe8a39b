/* A watch: one client that follows changes. It pulls: the change log is the queue and the cursor is all a watch keeps,
 * so a slow client costs one batch of text and nothing more. watch.c answers requests and wakes watches; watch_feed.c
 * turns the log into events. */
#pragma once

#include "controller/api/http.h"

#define SKR_WATCH_FILTERS_MAX  8
#define SKR_WATCH_STATUSES_MAX 256
/* Rendering of a batch ends when it has this much text; one object more may follow. */
#define SKR_WATCH_TEXT_MAX (256 << 10)

struct skr_watch_filter {
    const char *name; /* of a field; lives as long as the request */
    struct skr_value value;
};

struct skr_watch_status {
    enum skr_resource_id resource;
    struct skr_uuid id;
};

struct skr_watch {
    struct skr_watch *previous, *next; /* under the lock of skr_http_watches, like the next three */
    bool news;
    unsigned status_count;
    struct skr_watch_status statuses[SKR_WATCH_STATUSES_MAX];

    struct skr_http_request *request; /* with a reference */
    uint64_t kinds;                   /* set of enum skr_resource_id */
    struct skr_watch_filter filters[SKR_WATCH_FILTERS_MAX];
    unsigned filter_count;
    struct skr_http_fields fields; /* of a list's watch */
    int64_t cursor;                /* everything up to this revision has been delivered */
    int64_t bookmark_due_ns;
    bool ended;
    char *text; /* events on their way out */
    size_t size, sent, capacity;
};

/* ---- what changes whom one sees (watch_sight.c) ---- */

/* Kinds whose objects come into view or leave it with a change of this one. */
uint64_t skr_watch_kinds_decided(enum skr_resource_id resource);
/* Calls `gained` and `lost` for the objects that a change of the tenant's row gave to the principal's own tenant or
 * took from it; `next` is the next change of that row that touched a list, NULL: none. */
typedef void skr_watch_listed_fn(void *arg, enum skr_resource_id resource, const struct skr_uuid *id);
void skr_watch_lists(const struct skr_watch *watch, struct skr_txn *txn, const struct skr_log_row *row,
                     const struct skr_log_row *next, skr_watch_listed_fn *gained, skr_watch_listed_fn *lost, void *arg);
/* The change put other objects into a host group's operator's view, or out of it: which ones, only a list tells. */
bool skr_watch_sight_moved(const struct skr_watch *watch, struct skr_txn *txn, const struct skr_log_row *row);

/* Fills watch->text with what is new: events, or a bookmark when one is due. May leave it empty. */
void skr_watch_feed(struct skr_watch *watch, const struct skr_watch_status *statuses, unsigned status_count,
                    int64_t now_ns);
