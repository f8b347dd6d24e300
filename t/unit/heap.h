/*
 * How much heap the program uses, for tests that say what holds none. Include it in one file of a program
 * only: it counts by standing in for malloc(). Under the sanitizers their allocators are asked; heap_most()
 * is then no more than what is in use now.
 */
#ifndef WSPUSH_T_HEAP_H
#define WSPUSH_T_HEAP_H

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

size_t __sanitizer_get_current_allocated_bytes(void);

static inline size_t heap_in_use(void)
{
    return __sanitizer_get_current_allocated_bytes();
}

static inline size_t heap_most(void)
{
    return heap_in_use();
}

static inline void heap_forget_most(void)
{
}

static inline bool heap_refuse_above(size_t size)
{
    (void)size;
    return false;
}

static inline bool heap_refuse_the(long number)
{
    (void)number;
    return false;
}

static inline bool heap_has_refused(void)
{
    return false;
}

#else

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *p);

static atomic_size_t heap_used;
static atomic_size_t heap_peak;
static atomic_size_t heap_largest = SIZE_MAX;
static atomic_long heap_until_refusal; /* -1: it has been */

static bool heap_refuses(size_t size)
{
    bool is_it = atomic_load(&heap_until_refusal) > 0 && atomic_fetch_sub(&heap_until_refusal, 1) == 1;
    if (is_it)
        atomic_store(&heap_until_refusal, -1);
    if (!is_it && size <= atomic_load(&heap_largest))
        return false;
    errno = ENOMEM;
    return true;
}

static void heap_add(void *p)
{
    size_t now = atomic_fetch_add(&heap_used, malloc_usable_size(p)) + malloc_usable_size(p);
    if (now > atomic_load(&heap_peak))
        atomic_store(&heap_peak, now);
}

void *malloc(size_t size)
{
    void *p = heap_refuses(size) ? NULL : __libc_malloc(size);
    heap_add(p);
    return p;
}

void *calloc(size_t count, size_t size)
{
    void *p = heap_refuses(count * size) ? NULL : __libc_calloc(count, size);
    heap_add(p);
    return p;
}

void *realloc(void *old, size_t size)
{
    size_t before = malloc_usable_size(old);
    void *p = heap_refuses(size) ? NULL : __libc_realloc(old, size);
    if (p || size == 0) {
        atomic_fetch_sub(&heap_used, before);
        heap_add(p);
    }
    return p;
}

void free(void *p)
{
    atomic_fetch_sub(&heap_used, malloc_usable_size(p));
    __libc_free(p);
}

static inline size_t heap_in_use(void)
{
    return atomic_load(&heap_used);
}

/* The most that was in use since heap_forget_most(). */
static inline size_t heap_most(void)
{
    return atomic_load(&heap_peak);
}

static inline void heap_forget_most(void)
{
    atomic_store(&heap_peak, heap_in_use());
}

/* From now on there is no memory for anything larger; SIZE_MAX: there is again. False: this can't be had
 * here. */
static inline bool heap_refuse_above(size_t size)
{
    atomic_store(&heap_largest, size);
    return true;
}

/* There is no memory for the allocation with this number, from 1; 0: there is for all. */
static inline bool heap_refuse_the(long number)
{
    atomic_store(&heap_until_refusal, number);
    return true;
}

/* Whether it has come to that one. */
static inline bool heap_has_refused(void)
{
    return atomic_load(&heap_until_refusal) < 0;
}

#endif
#endif
