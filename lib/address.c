#include "lib/hex.h"

#include <arpa/inet.h>
#include <errno.h>
#include <skerry/address.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static unsigned __int128 to_number(const struct skr_address *address)
{
    unsigned __int128 number = 0;
    for (int i = 0; i < 16; i++)
        number = number << 8 | address->bytes[i];
    return number;
}

static struct skr_address from_number(unsigned __int128 number)
{
    struct skr_address address;
    for (int i = 15; i >= 0; i--, number >>= 8)
        address.bytes[i] = (uint8_t)number;
    return address;
}

/* Ones where an address of `length_128` leading network bits has host bits. */
static unsigned __int128 host_mask(unsigned length_128)
{
    return length_128 >= 128 ? 0 : ~(unsigned __int128)0 >> length_128;
}

bool skr_address_is_v4(const struct skr_address *address)
{
    return memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

uint32_t skr_address_v4(const struct skr_address *address)
{
    uint32_t v4;
    memcpy(&v4, address->bytes + 12, sizeof(v4));
    return v4;
}

struct skr_address skr_address_from_v4(uint32_t network_order)
{
    struct skr_address address;
    memcpy(address.bytes, mapped, sizeof(mapped));
    memcpy(address.bytes + 12, &network_order, sizeof(network_order));
    return address;
}

int skr_address_parse(const char *text, struct skr_address *ret)
{
    uint32_t v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        *ret = skr_address_from_v4(v4);
        return 0;
    }
    struct skr_address address;
    /* A mapped address written as IPv6 would come back as IPv4: two spellings of one value are refused. */
    if (inet_pton(AF_INET6, text, address.bytes) != 1 || skr_address_is_v4(&address))
        return -EINVAL;
    *ret = address;
    return 0;
}

int skr_prefix_parse(const char *text, struct skr_prefix *ret)
{
    const char *slash = strchr(text, '/');
    char head[SKR_ADDRESS_TEXT_MAX];
    if (!slash || (size_t)(slash - text) >= sizeof(head))
        return -EINVAL;
    memcpy(head, text, (size_t)(slash - text));
    head[slash - text] = '\0';
    struct skr_prefix prefix;
    if (skr_address_parse(head, &prefix.address) != 0)
        return -EINVAL;
    unsigned length = 0, digits = 0;
    for (const char *p = slash + 1; *p; p++, digits++) {
        if (*p < '0' || *p > '9' || digits == 3 || (digits > 0 && length == 0))
            return -EINVAL;
        length = length * 10 + (unsigned)(*p - '0');
    }
    if (digits == 0 || length > (skr_address_is_v4(&prefix.address) ? 32 : 128))
        return -EINVAL;
    prefix.length = (uint8_t)length;
    if (to_number(&prefix.address) & host_mask(skr_prefix_length_128(&prefix)))
        return -EDOM;
    *ret = prefix;
    return 0;
}

int skr_mac_parse(const char *text, struct skr_mac *ret)
{
    if (strnlen(text, SKR_MAC_TEXT_MAX) != SKR_MAC_TEXT_MAX - 1)
        return -EINVAL;
    char separator = text[2];
    if (separator != ':' && separator != '-')
        return -EINVAL;
    struct skr_mac mac;
    for (size_t i = 0; i < 6; i++) {
        int high = skr_hex_digit(text[3 * i]), low = skr_hex_digit(text[3 * i + 1]);
        if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != separator))
            return -EINVAL;
        mac.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret = mac;
    return 0;
}

/* RFC 5952 section 4: lower case, no leading zeros, the first longest run of two or more zero groups as "::". */
static void format_v6(const struct skr_address *address, char *out)
{
    unsigned groups[8];
    int run = 0, best_start = -1, best_length = 1;
    for (int i = 0; i < 8; i++) {
        const uint8_t *pair = address->bytes + 2 * (size_t)i;
        groups[i] = (unsigned)pair[0] << 8 | pair[1];
        run = groups[i] ? 0 : run + 1;
        if (run > best_length) {
            best_length = run;
            best_start = i - run + 1;
        }
    }
    char *p = out;
    for (int i = 0; i < 8; i++) {
        if (i == best_start) {
            p += sprintf(p, "::");
            i += best_length - 1;
            continue;
        }
        p += sprintf(p, "%s%x", i > 0 && p[-1] != ':' ? ":" : "", groups[i]);
    }
}

char *skr_address_format(const struct skr_address *address, char out[static SKR_ADDRESS_TEXT_MAX])
{
    const uint8_t *b = address->bytes;
    if (skr_address_is_v4(address))
        snprintf(out, SKR_ADDRESS_TEXT_MAX, "%u.%u.%u.%u", b[12], b[13], b[14], b[15]);
    else
        format_v6(address, out);
    return out;
}

char *skr_prefix_format(const struct skr_prefix *prefix, char out[static SKR_PREFIX_TEXT_MAX])
{
    char address[SKR_ADDRESS_TEXT_MAX];
    snprintf(out, SKR_PREFIX_TEXT_MAX, "%s/%u", skr_address_format(&prefix->address, address), prefix->length);
    return out;
}

char *skr_mac_format(const struct skr_mac *mac, char out[static SKR_MAC_TEXT_MAX])
{
    const uint8_t *b = mac->bytes;
    snprintf(out, SKR_MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
    return out;
}

int skr_address_compare(const struct skr_address *a, const struct skr_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

struct skr_address skr_address_add(const struct skr_address *address, int64_t n)
{
    return from_number(to_number(address) + (unsigned __int128)(__int128)n);
}

bool skr_prefix_is_v4(const struct skr_prefix *prefix)
{
    return skr_address_is_v4(&prefix->address);
}

unsigned skr_prefix_length_128(const struct skr_prefix *prefix)
{
    return prefix->length + (skr_prefix_is_v4(prefix) ? 96 : 0);
}

bool skr_prefix_contains(const struct skr_prefix *prefix, const struct skr_address *address)
{
    if (skr_prefix_is_v4(prefix) != skr_address_is_v4(address))
        return false;
    unsigned __int128 differing = to_number(&prefix->address) ^ to_number(address);
    return (differing & ~host_mask(skr_prefix_length_128(prefix))) == 0;
}

bool skr_prefix_overlaps(const struct skr_prefix *a, const struct skr_prefix *b)
{
    return skr_prefix_contains(a, &b->address) || skr_prefix_contains(b, &a->address);
}

struct skr_address skr_prefix_first(const struct skr_prefix *prefix)
{
    return prefix->address;
}

struct skr_address skr_prefix_last(const struct skr_prefix *prefix)
{
    return from_number(to_number(&prefix->address) | host_mask(skr_prefix_length_128(prefix)));
}

bool skr_mac_is_group(const struct skr_mac *mac)
{
    return mac->bytes[0] & 1;
}

bool skr_mac_is_zero(const struct skr_mac *mac)
{
    return skr_mac_to_u64(mac) == 0;
}

uint64_t skr_mac_to_u64(const struct skr_mac *mac)
{
    uint64_t value = 0;
    for (int i = 0; i < 6; i++)
        value = value << 8 | mac->bytes[i];
    return value;
}

struct skr_mac skr_mac_from_u64(uint64_t value)
{
    struct skr_mac mac;
    for (int i = 5; i >= 0; i--, value >>= 8)
        mac.bytes[i] = (uint8_t)value;
    return mac;
}
