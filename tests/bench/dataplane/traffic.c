/* Traffic for the data-plane benchmark, one mode a run; each prints one JSON object.
 *
 *   bench-traffic udp-receive PORT SECONDS          counts datagrams
 *   bench-traffic udp-send ADDRESS PORT SECONDS     18 bytes of payload: 64-byte frames with FCS
 *   bench-traffic raw-send INTERFACE SOURCE COUNT SECONDS
 *                                                   64-byte UDP frames to 06:00:<index> uniformly over COUNT records
 *   bench-traffic rr-server PORT                    echoes one byte a request, until it is killed
 *   bench-traffic rr-client ADDRESS PORT SECONDS    request/response: p50 and p99 in microseconds
 *   bench-traffic stream-receive PORT SECONDS       TCP bytes received
 *   bench-traffic stream-send ADDRESS PORT SECONDS */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH        64
#define PAYLOAD      18
#define SAMPLES_MAX  4000000
#define STREAM_CHUNK (256 * 1024)

static void fail(const char *what)
{
    fprintf(stderr, "bench-traffic: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static struct sockaddr_in address_of(const char *address, const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
        fail(address);
    return to;
}

static int make_socket(int type, const struct sockaddr_in *bound, const struct sockaddr_in *connected)
{
    int fd = socket(AF_INET, type, 0), one = 1;
    if (fd < 0)
        fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (type == SOCK_STREAM)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (bound && bind(fd, (const struct sockaddr *)bound, sizeof(*bound)) < 0)
        fail("bind");
    if (connected && connect(fd, (const struct sockaddr *)connected, sizeof(*connected)) < 0)
        fail("connect");
    return fd;
}

static int accept_one(const char *port)
{
    struct sockaddr_in at = address_of("0.0.0.0", port);
    int listener = make_socket(SOCK_STREAM, &at, NULL), one = 1;
    if (listen(listener, 1) < 0)
        fail("listen");
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        fail("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    close(listener);
    return fd;
}

static void prepare(struct mmsghdr *messages, struct iovec *vectors, uint8_t *buffer, size_t size, size_t step)
{
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){.iov_base = buffer + (size_t)i * step, .iov_len = size};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[i], .msg_iovlen = 1}};
    }
}

static void udp_receive(const char *port, double seconds)
{
    struct sockaddr_in at = address_of("0.0.0.0", port);
    int fd = make_socket(SOCK_DGRAM, &at, NULL), size = 8 << 20;
    static uint8_t buffer[BATCH * 64];
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH];
    struct timeval timeout = {.tv_usec = 100000};
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    prepare(messages, vectors, buffer, 64, 64);
    int64_t first = 0, last = 0, end = now_ns() + (int64_t)(seconds * 1e9);
    uint64_t count = 0;
    while (now_ns() < end) {
        int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        if (n <= 0)
            continue;
        last = now_ns();
        if (!first)
            first = last;
        else
            count += (uint64_t)n;
    }
    printf("{\"packets\": %llu, \"seconds\": %.6f}\n", (unsigned long long)count, (double)(last - first) / 1e9);
}

static void udp_send(const char *address, const char *port, double seconds)
{
    struct sockaddr_in to = address_of(address, port);
    int fd = make_socket(SOCK_DGRAM, NULL, &to);
    static uint8_t buffer[PAYLOAD];
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH];
    prepare(messages, vectors, buffer, PAYLOAD, 0);
    int64_t start = now_ns(), end = start + (int64_t)(seconds * 1e9);
    uint64_t count = 0;
    while (now_ns() < end) {
        int n = sendmmsg(fd, messages, BATCH, 0);
        if (n < 0 && errno != ENOBUFS && errno != EAGAIN)
            fail("sendmmsg");
        count += n > 0 ? (uint64_t)n : 0;
    }
    printf("{\"packets\": %llu, \"seconds\": %.6f}\n", (unsigned long long)count, (double)(now_ns() - start) / 1e9);
}

struct raw_frame {
    struct ether_header ethernet;
    struct iphdr ip;
    struct udphdr udp;
    uint8_t payload[PAYLOAD];
} __attribute__((packed));

static void fill_frame(struct raw_frame *frame, const uint8_t source_mac[6], uint32_t source)
{
    *frame = (struct raw_frame){.ethernet = {.ether_type = htons(ETHERTYPE_IP)},
                                .ip = {.version = 4,
                                       .ihl = 5,
                                       .ttl = 64,
                                       .protocol = IPPROTO_UDP,
                                       .saddr = source,
                                       .tot_len = htons(sizeof(*frame) - sizeof(struct ether_header))},
                                .udp = {.source = htons(9), .dest = htons(9), .len = htons(8 + PAYLOAD)}};
    memcpy(frame->ethernet.ether_shost, source_mac, 6);
}

