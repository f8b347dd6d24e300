/*
 * Accepts connections and keeps them until their request's head is there, so that peers who connect and say
 * nothing, or half of something, hold no thread. One a child, on the child's main thread.
 */
#ifndef WSPUSH_FCGI_GATE_H
#define WSPUSH_FCGI_GATE_H

#include <stdint.h>

#include "peer.h"
#include "queue.h"

struct gate;

/* `listen_fd` is shared with the other children and stays the caller's, as does `wake_fd`, which gate_turn()
 * waits for, too; jobs go to `queue`. NULL: no descriptor or no memory left (errno). */
struct gate *gate_new(int listen_fd, int wake_fd, const struct peer_rule *peers, struct queue *queue);
/* Closes what still waits. */
void gate_free(struct gate *g);
/* Waits for peers at most `ms`; lets in who is ready and sends away who is not one of ours, malformed or
 * late. True if wake_fd is readable. */
bool gate_turn(struct gate *g, int ms);
/* Takes nobody any more, but with `last` who has connected so far; those who wait get no more than `ms`. */
void gate_close(struct gate *g, bool last, int ms);
bool gate_empty(const struct gate *g);

#endif
