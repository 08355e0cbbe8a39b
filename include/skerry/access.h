/* Words of access control rules: protocols and ports, as people write them and as numbers. No allocation, any thread.
 */
#pragma once

#include <stdint.h>

#define SKR_PROTOCOL_ANY      256 /* beside the numbers of IP, 0 to 255 */
#define SKR_PROTOCOL_ICMP     1
#define SKR_PROTOCOL_TCP      6
#define SKR_PROTOCOL_UDP      17
#define SKR_PROTOCOL_ICMPV6   58
#define SKR_PROTOCOL_TEXT_MAX 8
#define SKR_PORTS_TEXT_MAX    16

struct skr_ports {
    uint16_t first, last; /* 1 to 65535, first <= last */
};

/* "tcp", "udp", "icmp", "icmpv6", "any" or "0" to "255" -> number, SKR_PROTOCOL_ANY for "any". -EINVAL. */
int skr_protocol_parse(const char *text, unsigned *ret);
/* The one way of writing it: the name where there is one. Returns out. */
char *skr_protocol_format(unsigned protocol, char out[static SKR_PROTOCOL_TEXT_MAX]);
/* "80" or "1000-2000" in decimal digits. -EINVAL; *ret stays untouched. */
int skr_ports_parse(const char *text, struct skr_ports *ret);
/* "80" for one, "1000-2000" for several. Returns out. */
char *skr_ports_format(const struct skr_ports *ports, char out[static SKR_PORTS_TEXT_MAX]);
