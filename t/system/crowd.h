/*
 * Many WebSocket clients in one thread, for tests of fan-out: they connect, check every frame that comes, and
 * count. Messages are numbers in decimal, each followed by a space and anything, or by nothing: every client
 * expects 0, 1, 2 ... without a gap, a double or another order. Pings and close frames are answered.
 *
 * Whatever goes otherwise fails the test, with the client's index and what it got. Times are milliseconds.
 */
#ifndef WSPUSH_T_CROWD_H
#define WSPUSH_T_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crowd;

/* How many clients the tests with many of them take: $WSPUSH_CLIENTS, or 1,000. */
size_t crowd_size(void);

/* Opens `count` clients of `path` at `address` (as in http.h); returns when all have their 101. */
struct crowd *crowd_open(const char *address, const char *path, size_t count);
/* Ends all connections at once and frees. NULL is allowed. */
void crowd_free(struct crowd *c);

/* Messages may be any text from now on; only their number and crowd_digest tell what came. */
void crowd_take_anything(struct crowd *c);
/* The next message is number 0 again. */
void crowd_start_over(struct crowd *c);
/* Each client sends this text, of at most 125 bytes. */
void crowd_say(struct crowd *c, const char *text);
/* The same in two fragments, the second of them in two packets, each sent to all before the next. */
void crowd_say_in_pieces(struct crowd *c, const char *text);

/* Reads until every client has had so many messages since the start; the test fails if that takes longer, if
 * one gets more, or ends. */
void crowd_receive(struct crowd *c, uint64_t each, int timeout_ms);
/* Reads until all together have had so many, or more; the test fails if that takes longer or one ends. */
void crowd_receive_some(struct crowd *c, uint64_t together, int timeout_ms);
/* Reads for so long; the test fails if a message comes or a client ends. */
void crowd_expect_silence(struct crowd *c, int ms);
/* Reads until every client has got a close frame with this code, has answered it, and the connection has
 * ended. Code 0: they end, with or without one. Messages may come before. */
void crowd_expect_close(struct crowd *c, unsigned code, int timeout_ms);

/* A number that stands for all that client i has received, in its order. */
uint64_t crowd_digest(const struct crowd *c, size_t i);

#endif
