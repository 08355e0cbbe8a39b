/* Opens a build of the programs, gives it the maps that are there already, and loads it. */
#include "agent/fastpath/bpf/bpf.h"

#include "skerry.skel.h"
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define PROGRAM_MAPS_MAX 64

/* Maps that stand already, by our numbers; -1: not there. */
struct standing {
    int fds[SKR_BPF_MAP_COUNT];
};

static void standing_init(struct standing *standing)
{
    for (unsigned map = 0; map < SKR_BPF_MAP_COUNT; map++)
        standing->fds[map] = -1;
}

static void standing_done(struct standing *standing)
{
    for (unsigned map = 0; map < SKR_BPF_MAP_COUNT; map++)
        skr_close_cleanup(&standing->fds[map]);
}

static bool standing_same_version(const struct standing *standing)
{
    struct skr_abi_info info;
    __u32 zero = 0;

    return standing->fds[SKR_BPF_INFO] >= 0 && !bpf_map_lookup_elem(standing->fds[SKR_BPF_INFO], &zero, &info) &&
           info.version == SKR_ABI_VERSION;
}

/* The maps of an attached program, by name. */
static void standing_from_program(struct standing *standing, uint32_t program_id)
{
    SKR_CLEANUP(skr_close_cleanup) int program = bpf_prog_get_fd_by_id(program_id);
    uint32_t ids[PROGRAM_MAPS_MAX] = {0}, size = sizeof(struct bpf_prog_info);
    struct bpf_prog_info info = {.nr_map_ids = PROGRAM_MAPS_MAX, .map_ids = (uintptr_t)ids};

    if (program < 0 || bpf_obj_get_info_by_fd(program, &info, &size))
        return;
    for (unsigned i = 0; i < info.nr_map_ids && i < PROGRAM_MAPS_MAX; i++) {
        SKR_CLEANUP(skr_close_cleanup) int fd = bpf_map_get_fd_by_id(ids[i]);
        struct bpf_map_info map_info = {0};

        size = sizeof(map_info);
        if (fd < 0 || bpf_obj_get_info_by_fd(fd, &map_info, &size))
            continue;
        for (unsigned map = 0; map < SKR_BPF_MAP_COUNT; map++)
            if (standing->fds[map] < 0 && !strncmp(map_info.name, skr_bpf_map_name(map), BPF_OBJ_NAME_LEN - 1))
                standing->fds[map] = skr_take_fd(&fd);
    }
}

/* Pins may be out of sight (another mount namespace): what runs on an interface holds its maps too. One hook does not
 * use all of them, so every interface is asked. */
static void standing_from_interfaces(struct standing *standing, uint16_t priority, uint32_t handle)
{
    struct if_nameindex *interfaces = if_nameindex();
    uint32_t program;

    for (struct if_nameindex *i = interfaces; i && i->if_index; i++)
        if (!skr_bpf_filter_program(SKR_HOOK_UPLINK, i->if_index, priority, handle, &program) &&
            skr_bpf_filter_ours(program))
            standing_from_program(standing, program);
    if_freenameindex(interfaces);
}

static void standing_find(struct standing *standing, const struct skr_fastpath_bpf *bpf)
{
    for (unsigned map = 0; map < SKR_BPF_MAP_COUNT; map++)
        standing->fds[map] = skr_bpf_pins_get(bpf->pin_directory, skr_bpf_map_name(map));
    if (standing_same_version(standing))
        return;
    /* Pinned state (counters) is good in any version; pinned policy is not, where its version is not known. */
    for (unsigned map = 0; map < SKR_BPF_METERS; map++)
        skr_close_cleanup(&standing->fds[map]);
    standing_from_interfaces(standing, bpf->priority, bpf->handle);
    if (standing_same_version(standing))
        return;
    for (unsigned map = 0; map < SKR_BPF_METERS; map++)
        skr_close_cleanup(&standing->fds[map]);
}

static bool same_shape(struct bpf_map *map, const struct bpf_map_info *info)
{
    return info->type == bpf_map__type(map) && info->key_size == bpf_map__key_size(map) &&
           info->value_size == bpf_map__value_size(map) && info->map_flags == bpf_map__map_flags(map);
}

/* Uses the standing map where its shape is right. One of another capacity stays in `standing`, to be copied. */
static int adopt(struct bpf_map *map, int *standing)
{
    struct bpf_map_info info = {0};
    uint32_t size = sizeof(info);

    if (*standing < 0)
        return 0;
    if (bpf_obj_get_info_by_fd(*standing, &info, &size) || !same_shape(map, &info)) {
        skr_close_cleanup(standing);
        return 0;
    }
    if (info.max_entries != bpf_map__max_entries(map))
        return 0;
    if (bpf_map__reuse_fd(map, *standing))
        return -errno;
    skr_close_cleanup(standing);
    return 0;
}

