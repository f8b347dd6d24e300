#include "push/awaited.h"

#include <stdlib.h>
#include <string.h>

#include "base/tally.h"

struct awaited {
    uint32_t count;
    uint32_t cap;
    uint64_t numbers[];
};

static size_t size_for(uint32_t cap)
{
    return sizeof(struct awaited) + cap * sizeof(uint64_t);
}

bool awaited_add(struct awaited **a, uint64_t number)
{
    struct awaited *old = *a;
    uint32_t count = old ? old->count : 0;
    uint32_t cap = old ? old->cap : 0;
    if (count == cap) {
        cap = cap ? cap * 2 : 2;
        struct awaited *grown = realloc(old, size_for(cap));
        if (!grown)
            return false;
        tally_change(TALLY_queues, old ? size_for(count) : 0, size_for(cap));
        grown->cap = cap;
        *a = grown;
    }
    (*a)->numbers[count] = number;
    (*a)->count = count + 1;
    return true;
}

/* How many of them are below the number. */
static uint32_t below(const struct awaited *a, uint64_t number)
{
    uint32_t low = 0;
    uint32_t high = a ? a->count : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (a->numbers[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct awaited *a, uint32_t i, uint64_t number)
{
    return a && i < a->count && a->numbers[i] == number;
}

/* Takes `n` out, from the one at `first` on. */
static void take_out(struct awaited **a, uint32_t first, uint32_t n)
{
    struct awaited *w = *a;
    w->count -= n;
    memmove(w->numbers + first, w->numbers + first + n, (w->count - first) * sizeof *w->numbers);
    if (w->count)
        return;
    tally_change(TALLY_queues, size_for(w->cap), 0);
    free(w);
    *a = NULL;
}

void awaited_answered(struct awaited **a, uint64_t number, awaited_visit visit, void *arg)
{
    uint32_t i = below(*a, number);
    if (!is_at(*a, i, number))
        return;
    for (uint32_t k = 0; k <= i; k++)
        visit(arg, (*a)->numbers[k]);
    take_out(a, 0, i + 1);
}

bool awaited_forget(struct awaited **a, uint64_t number)
{
    uint32_t i = below(*a, number);
    bool there = is_at(*a, i, number);
    if (there)
        take_out(a, i, 1);
    return there;
}

void awaited_drop(struct awaited **a, awaited_visit visit, void *arg)
{
    if (!*a)
        return;
    for (uint32_t i = 0; i < (*a)->count; i++)
        visit(arg, (*a)->numbers[i]);
    take_out(a, 0, (*a)->count);
}
