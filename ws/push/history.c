#include "push/history.h"

#include <stdlib.h>

#include "base/tally.h"

enum { ROOM_MIN = 2 };

/* A message with a life of its own. */
struct mortal {
    struct list link;
    struct timer timer;
    struct history *history;
    uint64_t number;
};

void histories_init(struct histories *all, struct timers *timers, const int64_t *now)
{
    *all = (struct histories){.timers = timers, .now = now};
    list_init(&all->oldest);
}

/* ---- the ring of blocks ---- */

static struct history_block **block_of(const struct history *h, size_t place)
{
    return &h->blocks[place / HISTORY_BLOCK & (h->room - 1)];
}

static struct history_entry *entry(const struct history *h, size_t i)
{
    size_t place = h->start + i;
    return &(*block_of(h, place))->entries[place % HISTORY_BLOCK];
}

/* Blocks for so many entries from the first on. */
static size_t block_count(const struct history *h, size_t span)
{
    return span ? (h->start + span - 1) / HISTORY_BLOCK - h->start / HISTORY_BLOCK + 1 : 0;
}

/* False without memory: then it stays as it is. */
static bool resize(struct history *h, size_t room)
{
    struct history_block **blocks = calloc(room, sizeof(struct history_block *));
    if (!blocks)
        return false;
    size_t first = h->start / HISTORY_BLOCK;
    for (size_t i = first; i < first + block_count(h, h->span); i++)
        blocks[i & (room - 1)] = h->blocks[i & (h->room - 1)];
    h->all->bytes += heap_size(room * sizeof(struct history_block *)) -
                     heap_size(h->room * sizeof(struct history_block *));
    free(h->blocks);
    h->blocks = blocks;
    h->room = room;
    return true;
}

static void free_block(struct history *h, size_t place)
{
    h->all->bytes -= heap_size(sizeof(struct history_block));
    free(*block_of(h, place));
    *block_of(h, place) = NULL;
}

static void take_first(struct history *h)
{
    h->start++;
    h->first++;
    h->span--;
    if (h->span == 0 || h->start % HISTORY_BLOCK == 0)
        free_block(h, h->start - 1);
}

/* ---- messages go ---- */

static void end_mortal(struct mortal *mortal)
{
    mortal->history->all->bytes -= heap_size(sizeof *mortal);
    list_remove(&mortal->link);
    timer_clear(&mortal->timer);
    free(mortal);
}

static void make_hole(struct history *h, struct history_entry *e)
{
    struct histories *all = h->all;
    size_t weight = msg_weight(e->msg);
    list_remove(&e->age);
    h->messages--;
    h->bytes -= weight;
    all->messages--;
    all->bytes -= weight;
    msg_set_kept(e->msg, false);
    msg_unref(e->msg);
    e->msg = NULL;
}

/* A history begins with a message. */
static void skip_holes(struct history *h)
{
    while (h->span && !entry(h, 0)->msg)
        take_first(h);
    if (h->room > ROOM_MIN && block_count(h, h->span) <= h->room / 4)
        resize(h, h->room / 2);
}

static bool has_expired(const struct history *h, const struct msg *m)
{
    return m->expires && m->expires <= *h->all->now;
}

static void lose_first(struct history *h)
{
    struct history_entry *e = entry(h, 0);
    if (!has_expired(h, e->msg))
        h->lost = h->first;
    if (e->msg->expires) /* they are in the order of their numbers */
        end_mortal(LIST_ENTRY(h->mortals.next, struct mortal, link));
    make_hole(h, e);
    skip_holes(h);
}

static void lose_old(struct history *h)
{
    int64_t ttl = h->bounds.ttl;
    while (ttl && h->span && entry(h, 0)->at + ttl <= *h->all->now)
        lose_first(h);
}

static bool is_over(const struct history *h)
{
    return h->span > h->bounds.size || (h->messages > 1 && h->bytes > h->bounds.bytes);
}

static void trim(struct history *h)
{
    while (h->span && is_over(h)) {
        h->all->trimmed++;
        lose_first(h);
    }
}

/* A timer that fires early only looks again: so a message that goes for want of room moves none. */
static void await_old_age(struct history *h)
{
    if (!h->span || !h->bounds.ttl) {
        timer_clear(&h->old_age);
        return;
    }
    int64_t when = entry(h, 0)->at + h->bounds.ttl;
    if (!timer_is_set(&h->old_age) || h->old_age.when > when)
        timer_set(h->all->timers, &h->old_age, when);
}

