/*
 * Rules are collected with their paths open, then made into one ruleset. glibc has no functions for it, and
 * the kernel's header may be older than the kernel, so the numbers that <linux/landlock.h> of Linux 6.1 has
 * not are here.
 */
#include "base/sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/landlock.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct landlock_ruleset_attr as of ABI 6. An older kernel takes it as long as what it doesn't know is 0. */
struct attributes {
    uint64_t fs;
    uint64_t net;
    uint64_t scope;
};

enum { FS_RIGHTS_ABI_1 = 13, ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_NET = 4, ABI_IOCTL = 5, ABI_SCOPE = 6 };

static const uint64_t fs_truncate = 1U << 14;
static const uint64_t fs_ioctl_dev = 1U << 15;
static const uint64_t net_bind_and_connect = 1U << 0 | 1U << 1;
static const uint64_t scope_abstract_socket = 1U << 0;
static const uint64_t scope_signal = 1U << 1;

/* A row a right. */
static const struct {
    unsigned right;
    uint64_t access;
} rows[] = {
    {SANDBOX_READ, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR},
    {SANDBOX_EXECUTE, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE},
    {SANDBOX_REMOVE, LANDLOCK_ACCESS_FS_REMOVE_FILE},
};
/* Of these, what a rule for a single file can say. */
static const uint64_t of_files = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE;

static void __attribute__((format(printf, 2, 3))) find_fault(struct sandbox *s, const char *format, ...)
{
    va_list args;
    if (*s->fault)
        return;
    va_start(args, format);
    vsnprintf(s->fault, sizeof s->fault, format, args);
    va_end(args);
}

void sandbox_init(struct sandbox *s)
{
    *s = (struct sandbox){0};
    long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi > 0)
        s->abi = (int)abi;
    else
        find_fault(s, "the kernel offers no Landlock here (%s)", strerror(errno));
#ifdef WSPUSH_COVERAGE
    find_fault(s, "this build writes down at its end which lines ran");
#endif
#ifdef __SANITIZE_ADDRESS__
    sandbox_allow(s, "/proc", SANDBOX_READ); /* where LeakSanitizer finds our threads */
#endif
}

/* Takes the descriptor. */
static void add_rule(struct sandbox *s, int take_fd, const struct stat *st, uint64_t access)
{
    size_t i = 0;
    while (i < s->count && (s->rules[i].device != st->st_dev || s->rules[i].inode != st->st_ino))
        i++;
    if (i < s->count) {
        s->rules[i].access |= access;
        close(take_fd);
    } else if (s->count < SANDBOX_RULES_MAX) {
        s->rules[s->count++] = (struct sandbox_rule){take_fd, st->st_dev, st->st_ino, access};
    } else {
        find_fault(s, "more than %d paths", SANDBOX_RULES_MAX);
        close(take_fd);
    }
}

void sandbox_allow(struct sandbox *s, const char *path, unsigned rights)
{
    struct stat st;
    uint64_t access = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        access |= rights & rows[i].right ? rows[i].access : 0;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            find_fault(s, "%s: %s", path, strerror(errno));
        return;
    }
    if (!S_ISDIR(st.st_mode))
        access &= of_files;
    if (access)
        add_rule(s, fd, &st, access);
    else
        close(fd);
}

static void allow_directory_of(struct sandbox *s, const char *file, unsigned rights)
{
    char path[PATH_MAX];
    const char *slash = strrchr(file, '/');
    int len = slash ? (int)(slash - file) : 0;
    if (len >= PATH_MAX) {
        find_fault(s, "%.80s...: %s", file, strerror(ENAMETOOLONG));
        return;
    }
    snprintf(path, sizeof path, "%.*s%s", len, file, !slash ? "." : len == 0 ? "/" : "");
    sandbox_allow(s, path, rights);
}

void sandbox_allow_beside(struct sandbox *s, const char *file, unsigned rights)
{
    char *target = realpath(file, NULL);
    allow_directory_of(s, file, rights);
    if (target)
        allow_directory_of(s, target, rights);
    free(target);
}

struct library_rule {
    struct sandbox *sandbox;
    unsigned rights;
};

static int allow_library(struct dl_phdr_info *info, size_t size, void *arg)
{
    const struct library_rule *rule = arg;
    (void)size;
    if (strchr(info->dlpi_name, '/')) /* neither the program itself nor the kernel's vDSO */
        sandbox_allow_beside(rule->sandbox, info->dlpi_name, rule->rights);
    return 0;
}

void sandbox_allow_program(struct sandbox *s, unsigned rights)
{
    struct library_rule rule = {.sandbox = s, .rights = rights};
    char *program = realpath("/proc/self/exe", NULL);
    if (program)
        allow_directory_of(s, program, rights);
    free(program);
    dl_iterate_phdr(allow_library, &rule);
}

/* Everything that this kernel can forbid, but for what we are to tell the service manager on an abstract
 * socket. */
static struct attributes to_forbid(int abi)
{
    const char *manager = getenv("NOTIFY_SOCKET");
    struct attributes a = {.fs = (1U << FS_RIGHTS_ABI_1) - 1};
    if (abi >= ABI_REFER)
        a.fs |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= ABI_TRUNCATE)
        a.fs |= fs_truncate;
    if (abi >= ABI_IOCTL)
        a.fs |= fs_ioctl_dev;
    if (abi >= ABI_NET)
        a.net = net_bind_and_connect;
    if (abi >= ABI_SCOPE)
        a.scope = manager && *manager == '@' ? scope_signal : scope_signal | scope_abstract_socket;
    return a;
}

static int restrict_self(struct sandbox *s)
{
    struct attributes attributes = to_forbid(s->abi);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    int r = ruleset;
    for (size_t i = 0; i < s->count && r >= 0; i++) {
        struct landlock_path_beneath_attr beneath = {.allowed_access = s->rules[i].access,
                                                     .parent_fd = s->rules[i].fd};
        r = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    }
    if (r >= 0)
        r = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
    if (r < 0)
        find_fault(s, "%s", strerror(errno));
    if (ruleset >= 0)
        close(ruleset);
    return r;
}

const char *sandbox_enter(struct sandbox *s)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        find_fault(s, "no_new_privs: %s", strerror(errno));
    if (!*s->fault && restrict_self(s) == 0)
        snprintf(s->note, sizeof s->note, "confined by Landlock %d: files%s%s", s->abi,
                 s->abi >= ABI_NET ? ", TCP" : "", s->abi >= ABI_SCOPE ? ", signals" : "");
    else
        snprintf(s->note, sizeof s->note, "not confined by Landlock: %s", s->fault);
    while (s->count > 0)
        close(s->rules[--s->count].fd);
    return s->note;
}
