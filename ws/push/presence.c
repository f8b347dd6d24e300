#include "push/presence.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/tally.h"

static struct present *find(const struct presence *all, const struct user *user)
{
    struct present *p;
    HASH_FIND_PTR(all->users, &user, p);
    return p;
}

static void *need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static struct present *add_user(struct presence **all, struct user *user)
{
    if (!*all) {
        *all = need(calloc(1, sizeof **all));
        tally_change(TALLY_clients, 0, sizeof **all);
    }
    struct present *p = need(malloc(sizeof *p));
    *p = (struct present){.user = user, .since = clock_wall_ms(), .cap = PRESENT_INLINE};
    tally_change(TALLY_clients, 0, sizeof *p);
    HASH_ADD_PTR((*all)->users, user, p);
    return p;
}

static size_t size_of_many(const struct present *p)
{
    return p->cap > PRESENT_INLINE ? p->cap * sizeof(struct client *) : 0;
}

static void grow(struct present *p)
{
    uint32_t cap = p->cap * 2;
    struct client **many = need(malloc(cap * sizeof(struct client *)));
    for (uint32_t i = 0; i < p->count; i++)
        many[i] = present_client(p, i);
    tally_change(TALLY_clients, size_of_many(p), cap * sizeof(struct client *));
    if (p->cap > PRESENT_INLINE)
        free(p->many);
    p->many = many;
    p->cap = cap;
}

static struct client **clients(struct present *p)
{
    return p->cap > PRESENT_INLINE ? p->many : p->few;
}

bool presence_enter(struct presence **all, struct user *user, struct client *c, uint32_t *place)
{
    struct present *p = *all ? find(*all, user) : NULL;
    if (!p)
        p = add_user(all, user);
    if (p->count == p->cap)
        grow(p);
    *place = p->count;
    clients(p)[p->count++] = c;
    return p->count == 1;
}

static void remove_user(struct presence *all, struct present *p)
{
    HASH_DEL(all->users, p);
    tally_change(TALLY_clients, size_of_many(p), 0);
    if (p->cap > PRESENT_INLINE)
        free(p->many);
    tally_change(TALLY_clients, sizeof *p, 0);
    free(p);
}

static void free_if_empty(struct presence **all)
{
    struct presence *presence = *all;
    if (presence->users)
        return;
    msg_unref(presence->list);
    tally_change(TALLY_clients, sizeof *presence, 0);
    free(presence);
    *all = NULL;
}

bool presence_leave(struct presence **all, const struct user *user, uint32_t place, struct client **moved)
{
    struct present *p = find(*all, user);
    uint32_t last = --p->count;
    *moved = place == last ? NULL : present_client(p, last);
    if (*moved)
        clients(p)[place] = *moved;
    if (p->count)
        return false;
    remove_user(*all, p);
    free_if_empty(all);
    return true;
}

void presence_drop(struct presence **all)
{
    struct present *p;
    struct present *next;
    if (!*all)
        return;
    HASH_ITER(hh, (*all)->users, p, next)
    {
        remove_user(*all, p);
    }
    free_if_empty(all);
}
