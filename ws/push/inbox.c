#include "push/inbox.h"

void inbox_init(struct inbox *b)
{
    *b = (struct inbox){0};
    list_init(&b->messages);
    list_init(&b->waiters);
}

static struct inbox_msg *entry(struct list *l)
{
    return LIST_ENTRY(l, struct inbox_msg, link);
}

struct inbox_msg *inbox_first(const struct inbox *b, uint64_t client)
{
    for (struct list *l = b->messages.next; l != &b->messages; l = l->next)
        if (!client || entry(l)->client == client)
            return entry(l);
    return NULL;
}

uint64_t inbox_count(const struct inbox *b, uint64_t client)
{
    uint64_t n = 0;
    if (!client)
        return b->count;
    for (struct list *l = b->messages.next; l != &b->messages; l = l->next)
        n += entry(l)->client == client;
    return n;
}

struct waiter *inbox_waiter_for(const struct inbox *b, uint64_t client)
{
    struct waiter *any = NULL;
    for (struct list *l = b->waiters.next; l != &b->waiters; l = l->next) {
        struct waiter *w = LIST_ENTRY(l, struct waiter, link);
        if (w->client == client)
            return w;
        if (!w->client && !any)
            any = w;
    }
    return any;
}

static void count_in(struct inbox *b, const struct inbox_msg *m)
{
    b->count++;
    b->bytes += inbox_cost(m);
}

void inbox_append(struct inbox *b, struct inbox_msg *m)
{
    m->lost += b->lost;
    b->lost = 0;
    list_append(&b->messages, &m->link);
    count_in(b, m);
}

void inbox_prepend(struct inbox *b, struct inbox_msg *m)
{
    list_prepend(&b->messages, &m->link);
    count_in(b, m);
}

void inbox_take(struct inbox *b, struct inbox_msg *m)
{
    list_remove(&m->link);
    b->count--;
    b->bytes -= inbox_cost(m);
}

struct inbox_msg *inbox_lose_oldest(struct inbox *b)
{
    if (list_empty(&b->messages))
        return NULL;
    struct inbox_msg *m = entry(b->messages.next);
    inbox_take(b, m);
    struct inbox_msg *next = list_empty(&b->messages) ? NULL : entry(b->messages.next);
    *(next ? &next->lost : &b->lost) += m->lost + 1;
    return m;
}
