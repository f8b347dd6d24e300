/*
 * The connections that messages are published through, in turn: PUBLISH on a control socket, or POST to a
 * location of nchan's. Many are sent in one write; the answers are looked at, and one that is no success ends
 * the program. Messages keep their order only on one connection.
 */
#ifndef WSPUSH_T_BENCH_PUBLISHER_H
#define WSPUSH_T_BENCH_PUBLISHER_H

#include <stddef.h>
#include <stdint.h>

enum publisher_kind { PUBLISHER_RESP, PUBLISHER_HTTP };

enum { PUBLISHER_CONNECTIONS = 64 }; /* at most */

struct publisher;

/* channel: of PUBLISH, or the path that is posted to. Every message has `size` bytes. */
struct publisher *publisher_open(enum publisher_kind kind, const char *address, const char *channel,
                                 size_t size, size_t connections);
void publisher_free(struct publisher *p);
/* From now on message i goes to `channel`/`i % channels` instead. */
void publisher_spread(struct publisher *p, const char *channel, size_t channels);
/* Adds one message to what the next flush sends. */
void publisher_add(struct publisher *p, const char *payload);
/* Sends what was added, and reads the answers that are there. */
void publisher_flush(struct publisher *p);
/* Waits until answers come, and reads them. */
void publisher_wait(struct publisher *p);
/* Answers so far. */
uint64_t publisher_answers(const struct publisher *p);

#endif
