/* Echo in the least code: frames of a client come whole, are unmasked in place and go back. */
#ifndef WSPUSH_T_BENCH_REFLECT_H
#define WSPUSH_T_BENCH_REFLECT_H

#include <stdbool.h>

/* What has come of a client's frame. All zero at the start; free(bytes) at the end. */
struct reflect {
    unsigned char *bytes;
    unsigned len;
};

/* Reads what there is and sends back what is whole; false when the connection has ended. */
bool reflect_read(struct reflect *r, int fd);

#endif
