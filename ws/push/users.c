#include "push/users.h"

#include <stdlib.h>

struct user *users_find(struct user *users, const char *name, size_t len)
{
    struct user *u;
    HASH_FIND(hh, users, name, len, u);
    return u;
}

struct user *users_enter(struct user **users, struct shared_name *name, struct list *client)
{
    struct user *u = users_find(*users, name->text, name->len);
    if (!u) {
        u = calloc(1, sizeof *u);
        if (!u)
            abort();
        u->name = shared_name_ref(name);
        list_init(&u->clients);
        tally_change(TALLY_clients, 0, sizeof *u);
        HASH_ADD_KEYPTR(hh, *users, u->name->text, u->name->len, u);
    }
    list_append(&u->clients, client);
    return u;
}

void users_leave(struct user **users, struct user *u, struct list *client)
{
    list_remove(client);
    if (!list_empty(&u->clients))
        return;
    HASH_DEL(*users, u);
    shared_name_unref(u->name);
    tally_change(TALLY_clients, sizeof *u, 0);
    free(u);
}
