/*
 * What malloc keeps of a crowd that has left would stay resident for ever: it gives back by itself only what
 * lies at the end of the heap. A loop has this looked after, some time after something was reaped.
 */
#ifndef WSPUSH_LOOP_TIDY_H
#define WSPUSH_LOOP_TIDY_H

#include <stdint.h>

struct tidy {
    int statm_fd;  /* tells how much is resident; -1: nothing does, and nothing is done */
    int64_t least; /* bytes that are resident and not in use, when there were least of them */
};

/* Opens what it needs, before the process gives up files. */
void tidy_init(struct tidy *t);
void tidy_fini(struct tidy *t);
/* Gives free memory back to the system, if much more is resident than was at the best of times. Takes some
 * milliseconds where 100,000 clients are gone. */
void tidy_memory(struct tidy *t);

#endif
