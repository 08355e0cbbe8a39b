#include "controller/api/http.h"

#define QUEUE_MAX 32

struct skr_http_slow {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct skr_http_slow_task *head, **tail;
    unsigned length;
    bool end;
};

static struct skr_http_slow_task *take(struct skr_http_slow *slow)
{
    pthread_mutex_lock(&slow->lock);
    while (!slow->head && !slow->end)
        pthread_cond_wait(&slow->wake, &slow->lock);
    struct skr_http_slow_task *task = slow->end ? NULL : slow->head;
    if (task) {
        slow->head = task->next;
        if (!slow->head)
            slow->tail = &slow->head;
        slow->length--;
    }
    pthread_mutex_unlock(&slow->lock);
    return task;
}

static void *run(void *arg)
{
    struct skr_http_slow_task *task;
    while ((task = take(arg)))
        task->run(task, false);
    return NULL;
}

struct skr_http_slow *skr_http_slow_new(void)
{
    struct skr_http_slow *slow = calloc(1, sizeof(*slow));
    if (!slow)
        abort();
    pthread_mutex_init(&slow->lock, NULL);
    pthread_cond_init(&slow->wake, NULL);
    slow->tail = &slow->head;
    if (pthread_create(&slow->thread, NULL, run, slow))
        abort();
    pthread_setname_np(slow->thread, "slow");
    return slow;
}

void skr_http_slow_free(struct skr_http_slow *slow)
{
    if (!slow)
        return;
    pthread_mutex_lock(&slow->lock);
    slow->end = true;
    pthread_cond_signal(&slow->wake);
    pthread_mutex_unlock(&slow->lock);
    pthread_join(slow->thread, NULL);
    for (struct skr_http_slow_task *task = slow->head, *next; task; task = next) {
        next = task->next;
        task->run(task, true);
    }
    pthread_cond_destroy(&slow->wake);
    pthread_mutex_destroy(&slow->lock);
    free(slow);
}

bool skr_http_slow_submit(struct skr_http_slow *slow, struct skr_http_slow_task *task)
{
    pthread_mutex_lock(&slow->lock);
    bool room = slow->length < QUEUE_MAX;
    if (room) {
        task->next = NULL;
        *slow->tail = task;
        slow->tail = &task->next;
        slow->length++;
        pthread_cond_signal(&slow->wake);
    }
    pthread_mutex_unlock(&slow->lock);
    return room;
}
