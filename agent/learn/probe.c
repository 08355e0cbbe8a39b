/* Asking a guest whether it still has an address: ARP on the port's own interface. Our programs consume what a guest
 * answers to the gateway's MAC, so the socket takes all protocols (the kernel serves such sockets before tc, and those
 * of one protocol after it) and a filter leaves ARP. */
#include "agent/learn/private.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <skerry/macros.h>
#include <sys/socket.h>

/* Read in one look: a guest may send any number, and what it loses are its own answers. */
#define FRAMES_MAX 1024

static const uint8_t gateway_mac[6] = SKR_GATEWAY_MAC_BYTES;

static int take_arp_alone(int fd)
{
    static const struct sock_filter arp[] = {
            BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, sizeof(struct skr_arp_frame)),
            BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog filter = {.len = SKR_ARRAY_SIZE(arp), .filter = (struct sock_filter *)arp};
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
                           setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0
                   ? -errno
                   : 0;
}

int skr_learn_probe_open(uint32_t ifindex)
{
    /* Protocol 0 until it is bound: nothing of other interfaces gets in. */
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ifindex};
    if (fd < 0)
        return -errno;
    int r = take_arp_alone(fd);
    if (r == 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        r = -errno;
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

int skr_learn_probe_send(int fd, uint32_t ifindex, const struct skr_address *gateway, const struct claim *claim)
{
    uint32_t from = skr_address_v4(gateway), to = skr_address_v4(&claim->address);
    struct sockaddr_ll at = {
            .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = (int)ifindex, .sll_halen = 6};
    const struct skr_arp_frame frame = skr_arp_request(claim->mac.bytes, gateway_mac, from, to);
    memcpy(at.sll_addr, claim->mac.bytes, 6);
    return sendto(fd, &frame, sizeof(frame), 0, (struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : 0;
}

struct skr_arp_frame skr_learn_announcement(const struct claim *claim)
{
    static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint32_t address = skr_address_v4(&claim->address);
    return skr_arp_request(everybody, claim->mac.bytes, address, address);
}

void skr_learn_probe_read(int fd, void (*fn)(void *arg, const struct skr_address *address, const struct skr_mac *mac),
                          void *arg)
{
    struct skr_arp_frame frame;
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        ssize_t size = recv(fd, &frame, sizeof(frame), MSG_DONTWAIT);
        struct skr_mac mac;
        uint32_t v4;
        if (size < 0)
            return;
        if ((size_t)size < sizeof(frame))
            continue;
        memcpy(mac.bytes, frame.arp.arp_sha, 6);
        memcpy(&v4, frame.arp.arp_spa, 4);
        struct skr_address address = skr_address_from_v4(v4);
        fn(arg, &address, &mac);
    }
}
