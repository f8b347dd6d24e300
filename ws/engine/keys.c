#include "engine/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/tally.h"

struct key {
    struct list all;
    struct list of_channel;
    struct channel_keys *of;
    uint64_t number;
    int64_t at;
    UT_hash_handle hh;
    size_t len;
    char name[]; /* the address of `of`, and the key */
};

enum { OWNER = sizeof(struct channel_keys *) };

static void on_old_age(struct timer *t);

void keys_init(struct keys *all, struct timers *timers, const int64_t *now)
{
    *all = (struct keys){.timers = timers, .now = now};
    list_init(&all->oldest);
    timer_init(&all->old_age, on_old_age);
}

void channel_keys_init(struct channel_keys *of)
{
    list_init(&of->oldest);
    of->count = 0;
}

static size_t write_name(char *name, const struct channel_keys *of, const char *key, size_t len)
{
    memcpy(name, &of, OWNER);
    memcpy(name + OWNER, key, len);
    return OWNER + len;
}

static size_t weight(const struct key *k)
{
    return heap_size(sizeof *k + k->len);
}

static bool is_old(const struct keys *all, const struct key *k)
{
    return k->at + KEY_LIFE_MS <= *all->now;
}

static void forget(struct keys *all, struct key *k)
{
    HASH_DEL(all->by_name, k);
    list_remove(&k->all);
    list_remove(&k->of_channel);
    k->of->count--;
    all->bytes -= weight(k);
    free(k);
}

/* Forgets one that is not about to be replaced. */
static void lose(struct keys *all, struct key *k)
{
    struct channel_keys *of = k->of;
    forget(all, k);
    if (of->count == 0)
        all->emptied(all->arg, of);
}

static void await_old_age(struct keys *all)
{
    if (list_empty(&all->oldest))
        timer_clear(&all->old_age);
    else
        timer_set(all->timers, &all->old_age,
                  LIST_ENTRY(all->oldest.next, struct key, all)->at + KEY_LIFE_MS);
}

static void on_old_age(struct timer *t)
{
    struct keys *all = LIST_ENTRY(t, struct keys, old_age);
    while (!list_empty(&all->oldest)) {
        struct key *k = LIST_ENTRY(all->oldest.next, struct key, all);
        if (!is_old(all, k))
            break;
        lose(all, k);
    }
    await_old_age(all);
}

uint64_t keys_find(const struct keys *all, const struct channel_keys *of, const char *key, size_t len)
{
    char name[OWNER + KEY_MAX];
    struct key *k = NULL;
    if (of->count) {
        size_t name_len = write_name(name, of, key, len);
        HASH_FIND(hh, all->by_name, name, name_len, k);
    }
    return k && !is_old(all, k) ? k->number : 0;
}

void keys_add(struct keys *all, struct channel_keys *of, const char *key, size_t len, uint64_t number)
{
    if (of->count == KEYS_PER_CHANNEL)
        forget(all, LIST_ENTRY(of->oldest.next, struct key, of_channel));
    struct key *k = malloc(sizeof *k + OWNER + len);
    if (!k)
        abort();
    k->of = of;
    k->number = number;
    k->at = *all->now;
    k->len = write_name(k->name, of, key, len);
    list_init(&k->all);
    list_init(&k->of_channel);
    list_append(&all->oldest, &k->all);
    list_append(&of->oldest, &k->of_channel);
    HASH_ADD_KEYPTR(hh, all->by_name, k->name, k->len, k);
    of->count++;
    all->bytes += weight(k);
    if (!timer_is_set(&all->old_age))
        await_old_age(all);
}

bool keys_lose_oldest(struct keys *all)
{
    if (list_empty(&all->oldest))
        return false;
    lose(all, LIST_ENTRY(all->oldest.next, struct key, all));
    return true;
}

void keys_fini(struct keys *all)
{
    struct key *k;
    struct key *next;
    HASH_ITER(hh, all->by_name, k, next)
    {
        forget(all, k);
    }
    timer_clear(&all->old_age);
}

uint64_t keys_bytes(const struct keys *all)
{
    const struct key *any = all->by_name;
    return all->bytes + (any ? heap_size(any->hh.tbl->num_buckets * sizeof(UT_hash_bucket)) : 0);
}
