/* Which worker wsctl talks to, and what it says when that fails. */
#include "ctl/ctl.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/print.h"

enum { RETRY_MS = 200 };

/* The source tree of a program at TREE/build/wsctl or TREE/build/VARIANT/wsctl; NULL if it is elsewhere. Free
 * it. */
static char *tree_of(const char *program)
{
    char path[PATH_MAX];
    if (strlen(program) >= sizeof path)
        return NULL;
    strcpy(path, program);
    for (int levels = 0; levels < 2; levels++) {
        char *slash = strrchr(path, '/');
        if (!slash || slash == path)
            return NULL;
        *slash = '\0';
        char *name = strrchr(path, '/');
        if (name && name != path && strcmp(name, "/build") == 0) {
            *name = '\0';
            return strdup(path);
        }
    }
    return NULL;
}

static char *own_tree(void)
{
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0)
        return NULL;
    program[n] = '\0';
    return tree_of(program);
}

int ctl_open(struct ctl *ctl)
{
    char path[PATH_MAX + 32];
    const char *socket = ctl_value(ctl, "socket");
    const char *environment = getenv("WSPUSH_SOCKET");
    if (!socket && environment && *environment)
        socket = environment;
    ctl->tree = own_tree();
    if (!socket && ctl->tree) {
        snprintf(path, sizeof path, "%s/run/control.sock", ctl->tree);
        socket = path;
    }
    ctl->handle = wspush_open(socket);
    if (ctl->handle)
        return CTL_DONE;
    fprintf(stderr, "wsctl: no memory\n");
    return CTL_ERROR;
}

struct wspush *ctl_open_another(const struct ctl *ctl)
{
    return wspush_open(wspush_path(ctl->handle));
}

int ctl_status(enum wspush_result result)
{
    switch (result) {
    case WSPUSH_OK: return CTL_DONE;
    case WSPUSH_EMPTY:
    case WSPUSH_NOPOS:
    case WSPUSH_NOTARGET: return CTL_NOTHING;
    case WSPUSH_BADNAME: return CTL_USAGE;
    case WSPUSH_NOWORKER:
    case WSPUSH_NOANSWER:
    case WSPUSH_BADREPLY: return CTL_NOWORKER;
    case WSPUSH_TIMEOUT: return CTL_TIMEOUT;
    case WSPUSH_CLOSED: return CTL_CLOSED;
    case WSPUSH_NOPERM: return CTL_NOPERM;
    case WSPUSH_PENDING:
    case WSPUSH_BADUTF8:
    case WSPUSH_TOOBIG:
    case WSPUSH_BUSY:
    case WSPUSH_NOMEM:
    case WSPUSH_ERROR: break;
    }
    return CTL_ERROR;
}

static void say_how_to_start(const struct ctl *ctl)
{
    fprintf(stderr, "Start one: %s%s%s. Or say which: --socket PATH, or $WSPUSH_SOCKET.\n",
            ctl->tree ? "make run, in " : "systemctl start wspushd", ctl->tree ? ctl->tree : "",
            ctl->tree ? "; an installed one: systemctl start wspushd" : "");
}

int ctl_fail(const struct ctl *ctl, const struct wspush *h, enum wspush_result result)
{
    const char *text = wspush_error(h);
    fprintf(stderr, "wsctl: ");
    print_escaped(stderr, text, strlen(text));
    fputc('\n', stderr);
    if (result == WSPUSH_NOANSWER)
        fprintf(stderr, "It may be stopped or stuck; its log tells more.\n");
    else if (ctl_status(result) == CTL_NOWORKER)
        say_how_to_start(ctl);
    if (result == WSPUSH_NOPERM && strncmp(text, "NO", 2) != 0)
        fprintf(stderr, "Its group may: see ls -l %s.\n", wspush_path(h));
    if (result == WSPUSH_BADUTF8)
        fprintf(stderr, "--binary sends any bytes.\n");
    return ctl_status(result);
}

static void say_worker(const struct ctl *ctl, const char *what)
{
    const char *path = wspush_path(ctl->handle);
    if (ctl->quiet)
        return;
    fprintf(stderr, "The worker is %s ", what);
    print_escaped(stderr, path, strlen(path));
    fputc('\n', stderr);
}

void ctl_met(const struct ctl *ctl, struct ctl_absence *absence)
{
    if (absence->away)
        say_worker(ctl, "back on");
    absence->met = true;
    absence->away = false;
}

bool ctl_may_return(const struct ctl *ctl, struct ctl_absence *absence, const char *target, int64_t within_ms)
{
    if (!absence->met || strncmp(target, "@client:", 8) == 0)
        return false;
    if (!absence->away) {
        say_worker(ctl, "gone; looking for it on");
        absence->until = within_ms < 0 ? -1 : clock_mono_ms() + within_ms;
        absence->away = true;
    }
    return absence->until < 0 || clock_mono_ms() < absence->until;
}

bool ctl_wait_return(const struct ctl *ctl, struct ctl_absence *absence, const char *target,
                     int64_t within_ms)
{
    if (!ctl_may_return(ctl, absence, target, within_ms))
        return false;
    nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
    return true;
}
