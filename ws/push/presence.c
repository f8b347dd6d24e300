#include "push/presence.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/tally.h"

static struct presence *find(struct presence *all, const struct user *user)
{
    struct presence *p;
    HASH_FIND_PTR(all, &user, p);
    return p;
}

bool presence_enter(struct presence **all, struct user *user)
{
    struct presence *p = find(*all, user);
    if (p) {
        p->clients++;
        return false;
    }
    p = malloc(sizeof *p);
    if (!p)
        abort();
    *p = (struct presence){.user = user, .since = clock_wall_ms(), .clients = 1};
    tally_change(TALLY_clients, 0, sizeof *p);
    HASH_ADD_PTR(*all, user, p);
    return true;
}

static void remove_one(struct presence **all, struct presence *p)
{
    HASH_DEL(*all, p);
    tally_change(TALLY_clients, sizeof *p, 0);
    free(p);
}

bool presence_leave(struct presence **all, const struct user *user)
{
    struct presence *p = find(*all, user);
    if (--p->clients)
        return false;
    remove_one(all, p);
    return true;
}

void presence_drop(struct presence **all)
{
    struct presence *p;
    struct presence *next;
    HASH_ITER(hh, *all, p, next)
    {
        remove_one(all, p);
    }
}
