/* An ARP request as it stands on the wire (RFC 826), for those who ask without the kernel: probes of provider
 * addresses, and of what a guest still has. Pure. */
#pragma once

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <stdint.h>
#include <string.h>

struct skr_arp_frame {
    struct ether_header ethernet;
    struct ether_arp arp;
} __attribute__((packed));

/* Addresses in network order; the sender's may be 0, as of one that probes. */
static inline struct skr_arp_frame skr_arp_request(const uint8_t to[static 6], const uint8_t from[static 6],
                                                   uint32_t sender, uint32_t target)
{
    struct skr_arp_frame frame = {.ethernet = {.ether_type = htons(ETHERTYPE_ARP)},
                                  .arp = {.ea_hdr = {.ar_hrd = htons(ARPHRD_ETHER),
                                                     .ar_pro = htons(ETHERTYPE_IP),
                                                     .ar_hln = 6,
                                                     .ar_pln = 4,
                                                     .ar_op = htons(ARPOP_REQUEST)}}};
    memcpy(frame.ethernet.ether_dhost, to, 6);
    memcpy(frame.ethernet.ether_shost, from, 6);
    memcpy(frame.arp.arp_sha, from, 6);
    memcpy(frame.arp.arp_spa, &sender, 4);
    memcpy(frame.arp.arp_tpa, &target, 4);
    return frame;
}
