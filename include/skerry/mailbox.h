/* Messages between threads: many senders, one owner. The owner polls the descriptor (an eventfd, readable while the box
 * is not empty) or waits. A message embeds struct skr_mail; the box never allocates and never frees. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct skr_mailbox;
struct skr_mail {
    struct skr_mail *next;
};

int skr_mailbox_new(struct skr_mailbox **ret);
/* Frees the box, not what is in it: drain it first. NULL is fine. */
void skr_mailbox_free(struct skr_mailbox *box);
/* Any thread; ownership of the message passes to the box. Wakes the owner when the box was empty. */
void skr_mailbox_send(struct skr_mailbox *box, struct skr_mail *mail);
/* Owner only: all messages in order of arrival as a list, or NULL. Resets the descriptor. */
struct skr_mail *skr_mailbox_take_all(struct skr_mailbox *box);
/* Owner only: waits until something is there or until the monotonic deadline (INT64_MAX = for ever). */
bool skr_mailbox_wait(struct skr_mailbox *box, int64_t deadline_ns);
int skr_mailbox_fd(const struct skr_mailbox *box);
