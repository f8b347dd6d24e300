/* A request of the control socket, `*3 $7 PUBLISH $n channel $n payload`, in the least code that reads it. */
#ifndef WSPUSH_T_BENCH_COMMAND_H
#define WSPUSH_T_BENCH_COMMAND_H

#include <stddef.h>

/* Returns the bytes of the request at the beginning, 0 if it is not all there. *payload points into them. */
size_t command_take(const char *bytes, size_t len, const char **payload, size_t *payload_len);

#endif
