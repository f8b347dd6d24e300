/* A doubly linked ring; the head is an element of it. An element is a struct list inside the listed struct.
 */
#ifndef WSPUSH_BASE_LIST_H
#define WSPUSH_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev;
    struct list *next;
};

#define LIST_ENTRY(element, type, member) ((type *)(void *)((char *)(element)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

/* An element that was initialised and is in no list reads as empty: so membership is list_linked(). */
static inline bool list_linked(const struct list *l)
{
    return l->next != l;
}

static inline void list_append(struct list *head, struct list *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

static inline void list_prepend(struct list *head, struct list *l)
{
    list_append(head->next, l);
}

/* Takes `l` out of whatever list it is in, if any. */
static inline void list_remove(struct list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}

/* Takes out and returns the first element, or NULL. */
static inline struct list *list_take_first(struct list *head)
{
    if (list_empty(head))
        return NULL;
    struct list *l = head->next;
    list_remove(l);
    return l;
}

/* Moves all elements of `from` behind those of `to`. */
static inline void list_move_all(struct list *to, struct list *from)
{
    while (!list_empty(from)) {
        struct list *l = list_take_first(from);
        list_append(to, l);
    }
}

#endif
