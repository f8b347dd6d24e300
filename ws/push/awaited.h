/*
 * The pings that went out behind messages to one client and are not answered: the numbers of their receipts,
 * the oldest first. A client for which there are none holds nothing. Operators wait for one receipt at a
 * time, so there are never more than operators.
 */
#ifndef WSPUSH_PUSH_AWAITED_H
#define WSPUSH_PUSH_AWAITED_H

#include <stdbool.h>
#include <stdint.h>

struct awaited;

/* Called for each number that is no longer awaited. */
typedef void (*awaited_visit)(void *arg, uint64_t number);

/* Another ping is out; its number is above those before. False when there is no memory. */
bool awaited_add(struct awaited **a, uint64_t number);
/* A pong has come: it answers that ping and those before it (RFC 6455 section 5.5.3). One that nobody asked
 * for answers nothing. */
void awaited_answered(struct awaited **a, uint64_t number, awaited_visit visit, void *arg);
/* Gives up one; false if it was not there. */
bool awaited_forget(struct awaited **a, uint64_t number);
/* Gives up all. */
void awaited_drop(struct awaited **a, awaited_visit visit, void *arg);

#endif
