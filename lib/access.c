#include <errno.h>
#include <skerry/access.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>

static const struct {
    unsigned number;
    const char *name;
} protocols[] = {{SKR_PROTOCOL_ANY, "any"},
                 {SKR_PROTOCOL_ICMP, "icmp"},
                 {SKR_PROTOCOL_TCP, "tcp"},
                 {SKR_PROTOCOL_UDP, "udp"},
                 {SKR_PROTOCOL_ICMPV6, "icmpv6"}};

/* Digits up to `maximum`; the first character that is none, NULL when there are no digits or too many. */
static const char *read_number(const char *text, unsigned maximum, unsigned *ret)
{
    unsigned number = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        number = number * 10 + (unsigned)(*p - '0');
        if (number > maximum)
            return NULL;
    }
    *ret = number;
    return p == text ? NULL : p;
}

int skr_protocol_parse(const char *text, unsigned *ret)
{
    unsigned number = 0;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(protocols); i++)
        if (!strcmp(protocols[i].name, text)) {
            *ret = protocols[i].number;
            return 0;
        }
    const char *end = read_number(text, 255, &number);
    if (!end || *end)
        return -EINVAL;
    *ret = number;
    return 0;
}

char *skr_protocol_format(unsigned protocol, char out[static SKR_PROTOCOL_TEXT_MAX])
{
    snprintf(out, SKR_PROTOCOL_TEXT_MAX, "%u", protocol);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(protocols); i++)
        if (protocols[i].number == protocol)
            snprintf(out, SKR_PROTOCOL_TEXT_MAX, "%s", protocols[i].name);
    return out;
}

int skr_ports_parse(const char *text, struct skr_ports *ret)
{
    unsigned first = 0, last = 0;
    const char *end = read_number(text, UINT16_MAX, &first);
    last = first;
    if (end && *end == '-')
        end = read_number(end + 1, UINT16_MAX, &last);
    if (!end || *end || !first || first > last)
        return -EINVAL;
    *ret = (struct skr_ports){(uint16_t)first, (uint16_t)last};
    return 0;
}

char *skr_ports_format(const struct skr_ports *ports, char out[static SKR_PORTS_TEXT_MAX])
{
    if (ports->first == ports->last)
        snprintf(out, SKR_PORTS_TEXT_MAX, "%u", ports->first);
    else
        snprintf(out, SKR_PORTS_TEXT_MAX, "%u-%u", ports->first, ports->last);
    return out;
}
