#include "reflect.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../must.h"
#include "../net.h"

enum { FRAME_MAX = 128 * 1024, HEAD_MAX = 10, MASK = 4 };

/* Eight bytes at a time, which the compiler makes more of. */
static void unmask(unsigned char *p, size_t len, const unsigned char mask[MASK])
{
    uint64_t eight, both;
    size_t i = 0;
    memcpy(&both, mask, MASK);
    memcpy((char *)&both + MASK, mask, MASK);
    for (; i + sizeof eight <= len; i += sizeof eight) {
        memcpy(&eight, p + i, sizeof eight);
        eight ^= both;
        memcpy(p + i, &eight, sizeof eight);
    }
    for (; i < len; i++)
        p[i] ^= mask[i & 3];
}

/* One frame at the beginning, sent back: the head without the mask fits where the mask was. Returns its
 * bytes, 0 if it is not all there. */
static size_t reflect_frame(unsigned char *p, size_t len, int fd)
{
    size_t head = len < 2 ? 2 : (p[1] & 0x7f) == 126 ? 4 : (p[1] & 0x7f) == 127 ? 10 : 2;
    if (len < head + MASK)
        return 0;
    size_t size = head == 2 ? p[1] & 0x7fu : 0;
    for (size_t i = 2; i < head; i++)
        size = size << 8 | p[i];
    if (size > FRAME_MAX)
        die("a frame of %zu bytes", size);
    if (len < head + MASK + size)
        return 0;
    unmask(p + head + MASK, size, p + head);
    p[1] &= 0x7f;
    memmove(p + MASK, p, head);
    return net_send_all(fd, p + MASK, head + size) ? head + MASK + size : 0;
}

bool reflect_read(struct reflect *r, int fd)
{
    if (!r->bytes)
        r->bytes = must_alloc(1, FRAME_MAX + HEAD_MAX + MASK);
    ssize_t n = recv(fd, r->bytes + r->len, FRAME_MAX + HEAD_MAX + MASK - r->len, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    r->len += (unsigned)n;
    size_t done = 0, taken;
    do {
        taken = reflect_frame(r->bytes + done, r->len - done, fd);
        done += taken;
    } while (taken > 0);
    r->len -= (unsigned)done;
    memmove(r->bytes, r->bytes + done, r->len);
    return true;
}
