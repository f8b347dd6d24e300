/* What a piece of work costs, to tell linear time from quadratic by two sizes in one run. */
#ifndef WSPUSH_T_COST_H
#define WSPUSH_T_COST_H

#include <stddef.h>
#include <time.h>

/* Seconds of this thread's CPU, the least of several runs. */
static inline double cost_of(void (*work)(const void *input), const void *input)
{
    double least = 1e9;
    for (int run = 0; run < 7; run++) {
        struct timespec a;
        struct timespec b;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        work(input);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
        least = s < least ? s : least;
    }
    return least;
}

/* How many times more the second input costs; it has eight times the size of the first: near 8 is linear
 * work, near 64 quadratic. Sanitizers have costs of their own, and nothing is measured under them. */
static inline double cost_ratio(void (*work)(const void *input), const void *input, const void *eightfold)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    work(input);
    (void)eightfold;
    return 8;
#else
    return cost_of(work, eightfold) / cost_of(work, input);
#endif
}

/* Between the two, with room for a busy machine. */
#define COST_LINEAR_MAX 24.0

#endif
