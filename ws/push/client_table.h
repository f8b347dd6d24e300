/*
 * The hub's clients by number. Open addressing: a pointer for each place, and nothing in the record, because
 * every client that is connected costs this. The owner of the records is the hub.
 */
#ifndef WSPUSH_PUSH_CLIENT_TABLE_H
#define WSPUSH_PUSH_CLIENT_TABLE_H

#include <stdint.h>

struct client;

/* All zero at the start. */
struct client_table {
    struct client **places;
    uint32_t size; /* a power of two, or 0 */
    uint32_t count;
};

/* NULL if there is none. */
struct client *client_table_find(const struct client_table *t, uint64_t number);
/* Its number is not in the table yet. */
void client_table_add(struct client_table *t, struct client *c);
/* It is in the table. */
void client_table_remove(struct client_table *t, const struct client *c);
/* Calls `visit` for each; the table may not change meanwhile. */
void client_table_each(const struct client_table *t, void (*visit)(struct client *c, void *arg), void *arg);
/* Frees the places, not the clients. */
void client_table_fini(struct client_table *t);

#endif
