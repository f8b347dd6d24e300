/* The handshake (RFC 6455 section 4.2.2) in the least code: the key is taken and answered, nothing is
 * judged. */
#ifndef WSPUSH_T_BENCH_UPGRADE_H
#define WSPUSH_T_BENCH_UPGRADE_H

#include <stddef.h>

enum { UPGRADE_ANSWER = 160 };

/* Writes the 101 for a request; returns its length, 0 if the request is not all there. */
size_t upgrade_answer(const char *request, size_t len, char out[UPGRADE_ANSWER]);

#endif
