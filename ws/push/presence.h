/*
 * Who is on one channel: a record for each user that has clients there, however many. Lives at the hub, and
 * is changed as its clients' seats are: what is gone from there is gone from here.
 */
#ifndef WSPUSH_PUSH_PRESENCE_H
#define WSPUSH_PUSH_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "push/users.h"

struct presence {
    struct user *user; /* there as long as a client of theirs is */
    int64_t since;     /* Unix milliseconds: the first of the clients that are there now, or were since */
    uint32_t clients;
    UT_hash_handle hh;
};

/* One more client of the user; whether it is the first. */
bool presence_enter(struct presence **all, struct user *user);
/* One less; whether it was the last. */
bool presence_leave(struct presence **all, const struct user *user);
/* All of them, at the end. */
void presence_drop(struct presence **all);

#endif
