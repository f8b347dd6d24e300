#include "push/awaited.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/tally.h"

struct awaited {
    int fd;
    uint32_t count;
    uint32_t cap;
    uint64_t *numbers;
    UT_hash_handle hh;
};

static struct awaited *find(struct awaited *table, int fd)
{
    struct awaited *a;
    HASH_FIND_INT(table, &fd, a);
    return a;
}

static struct awaited *need(struct awaited **table, int fd)
{
    struct awaited *a = find(*table, fd);
    if (a)
        return a;
    a = calloc(1, sizeof *a);
    if (!a)
        abort();
    a->fd = fd;
    tally_change(TALLY_queues, 0, sizeof *a);
    HASH_ADD_INT(*table, fd, a);
    return a;
}

static void grow(struct awaited *a)
{
    uint32_t cap = a->cap ? a->cap * 2 : 4;
    uint64_t *numbers = realloc(a->numbers, cap * sizeof *numbers);
    if (!numbers)
        abort();
    tally_change(TALLY_queues, a->cap * sizeof *numbers, cap * sizeof *numbers);
    a->numbers = numbers;
    a->cap = cap;
}

void awaited_add(struct awaited **table, int fd, uint64_t number)
{
    struct awaited *a = need(table, fd);
    if (a->count == a->cap)
        grow(a);
    a->numbers[a->count++] = number;
}

/* Where the number is, or a->count. They ascend. */
static uint32_t place_of(const struct awaited *a, uint64_t number)
{
    uint32_t low = 0;
    uint32_t high = a->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (a->numbers[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < a->count && a->numbers[low] == number ? low : a->count;
}

/* Takes `n` out, from the one at `first` on; whether any is left. */
static bool take_out(struct awaited **table, struct awaited *a, uint32_t first, uint32_t n)
{
    a->count -= n;
    memmove(a->numbers + first, a->numbers + first + n, (a->count - first) * sizeof *a->numbers);
    if (a->count)
        return true;
    tally_change(TALLY_queues, a->cap * sizeof *a->numbers, 0);
    tally_change(TALLY_queues, sizeof *a, 0);
    HASH_DEL(*table, a);
    free(a->numbers);
    free(a);
    return false;
}

bool awaited_answered(struct awaited **table, int fd, uint64_t number, awaited_visit visit, void *arg)
{
    struct awaited *a = find(*table, fd);
    uint32_t place = a ? place_of(a, number) : 0;
    if (!a || place == a->count)
        return a != NULL;
    for (uint32_t i = 0; i <= place; i++)
        visit(arg, a->numbers[i]);
    return take_out(table, a, 0, place + 1);
}

bool awaited_forget(struct awaited **table, int fd, uint64_t number, bool *was_there)
{
    struct awaited *a = find(*table, fd);
    uint32_t place = a ? place_of(a, number) : 0;
    *was_there = a && place < a->count;
    return *was_there ? take_out(table, a, place, 1) : a != NULL;
}

void awaited_drop(struct awaited **table, int fd, awaited_visit visit, void *arg)
{
    struct awaited *a = find(*table, fd);
    for (uint32_t i = 0; a && i < a->count; i++)
        visit(arg, a->numbers[i]);
    if (a)
        take_out(table, a, 0, a->count);
}
