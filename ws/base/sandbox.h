/*
 * What a daemon gives up once its sockets are open (docs/why/sandbox.md): from then on it opens no file but
 * those below the paths that it named, binds and connects no TCP port, sends signals to nobody but its own
 * children and itself, reaches no abstract socket of others, and gains no privilege by execve(2). What is
 * open already stays as it is. By Landlock (landlock(7)), as far as the kernel has it.
 *
 * Call it on the main thread before there are others: the kernel restricts a thread, and those it starts.
 * Children and a program that takes this one's place are bound by it too, for good.
 */
#ifndef WSPUSH_BASE_SANDBOX_H
#define WSPUSH_BASE_SANDBOX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum sandbox_right {
    SANDBOX_READ = 1,    /* read files and directories */
    SANDBOX_EXECUTE = 2, /* read and execute files */
    SANDBOX_REMOVE = 4   /* remove files and sockets */
};

enum { SANDBOX_RULES_MAX = 32 };

struct sandbox {
    int abi; /* what the kernel speaks; 0: no Landlock */
    size_t count;
    struct sandbox_rule {
        int fd;
        dev_t device;
        ino_t inode;
        uint64_t access;
    } rules[SANDBOX_RULES_MAX];
    char fault[256]; /* why it can't be entered; empty: it can */
    char note[320];
};

void sandbox_init(struct sandbox *s);
/* Allows it below `path`, a directory or a file, which is looked up now; one that is not there is passed
 * over. */
void sandbox_allow(struct sandbox *s, const char *path, unsigned rights);
/* The directory of a file, and that of what the file is a link to: a file that is replaced is a new one to
 * the kernel, so it's the directory that is allowed. */
void sandbox_allow_beside(struct sandbox *s, const char *file, unsigned rights);
/* The directories of this program and of the libraries that it has loaded. */
void sandbox_allow_program(struct sandbox *s, unsigned rights);
/* From here on it holds. Never fails: where the kernel can't, or a path could not be allowed, the daemon does
 * without. Returns the line for the log that says what holds; it lives in *s. */
const char *sandbox_enter(struct sandbox *s);

#endif
