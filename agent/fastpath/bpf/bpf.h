/* The bpf provider, inside. One struct holds what was loaded; each file has one concern: object.c opens, adopts and
 * loads, pins.c keeps the bpffs, tables.c and state.c are the maps, filters.c the interfaces. Life of things: a map
 * lives as long as its pin, an attached program or this process holds it; a program as long as a filter or this process
 * does. So the agent may die at any time and packets go on. */
#pragma once

#include "agent/fastpath/fastpath.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define SKR_BPF_PIN_DIRECTORY   "/run/skerry/bpf"
#define SKR_BPF_FILTER_PRIORITY 49152
#define SKR_BPF_FILTER_HANDLE   1
#define SKR_BPF_PATH_MAX        256
#define SKR_BPF_HOOK_COUNT      5

/* State maps stand behind the tables. */
enum skr_bpf_map {
    SKR_BPF_INFO = SKR_TABLE_COUNT,
    SKR_BPF_METERS,
    SKR_BPF_DROPS,
    SKR_BPF_EVENTS,
    SKR_BPF_GUESTS,
    SKR_BPF_MAP_COUNT
};

struct skr_fastpath_bpf {
    struct skr_fastpath base;
    char pin_directory[SKR_BPF_PATH_MAX];
    uint16_t priority;
    uint32_t handle;
    uint32_t records_max;
    struct bpf_object *object;
    int maps[SKR_BPF_MAP_COUNT]; /* borrowed from object */
    struct bpf_program *programs[SKR_BPF_HOOK_COUNT];
    uint32_t program_ids[SKR_BPF_HOOK_COUNT];
    struct ring_buffer *ring;
    void (*event_fn)(void *arg, const struct skr_abi_event *event); /* during events_poll */
    void *event_arg;
    int event_count;
    int cpus;
    int lock_fd; /* on the pin directory; -1: not locked */
};

const char *skr_bpf_map_name(unsigned map);
const char *skr_bpf_program_name(enum skr_fastpath_hook hook);
static inline struct skr_fastpath_bpf *skr_bpf_from(struct skr_fastpath *fastpath)
{
    return SKR_CONTAINER_OF(fastpath, struct skr_fastpath_bpf, base);
}

/* libbpf's and the verifier's last words since skr_bpf_log_begin(), for an error's text; never printed. */
void skr_bpf_log_begin(void);
const char *skr_bpf_log_last(void);

/* object.c */
int skr_bpf_object_load(struct skr_fastpath_bpf *bpf, const char *object_path, struct skr_error *error);
/* The program that closes, and the maps that it needs, alone. */
int skr_bpf_object_load_guard(struct skr_fastpath_bpf *bpf, struct skr_error *error);

/* pins.c */
int skr_bpf_pins_prepare(const char *directory, struct skr_error *error);
/* A descriptor, or -1: not pinned. */
int skr_bpf_pins_get(const char *directory, const char *name);
int skr_bpf_pins_put(const char *directory, const char *name, int fd);
/* IN_USE, naming who has it. */
int skr_bpf_pins_lock(const char *directory, int *ret_fd, struct skr_error *error);
void skr_bpf_pins_audit(struct skr_fastpath *fastpath,
                        void (*fn)(void *arg, unsigned pin, const char *name, const char *found), void *arg);
int skr_bpf_pins_restore(struct skr_fastpath *fastpath, unsigned pin);
void skr_bpf_pins_remove(const char *directory);

/* tables.c */
int skr_bpf_table_put(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key, const void *value);
int skr_bpf_table_remove(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key);
int skr_bpf_table_get(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key, void *ret_value);
int skr_bpf_table_walk(struct skr_fastpath *fastpath, enum skr_fastpath_table table,
                       int (*fn)(void *arg, const void *key, const void *value), void *arg);
/* Walks a map of these sizes (values of all CPUs count as one). */
int skr_bpf_map_walk(int fd, size_t key_size, size_t value_size,
                     int (*fn)(void *arg, const void *key, const void *value), void *arg);

/* filters.c */
int skr_bpf_filter_attach(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex);
int skr_bpf_filter_detach(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex);
int skr_bpf_filter_inspect(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex,
                           struct skr_fastpath_attachment *ret);
int skr_bpf_filter_flood_as_guest(struct skr_fastpath *fastpath, uint32_t ifindex, const void *frame, size_t size);
/* Program behind our priority and handle, 0: none. -ENODEV: no interface. */
int skr_bpf_filter_program(enum skr_fastpath_hook hook, uint32_t ifindex, uint16_t priority, uint32_t handle,
                           uint32_t *ret_program_id);
/* Never replaces; see skr_fastpath_bpf_guard_new(). */
int skr_bpf_filter_attach_free(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex);
/* Is it a program of ours, of any build? */
bool skr_bpf_filter_ours(uint32_t program_id);
/* Is it this hook's program, of any build? */
bool skr_bpf_filter_is(uint32_t program_id, enum skr_fastpath_hook hook);
void skr_bpf_filter_detach_all(uint16_t priority, uint32_t handle);

/* foreign.c */
bool skr_bpf_qdisc_present(uint32_t ifindex);
/* Programs that others put where this hook is, this filter not counted. */
unsigned skr_bpf_foreign_count(enum skr_fastpath_hook hook, uint32_t ifindex, uint16_t priority, uint32_t handle);

/* state.c */
int skr_bpf_state_open(struct skr_fastpath_bpf *bpf);
int skr_bpf_state_events_fd(struct skr_fastpath *fastpath);
int skr_bpf_state_events_poll(struct skr_fastpath *fastpath, void (*fn)(void *arg, const struct skr_abi_event *event),
                              void *arg);
int skr_bpf_state_meter(struct skr_fastpath *fastpath, uint32_t ifindex, struct skr_abi_meter *ret);
int skr_bpf_state_carry(struct skr_fastpath *fastpath, uint32_t ifindex, const struct skr_abi_meter *meter);
int skr_bpf_state_drops(struct skr_fastpath *fastpath,
                        void (*fn)(void *arg, uint32_t reason, uint32_t ifindex, uint64_t count), void *arg);
int skr_bpf_state_guests(struct skr_fastpath *fastpath,
                         void (*fn)(void *arg, uint32_t ifindex, enum skr_guest_memory memory, bool runs), void *arg);
enum skr_guest_memory skr_bpf_state_guest(struct skr_fastpath *fastpath, uint32_t ifindex);
int skr_bpf_state_guest_keep(struct skr_fastpath *fastpath, uint32_t ifindex, enum skr_guest_memory memory);
/* The interface is no port any more: its counters go, so that the next one with its number starts at 0. */
void skr_bpf_state_forget(struct skr_fastpath_bpf *bpf, uint32_t ifindex);
