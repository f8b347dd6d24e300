/*
 * A stand-in for the worker's control socket, in a thread of the test: takes commands, keeps the last one,
 * and answers what the test tells it to. For answers that a real worker gives seldom, and for none.
 */
#ifndef WSPUSH_T_FALSE_WORKER_H
#define WSPUSH_T_FALSE_WORKER_H

#include <stddef.h>

struct false_worker;

/* Listens on "unix:PATH", replacing what is there. Answers every command as a WS.SEND that reached two
 * clients. */
struct false_worker *false_worker_new(const char *address);
/* Closes all connections and frees; the socket's path stays. NULL is allowed. */
void false_worker_free(struct false_worker *w);
/* From now on this RESP text is the answer ("-BUSY later\r\n"); NULL: none at all. */
void false_worker_answer(struct false_worker *w, const char *reply);
/* How many commands have come. */
int false_worker_count(struct false_worker *w);
/* The last command's argument: bytes with a NUL behind them, "" where it has none. The text is the worker's,
 * until the next call. */
const char *false_worker_argument(struct false_worker *w, int index, size_t *len);

#endif
