#include "loop/tidy.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

/* More counts as much above so many bytes and such a share of what is in use: what comes and goes in ordinary
 * work is not worth the time. */
enum { MUCH = 256 * 1024, SHARE = 8 };

/* Bytes in memory, by the second number of statm(5); 0: unknown. */
static int64_t resident(const struct tidy *t)
{
    char text[128];
    char *end;
    ssize_t n = pread(t->statm_fd, text, sizeof text - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    strtoll(text, &end, 10);
    return strtoll(end, NULL, 10) * sysconf(_SC_PAGESIZE);
}

static int64_t in_use(void)
{
    struct mallinfo2 heap = mallinfo2();
    return (int64_t)(heap.uordblks + heap.hblkhd);
}

void tidy_init(struct tidy *t)
{
    t->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    t->least = resident(t) - in_use();
}

void tidy_fini(struct tidy *t)
{
    if (t->statm_fd >= 0)
        close(t->statm_fd);
}

void tidy_memory(struct tidy *t)
{
    int64_t used = in_use();
    int64_t unused = resident(t) - used;
    if (unused > t->least + MUCH + used / SHARE) {
        malloc_trim(0);
        t->least = resident(t) - used;
    } else if (unused < t->least) {
        t->least = unused;
    }
}
