/* This file finds the tc filters, tcx and XDP programs that others attached to the ingress of an interface. They run
 * beside us or before us, so compliance names them; nothing here touches them. */
#include "agent/fastpath/bpf/bpf.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define TCX_INGRESS 46 /* BPF_TCX_INGRESS, newer than the headers */
#define REPLY_MAX   65536

static bool is_filter_of(const struct nlmsghdr *message, uint16_t priority, uint32_t handle, bool *ret_ours)
{
    const struct tcmsg *tc = NLMSG_DATA(message);

    if (message->nlmsg_type != RTM_NEWTFILTER || !tc->tcm_handle)
        return false; /* a classifier announces itself once without a handle */
    *ret_ours = TC_H_MAJ(tc->tcm_info) >> 16 == priority && tc->tcm_handle == handle;
    return true;
}

/* Asks about the ingress of an interface; a descriptor to read the answer from, or -1. */
static int ask(uint16_t type, uint16_t flags, uint32_t ifindex, uint32_t parent)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct {
        struct nlmsghdr header;
        struct tcmsg tc;
    } request = {.header = {.nlmsg_len = sizeof(request), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags},
                 .tc = {.tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex, .tcm_parent = parent}};

    const struct timeval patience = {.tv_sec = 1}; /* the kernel answers at once or never */

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
        send(fd, &request, sizeof(request), 0) != sizeof(request))
        return -1;
    return skr_take_fd(&fd);
}

/* Some kernels answer with the qdisc, some with the acknowledgement alone; both say that it is there. */
bool skr_bpf_qdisc_present(uint32_t ifindex)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = ask(RTM_GETQDISC, NLM_F_ACK, ifindex, TC_H_CLSACT);
    union {
        struct nlmsghdr header;
        char bytes[4096];
    } reply;
    ssize_t length = fd < 0 ? -1 : recv(fd, &reply, sizeof(reply), 0);
    const struct nlmsgerr *answer = NLMSG_DATA(&reply.header);

    if (length < (ssize_t)NLMSG_LENGTH(sizeof(answer->error)))
        return false;
    return reply.header.nlmsg_type == RTM_NEWQDISC || (reply.header.nlmsg_type == NLMSG_ERROR && !answer->error);
}

static unsigned count_filters(enum skr_fastpath_hook hook, uint32_t ifindex, uint16_t priority, uint32_t handle)
{
    SKR_CLEANUP(skr_close_cleanup)
    int fd = ask(RTM_GETTFILTER, NLM_F_DUMP, ifindex,
                 TC_H_MAKE(TC_H_CLSACT, skr_fastpath_is_egress(hook) ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS));
    SKR_CLEANUP(skr_free_cleanup) char *reply = malloc(REPLY_MAX);
    unsigned count = 0;
    bool ours;

    while (fd >= 0 && reply) {
        ssize_t length = recv(fd, reply, REPLY_MAX, 0);

        if (length <= 0)
            break;
        for (struct nlmsghdr *message = (struct nlmsghdr *)(void *)reply; NLMSG_OK(message, (size_t)length);
             message = NLMSG_NEXT(message, length)) {
            if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
                return count;
            if (is_filter_of(message, priority, handle, &ours) && !ours)
                count++;
        }
    }
    return count;
}

unsigned skr_bpf_foreign_count(enum skr_fastpath_hook hook, uint32_t ifindex, uint16_t priority, uint32_t handle)
{
    unsigned count = count_filters(hook, ifindex, priority, handle);
    uint32_t xdp = 0, tcx = 0;

    if (skr_fastpath_is_egress(hook))
        return count;
    if (!bpf_xdp_query_id((int)ifindex, 0, &xdp) && xdp)
        count++;
    if (!bpf_prog_query((int)ifindex, TCX_INGRESS, 0, NULL, NULL, &tcx))
        count += tcx;
    return count;
}
