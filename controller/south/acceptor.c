#include "controller/south/private.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <skerry/address.h>
#include <skerry/clock.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define LISTEN_BACKLOG  4096
#define ACCEPT_PAUSE_MS 100 /* when descriptors have run out */

/* "192.0.2.1:6653", "[::]:6653". */
static int parse_listen(const char *text, struct sockaddr_in6 *ret, struct skr_error *error)
{
    char host[SKR_ADDRESS_TEXT_MAX] = "", *end;
    struct skr_address address;
    const char *colon = strrchr(text, ':'), *begin = text;
    size_t size = colon ? (size_t)(colon - text) : 0;
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        begin++;
        size -= 2;
    }
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (size == 0 || size >= sizeof(host) || colon[1] < '0' || colon[1] > '9' || *end || port > 65535 ||
        skr_address_parse(strncpy(host, begin, size), &address) < 0)
        return skr_error_set(error, SKR_ERROR_INVALID,
                             "'%s' is not an address and a port like 0.0.0.0:6653 or [::]:6653.", text);
    *ret = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    memcpy(&ret->sin6_addr, address.bytes, sizeof(address.bytes));
    return 0;
}

static int open_socket(const struct sockaddr_in6 *at, int *ret_fd)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = at->sin6_port};
    struct skr_address address;
    const int on = 1;
    memcpy(address.bytes, &at->sin6_addr, sizeof(address.bytes));
    bool is_v4 = skr_address_is_v4(&address);
    v4.sin_addr.s_addr = is_v4 ? skr_address_v4(&address) : 0;
    const struct sockaddr *name = is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)at;
    SKR_CLEANUP(skr_close_cleanup)
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, name, is_v4 ? sizeof(v4) : sizeof(*at)) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
        return -errno;
    *ret_fd = skr_take_fd(&fd);
    return 0;
}

int skr_acceptor_open(struct skr_south *south, const char *listen, struct skr_error *error)
{
    struct sockaddr_in6 at = {0};
    socklen_t size = sizeof(at);
    int result = parse_listen(listen, &at, error);
    if (result < 0)
        return result;
    result = open_socket(&at, &south->listen_fd);
    if (result < 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "Agents cannot be listened for on %s: %s.", listen,
                             strerrordesc_np(-result));
    if (getsockname(south->listen_fd, (struct sockaddr *)&at, &size) < 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The port of %s cannot be found.", listen);
    south->port = ntohs(at.sin6_port); /* at the same place in both families */
    return 0;
}

void skr_acceptor_wake(struct skr_south *south)
{
    eventfd_write(south->wake_fd, 1);
}

void skr_acceptor_release(struct skr_south *south)
{
    if (atomic_fetch_sub(&south->handshakes, 1) == south->handshakes_max)
        skr_acceptor_wake(south);
}

/* Accepts while there is room. False when descriptors have run out: then the rest waits in the listen queue. */
static bool accept_some(struct skr_south *south)
{
    const int on = 1;
    while (atomic_load(&south->handshakes) < south->handshakes_max) {
        int fd = accept4(south->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0)
            return errno == EAGAIN;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        atomic_fetch_add(&south->handshakes, 1);
        uint64_t number = atomic_fetch_add(&south->next_session, 1);
        struct skr_worker_mail *mail = skr_worker_mail_new(SKR_MAIL_ADOPT, number << 8 | number % south->worker_count);
        mail->fd = fd;
        skr_worker_post(skr_worker_of(south, mail->session), mail);
    }
    return true;
}

static int timeout_until(int64_t due_ns)
{
    if (due_ns == INT64_MAX)
        return -1;
    int64_t ms = (due_ns - skr_clock_monotonic_ns()) / SKR_NS_PER_MS + 1;
    return ms < 0 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

static void *run(void *arg)
{
    struct skr_south *south = arg;
    bool exhausted = false;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (!atomic_load(&south->stopping)) {
        int64_t now_ns = skr_clock_monotonic_ns(), due_ns = skr_notes_flush(south, now_ns);
        if (exhausted && due_ns > now_ns + ACCEPT_PAUSE_MS * SKR_NS_PER_MS)
            due_ns = now_ns + ACCEPT_PAUSE_MS * SKR_NS_PER_MS;
        bool room = atomic_load(&south->handshakes) < south->handshakes_max;
        struct pollfd watched[] = {{.fd = south->wake_fd, .events = POLLIN},
                                   {.fd = room && !exhausted ? south->listen_fd : -1, .events = POLLIN}};
        eventfd_t count;
        int ready = poll(watched, 2, timeout_until(due_ns));
        if (ready > 0 && (watched[0].revents & POLLIN))
            eventfd_read(south->wake_fd, &count);
        exhausted = false;
        if (ready > 0 && watched[1].revents)
            exhausted = !accept_some(south);
    }
    return NULL;
}

int skr_acceptor_start(struct skr_south *south, struct skr_error *error)
{
    if (pthread_create(&south->acceptor, NULL, run, south) != 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The thread that accepts agents could not be started.");
    pthread_setname_np(south->acceptor, "south-accept");
    south->acceptor_started = true;
    return 0;
}

void skr_acceptor_join(struct skr_south *south)
{
    if (!south->acceptor_started)
        return;
    skr_acceptor_wake(south);
    pthread_join(south->acceptor, NULL);
    south->acceptor_started = false;
}
