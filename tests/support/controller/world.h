/* A small data centre for the tests of the model, written through the same requests as the API's. JSON is written with
 * single quotes, and $name stands for the id of what was created under that name. */
#pragma once

#include "controller/model/rules.h"
#include "tests/support/test_store.h"

#include <criterion/criterion.h>

#define WORLD_NAMES_MAX 128

struct world {
    struct skr_test_store test;
    struct {
        char name[64];
        struct skr_uuid id;
    } names[WORLD_NAMES_MAX];
    size_t count;
};

struct answer {
    int result;
    int64_t revision;
    struct skr_error error;
    struct skr_object *object; /* the request's result */
};
static inline void answer_cleanup(struct answer *answer)
{
    skr_object_unref(answer->object);
}

/* An empty database with what bootstrap makes: $root, and classifications by name. */
void world_open(struct world *world);
/* Networks, sites, pools, tenants, subnets, adapters and two hosts: see world.c. */
void world_fill(struct world *world);
/* Opens and fills it, and makes the adapters dyn-1 on h1 and dyn-2 on h2, whose guests choose their addresses. */
void world_open_learning(struct world *world);
/* Looks at every query that ran (no scans, no sorts), then removes the database. */
void world_close(struct world *world);

/* Sends the request and fails the test unless it is done (`tag` NONE), or refused with `tag`, at `pointer` and with
 * `words` in a sentence (each NULL: whichever) and nothing left behind. */
void world_judge(struct world *world, enum skr_operation operation, enum skr_resource_id resource, const char *target,
                 const char *json, enum skr_error_tag tag, const char *pointer, const char *words);

struct skr_uuid world_id(const struct world *world, const char *name);
void world_name(struct world *world, const char *name, const struct skr_uuid *id);
/* The name means this object from now on. */
void world_rename(struct world *world, const char *name, const struct skr_uuid *id);
/* JSON with single quotes and $names -> object as a request has it. */
int world_parse(const struct world *world, const struct skr_resource *resource, const char *text, bool partial,
                struct skr_object **ret, struct skr_error *error);

/* One request by an administrator; If-Match is the current etag. `target` for all but creates. */
int world_request(struct world *world, enum skr_operation operation, enum skr_resource_id resource, const char *target,
                  const char *json, struct answer *ret);
/* Must succeed; the id is known by `name` afterwards. */
void world_create(struct world *world, enum skr_resource_id resource, const char *name, const char *json);
void world_patch(struct world *world, enum skr_resource_id resource, const char *target, const char *json);
void world_delete(struct world *world, enum skr_resource_id resource, const char *target);
int world_action(struct world *world, enum skr_resource_id resource, const char *target, const char *verb,
                 const char *json, struct skr_action_request *ret, struct skr_error *error);
/* A host that joins with a new token; `key` names its key. */
int world_join(struct world *world, const char *name, const char *group, const char *uplink, uint8_t key,
               struct skr_error *error);
/* The current row with computed fields; the caller owns it. */
struct skr_object *world_get(struct world *world, enum skr_resource_id resource, const char *name);
/* Rows of a resource whose reference `field` is `name`; fills up to max. */
size_t world_list(struct world *world, enum skr_resource_id resource, int field, const char *name,
                  struct skr_object **ret, size_t max);
size_t world_events(struct world *world, const char *reason);
/* Provider address of a host as text, "" when it has none. */
void world_provider_address(struct world *world, const char *host, char ret[static SKR_ADDRESS_TEXT_MAX]);
void world_synced(struct world *world, const char *host, int64_t revision);
/* A report of one host; the answer is the caller's to free. */
int world_report(struct world *world, const char *host, const Skerry__V1__Report *report,
                 Skerry__V1__ReportAccepted **ret, struct skr_error *error);
/* total, allocated, reserved, vip, free of a pool, from utilization. */
void world_utilization(struct world *world, const char *pool, long long ret[static 5]);
