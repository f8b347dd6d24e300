/* Numbers that look random and are the same in every run, so that what failed fails again. */
#ifndef WSPUSH_T_RANDOM_H
#define WSPUSH_T_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static uint64_t random_state = 1;

static inline void random_start(uint64_t seed)
{
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* Vigna's splitmix64. */
static inline uint64_t random_bits(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 to n - 1. */
static inline size_t random_below(size_t n)
{
    return (size_t)(random_bits() % n);
}

#endif
