/*
 * uthash with a keyed hash, for tables whose keys come from outside: with uthash's own, chosen names make a
 * lookup linear. Include this instead of <uthash.h>.
 */
#ifndef WSPUSH_BASE_HASH_H
#define WSPUSH_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-1-3 under a key drawn at random when the process starts. Any thread. */
uint64_t hash_keyed(const void *bytes, size_t len);
/* The same under a given key, for test vectors. */
uint64_t hash_siphash13(uint64_t k0, uint64_t k1, const void *bytes, size_t len);

#define HASH_FUNCTION(key, len, value) ((value) = (unsigned)hash_keyed((key), (len)))
#include <uthash.h>

#endif