/* Frames as bench-fill's records expect them: record i has MAC 06:00:<i> and address 10.64.0.0 + i. */
static void aim(struct raw_frame *frame, uint32_t index)
{
    uint32_t big = htonl(index);
    frame->ethernet.ether_dhost[0] = 0x06;
    frame->ethernet.ether_dhost[1] = 0;
    memcpy(frame->ethernet.ether_dhost + 2, &big, 4);
    frame->ip.daddr = htonl(0x0a400000U + index);
    frame->ip.check = 0;
    uint32_t sum = 0;
    uint16_t words[10];
    memcpy(words, (const uint8_t *)frame + sizeof(frame->ethernet), sizeof(words));
    for (int i = 0; i < 10; i++)
        sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    frame->ip.check = (uint16_t) ~(sum + (sum >> 16));
}

static void raw_send(const char *interface, const char *source, uint32_t count, double seconds)
{
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
    struct ifreq request = {0};
    static struct raw_frame frames[BATCH];
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH];
    struct in_addr from;
    uint64_t random = 88172645463325252ULL, sent = 0; /* xorshift64: the same destinations in every run */
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
        fail(interface);
    if (inet_pton(AF_INET, source, &from) != 1)
        fail(source);
    for (int i = 0; i < BATCH; i++)
        fill_frame(&frames[i], (const uint8_t *)request.ifr_hwaddr.sa_data, from.s_addr);
    prepare(messages, vectors, (uint8_t *)frames, sizeof(frames[0]), sizeof(frames[0]));
    int64_t start = now_ns(), end = start + (int64_t)(seconds * 1e9);
    while (now_ns() < end) {
        for (int i = 0; i < BATCH; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            aim(&frames[i], (uint32_t)(random % count));
        }
        int n = sendmmsg(fd, messages, BATCH, 0);
        if (n < 0 && errno != ENOBUFS && errno != EAGAIN)
            fail("sendmmsg");
        sent += n > 0 ? (uint64_t)n : 0;
    }
    printf("{\"packets\": %llu, \"seconds\": %.6f}\n", (unsigned long long)sent, (double)(now_ns() - start) / 1e9);
}

static void rr_server(const char *port)
{
    int fd = accept_one(port);
    char byte;
    while (read(fd, &byte, 1) == 1) {
        if (write(fd, &byte, 1) != 1)
            return;
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void rr_client(const char *address, const char *port, double seconds)
{
    struct sockaddr_in to = address_of(address, port);
    int fd = make_socket(SOCK_STREAM, NULL, &to);
    uint32_t *samples = malloc(SAMPLES_MAX * sizeof(*samples));
    size_t count = 0;
    int64_t end = now_ns() + (int64_t)(seconds * 1e9), before = now_ns();
    char byte = 1;
    while (samples && before < end && count < SAMPLES_MAX) {
        if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
            fail("request");
        int64_t after = now_ns();
        samples[count++] = (uint32_t)(after - before);
        before = after;
    }
    qsort(samples, count, sizeof(*samples), compare);
    printf("{\"requests\": %zu, \"p50_us\": %.3f, \"p99_us\": %.3f}\n", count, samples[count / 2] / 1e3,
           samples[count * 99 / 100] / 1e3);
    free(samples);
}

static void stream_receive(const char *port, double seconds)
{
    int fd = accept_one(port);
    static char buffer[STREAM_CHUNK];
    int64_t start = now_ns(), end = start + (int64_t)(seconds * 1e9);
    uint64_t bytes = 0;
    ssize_t n = 1;
    while (now_ns() < end && n > 0) {
        n = read(fd, buffer, sizeof(buffer));
        bytes += n > 0 ? (uint64_t)n : 0;
    }
    double took = (double)(now_ns() - start) / 1e9;
    printf("{\"gbit_per_s\": %.4f, \"seconds\": %.6f}\n", (double)bytes * 8 / took / 1e9, took);
}

static void stream_send(const char *address, const char *port, double seconds)
{
    struct sockaddr_in to = address_of(address, port);
    int fd = make_socket(SOCK_STREAM, NULL, &to);
    static char buffer[STREAM_CHUNK];
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);
    while (now_ns() < end && send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL) > 0)
        ;
    printf("{}\n");
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (!strcmp(mode, "udp-receive") && argc == 4)
        udp_receive(argv[2], atof(argv[3]));
    else if (!strcmp(mode, "udp-send") && argc == 5)
        udp_send(argv[2], argv[3], atof(argv[4]));
    else if (!strcmp(mode, "raw-send") && argc == 6)
        raw_send(argv[2], argv[3], (uint32_t)strtoul(argv[4], NULL, 10), atof(argv[5]));
    else if (!strcmp(mode, "rr-server") && argc == 3)
        rr_server(argv[2]);
    else if (!strcmp(mode, "rr-client") && argc == 5)
        rr_client(argv[2], argv[3], atof(argv[4]));
    else if (!strcmp(mode, "stream-receive") && argc == 4)
        stream_receive(argv[2], atof(argv[3]));
    else if (!strcmp(mode, "stream-send") && argc == 5)
        stream_send(argv[2], argv[3], atof(argv[4]));
    else
        return fprintf(stderr, "bench-traffic: see the modes at the top of tests/bench/dataplane/traffic.c\n"), 2;
    return 0;
}
