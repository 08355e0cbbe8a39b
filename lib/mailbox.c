#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <skerry/clock.h>
#include <skerry/macros.h>
#include <skerry/mailbox.h>
#include <stdlib.h>
#include <sys/eventfd.h>

struct skr_mailbox {
    pthread_mutex_t lock; /* guards first and last */
    struct skr_mail *first, *last;
    int fd;
};

int skr_mailbox_new(struct skr_mailbox **ret)
{
    struct skr_mailbox *box = calloc(1, sizeof(*box));
    if (!box)
        return -ENOMEM;
    box->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->fd < 0) {
        int result = -errno;
        free(box);
        return result;
    }
    pthread_mutex_init(&box->lock, NULL);
    *ret = box;
    return 0;
}

void skr_mailbox_free(struct skr_mailbox *box)
{
    if (!box)
        return;
    close(box->fd);
    pthread_mutex_destroy(&box->lock);
    free(box);
}

void skr_mailbox_send(struct skr_mailbox *box, struct skr_mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&box->lock);
    bool was_empty = !box->first;
    if (was_empty)
        box->first = mail;
    else
        box->last->next = mail;
    box->last = mail;
    /* Under the lock, so that the descriptor is readable exactly while the box is not empty. */
    if (was_empty)
        eventfd_write(box->fd, 1);
    pthread_mutex_unlock(&box->lock);
}

struct skr_mail *skr_mailbox_take_all(struct skr_mailbox *box)
{
    eventfd_t count;
    pthread_mutex_lock(&box->lock);
    struct skr_mail *first = box->first;
    box->first = box->last = NULL;
    if (first)
        eventfd_read(box->fd, &count);
    pthread_mutex_unlock(&box->lock);
    return first;
}

bool skr_mailbox_wait(struct skr_mailbox *box, int64_t deadline_ns)
{
    struct pollfd watched = {.fd = box->fd, .events = POLLIN};
    for (;;) {
        struct timespec left, *timeout = NULL;
        if (deadline_ns != INT64_MAX) {
            int64_t ns = deadline_ns - skr_clock_monotonic_ns();
            if (ns < 0)
                ns = 0;
            left = (struct timespec){.tv_sec = ns / SKR_NS_PER_S, .tv_nsec = ns % SKR_NS_PER_S};
            timeout = &left;
        }
        int ready = ppoll(&watched, 1, timeout, NULL);
        if (ready > 0)
            return true;
        if (ready == 0)
            return false;
        if (errno != EINTR)
            return false;
    }
}

int skr_mailbox_fd(const struct skr_mailbox *box)
{
    return box->fd;
}
