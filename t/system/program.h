/*
 * A program that runs beside a test: what it says on stdout and stderr is kept, and it is waited for with a
 * deadline. Whatever goes wrong fails the test. It ends with the test, however that ends.
 */
#ifndef WSPUSH_T_PROGRAM_H
#define WSPUSH_T_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

struct program {
    pid_t pid;
    int in, out, err; /* -1: closed */
    struct buf said;
    struct buf complained;
};

/* Starts it; stdin is empty. argv ends with NULL, argv[0] is the path. `variable` is NULL or one more
 * "NAME=value". */
void program_start(struct program *p, const char *variable, const char *const *argv);
/* The same with a pipe for stdin, which `in` is the end of. */
void program_start_fed(struct program *p, const char *variable, const char *const *argv);
/* Writes all of this to it, reading what it says meanwhile; or what it takes, if it has closed its stdin. */
void program_feed(struct program *p, const char *input, size_t len);
/* Reads what it says for at most `ms`; false at the end of both streams. */
bool program_listen(struct program *p, int ms);
/* Waits until what it said on stdout, or on stderr, has this text. */
void program_expect(struct program *p, const char *text);
void program_expect_complaint(struct program *p, const char *text);
/* Ends its input and waits for its end, reading what it says: its exit status, or 128 + signal. `said` and
 * `complained` stay. */
int program_finish(struct program *p);
/* SIGTERM, and the same. */
int program_end(struct program *p);
/* Closes what is open to it, and frees what it has said. */
void program_fini(struct program *p);

#endif
