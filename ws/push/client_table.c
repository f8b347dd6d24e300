#include "push/client_table.h"

#include <stdlib.h>

#include "base/hash.h"
#include "push/hub.h"

enum { SIZE_MIN = 64 };

static uint32_t home(const struct client_table *t, uint64_t number)
{
    return (uint32_t)hash_keyed(&number, sizeof number) & (t->size - 1);
}

/* The place of this number, or the free one where it would go. */
static uint32_t place_of(const struct client_table *t, uint64_t number)
{
    uint32_t i = home(t, number);
    while (t->places[i] && t->places[i]->number != number)
        i = (i + 1) & (t->size - 1);
    return i;
}

static void resize(struct client_table *t, uint32_t size)
{
    struct client_table old = *t;
    t->size = size;
    t->places = calloc(size, sizeof(struct client *));
    if (!t->places)
        abort();
    for (uint32_t i = 0; i < old.size; i++)
        if (old.places[i])
            t->places[place_of(t, old.places[i]->number)] = old.places[i];
    free(old.places);
}

struct client *client_table_find(const struct client_table *t, uint64_t number)
{
    return t->size ? t->places[place_of(t, number)] : NULL;
}

/* At most three quarters are taken, so that a search is short. */
void client_table_add(struct client_table *t, struct client *c)
{
    if (t->count >= t->size / 4 * 3)
        resize(t, t->size ? t->size * 2 : SIZE_MIN);
    t->places[place_of(t, c->number)] = c;
    t->count++;
}

/* Whoever stands behind the hole and would be looked for at it or before it moves into it. */
static void close_hole(struct client_table *t, uint32_t hole)
{
    uint32_t mask = t->size - 1;
    for (uint32_t i = (hole + 1) & mask; t->places[i]; i = (i + 1) & mask) {
        uint32_t from_home = (i - home(t, t->places[i]->number)) & mask;
        if (from_home < ((i - hole) & mask))
            continue;
        t->places[hole] = t->places[i];
        hole = i;
    }
    t->places[hole] = NULL;
}

void client_table_remove(struct client_table *t, const struct client *c)
{
    close_hole(t, place_of(t, c->number));
    t->count--;
    if (t->size > SIZE_MIN && t->count < t->size / 8)
        resize(t, t->size / 2);
}

void client_table_each(const struct client_table *t, void (*visit)(struct client *c, void *arg), void *arg)
{
    for (uint32_t i = 0; i < t->size; i++)
        if (t->places[i])
            visit(t->places[i], arg);
}

void client_table_fini(struct client_table *t)
{
    free(t->places);
    *t = (struct client_table){0};
}
