#include "agent/desired/arena.h"
#include "agent/desired/body.h"
#include "agent/diag/private.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <skerry/clock.h>
#include <skerry/macros.h>
#include <skerry/tls.h>
#include <string.h>
#include <sys/socket.h>

#define TIMEOUT_S   1
#define PACKET_MAX  65535
#define IP_HEADER   20
#define MTU_DEFAULT 1500
#define MTU_LEAST   68

struct skr_diag_ping {
    int fd;
    struct event *readable, *timer;
    struct skr_address from, to;
    uint32_t mtu;
    uint16_t id;
    int64_t sent_ns;
    skr_diag_ping_fn *done;
    void *arg;
};

void skr_diag_ping_free(struct skr_diag_ping *ping)
{
    if (!ping)
        return;
    if (ping->readable)
        event_free(ping->readable);
    if (ping->timer)
        event_free(ping->timer);
    skr_close_cleanup(&ping->fd);
    free(ping);
}

/* RFC 1071 */
static uint16_t checksum(const uint8_t *data, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)data[i] << 8 | data[i + 1];
    if (size % 2)
        sum += (uint32_t)data[size - 1] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void finish(struct skr_diag_ping *ping, bool answered, const char *why)
{
    char from[SKR_ADDRESS_TEXT_MAX], to[SKR_ADDRESS_TEXT_MAX];
    double ms = (double)(skr_clock_monotonic_ns() - ping->sent_ns) / 1e6;
    json_t *answer = json_pack("{s:s,s:s,s:i,s:b,s:o,s:s}", "address", skr_address_format(&ping->to, to), "source",
                               skr_address_format(&ping->from, from), "size", (int)ping->mtu, "answered", answered,
                               "ms", answered ? json_real(ms) : json_null(), "reason", why);
    skr_diag_ping_fn *done = ping->done;
    void *arg = ping->arg;
    skr_diag_ping_free(ping);
    done(arg, answer);
}

/* Our echo's answer, or a router that says it is too big. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct skr_diag_ping *ping = arg;
    uint8_t packet[2048];
    (void)what;
    for (int i = 0; i < 64; i++) {
        ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
        if (n < 0)
            return;
        size_t header = n > 0 ? (size_t)(packet[0] & 0xf) * 4 : 0;
        if ((size_t)n < header + 8 || header < IP_HEADER)
            continue;
        const uint8_t *icmp = packet + header;
        bool from_target = memcmp(packet + 12, ping->to.bytes + 12, 4) == 0;
        uint16_t id = (uint16_t)(icmp[4] << 8 | icmp[5]);
        if (icmp[0] == ICMP_ECHOREPLY && from_target && id == ping->id) {
            finish(ping, true, "");
            return;
        }
        bool quotes_us = (size_t)n >= header + 8 + IP_HEADER && memcmp(icmp + 8 + 16, ping->to.bytes + 12, 4) == 0;
        if (icmp[0] == ICMP_DEST_UNREACH && quotes_us) {
            finish(ping, false,
                   icmp[1] == ICMP_FRAG_NEEDED ? "a router on the way carries only smaller packets" : "unreachable");
            return;
        }
    }
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    finish(arg, false, "no answer within a second");
}

static int send_echo(struct skr_diag_ping *ping)
{
    size_t size = ping->mtu - IP_HEADER;
    SKR_CLEANUP(skr_free_cleanup) uint8_t *packet = skr_must(calloc(1, size));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {skr_address_v4(&ping->to)}};
    packet[0] = ICMP_ECHO;
    packet[4] = (uint8_t)(ping->id >> 8);
    packet[5] = (uint8_t)ping->id;
    packet[7] = 1;
    uint16_t sum = checksum(packet, size);
    packet[2] = (uint8_t)(sum >> 8);
    packet[3] = (uint8_t)sum;
    ping->sent_ns = skr_clock_monotonic_ns();
    return sendto(ping->fd, packet, size, MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

static int open_socket(struct skr_diag_ping *ping)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {skr_address_v4(&ping->from)}};
    int discover = IP_PMTUDISC_PROBE; /* DF, and the kernel's idea of the path does not count */
    ping->fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (ping->fd < 0 || bind(ping->fd, (const struct sockaddr *)&from, sizeof(from)) < 0 ||
        setsockopt(ping->fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover)) < 0)
        return -errno;
    return send_echo(ping);
}

/* The own PA: in the target's subnet if there is one, else the first. */
struct choice {
    struct skr_address target, address;
    uint32_t mtu;
    bool found, near;
};

static int consider(void *arg, const struct skr_desired_change *object)
{
    struct choice *choice = arg;
    const Skerry__V1__ProviderAddress *pa = (const void *)object->after;
    struct skr_address address;
    if (!skr_body_address(&pa->address, &address) || !skr_address_is_v4(&address))
        return 0;
    uint32_t bits = pa->prefix_length ? 0xffffffffu << (32 - pa->prefix_length) : 0;
    bool near = ((skr_address_v4(&address) ^ skr_address_v4(&choice->target)) & htonl(bits)) == 0;
    if (choice->found && (!near || choice->near))
        return 0;
    choice->address = address;
    choice->mtu = pa->mtu;
    choice->found = true;
    choice->near = near;
    return 0;
}

int skr_diag_ping(const struct skr_diag_options *options, const json_t *request, skr_diag_ping_fn *done, void *arg,
                  struct skr_diag_ping **ret, struct skr_error *error)
{
    const char *text = json_string_value(json_object_get(request, "address"));
    struct choice choice = {0};
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    if (!text || skr_address_parse(text, &choice.target) < 0)
        return skr_error_set(error, SKR_ERROR_INVALID, "ping-pa needs the provider address of another host.");
    if (!skr_address_is_v4(&choice.target))
        return skr_error_set(error, SKR_ERROR_NOT_SUPPORTED, "Provider addresses are IPv4.");
    skr_desired_each(options->desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS, consider, &choice);
    if (!choice.found)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "This host has no provider address to send from.");
    struct skr_diag_ping *ping = skr_must(calloc(1, sizeof(*ping)));
    ping->from = choice.address;
    ping->to = choice.target;
    ping->mtu = choice.mtu >= MTU_LEAST ? choice.mtu : MTU_DEFAULT;
    ping->done = done;
    ping->arg = arg;
    skr_random_bytes(&ping->id, sizeof(ping->id));
    int r = open_socket(ping);
    if (r < 0) {
        skr_diag_ping_free(ping);
        return skr_error_set(error, SKR_ERROR_CONFLICT, "A packet of full size cannot be sent: %s.", strerror(-r));
    }
    ping->readable = event_new(options->base, ping->fd, EV_READ | EV_PERSIST, on_readable, ping);
    ping->timer = evtimer_new(options->base, on_timeout, ping);
    if (!ping->readable || !ping->timer)
        abort();
    event_add(ping->readable, NULL);
    event_add(ping->timer, &timeout);
    *ret = ping;
    return 0;
}
