/*
 * Where in a client's list of channels each of them is, by the channel's number: the list is dense and moves
 * its last entry into a gap. A short list is searched, for which nothing is kept; a longer one has a table of
 * two bytes for each entry and as much again, with open addressing.
 */
#ifndef WSPUSH_PUSH_PLACES_H
#define WSPUSH_PUSH_PLACES_H

#include <stdint.h>

enum { PLACES_MAX = UINT16_MAX - 1 };
enum { NO_PLACE = UINT32_MAX };

struct places;

/* The number of the channel at this place of a list. */
typedef uint32_t places_number(const void *list, uint32_t place);

/* NO_PLACE: none of the first `count` entries is that channel. */
uint32_t places_find(const struct places *places, places_number *number, const void *list, uint32_t count,
                     uint32_t channel);
/* The last of `count` entries, PLACES_MAX at most, is new. *places is NULL at first. */
void places_add(struct places **places, places_number *number, const void *list, uint32_t count);
/* The entry at `place` is about to go, and the last of `count` entries to take its place. */
void places_remove(struct places *places, places_number *number, const void *list, uint32_t count,
                   uint32_t place);
/* Takes NULL too. */
void places_free(struct places *places);

#endif