struct copy {
    int to;
};

static int copy_entry(void *arg, const void *key, const void *value)
{
    struct copy *copy = arg;

    return bpf_map_update_elem(copy->to, key, value, BPF_ANY) ? -errno : 0;
}

static int copy_table(struct skr_fastpath_bpf *bpf, enum skr_fastpath_table table, int from)
{
    const struct skr_fastpath_table_info *info = skr_fastpath_table_info(table);
    struct copy copy = {.to = bpf->maps[table]};

    return skr_bpf_map_walk(from, info->key_size, info->value_size, copy_entry, &copy);
}

static int set_capacity(const struct skr_fastpath_bpf *bpf, struct bpf_map *map, enum skr_fastpath_table table)
{
    bool records = table == SKR_TABLE_RECORDS_MAC || table == SKR_TABLE_RECORDS_CA;
    uint32_t entries = skr_fastpath_table_info(table)->max_entries;

    return bpf_map__set_max_entries(map, records && bpf->records_max ? bpf->records_max : entries);
}

static int prepare_maps(struct skr_fastpath_bpf *bpf, struct standing *standing, struct skr_error *error)
{
    for (unsigned number = 0; number < SKR_BPF_MAP_COUNT; number++) {
        const char *name = skr_bpf_map_name(number);
        struct bpf_map *map = bpf_object__find_map_by_name(bpf->object, name);

        if (!map)
            return skr_error_set(error, SKR_ERROR_INTERNAL, "The programs have no map \"%s\".", name);
        if (number < SKR_TABLE_COUNT) {
            const struct skr_fastpath_table_info *info = skr_fastpath_table_info(number);
            if (bpf_map__key_size(map) != info->key_size || bpf_map__value_size(map) != info->value_size)
                return skr_error_set(error, SKR_ERROR_INTERNAL, "The map \"%s\" of these programs has another shape.",
                                     name);
            if (set_capacity(bpf, map, number))
                return skr_error_set(error, SKR_ERROR_INTERNAL, "The capacity of map \"%s\" cannot be set.", name);
        }
        if (adopt(map, &standing->fds[number]))
            return skr_error_set(error, SKR_ERROR_INTERNAL, "The map \"%s\" cannot be adopted: %s.", name,
                                 strerror(errno));
    }
    return 0;
}

static int open_object(struct skr_fastpath_bpf *bpf, const char *path, struct skr_error *error)
{
    size_t size;
    const void *bytes = skr_skerry__elf_bytes(&size);
    DECLARE_LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "skerry");

    bpf->object = path ? bpf_object__open_file(path, &opts) : bpf_object__open_mem(bytes, size, &opts);
    if (!bpf->object)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The programs in %s cannot be opened: %s.",
                             path ? path : "this build", strerror(errno));
    for (int hook = 0; hook < SKR_BPF_HOOK_COUNT; hook++) {
        bpf->programs[hook] = bpf_object__find_program_by_name(bpf->object, skr_bpf_program_name(hook));
        if (!bpf->programs[hook])
            return skr_error_set(error, SKR_ERROR_INTERNAL, "There is no program \"%s\" in %s.",
                                 skr_bpf_program_name(hook), path ? path : "this build");
    }
    return 0;
}

/* Each program holds all maps, also those that its code does not name, so that one attached program leads to them. */
static int bind_maps(const struct skr_fastpath_bpf *bpf)
{
    for (int hook = 0; hook < SKR_BPF_HOOK_COUNT; hook++)
        for (unsigned map = 0; map < SKR_BPF_MAP_COUNT; map++)
            if (bpf_prog_bind_map(bpf_program__fd(bpf->programs[hook]), bpf->maps[map], NULL) && errno != EEXIST)
                return -errno;
    return 0;
}

