#include "queue.h"

#include <time.h>

#include "base/clock.h"

enum { PUSH_WAIT_MS = 50 };

void queue_init(struct queue *q, size_t threads)
{
    pthread_condattr_t monotonic;
    *q = (struct queue){.slow_max = threads > 1 ? threads - 1 : 1};
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->work, &monotonic);
    pthread_cond_init(&q->room, &monotonic);
    pthread_condattr_destroy(&monotonic);
    list_init(&q->quick);
    list_init(&q->slow);
}

void queue_fini(struct queue *q)
{
    pthread_cond_destroy(&q->room);
    pthread_cond_destroy(&q->work);
    pthread_mutex_destroy(&q->lock);
}

static void add(struct queue *q, struct job *job)
{
    bool slow = job->slow && !job->late;
    list_append(slow ? &q->slow : &q->quick, &job->link);
    *(slow ? &q->slow_count : &q->quick_count) += 1;
}

static void await_room(struct queue *q)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += PUSH_WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (q->quick_count >= QUEUE_QUICK_MAX)
        if (pthread_cond_timedwait(&q->room, &q->lock, &until) != 0)
            return;
}

void queue_push(struct queue *q, struct job *take_job)
{
    pthread_mutex_lock(&q->lock);
    if (!take_job->slow)
        await_room(q);
    else if (q->slow_count >= QUEUE_SLOW_MAX)
        take_job->late = true;
    add(q, take_job);
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
}

static struct job *first(struct list *list, size_t *count)
{
    struct list *link = list_take_first(list);
    if (!link)
        return NULL;
    *count -= 1;
    return LIST_ENTRY(link, struct job, link);
}

/* What a thread may begin now. */
static struct job *next(struct queue *q)
{
    struct job *job = first(&q->quick, &q->quick_count);
    if (job) {
        pthread_cond_signal(&q->room);
    } else if (q->slow_running < q->slow_max) {
        job = first(&q->slow, &q->slow_count);
        q->slow_running += job != NULL;
    }
    q->running += job != NULL;
    return job;
}

struct job *queue_take(struct queue *q)
{
    struct job *job;
    pthread_mutex_lock(&q->lock);
    while (!(job = next(q)) && !(q->closed && q->slow_count == 0))
        pthread_cond_wait(&q->work, &q->lock);
    pthread_mutex_unlock(&q->lock);
    return job;
}

void queue_done(struct queue *q, const struct job *job)
{
    pthread_mutex_lock(&q->lock);
    q->running--;
    if (job->slow && !job->late) {
        q->slow_running--;
        if (q->slow_count)
            pthread_cond_signal(&q->work);
        else if (q->closed)
            pthread_cond_broadcast(&q->work);
    }
    pthread_mutex_unlock(&q->lock);
}

void queue_tick(struct queue *q, int64_t now)
{
    pthread_mutex_lock(&q->lock);
    while (!list_empty(&q->slow)) {
        struct job *job = LIST_ENTRY(q->slow.next, struct job, link);
        if (now - job->since < QUEUE_PATIENCE_MS)
            break;
        list_remove(&job->link);
        q->slow_count--;
        job->late = true;
        add(q, job);
        pthread_cond_signal(&q->work);
    }
    pthread_mutex_unlock(&q->lock);
}

bool queue_busy(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool busy = q->running || q->quick_count || q->slow_count;
    pthread_mutex_unlock(&q->lock);
    return busy;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->work);
    pthread_mutex_unlock(&q->lock);
}
