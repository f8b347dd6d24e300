/*
 * Many WebSocket clients in one thread: one epoll, one buffer for reading; a client keeps only what is left
 * of a frame that has not come whole. Pings are answered. A client that is closed, or gets what RFC 6455
 * forbids, ends the program with its number and why.
 */
#ifndef WSPUSH_T_BENCH_CLIENTS_H
#define WSPUSH_T_BENCH_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clients;

/* A whole message for client i; `now` is when it was read. */
typedef void clients_message(void *arg, size_t i, const char *payload, size_t len, uint64_t now);

/* None of `count` is connected yet. on_message may be NULL where nothing is expected. */
struct clients *clients_new(const char *address, const char *path, size_t count, clients_message *on_message,
                            void *arg);
/* From now on client i connects to `path`/`first + i % channels` instead. */
void clients_spread(struct clients *c, size_t channels, size_t first);
/* Ends all connections at once (over TCP by a reset, so that no port is kept) and frees. */
void clients_free(struct clients *c);

/* Connects more, until `total` have their 101; at most `at_a_time` are on their way. One that is refused
 * comes again. */
void clients_open(struct clients *c, size_t total, size_t at_a_time);
/* How often a client was refused: a full backlog, or an answer with 5xx. */
uint64_t clients_refused(const struct clients *c);
/* Pings answered. */
uint64_t clients_pinged(const struct clients *c);

/* Waits until `until_ns` at most, and reads what there is. */
void clients_turn(struct clients *c, uint64_t until_ns);
/* Sends bytes that are a whole frame, as they are. */
void clients_send(struct clients *c, size_t i, const void *frame, size_t len);

#endif
