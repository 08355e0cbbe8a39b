/* The job engine over a small data centre (tests/support/controller/world.h), without its thread: the test says what
 * time it is, what hosts have applied, and when the controller is killed. */
#pragma once

#include "controller/jobs/jobs.h"
#include "tests/support/controller/world.h"

#include <skerry/realization_publish.h>

#define SCENE_START_MS  1000000000000LL
#define SCENE_LOOKS_MAX 2000 /* more: the engine goes round in circles */

struct scene {
    struct world world;
    struct skr_realization_table *realizations;
    struct skr_jobs *jobs;
    int64_t now_ms;
    char backups[96];
    bool needs_hosts;    /* a write of an adapter needs an answer of h1 and h2 */
    uint64_t version;    /* of the scope that stands for all they hold */
    unsigned kill_every; /* 0: never; n: the engine is dropped and made anew after every n-th look */
    unsigned kill_at;    /* the engine is dropped after this look alone, from 1 */
    unsigned looks;
    /* of the writer's thread, read when nothing writes */
    struct {
        int64_t revision;
        struct skr_uuid adapter;
    } writes[64];
    unsigned write_count;
    int64_t revision;
};

/* h1 and h2 are online; red-1 is on h1, bound. */
void scene_open(struct scene *scene);
void scene_close(struct scene *scene);
/* The engine is gone with all it knew; a new one reads the database. */
void scene_kill(struct scene *scene);
/* Publishes the commits as the policy would. */
void scene_publish(struct scene *scene);
/* h1 and h2 have applied everything; `reason`: h2 could not. */
void scene_apply(struct scene *scene, const char *reason);
void scene_online(struct scene *scene, const char *host, bool online);
/* Publishes and looks until nothing is due at scene->now_ms. */
void scene_drive(struct scene *scene);
/* An action that must start a job, known as `name` afterwards. */
void scene_start(struct scene *scene, const char *name, enum skr_resource_id resource, const char *target,
                 const char *verb, const char *json);
/* The same action, refused: its tag. */
enum skr_error_tag scene_refused(struct scene *scene, enum skr_resource_id resource, const char *target,
                                 const char *verb, const char *json);
void scene_act(struct scene *scene, enum skr_resource_id resource, const char *target, const char *verb);
/* State of a job; its message into scene's buffer. */
const char *scene_state(struct scene *scene, const char *job);
const char *scene_message(struct scene *scene, const char *job);
/* "check=succeeded arm=running ...". */
const char *scene_steps(struct scene *scene, const char *job);
int64_t scene_integer(struct scene *scene, enum skr_resource_id resource, const char *name, int field);
/* Does this reference of the object name that one? `other` NULL: is it null? */
bool scene_refers(struct scene *scene, enum skr_resource_id resource, const char *name, int field, const char *other);