static void settle(struct history *h)
{
    if (h->span)
        await_old_age(h);
    else
        h->all->emptied(h->all->arg, h);
}

static void on_old_age(struct timer *t)
{
    struct history *h = LIST_ENTRY(t, struct history, old_age);
    lose_old(h);
    settle(h);
}

static void on_expiry(struct timer *t)
{
    struct mortal *mortal = LIST_ENTRY(t, struct mortal, timer);
    struct history *h = mortal->history;
    make_hole(h, entry(h, mortal->number - h->first));
    end_mortal(mortal);
    skip_holes(h);
    settle(h);
}

bool histories_lose_oldest(struct histories *all)
{
    if (list_empty(&all->oldest))
        return false;
    struct history *h = LIST_ENTRY(all->oldest.next, struct history_entry, age)->history;
    all->trimmed++;
    lose_first(h);
    settle(h);
    return true;
}

/* ---- messages come ---- */

static void await_expiry(struct history *h, const struct msg *m)
{
    struct mortal *mortal = malloc(sizeof *mortal);
    if (!mortal)
        abort();
    mortal->history = h;
    mortal->number = m->id.seq;
    list_init(&mortal->link);
    list_append(&h->mortals, &mortal->link);
    timer_init(&mortal->timer, on_expiry);
    timer_set(h->all->timers, &mortal->timer, m->expires);
    h->all->bytes += heap_size(sizeof *mortal);
}

static void add_block(struct history *h, size_t place)
{
    struct history_block *block = malloc(sizeof *block);
    if (!block)
        abort();
    *block_of(h, place) = block;
    h->all->bytes += heap_size(sizeof *block);
}

/* The next number's entry; where there is no memory, in the place of the oldest messages. */
static struct history_entry *add_entry(struct history *h)
{
    while (block_count(h, h->span + 1) > h->room && !resize(h, h->room * 2)) {
        h->all->trimmed++;
        lose_first(h);
    }
    size_t place = h->start + h->span;
    if (h->span == 0 || place % HISTORY_BLOCK == 0)
        add_block(h, place);
    return entry(h, h->span++);
}

static void add(struct history *h, struct msg *m)
{
    size_t weight = msg_weight(m);
    struct history_entry *e = add_entry(h);
    *e = (struct history_entry){.history = h, .msg = m, .at = *h->all->now};
    msg_ref(m);
    msg_set_kept(m, true);
    list_init(&e->age);
    list_append(&h->all->oldest, &e->age);
    h->messages++;
    h->bytes += weight;
    h->all->messages++;
    h->all->bytes += weight;
    if (m->expires)
        await_expiry(h, m);
}

void history_add(struct history *h, struct msg *m, const struct history_bounds *bounds)
{
    if (h->span == 0)
        h->first = m->id.seq;
    if (m->id.seq != h->first + h->span || m->id.seq <= h->lost)
        abort();
    add(h, m);
    history_bound(h, bounds);
}

void history_bound(struct history *h, const struct history_bounds *bounds)
{
    h->bounds = *bounds;
    lose_old(h);
    trim(h);
    await_old_age(h);
}

struct msg *history_at(const struct history *h, uint64_t number)
{
    if (number < h->first || number - h->first >= h->span)
        return NULL;
    struct msg *m = entry(h, number - h->first)->msg;
    return m && has_expired(h, m) ? NULL : m;
}

/* ---- begin and end ---- */

struct history *history_new(struct histories *all, void *owner, uint64_t lost)
{
    struct history *h = calloc(1, sizeof *h);
    if (!h)
        abort();
    h->all = all;
    h->owner = owner;
    h->lost = lost;
    h->first = lost + 1;
    all->bytes += heap_size(sizeof *h);
    list_init(&h->mortals);
    timer_init(&h->old_age, on_old_age);
    if (!resize(h, ROOM_MIN))
        abort();
    return h;
}

void history_free(struct history *h)
{
    if (!h)
        return;
    while (h->span)
        lose_first(h);
    timer_clear(&h->old_age);
    h->all->bytes -= heap_size(sizeof *h) + heap_size(h->room * sizeof(struct history_block *));
    free(h->blocks);
    free(h);
}
