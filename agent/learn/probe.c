/* Asking a guest whether it still has an address: ARP on the port's own interface, seen before any tc filter. */
#include "agent/host/arp_frame.h"
#include "agent/learn/private.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <skerry/macros.h>
#include <sys/socket.h>

/* Read in one look: a guest may send any number, and what it loses are its own answers. */
#define FRAMES_MAX 1024

static const uint8_t gateway_mac[6] = SKR_GATEWAY_MAC_BYTES;

int skr_learn_probe_open(uint32_t ifindex)
{
    /* Protocol 0 until it is bound: nothing of other interfaces gets in. */
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = (int)ifindex};
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
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

void skr_learn_probe_read(int fd, void (*fn)(void *arg, const struct skr_address *address, const struct skr_mac *mac),
                          void *arg)
{
    struct skr_arp_frame frame;
    struct sockaddr_ll from = {0};
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        socklen_t from_size = sizeof(from);
        ssize_t size = recvfrom(fd, &frame, sizeof(frame), MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);
        struct skr_mac mac;
        uint32_t v4;
        if (size < 0)
            return;
        if ((size_t)size < sizeof(frame) || from.sll_pkttype == PACKET_OUTGOING)
            continue; /* our own question */
        memcpy(mac.bytes, frame.arp.arp_sha, 6);
        memcpy(&v4, frame.arp.arp_spa, 4);
        struct skr_address address = skr_address_from_v4(v4);
        fn(arg, &address, &mac);
    }
}
