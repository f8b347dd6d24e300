/*
 * The pings that went out behind messages to a client and are not answered: the numbers of their receipts,
 * the oldest first. One table for a shard: a client for which there are none is not in it. An operator waits
 * for one receipt at a time, and it ends with the operator: so a client has never more than there are
 * operators.
 */
#ifndef WSPUSH_PUSH_AWAITED_H
#define WSPUSH_PUSH_AWAITED_H

#include <stdbool.h>
#include <stdint.h>

/* NULL: empty. A client is its descriptor. */
struct awaited;

/* Called for each ping that was answered. */
typedef void (*awaited_visit)(void *arg, uint64_t number);

/* Another ping to the client is out; its number is above those before. */
void awaited_add(struct awaited **table, int fd, uint64_t number);
/* A pong has come: it answers that ping and those before it (RFC 6455 section 5.5.3). One that nobody asked
 * for answers nothing. Returns whether the client has more to answer, as the next does. */
bool awaited_answered(struct awaited **table, int fd, uint64_t number, awaited_visit visit, void *arg);
/* Gives up one. */
bool awaited_forget(struct awaited **table, int fd, uint64_t number);
/* Gives up all of a client. */
void awaited_drop(struct awaited **table, int fd);
/* The newest, or 0. */
uint64_t awaited_newest(struct awaited *table, int fd);

#endif
