/* Duplicate-address detection for provider addresses (RFC 5227): a packet socket that only hears ARP about the address
 * in question, so that a busy network does not fill it. */
#include "agent/host/arp_frame.h"
#include "agent/host/private.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#define FRAMES_MAX    1024 /* read in one look: whoever is on the wire may send any number */
#define VLAN_MASK     0x0fff
#define SENDER_OFFSET (offsetof(struct skr_arp_frame, arp) + offsetof(struct ether_arp, arp_spa))
#define TARGET_OFFSET (offsetof(struct skr_arp_frame, arp) + offsetof(struct ether_arp, arp_tpa))

/* Passes ARP of this VLAN (0: untagged) whose sender, or target, is the address. The kernel has taken tags off. */
static int hear_only(int fd, uint32_t address, uint32_t vlan)
{
    struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct ether_header, ether_type)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_ARP, 0, 8),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG)),
            BPF_STMT(BPF_ALU | BPF_AND | BPF_K, VLAN_MASK),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, vlan, 0, 5),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SENDER_OFFSET),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(address), 2, 0),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, TARGET_OFFSET),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(address), 0, 1),
            BPF_STMT(BPF_RET | BPF_K, sizeof(struct skr_arp_frame)),
            BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog program = {.len = SKR_ARRAY_SIZE(code), .filter = code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

int skr_host_probe_open(const struct probe_place *place, uint32_t address)
{
    /* Protocol 0 until it is bound: nothing of other interfaces gets in. All protocols then: only such a socket hears a
     * frame while its tag is known. */
    SKR_CLEANUP(skr_close_cleanup) int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const struct sockaddr_ll at = {
            .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)place->ifindex};
    if (fd < 0)
        return -errno;
    int r = hear_only(fd, address, place->vlan);
    if (r < 0)
        return r;
    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
        return -errno;
    return skr_take_fd(&fd);
}

/* With the tag in the frame, where its VLAN has one. */
static size_t put_tag(uint8_t *out, const struct skr_arp_frame *frame, uint32_t vlan)
{
    const size_t macs = offsetof(struct ether_header, ether_type);
    const uint8_t tag[4] = {ETHERTYPE_VLAN >> 8, ETHERTYPE_VLAN & 0xff, (uint8_t)(vlan >> 8), (uint8_t)vlan};
    size_t tag_size = vlan ? sizeof(tag) : 0;
    memcpy(out, frame, macs);
    memcpy(out + macs, tag, tag_size);
    memcpy(out + macs + tag_size, (const uint8_t *)frame + macs, sizeof(*frame) - macs);
    return sizeof(*frame) + tag_size;
}

static int send_request(int fd, const struct probe_place *place, const struct skr_mac *mac, uint32_t sender,
                        uint32_t target)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(place->vlan ? ETH_P_8021Q : ETH_P_ARP),
                             .sll_ifindex = (int)place->ifindex,
                             .sll_halen = 6};
    memset(to.sll_addr, 0xff, 6);
    const struct skr_arp_frame frame = skr_arp_request(to.sll_addr, mac->bytes, sender, target);
    uint8_t bytes[sizeof(frame) + 4];
    size_t size = put_tag(bytes, &frame, place->vlan);
    ssize_t r = sendto(fd, bytes, size, 0, (struct sockaddr *)&to, sizeof(to));
    return r < 0 ? -errno : 0;
}

int skr_host_probe_send(int fd, const struct probe_place *place, const struct skr_mac *mac, uint32_t address)
{
    return send_request(fd, place, mac, 0, address);
}

void skr_host_probe_announce(int fd, const struct probe_place *place, const struct skr_mac *mac, uint32_t address)
{
    (void)send_request(fd, place, mac, address, address); /* a lost announcement costs a resolution, no more */
}

bool skr_host_probe_conflict(int fd, const struct skr_mac *mac, uint32_t address)
{
    static const uint8_t nobody[4];
    struct skr_arp_frame frame;
    bool conflict = false;
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        ssize_t size = recv(fd, &frame, sizeof(frame), MSG_DONTWAIT);
        if (size < 0)
            break;
        if ((size_t)size < sizeof(frame))
            continue;
        bool foreign = memcmp(frame.arp.arp_sha, mac->bytes, 6) != 0;
        bool holds = !memcmp(frame.arp.arp_spa, &address, 4);
        bool probes = !memcmp(frame.arp.arp_spa, nobody, 4) && !memcmp(frame.arp.arp_tpa, &address, 4);
        conflict = conflict || (foreign && (holds || probes));
    }
    return conflict;
}
