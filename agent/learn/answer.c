/* ICMP answers that quote a packet (datapath.md, recipe 7). */
#include "agent/learn/private.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <skerry/macros.h>
#include <string.h>
#include <sys/socket.h>

#define QUOTE_MAX                                                                                                      \
    128 /* RFC 1812 section 4.3.2.3 allows up to 576 bytes in all; this keeps the TCP header with options */

struct answer {
    struct ether_header ethernet;
    struct iphdr ip;
    struct icmphdr icmp;
    uint8_t quote[QUOTE_MAX];
} __attribute__((packed));

/* Internet checksum (RFC 1071). */
static uint16_t checksum(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    if (size & 1)
        sum += (uint32_t)bytes[size - 1] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

void skr_learn_answer_too_big(const struct skr_abi_event *event, const struct skr_address *gateway)
{
    static const uint8_t gateway_mac[6] = SKR_GATEWAY_MAC_BYTES;
    struct ether_header ethernet;
    struct iphdr original;
    struct answer answer = {.ethernet = {.ether_type = htons(ETHERTYPE_IP)}};
    size_t packet = event->packet_size < SKR_EVENT_PACKET_MAX ? event->packet_size : SKR_EVENT_PACKET_MAX;
    if (packet < sizeof(ethernet) + sizeof(original) + 8)
        return;
    memcpy(&ethernet, event->packet, sizeof(ethernet));
    memcpy(&original, event->packet + sizeof(ethernet), sizeof(original));
    /* RFC 1122 section 3.2.2: never about a fragment but the first, never about an ICMP error. */
    const uint8_t *payload = event->packet + sizeof(ethernet) + original.ihl * 4U;
    if (ethernet.ether_type != htons(ETHERTYPE_IP) || (ntohs(original.frag_off) & IP_OFFMASK) || original.ihl < 5 ||
        (original.protocol == IPPROTO_ICMP &&
         (payload >= event->packet + packet || (*payload != ICMP_ECHO && *payload != ICMP_ECHOREPLY))))
        return;
    size_t quote = packet - sizeof(ethernet);
    quote = quote < QUOTE_MAX ? quote : QUOTE_MAX;
    memcpy(answer.ethernet.ether_dhost, ethernet.ether_shost, 6);
    memcpy(answer.ethernet.ether_shost, gateway_mac, 6);
    memcpy(answer.quote, event->packet + sizeof(ethernet), quote);
    answer.icmp.type = ICMP_DEST_UNREACH;
    answer.icmp.code = ICMP_FRAG_NEEDED;
    answer.icmp.un.frag.mtu = htons((uint16_t)event->mtu);
    answer.icmp.checksum = checksum(&answer.icmp, sizeof(answer.icmp) + quote);
    answer.ip.version = 4;
    answer.ip.ihl = 5;
    answer.ip.ttl = 64;
    answer.ip.protocol = IPPROTO_ICMP;
    answer.ip.saddr = skr_address_v4(gateway);
    answer.ip.daddr = original.saddr;
    answer.ip.tot_len = htons((uint16_t)(sizeof(answer.ip) + sizeof(answer.icmp) + quote));
    answer.ip.check = checksum(&answer.ip, sizeof(answer.ip));

    SKR_CLEANUP(skr_close_cleanup) int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)event->ifindex, .sll_halen = 6};
    memcpy(to.sll_addr, ethernet.ether_shost, 6);
    if (fd >= 0)
        (void)!sendto(fd, &answer, offsetof(struct answer, quote) + quote, 0, (struct sockaddr *)&to, sizeof(to));
}
