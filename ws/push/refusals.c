#include "push/refusals.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct refusals {
    pthread_mutex_t lock;
    size_t count;
    uint8_t order[REFUSALS_KEPT]; /* into `kept`, latest first */
    struct refusal kept[REFUSALS_KEPT];
};

struct refusals *refusals_new(void)
{
    struct refusals *r = calloc(1, sizeof *r);
    if (!r || pthread_mutex_init(&r->lock, NULL) != 0)
        abort();
    return r;
}

void refusals_free(struct refusals *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void refusal_set_remedy(struct refusal *r, const char *line, size_t len)
{
    refusal_set(r->remedy, line, len);
    if (strlen(r->remedy) != len)
        *r->remedy = '\0';
}

static bool is_alike(const struct refusal *a, const struct refusal *b)
{
    return strcmp(a->address, b->address) == 0 && strcmp(a->what, b->what) == 0 &&
           strcmp(a->channel, b->channel) == 0 && strcmp(a->why, b->why) == 0 &&
           strcmp(a->remedy, b->remedy) == 0;
}

/* Its place in the order; that of the oldest, or of a fresh one, where there is none alike. */
static size_t find_place(struct refusals *r, const struct refusal *refusal, uint64_t *times)
{
    *times = 1;
    for (size_t i = 0; i < r->count; i++)
        if (is_alike(&r->kept[r->order[i]], refusal)) {
            *times = r->kept[r->order[i]].times + 1;
            return i;
        }
    if (r->count == REFUSALS_KEPT)
        return r->count - 1;
    r->order[r->count] = (uint8_t)r->count;
    return r->count++;
}

void refusals_add(struct refusals *r, const struct refusal *refusal)
{
    uint64_t times;
    pthread_mutex_lock(&r->lock);
    size_t place = find_place(r, refusal, &times);
    uint8_t index = r->order[place];
    memmove(r->order + 1, r->order, place * sizeof *r->order);
    r->order[0] = index;
    r->kept[index] = *refusal;
    r->kept[index].times = times;
    pthread_mutex_unlock(&r->lock);
}

size_t refusals_latest(struct refusals *r, struct refusal *out, size_t max)
{
    pthread_mutex_lock(&r->lock);
    size_t count = r->count < max ? r->count : max;
    for (size_t i = 0; i < count; i++)
        out[i] = r->kept[r->order[i]];
    pthread_mutex_unlock(&r->lock);
    return count;
}
