#include "push/places.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/tally.h"

enum { FEW = 16 };

struct places {
    uint32_t mask;    /* as many slots less one, a power of two less one */
    uint16_t slots[]; /* place + 1; 0: empty. Half of them at most are in use */
};

static size_t size_of(const struct places *places)
{
    return places ? sizeof *places + ((size_t)places->mask + 1) * sizeof places->slots[0] : 0;
}

/* Numbers are dense, and given out by us: neighbours are to be far apart, and that is all. */
static uint32_t first_slot(const struct places *places, uint32_t channel)
{
    return (channel * UINT32_C(2654435769) >> 15) & places->mask;
}

static uint32_t next_slot(const struct places *places, uint32_t slot)
{
    return (slot + 1) & places->mask;
}

static void put(struct places *places, uint32_t channel, uint32_t place)
{
    uint32_t slot = first_slot(places, channel);
    while (places->slots[slot])
        slot = next_slot(places, slot);
    places->slots[slot] = (uint16_t)(place + 1);
}

static struct places *make(places_number *number, const void *list, uint32_t count)
{
    uint32_t slots = FEW * 4;
    while (slots < count * 2)
        slots *= 2;
    struct places *places = calloc(1, sizeof *places + slots * sizeof places->slots[0]);
    if (!places)
        abort();
    places->mask = slots - 1;
    tally_change(TALLY_subscriptions, 0, size_of(places));
    for (uint32_t i = 0; i < count; i++)
        put(places, number(list, i), i);
    return places;
}

static uint32_t search(places_number *number, const void *list, uint32_t count, uint32_t channel)
{
    while (count-- > 0) /* who goes gives up the newest first */
        if (number(list, count) == channel)
            return count;
    return NO_PLACE;
}

uint32_t places_find(const struct places *places, places_number *number, const void *list, uint32_t count,
                     uint32_t channel)
{
    if (!places)
        return search(number, list, count, channel);
    for (uint32_t slot = first_slot(places, channel); places->slots[slot]; slot = next_slot(places, slot))
        if (number(list, places->slots[slot] - 1u) == channel)
            return places->slots[slot] - 1u;
    return NO_PLACE;
}

void places_add(struct places **places, places_number *number, const void *list, uint32_t count)
{
    if (count > PLACES_MAX)
        abort();
    if (count <= FEW && !*places)
        return;
    if (*places && count * 2 <= (*places)->mask + 1) {
        put(*places, number(list, count - 1), count - 1);
        return;
    }
    places_free(*places);
    *places = make(number, list, count);
}

static uint32_t slot_of(const struct places *places, uint32_t channel, uint32_t place)
{
    uint32_t slot = first_slot(places, channel);
    while (places->slots[slot] != place + 1)
        slot = next_slot(places, slot);
    return slot;
}

/* What was put behind the gap because of what was there moves up. */
static void close_gap(struct places *places, places_number *number, const void *list, uint32_t gap)
{
    for (uint32_t slot = next_slot(places, gap); places->slots[slot]; slot = next_slot(places, slot)) {
        uint32_t first = first_slot(places, number(list, places->slots[slot] - 1u));
        if (((slot - first) & places->mask) < ((slot - gap) & places->mask))
            continue;
        places->slots[gap] = places->slots[slot];
        gap = slot;
    }
    places->slots[gap] = 0;
}

void places_remove(struct places *places, places_number *number, const void *list, uint32_t count,
                   uint32_t place)
{
    if (!places)
        return;
    close_gap(places, number, list, slot_of(places, number(list, place), place));
    if (place != count - 1)
        places->slots[slot_of(places, number(list, count - 1), count - 1)] = (uint16_t)(place + 1);
}

void places_free(struct places *places)
{
    tally_change(TALLY_subscriptions, size_of(places), 0);
    free(places);
}
