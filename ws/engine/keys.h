/*
 * Idempotency keys: of two publications to a channel with one key, within five minutes, the second is none.
 * Each channel has so many at most, the oldest are forgotten. One timer ends what is too old, of all
 * channels.
 */
#ifndef WSPUSH_ENGINE_KEYS_H
#define WSPUSH_ENGINE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "loop/timer.h"

enum { KEY_MAX = 200, KEYS_PER_CHANNEL = 10000, KEY_LIFE_MS = 5 * 60 * 1000 };

struct key;

/* A channel's, inside what owns them; it stays where it is. */
struct channel_keys {
    struct list oldest;
    uint32_t count;
};

/* All of them. */
struct keys {
    struct timers *timers;
    const int64_t *now; /* monotonic milliseconds */
    struct key *by_name;
    struct list oldest;
    struct timer old_age;
    uint64_t bytes; /* of the heap, without the table */
    /* A timer, or keys_lose_oldest(), took a channel's last key. */
    void (*emptied)(void *arg, struct channel_keys *of);
    void *arg;
};

/* `emptied` and `arg` are the caller's to set. */
void keys_init(struct keys *all, struct timers *timers, const int64_t *now);
void channel_keys_init(struct channel_keys *of);
/* The number that was published with this key, or 0. At most KEY_MAX bytes. */
uint64_t keys_find(const struct keys *all, const struct channel_keys *of, const char *key, size_t len);
/* Remembers a key that keys_find() does not know. Aborts when there is no memory. */
void keys_add(struct keys *all, struct channel_keys *of, const char *key, size_t len, uint64_t number);
/* The oldest key of all is forgotten. False where there is none. */
bool keys_lose_oldest(struct keys *all);
/* All of them are; nobody is told. */
void keys_fini(struct keys *all);
/* Bytes of the heap. */
uint64_t keys_bytes(const struct keys *all);

#endif
