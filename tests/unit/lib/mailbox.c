#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <skerry/clock.h>
#include <skerry/mailbox.h>
#include <stdlib.h>

#define SENDERS  4
#define MESSAGES 2000

struct numbered {
    struct skr_mail mail;
    int sender, number;
};
struct sender {
    struct skr_mailbox *box;
    int number;
};

static bool readable(struct skr_mailbox *box)
{
    struct pollfd watched = {.fd = skr_mailbox_fd(box), .events = POLLIN};
    return poll(&watched, 1, 0) == 1;
}

static void *send_many(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < MESSAGES; i++) {
        struct numbered *message = malloc(sizeof(*message));
        message->sender = sender->number;
        message->number = i;
        skr_mailbox_send(sender->box, &message->mail);
    }
    return NULL;
}

Test(mailbox, every_message_arrives_once_and_in_its_sender_s_order)
{
    struct skr_mailbox *box;
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    int next[SENDERS] = {0}, total = 0;
    cr_assert_eq(skr_mailbox_new(&box), 0);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){box, i};
        pthread_create(&threads[i], NULL, send_many, &senders[i]);
    }
    while (total < SENDERS * MESSAGES) {
        cr_assert(skr_mailbox_wait(box, skr_clock_monotonic_ns() + 20 * SKR_NS_PER_S));
        for (struct skr_mail *mail = skr_mailbox_take_all(box), *following; mail; mail = following) {
            struct numbered *message = (struct numbered *)mail;
            following = mail->next;
            cr_assert_eq(message->number, next[message->sender]++);
            free(message);
            total++;
        }
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_null(skr_mailbox_take_all(box));
    skr_mailbox_free(box);
}

Test(mailbox, descriptor_is_readable_while_something_is_there)
{
    struct skr_mailbox *box;
    struct skr_mail first, second;
    cr_assert_eq(skr_mailbox_new(&box), 0);
    cr_assert_not(readable(box));
    skr_mailbox_send(box, &first);
    skr_mailbox_send(box, &second);
    cr_assert(readable(box));
    cr_assert_eq(skr_mailbox_take_all(box), &first);
    cr_assert_eq(first.next, &second);
    cr_assert_null(second.next);
    cr_assert_not(readable(box));
    skr_mailbox_free(box);
    skr_mailbox_free(NULL);
}

Test(mailbox, wait_ends_at_the_deadline)
{
    struct skr_mailbox *box;
    cr_assert_eq(skr_mailbox_new(&box), 0);
    int64_t deadline = skr_clock_monotonic_ns() + 20 * SKR_NS_PER_MS;
    cr_assert_not(skr_mailbox_wait(box, deadline));
    cr_assert_geq(skr_clock_monotonic_ns(), deadline);
    cr_assert_not(skr_mailbox_wait(box, 0));
    skr_mailbox_free(box);
}
