/* ICMP answers that quote a packet (docs/design/datapath.md, recipe 7). */
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

/* RFC 1122 section 3.2.2: never about an ICMP error, a fragment but the first, or what was for many or from nobody. */
static bool may_answer(const struct skr_abi_event *event, size_t packet, const struct iphdr *original,
                       const struct ether_header *ethernet)
{
    size_t payload = sizeof(*ethernet) + (size_t)original->ihl * 4;
    uint32_t source = ntohl(original->saddr), destination = ntohl(original->daddr);
    if (ethernet->ether_type != htons(ETHERTYPE_IP) || original->version != 4 || original->ihl < 5)
        return false;
    if ((ethernet->ether_dhost[0] & 1) || IN_MULTICAST(destination) || destination == INADDR_BROADCAST || !source ||
        IN_MULTICAST(source) || source == INADDR_BROADCAST || (ntohs(original->frag_off) & IP_OFFMASK))
        return false;
    if (original->protocol != IPPROTO_ICMP)
        return true;
    return payload < packet && (event->packet[payload] == ICMP_ECHO || event->packet[payload] == ICMP_ECHOREPLY);
}

int skr_learn_answer_open(void)
{
    /* Protocol 0: it sends alone, nothing is ever read from it. */
    return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void fill_icmp(const struct skr_abi_event *event, struct icmphdr *icmp)
{
    switch (event->kind) {
    case SKR_EVENT_TOO_BIG:
        icmp->type = ICMP_DEST_UNREACH;
        icmp->code = ICMP_FRAG_NEEDED;
        icmp->un.frag.mtu = htons((uint16_t)event->mtu);
        return;
    case SKR_EVENT_TTL_EXCEEDED:
        icmp->type = ICMP_TIME_EXCEEDED;
        icmp->code = ICMP_EXC_TTL;
        return;
    default:
        icmp->type = ICMP_DEST_UNREACH;
        icmp->code = ICMP_HOST_UNREACH;
    }
}

void skr_learn_answer(int fd, const struct skr_abi_event *event, const struct skr_address *gateway)
{
    static const uint8_t gateway_mac[6] = SKR_GATEWAY_MAC_BYTES;
    struct ether_header ethernet;
    struct iphdr original;
    struct icmphdr icmp = {0};
    struct answer answer = {.ethernet = {.ether_type = htons(ETHERTYPE_IP)}};
    size_t packet = event->packet_size < SKR_EVENT_PACKET_MAX ? event->packet_size : SKR_EVENT_PACKET_MAX;
    if (packet < sizeof(ethernet) + sizeof(original) + 8)
        return;
    memcpy(&ethernet, event->packet, sizeof(ethernet));
    memcpy(&original, event->packet + sizeof(ethernet), sizeof(original));
    if (!may_answer(event, packet, &original, &ethernet))
        return;
    size_t quote = packet - sizeof(ethernet);
    quote = quote < QUOTE_MAX ? quote : QUOTE_MAX;
    memcpy(answer.ethernet.ether_dhost, ethernet.ether_shost, 6);
    memcpy(answer.ethernet.ether_shost, gateway_mac, 6);
    memcpy(answer.quote, event->packet + sizeof(ethernet), quote);
    fill_icmp(event, &icmp);
    answer.icmp = icmp;
    answer.icmp.checksum = checksum(&answer.icmp, sizeof(answer.icmp) + quote);
    answer.ip.version = 4;
    answer.ip.ihl = 5;
    answer.ip.ttl = 64;
    answer.ip.protocol = IPPROTO_ICMP;
    answer.ip.saddr = skr_address_v4(gateway);
    answer.ip.daddr = original.saddr;
    answer.ip.tot_len = htons((uint16_t)(sizeof(answer.ip) + sizeof(answer.icmp) + quote));
    answer.ip.check = checksum(&answer.ip, sizeof(answer.ip));

    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)event->ifindex, .sll_halen = 6};
    memcpy(to.sll_addr, ethernet.ether_shost, 6);
    (void)!sendto(fd, &answer, offsetof(struct answer, quote) + quote, 0, (struct sockaddr *)&to, sizeof(to));
}
