/*
 * The time limit of a whole request. SO_RCVTIMEO bounds one read; a peer that dribbles is ended by this. One
 * watch a thread; the thread begins and ends it, the gate's thread looks.
 */
#ifndef WSPUSH_FCGI_WATCH_H
#define WSPUSH_FCGI_WATCH_H

#include <pthread.h>
#include <stdint.h>

struct watch {
    pthread_mutex_t lock;
    int fd; /* -1: nothing is watched */
    int64_t until;
};

void watch_init(struct watch *w);
void watch_fini(struct watch *w);
/* From here to watch_end() the connection is shut down when `until` (monotonic ms) has passed. */
void watch_begin(struct watch *w, int fd, int64_t until);
void watch_end(struct watch *w);
/* Moves the limit nearer. */
void watch_hurry(struct watch *w, int64_t until);
void watch_tick(struct watch *w, int64_t now);

#endif
