/* IP addresses, prefixes, ranges and MAC addresses as values. An address is always 16 bytes in network byte order; IPv4
 * stands as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so one type sorts, compares and keys maps. Text is RFC 5952 for
 * IPv6, dotted quad for IPv4. No allocation, no state. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKR_ADDRESS_TEXT_MAX 46
#define SKR_PREFIX_TEXT_MAX  50
#define SKR_MAC_TEXT_MAX     18

struct skr_address {
    uint8_t bytes[16];
};
/* length counts in the family's own bits: 0 to 32 for IPv4, 0 to 128 for IPv6. Host bits are zero. */
struct skr_prefix {
    struct skr_address address;
    uint8_t length;
};
struct skr_mac {
    uint8_t bytes[6];
};

/* Strict parsers: the whole string or -EINVAL, output untouched then. skr_prefix_parse refuses host bits with -EDOM. */
int skr_address_parse(const char *text, struct skr_address *ret);
int skr_prefix_parse(const char *text, struct skr_prefix *ret);
int skr_mac_parse(const char *text, struct skr_mac *ret);
/* Write at most the *_TEXT_MAX bytes, NUL included, and return `out`. */
char *skr_address_format(const struct skr_address *address, char out[static SKR_ADDRESS_TEXT_MAX]);
char *skr_prefix_format(const struct skr_prefix *prefix, char out[static SKR_PREFIX_TEXT_MAX]);
char *skr_mac_format(const struct skr_mac *mac, char out[static SKR_MAC_TEXT_MAX]);

bool skr_address_is_v4(const struct skr_address *address);
/* The IPv4 address in network byte order; only meaningful when skr_address_is_v4(). */
uint32_t skr_address_v4(const struct skr_address *address);
struct skr_address skr_address_from_v4(uint32_t network_order);
int skr_address_compare(const struct skr_address *a, const struct skr_address *b);
/* address + n, wrapping; n may be negative. */
struct skr_address skr_address_add(const struct skr_address *address, int64_t n);
bool skr_prefix_is_v4(const struct skr_prefix *prefix);
bool skr_prefix_contains(const struct skr_prefix *prefix, const struct skr_address *address);
bool skr_prefix_overlaps(const struct skr_prefix *a, const struct skr_prefix *b);
struct skr_address skr_prefix_first(const struct skr_prefix *prefix);
struct skr_address skr_prefix_last(const struct skr_prefix *prefix);
/* length in bits of the 16-byte form: IPv4 prefixes + 96. */
unsigned skr_prefix_length_128(const struct skr_prefix *prefix);
bool skr_mac_is_group(const struct skr_mac *mac);
bool skr_mac_is_zero(const struct skr_mac *mac);
uint64_t skr_mac_to_u64(const struct skr_mac *mac);
struct skr_mac skr_mac_from_u64(uint64_t value);
