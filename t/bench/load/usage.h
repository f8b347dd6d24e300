/* What the servers under test have used, read from /proc: all processes that belong to one of them count. */
#ifndef WSPUSH_T_BENCH_USAGE_H
#define WSPUSH_T_BENCH_USAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { USAGE_PROCESSES = 16 };

struct usage_of {
    pid_t pid[USAGE_PROCESSES];
    size_t count;
};

struct usage {
    double cpu_s[USAGE_PROCESSES]; /* of all threads, user and system */
    double anonymous_kib;          /* resident, of all processes: heap and stacks, not the program's text */
};

/* From a text such as "12,13". */
struct usage_of usage_parse(const char *pids);
struct usage usage_read(const struct usage_of *of);

/* A stretch of time that is measured. */
struct section {
    const struct usage_of *of;
    uint64_t start_ns;
    struct usage before, after;
    double seconds, cpu_s; /* of all processes; known at the end */
};

void section_begin(struct section *s, const struct usage_of *of);
void section_end(struct section *s);
/* Fields of a JSON object: seconds, CPU, and CPU and rate of `count` things that were done meanwhile, in all
 * and of each process. */
void section_print(const struct section *s, double count);

#endif
