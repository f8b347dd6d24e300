/*
 * Who is on one channel: a record for each user that has clients there, however many. Lives at the hub, and
 * is changed as its clients' seats are: what is gone from there is gone from here.
 */
#ifndef WSPUSH_PUSH_PRESENCE_H
#define WSPUSH_PUSH_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "push/msg.h"
#include "push/users.h"

struct client;

enum { PRESENT_INLINE = 2 };

/* A user who is there. */
struct present {
    struct user *user; /* there as long as a client of theirs is */
    int64_t since;     /* Unix milliseconds: the first of the clients that are there now, or were since */
    uint32_t count;    /* of its clients there */
    uint32_t cap;
    union {
        struct client *few[PRESENT_INLINE]; /* while cap is no more */
        struct client **many;
    };
    UT_hash_handle hh;
};

struct presence {
    struct present *users; /* by user, in the order in which they came */
    struct msg *list;      /* what clients are told of them all; NULL: it has changed */
    bool crowded;          /* they are too many for that: clients are told how many */
};

/* The first of its clients; present_client(p, i) for i up to p->count gives them all. */
static inline struct client *present_client(const struct present *p, uint32_t i)
{
    return p->cap > PRESENT_INLINE ? p->many[i] : p->few[i];
}

/* Users; `p` may be NULL: nobody. */
static inline uint32_t presence_count(const struct presence *p)
{
    return p ? HASH_COUNT(p->users) : 0;
}

/* One more client of the user; *place is where it is among those. Whether it is the first. *all is NULL as
 * long as nobody is there. */
bool presence_enter(struct presence **all, struct user *user, struct client *c, uint32_t *place);
/* The client at that place goes, and *moved, if it is not NULL, takes its place. Whether it was the last. */
bool presence_leave(struct presence **all, const struct user *user, uint32_t place, struct client **moved);
/* All of them, at the end. */
void presence_drop(struct presence **all);

#endif
