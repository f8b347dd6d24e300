#include "ctl/past.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

enum { KEPT = 64 * 1024, FILE_MAX_BYTES = 256 * 1024, LINE_MAX_BYTES = 4096 };

/* Makes the folders of a path, the last name of which is the file's. */
static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!made)
            return false;
    }
    return true;
}

char *past_path(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    char *path = NULL;
    int n = -1;
    if (state && *state == '/')
        n = asprintf(&path, "%s/wspush/console_history", state);
    else if (home && *home == '/')
        n = asprintf(&path, "%s/.local/state/wspush/console_history", home);
    if (n < 0)
        return NULL;
    if (make_folders(path))
        return path;
    free(path);
    return NULL;
}

/* The last bytes of a file that are kept, from the beginning of a line; true if there are more before them.
 */
static bool read_tail(int fd, struct buf *text)
{
    off_t size = lseek(fd, 0, SEEK_END);
    bool cut = size > KEPT;
    uint8_t *to = buf_reserve(text, KEPT);
    ssize_t n = to ? pread(fd, to, KEPT, cut ? size - KEPT : 0) : -1;
    if (n <= 0)
        return false;
    text->len = (size_t)n;
    const uint8_t *newline = cut ? memchr(text->data, '\n', text->len) : NULL;
    if (newline)
        buf_consume(text, (size_t)(newline - text->data) + 1);
    return size > FILE_MAX_BYTES;
}

/* Puts the text in the place of the file. */
static void replace(const char *path, const struct buf *text)
{
    char *fresh = NULL;
    if (asprintf(&fresh, "%s.XXXXXX", path) < 0)
        return;
    int fd = mkostemp(fresh, O_CLOEXEC); /* 0600 */
    bool written = fd >= 0 && write(fd, text->data, text->len) == (ssize_t)text->len;
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && (!written || rename(fresh, path) < 0))
        unlink(fresh);
    free(fresh);
}

void past_read(const char *path, void (*each)(void *arg, const char *line), void *arg)
{
    struct buf text = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (read_tail(fd, &text))
        replace(path, &text);
    close(fd);
    char *end;
    for (char *at = (char *)(uintptr_t)buf_str(&text); (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = '\0';
        each(arg, at);
    }
    buf_fini(&text);
}

void past_add(const char *path, const char *line)
{
    char text[LINE_MAX_BYTES + 2];
    int len = snprintf(text, sizeof text, "%s\n", line);
    if (len >= (int)sizeof text || strchr(line, '\n'))
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    /* at once, so that another console's line is not within ours; a full disk is no reason to stop */
    ssize_t n = write(fd, text, (size_t)len);
    (void)n;
    close(fd);
}
