/* Our filters on an interface: clsact, ingress (and egress of an uplink that tags), own priority and handle. The qdisc
 * is made when missing and never taken away; the filter is replaced in place. */
#include "agent/fastpath/bpf/bpf.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

static struct bpf_tc_hook hook_of(enum skr_fastpath_hook hook, uint32_t ifindex)
{
    return (struct bpf_tc_hook){.sz = sizeof(struct bpf_tc_hook),
                                .ifindex = (int)ifindex,
                                .attach_point = skr_fastpath_is_egress(hook) ? BPF_TC_EGRESS : BPF_TC_INGRESS};
}

static int attach(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex, uint32_t flags)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);
    struct bpf_tc_hook place = hook_of(hook, ifindex);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = bpf->handle, .priority = bpf->priority,
                        .prog_fd = bpf_program__fd(bpf->programs[hook]), .flags = flags);
    int result = bpf_tc_hook_create(&place);

    if (result && result != -EEXIST)
        return result;
    result = bpf_tc_attach(&place, &opts);
    if (!result && (hook == SKR_HOOK_PORT || hook == SKR_HOOK_CLOSED))
        result = skr_bpf_state_guest_keep(fastpath, ifindex, SKR_GUEST_KEPT);
    return result;
}

int skr_bpf_filter_attach(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex)
{
    return attach(fastpath, hook, ifindex, BPF_TC_F_REPLACE);
}

int skr_bpf_filter_attach_free(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex)
{
    return skr_bpf_state_guest(fastpath, ifindex) == SKR_GUEST_LET_GO ? -EEXIST : attach(fastpath, hook, ifindex, 0);
}

static bool is_named(uint32_t program_id, enum skr_fastpath_hook first, enum skr_fastpath_hook last)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = program_id ? bpf_prog_get_fd_by_id(program_id) : -1;
    struct bpf_prog_info info = {0};
    uint32_t size = sizeof(info);

    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
        return false;
    for (enum skr_fastpath_hook hook = first; hook <= last; hook++)
        if (!strncmp(info.name, skr_bpf_program_name(hook), BPF_OBJ_NAME_LEN - 1))
            return true;
    return false;
}

int skr_bpf_filter_detach(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);
    struct bpf_tc_hook place = hook_of(hook, ifindex);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = bpf->handle, .priority = bpf->priority);
    uint32_t program;
    int result = skr_bpf_filter_program(hook, ifindex, bpf->priority, bpf->handle, &program);

    if (result == -ENODEV || (!result && !is_named(program, hook, hook)))
        return 0;
    return result ? result : bpf_tc_detach(&place, &opts);
}

int skr_bpf_filter_program(enum skr_fastpath_hook hook, uint32_t ifindex, uint16_t priority, uint32_t handle,
                           uint32_t *ret_program_id)
{
    struct bpf_tc_hook place = hook_of(hook, ifindex);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = priority);
    int result = bpf_tc_query(&place, &opts);

    if (result == -ENOENT || result == -EINVAL) { /* EINVAL: no qdisc, or one without any filter */
        *ret_program_id = 0;
        return 0;
    }
    if (!result)
        *ret_program_id = opts.prog_id;
    return result;
}

bool skr_bpf_filter_ours(uint32_t program_id)
{
    return is_named(program_id, SKR_HOOK_PORT, SKR_HOOK_CLOSED_EGRESS);
}

bool skr_bpf_filter_is(uint32_t program_id, enum skr_fastpath_hook hook)
{
    return is_named(program_id, hook, hook);
}

int skr_bpf_filter_inspect(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex,
                           struct skr_fastpath_attachment *ret)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);
    struct skr_fastpath_attachment found = {0};
    int result = skr_bpf_filter_program(hook, ifindex, bpf->priority, bpf->handle, &found.program_id);

    if (result)
        return result;
    found.qdisc = skr_bpf_qdisc_present(ifindex);
    found.attached = found.program_id != 0;
    found.ours = found.attached && found.program_id == bpf->program_ids[hook];
    found.serves = found.ours || skr_bpf_filter_is(found.program_id, hook);
    found.foreign = skr_bpf_foreign_count(hook, ifindex, bpf->priority, bpf->handle);
    *ret = found;
    return 0;
}

int skr_bpf_filter_flood_as_guest(struct skr_fastpath *fastpath, uint32_t ifindex, const void *frame, size_t size)
{
    const struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);
    struct __sk_buff context = {.ifindex = ifindex};
    /* A test run executes bpf_clone_redirect, by which copies go out, but not the redirect that a verdict asks for. */
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = (uint32_t)size, .ctx_in = &context,
                .ctx_size_in = sizeof(context));

    return bpf_prog_test_run_opts(bpf_program__fd(bpf->programs[SKR_HOOK_PORT]), &options);
}

void skr_bpf_filter_detach_all(uint16_t priority, uint32_t handle)
{
    static const enum skr_fastpath_hook directions[] = {SKR_HOOK_UPLINK, SKR_HOOK_EGRESS};
    struct if_nameindex *interfaces = if_nameindex();
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = priority);

    for (struct if_nameindex *i = interfaces; i && i->if_index; i++) {
        for (unsigned n = 0; n < SKR_ARRAY_SIZE(directions); n++) {
            struct bpf_tc_hook place = hook_of(directions[n], i->if_index);
            uint32_t program;

            if (!skr_bpf_filter_program(directions[n], i->if_index, priority, handle, &program) &&
                skr_bpf_filter_ours(program))
                bpf_tc_detach(&place, &opts);
        }
    }
    if_freenameindex(interfaces);
}
