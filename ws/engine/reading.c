#include "engine/reading.h"

#include <stdlib.h>

enum { ROOM_MIN = 16 };

/* What of a reader's bounds is used up. */
struct measure {
    const struct reading *r;
    uint64_t most;
    uint64_t count;
    uint64_t bytes;
};

static bool takes(struct measure *used, const struct msg *m)
{
    uint64_t cost = reading_cost(used->r, m);
    bool has_room =
        used->count < used->most &&
        (used->count == 0 || (used->bytes < used->r->bytes && cost <= used->r->bytes - used->bytes));
    if (has_room) {
        used->count++;
        used->bytes += cost;
    }
    return has_room;
}

static enum reading_result judge(const struct reading *r, const struct reading_of *of)
{
    if (r->from != FROM_AFTER)
        return READ_OK;
    if (r->after.gen != of->head.gen)
        return READ_OTHER_GENERATION;
    if (r->after.seq > of->head.seq)
        return READ_AHEAD;
    return r->after.seq < of->lost ? READ_GONE : READ_OK;
}

/* The number where the newest begin that fit, `first` at least; behind the last one where none is kept. */
static uint64_t start_of_newest(struct measure used, const struct history *h, uint64_t first)
{
    uint64_t start = history_last(h) + 1;
    for (uint64_t n = history_last(h); n >= first; n--) {
        const struct msg *m = history_at(h, n);
        if (m && !takes(&used, m))
            break;
        if (m)
            start = n;
    }
    return start;
}

static bool add(struct excerpt *x, size_t *room, struct msg ***msgs, struct msg *m)
{
    if (x->count == *room) {
        size_t more = *room ? *room * 2 : ROOM_MIN;
        struct msg **p = realloc(*msgs, more * sizeof(struct msg *));
        if (!p)
            return false;
        x->msgs = *msgs = p;
        *room = more;
    }
    (*msgs)[x->count++] = m;
    msg_ref(m);
    return true;
}

/* From this number on, as much as fits. */
static void gather(struct excerpt *x, struct measure used, const struct history *h, uint64_t first)
{
    struct msg **msgs = NULL;
    size_t room = 0;
    x->at_head = true;
    for (uint64_t n = first; n <= history_last(h) && x->at_head; n++) {
        struct msg *m = history_at(h, n);
        if (!m)
            continue;
        x->at_head = takes(&used, m) && add(x, &room, &msgs, m);
        if (x->at_head)
            x->position = m->id;
    }
}

struct excerpt reading_take(const struct reading *r, const struct reading_of *of)
{
    const struct history *h = of->history;
    struct excerpt x = {.result = judge(r, of), .head = of->head, .position = of->head, .at_head = true};
    struct measure used = {.r = r, .most = r->most};
    struct measure one = {.r = r, .most = 1};
    if (x.result != READ_OK || r->from == FROM_NOW)
        return x;
    if (r->from == FROM_AFTER)
        x.position = r->after;
    if (!h)
        return x;
    uint64_t first = r->from == FROM_AFTER && r->after.seq >= h->first ? r->after.seq + 1 : h->first;
    if (r->newest || r->from == FROM_LAST)
        first = start_of_newest(r->newest ? used : one, h, first);
    if (r->from != FROM_AFTER)
        x.position.seq = first - 1;
    gather(&x, used, h, first);
    return x;
}

void reading_done(struct excerpt *x)
{
    for (size_t i = 0; i < x->count; i++)
        msg_unref(x->msgs[i]);
    free((void *)(uintptr_t)x->msgs);
}