static int finish_maps(struct skr_fastpath_bpf *bpf, struct standing *standing, struct skr_error *error)
{
    struct skr_abi_info info = {.version = SKR_ABI_VERSION};
    __u32 zero = 0;
    int result = 0;

    for (unsigned number = 0; number < SKR_BPF_MAP_COUNT && !result; number++) {
        bpf->maps[number] = bpf_object__find_map_fd_by_name(bpf->object, skr_bpf_map_name(number));
        if (number < SKR_TABLE_COUNT && standing->fds[number] >= 0)
            result = copy_table(bpf, number, standing->fds[number]);
        if (result)
            return skr_error_set(error, SKR_ERROR_INTERNAL, "Table \"%s\" does not fit its new capacity: %s.",
                                 skr_bpf_map_name(number), strerror(-result));
    }
    if (bpf_map_update_elem(bpf->maps[SKR_BPF_INFO], &zero, &info, BPF_ANY))
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The tables cannot be marked: %s.", strerror(errno));
    result = bind_maps(bpf);
    if (result)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The tables cannot be bound to the programs: %s.",
                             strerror(-result));
    /* info last: pins count once they are whole. */
    for (unsigned i = 0; i < SKR_BPF_MAP_COUNT; i++) {
        unsigned number = (i + SKR_BPF_INFO + 1) % SKR_BPF_MAP_COUNT;
        result = skr_bpf_pins_put(bpf->pin_directory, skr_bpf_map_name(number), bpf->maps[number]);
        if (result)
            return skr_error_set(error, SKR_ERROR_INTERNAL, "Map \"%s\" cannot be pinned in %s: %s.",
                                 skr_bpf_map_name(number), bpf->pin_directory, strerror(-result));
    }
    return 0;
}

int skr_bpf_object_load(struct skr_fastpath_bpf *bpf, const char *object_path, struct skr_error *error)
{
    SKR_CLEANUP(standing_done) struct standing standing;
    int result;

    standing_init(&standing);
    result = open_object(bpf, object_path, error);
    if (result)
        return result;
    standing_find(&standing, bpf);
    result = prepare_maps(bpf, &standing, error);
    if (result)
        return result;
    if (bpf_object__load(bpf->object))
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The kernel refused the programs: %s.", skr_bpf_log_last());
    for (int hook = 0; hook < SKR_BPF_HOOK_COUNT; hook++) {
        struct bpf_prog_info info = {0};
        uint32_t size = sizeof(info);

        if (bpf_obj_get_info_by_fd(bpf_program__fd(bpf->programs[hook]), &info, &size))
            return skr_error_set(error, SKR_ERROR_INTERNAL, "A loaded program cannot be asked: %s.", strerror(errno));
        bpf->program_ids[hook] = info.id;
    }
    return finish_maps(bpf, &standing, error);
}

/* A map that an agent pinned already is used, so that what is counted and kept is in one place. */
static int prepare_guard_map(struct skr_fastpath_bpf *bpf, unsigned number)
{
    struct bpf_map *map = bpf_object__find_map_by_name(bpf->object, skr_bpf_map_name(number));
    SKR_CLEANUP(skr_close_cleanup) int standing = -1;

    if (!map)
        return -ENOENT;
    if (number != SKR_BPF_DROPS && number != SKR_BPF_GUESTS)
        return bpf_map__set_autocreate(map, false);
    standing = skr_bpf_pins_get(bpf->pin_directory, skr_bpf_map_name(number));
    return adopt(map, &standing);
}

static int pin_guard_map(struct skr_fastpath_bpf *bpf, unsigned number)
{
    SKR_CLEANUP(skr_close_cleanup) int standing = skr_bpf_pins_get(bpf->pin_directory, skr_bpf_map_name(number));

    bpf->maps[number] = bpf_object__find_map_fd_by_name(bpf->object, skr_bpf_map_name(number));
    return standing >= 0 ? 0 : skr_bpf_pins_put(bpf->pin_directory, skr_bpf_map_name(number), bpf->maps[number]);
}

int skr_bpf_object_load_guard(struct skr_fastpath_bpf *bpf, struct skr_error *error)
{
    int result = open_object(bpf, NULL, error);

    if (result)
        return result;
    for (int hook = 0; hook < SKR_BPF_HOOK_COUNT; hook++)
        bpf_program__set_autoload(bpf->programs[hook], hook == SKR_HOOK_CLOSED || hook == SKR_HOOK_CLOSED_EGRESS);
    for (unsigned number = 0; number < SKR_BPF_MAP_COUNT && !result; number++)
        result = prepare_guard_map(bpf, number);
    if (!result)
        result = bpf_object__load(bpf->object);
    if (result)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The kernel refused the program that closes: %s.",
                             skr_bpf_log_last());
    result = pin_guard_map(bpf, SKR_BPF_DROPS);
    if (!result)
        result = pin_guard_map(bpf, SKR_BPF_GUESTS);
    if (!result && bpf_prog_bind_map(bpf_program__fd(bpf->programs[SKR_HOOK_CLOSED]), bpf->maps[SKR_BPF_GUESTS], NULL))
        result = -errno;
    return result ? skr_error_set(error, SKR_ERROR_INTERNAL,
                                  "The maps of the program that closes cannot be pinned: %s.", strerror(-result))
                  : 0;
}
