#include "agent/fastpath/bpf/bpf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static __thread char log_text[SKR_ERROR_DETAIL_MAX / 2];

/* Keeps the last line that says something; a verifier log ends with its reason and then statistics. */
static int SKR_PRINTF(2, 0) log_keep(enum libbpf_print_level level, const char *format, va_list arguments)
{
    char text[4096];
    int length = vsnprintf(text, sizeof(text), format, arguments);

    if (level != LIBBPF_WARN || length <= 0)
        return 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (line[0] && strncmp(line, "processed ", 10) != 0 && strncmp(line, "-- ", 3) != 0)
            snprintf(log_text, sizeof(log_text), "%s", line);
    return 0;
}

void skr_bpf_log_begin(void)
{
    log_text[0] = '\0';
    libbpf_set_print(log_keep);
}

const char *skr_bpf_log_last(void)
{
    return log_text[0] ? log_text : "no reason given";
}

const char *skr_bpf_map_name(unsigned map)
{
    static const char *const names[] = {"info", "meters", "drops", "events", "guests"};

    return map < SKR_TABLE_COUNT ? skr_fastpath_table_info(map)->name : names[map - SKR_TABLE_COUNT];
}

const char *skr_bpf_program_name(enum skr_fastpath_hook hook)
{
    static const char *const names[SKR_BPF_HOOK_COUNT] = {[SKR_HOOK_PORT] = "port_ingress",
                                                          [SKR_HOOK_UPLINK] = "uplink_ingress",
                                                          [SKR_HOOK_EGRESS] = "uplink_egress",
                                                          [SKR_HOOK_CLOSED] = "port_closed",
                                                          [SKR_HOOK_CLOSED_EGRESS] = "port_closed"};

    return names[hook];
}

static void bpf_free(struct skr_fastpath *fastpath)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);

    ring_buffer__free(bpf->ring);
    bpf_object__close(bpf->object);
    skr_close_cleanup(&bpf->lock_fd);
    free(bpf);
}

static void bpf_free_cleanup(struct skr_fastpath_bpf **bpf)
{
    if (*bpf)
        bpf_free(&(*bpf)->base);
}

static const struct skr_fastpath_ops ops = {
        .name = "bpf",
        .free = bpf_free,
        .put = skr_bpf_table_put,
        .remove = skr_bpf_table_remove,
        .get = skr_bpf_table_get,
        .walk = skr_bpf_table_walk,
        .attach = skr_bpf_filter_attach,
        .detach = skr_bpf_filter_detach,
        .inspect = skr_bpf_filter_inspect,
        .events_fd = skr_bpf_state_events_fd,
        .events_poll = skr_bpf_state_events_poll,
        .guests = skr_bpf_state_guests,
        .guest_keep = skr_bpf_state_guest_keep,
        .pins = skr_bpf_pins_audit,
        .pin = skr_bpf_pins_restore,
        .meter = skr_bpf_state_meter,
        .carry = skr_bpf_state_carry,
        .flood_as_guest = skr_bpf_filter_flood_as_guest,
        .drops = skr_bpf_state_drops,
};

static const char *pin_directory(const struct skr_fastpath_options *options)
{
    return options && options->pin_directory ? options->pin_directory : SKR_BPF_PIN_DIRECTORY;
}

static uint16_t filter_priority(const struct skr_fastpath_options *options)
{
    return options && options->filter_priority ? options->filter_priority : SKR_BPF_FILTER_PRIORITY;
}

static uint32_t filter_handle(const struct skr_fastpath_options *options)
{
    return options && options->filter_handle ? options->filter_handle : SKR_BPF_FILTER_HANDLE;
}

static const struct skr_fastpath_ops guard_ops = {
        .name = "guard",
        .free = bpf_free,
        .attach = skr_bpf_filter_attach_free,
        .detach = skr_bpf_filter_detach,
        .inspect = skr_bpf_filter_inspect,
};

/* Everything but the programs. */
static int prepare(const struct skr_fastpath_options *options, struct skr_fastpath_bpf **ret, struct skr_error *error)
{
    SKR_CLEANUP(bpf_free_cleanup) struct skr_fastpath_bpf *bpf = calloc(1, sizeof(*bpf));
    const char *directory = pin_directory(options);
    int result;

    if (!bpf)
        return -ENOMEM;
    bpf->lock_fd = -1;
    bpf->priority = filter_priority(options);
    bpf->handle = filter_handle(options);
    bpf->records_max = options ? options->records_max : 0;
    if ((size_t)snprintf(bpf->pin_directory, sizeof(bpf->pin_directory), "%s", directory) >= sizeof(bpf->pin_directory))
        return skr_error_set(error, SKR_ERROR_INVALID, "The path %s is longer than %zu bytes.", directory,
                             sizeof(bpf->pin_directory) - 1);
    skr_bpf_log_begin();
    result = skr_bpf_pins_prepare(directory, error);
    if (!result && options && options->exclusive)
        result = skr_bpf_pins_lock(directory, &bpf->lock_fd, error);
    if (!result)
        *ret = SKR_TAKE(bpf);
    return result;
}

int skr_fastpath_bpf_guard_new(const struct skr_fastpath_options *options, struct skr_fastpath **ret,
                               struct skr_error *error)
{
    SKR_CLEANUP(bpf_free_cleanup) struct skr_fastpath_bpf *bpf = NULL;
    int result = prepare(options, &bpf, error);

    if (!bpf)
        return result;
    bpf->base.ops = &guard_ops;
    result = skr_bpf_object_load_guard(bpf, error);
    if (!result)
        *ret = &SKR_TAKE(bpf)->base;
    return result;
}

int skr_fastpath_bpf_new(const struct skr_fastpath_options *options, struct skr_fastpath **ret, struct skr_error *error)
{
    SKR_CLEANUP(bpf_free_cleanup) struct skr_fastpath_bpf *bpf = NULL;
    int result = prepare(options, &bpf, error);

    if (!bpf)
        return result;
    bpf->base.ops = &ops;
    result = skr_bpf_object_load(bpf, options ? options->object_path : NULL, error);
    if (result)
        return result;
    result = skr_bpf_state_open(bpf);
    if (result)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The event ring cannot be read: %s.", strerror(-result));
    *ret = &SKR_TAKE(bpf)->base;
    return 0;
}

int skr_fastpath_bpf_uninstall(const struct skr_fastpath_options *options, struct skr_error *error)
{
    SKR_CLEANUP(skr_close_cleanup) int lock_fd = -1;
    int result;

    skr_bpf_log_begin();
    result = skr_bpf_pins_prepare(pin_directory(options), error);
    if (result)
        return result;
    if (options && options->exclusive)
        result = skr_bpf_pins_lock(pin_directory(options), &lock_fd, error);
    if (result)
        return result;
    skr_bpf_filter_detach_all(filter_priority(options), filter_handle(options));
    skr_bpf_pins_remove(pin_directory(options));
    return 0;
}
