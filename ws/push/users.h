/* The named users and their clients, at the hub. A user is there as long as one client of theirs is. */
#ifndef WSPUSH_PUSH_USERS_H
#define WSPUSH_PUSH_USERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/list.h"
#include "push/shared_name.h"

struct user {
    struct shared_name *name;
    struct list clients; /* struct full_client */
    UT_hash_handle hh;
};

/* NULL if no client is theirs. */
struct user *users_find(struct user *users, const char *name, size_t len);
/* Adds a client, by its link. Holds the name for a user that is new. */
struct user *users_enter(struct user **users, struct shared_name *name, struct list *client);
/* Takes a client out. */
void users_leave(struct user **users, struct user *u, struct list *client);

#endif
