/* Random rows of a small data centre and random changes of them, in an order that keeps references standing. Seeded. */
#pragma once

#include "controller/store/store.h"

#define ROWS_HOSTS     5
#define ROWS_SLOTS_MAX 24

/* In the order in which rows refer to each other. */
enum rows_kind {
    ROWS_PROFILE,
    ROWS_CLASSIFICATION,
    ROWS_NETWORK,
    ROWS_GROUP,
    ROWS_SITE,
    ROWS_UPLINK_PROFILE,
    ROWS_LOGICAL_SWITCH,
    ROWS_HOST,
    ROWS_ADDRESS,
    ROWS_HOLD,
    ROWS_ACL,
    ROWS_VM_NETWORK,
    ROWS_HOST_SWITCH,
    ROWS_SUBNET,
    ROWS_ROUTE,
    ROWS_ADAPTER,
    ROWS_RECORD,
    ROWS_KINDS
};
extern const unsigned rows_slots[ROWS_KINDS];

struct rows_slot {
    struct skr_object *row;     /* NULL: free */
    unsigned number;            /* of its id; a new one each time */
    int parents[ROWS_KINDS];    /* slots it refers to, -1: none */
    uint32_t lists[ROWS_KINDS]; /* slots that lists of it refer to, a bit each */
};

struct rows {
    struct rows_slot slots[ROWS_KINDS][ROWS_SLOTS_MAX];
    unsigned numbers;
    uint64_t random;
    /* A change; takes the object's reference over. */
    void (*emit)(void *arg, enum skr_change_op op, struct skr_object *row);
    /* A new host stands in this slot. */
    void (*host)(void *arg, int slot, const struct skr_uuid *id);
    void *arg;
};

/* The caller sets emit, host and arg. */
void rows_begin(struct rows *rows, uint64_t seed);
void rows_done(struct rows *rows);
/* Something to begin with: every other slot. */
void rows_fill(struct rows *rows);
/* Puts a new row or a new version of it, when what it needs is there. */
void rows_put(struct rows *rows, enum rows_kind kind, int slot);
/* One random change. */
void rows_operate(struct rows *rows);
void rows_each(const struct rows *rows, enum rows_kind kind, void (*fn)(void *arg, struct skr_object *row), void *arg);
unsigned rows_pick(struct rows *rows, unsigned below);
bool rows_chance(struct rows *rows, unsigned percent);
