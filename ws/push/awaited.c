#include "push/awaited.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/tally.h"

struct awaited {
    int fd;
    uint32_t head; /* the oldest is there */
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

static void make_room(struct awaited *a)
{
    if (a->head) { /* those before it are gone */
        memmove(a->numbers, a->numbers + a->head, a->count * sizeof *a->numbers);
        a->head = 0;
        return;
    }
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
    if (a->head + a->count == a->cap)
        make_room(a);
    a->numbers[a->head + a->count++] = number;
}

/* Where the number is, counted from the oldest, or a->count. They ascend. */
static uint32_t place_of(const struct awaited *a, uint64_t number)
{
    const uint64_t *numbers = a->numbers + a->head;
    uint32_t low = 0;
    uint32_t high = a->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (numbers[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < a->count && numbers[low] == number ? low : a->count;
}

static void free_of(struct awaited **table, struct awaited *a)
{
    tally_change(TALLY_queues, a->cap * sizeof *a->numbers, 0);
    tally_change(TALLY_queues, sizeof *a, 0);
    HASH_DEL(*table, a);
    free(a->numbers);
    free(a);
}

/* The oldest `n` are gone; whether any is left. */
static bool take_oldest(struct awaited **table, struct awaited *a, uint32_t n)
{
    a->head += n;
    a->count -= n;
    bool any = a->count > 0;
    if (!any)
        free_of(table, a);
    return any;
}

bool awaited_answered(struct awaited **table, int fd, uint64_t number, awaited_visit visit, void *arg)
{
    struct awaited *a = find(*table, fd);
    uint32_t place = a ? place_of(a, number) : 0;
    if (!a || place == a->count)
        return a != NULL;
    for (uint32_t i = 0; i <= place; i++)
        visit(arg, a->numbers[a->head + i]);
    return take_oldest(table, a, place + 1);
}

/* What is given up is mostly the oldest: time is over for it first. */
bool awaited_forget(struct awaited **table, int fd, uint64_t number)
{
    struct awaited *a = find(*table, fd);
    uint32_t place = a ? place_of(a, number) : 0;
    if (!a || place == a->count)
        return a != NULL;
    uint64_t *at = a->numbers + a->head;
    memmove(at + 1, at, place * sizeof *at);
    return take_oldest(table, a, 1);
}

void awaited_drop(struct awaited **table, int fd)
{
    struct awaited *a = find(*table, fd);
    if (a)
        free_of(table, a);
}

uint64_t awaited_newest(struct awaited *table, int fd)
{
    const struct awaited *a = find(table, fd);
    return a ? a->numbers[a->head + a->count - 1] : 0;
}
