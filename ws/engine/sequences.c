#include "engine/sequences.h"

#include <stdlib.h>
#include <string.h>

#include "base/tally.h"

void sequences_init(struct sequences *all)
{
    *all = (struct sequences){0};
    list_init(&all->idle);
}

struct sequence *sequences_search(const struct sequences *all, const char *name, size_t len, unsigned hash)
{
    struct sequence *s;
    HASH_FIND_BYHASHVALUE(hh, all->by_name, name, len, hash, s);
    return s;
}

static size_t name_weight(const struct sequence *s)
{
    return heap_size(sizeof *s->name + s->name->len);
}

struct sequence *sequences_begin(struct sequences *all, const char *name, size_t len, unsigned hash)
{
    if (all->idle_count >= SEQUENCES_KEPT)
        sequences_forget(all, LIST_ENTRY(all->idle.next, struct sequence, idle));
    struct sequence *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->name = shared_name_new(name, len);
    s->last = s->lost = all->floor;
    channel_keys_init(&s->keys);
    list_init(&s->idle);
    all->name_bytes += name_weight(s);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, all->by_name, s->name->text, len, hash, s);
    sequences_settle(all, s);
    return s;
}

void sequences_settle(struct sequences *all, struct sequence *s)
{
    bool is_idle = !s->history && !s->keys.count;
    if (is_idle == list_linked(&s->idle))
        return;
    if (is_idle) {
        list_append(&all->idle, &s->idle);
        all->idle_count++;
    } else {
        list_remove(&s->idle);
        all->idle_count--;
    }
}

void sequences_forget(struct sequences *all, struct sequence *s)
{
    if (s->last > all->floor)
        all->floor = s->last;
    if (all->recent == s)
        all->recent = NULL;
    HASH_DEL(all->by_name, s);
    list_remove(&s->idle);
    all->idle_count--;
    all->name_bytes -= name_weight(s);
    shared_name_unref(s->name);
    free(s);
}

bool sequences_lose_oldest(struct sequences *all)
{
    struct list *l = all->idle.next;
    if (all->recent && l == &all->recent->idle)
        l = l->next;
    if (l == &all->idle)
        return false;
    sequences_forget(all, LIST_ENTRY(l, struct sequence, idle));
    return true;
}

uint64_t sequences_bytes(const struct sequences *all)
{
    const struct sequence *any = all->by_name;
    return any ? HASH_COUNT(all->by_name) * heap_size(sizeof *any) +
                     heap_size(any->hh.tbl->num_buckets * sizeof(UT_hash_bucket))
               : 0;
}
