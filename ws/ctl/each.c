/* each: a command for every message. Here is what it is told; each_loop.c does it. */
#include "ctl/each.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"
#include "ctl/verbs.h"

enum { PARALLEL = 4, TIMEOUT_MS = 30000 };

static bool is_program(const char *path)
{
    struct stat at;
    return stat(path, &at) == 0 && S_ISREG(at.st_mode) && access(path, X_OK) == 0;
}

/* Where the shell would find it; free it. NULL if nowhere. */
static char *find_program(const char *name)
{
    const char *paths = getenv("PATH");
    char *path = NULL;
    if (strchr(name, '/'))
        return is_program(name) ? strdup(name) : NULL;
    if (!paths)
        paths = "/usr/local/bin:/usr/bin:/bin";
    for (;; paths++) {
        size_t len = strcspn(paths, ":");
        if (asprintf(&path, "%.*s%s%s", (int)len, paths, len ? "/" : "./", name) < 0)
            return NULL;
        if (is_program(path))
            return path;
        free(path);
        paths += len;
        if (*paths == '\0')
            return NULL;
    }
}

static int open_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&set, signals[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    /* a command that does not read its message is no fault of ours */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int read_number(const struct ctl *ctl, const char *name, uint64_t max, uint64_t *number)
{
    const char *text = ctl_value(ctl, name);
    if (!text)
        return CTL_DONE;
    if (units_number(text, strlen(text), number) < 0 || *number == 0 || *number > max)
        return ctl_usage(ctl, "--%s '%s' is not a number from 1 to %llu", name, text,
                         (unsigned long long)max);
    return CTL_DONE;
}

static int read_options(struct each *e)
{
    e->close_on_empty = ctl_given(e->ctl, "close-on-empty");
    if (read_number(e->ctl, "parallel", EACH_PARALLEL_MAX, &e->parallel) != CTL_DONE ||
        read_number(e->ctl, "count", UINT64_MAX - 1, &e->left) != CTL_DONE ||
        ctl_duration(e->ctl, "timeout", TIMEOUT_MS, &e->timeout_ms) != CTL_DONE)
        return CTL_USAGE;
    if (e->ctl->arg_count == 0)
        return ctl_usage(e->ctl, "a command is missing: wsctl each %s -- CMD ...", e->target);
    if (e->timeout_ms == 0)
        return ctl_usage(e->ctl, "--timeout 0 leaves a command no time");
    e->command = e->ctl->args;
    e->command[e->ctl->arg_count] = NULL; /* argv's other words follow */
    e->path = find_program(e->command[0]);
    if (!e->path)
        return ctl_usage(e->ctl, "there is no program '%s' to run", e->command[0]);
    return CTL_DONE;
}

static int run_each(struct ctl *ctl)
{
    struct each e = {.ctl = ctl, .target = ctl_target(ctl), .parallel = PARALLEL, .left = UINT64_MAX};
    if (!e.target)
        return CTL_USAGE;
    if (ctl->literal_from < 0)
        return ctl_usage(ctl, "an INBOX is missing before --: wsctl each INBOX -- %s ...", e.target);
    e.held.end = &e.held.first;
    e.running.end = &e.running.first;
    e.status = read_options(&e);
    if (e.status == CTL_DONE) {
        e.waiter = ctl_open_another(ctl);
        e.signal_fd = open_signals();
        if (e.waiter && e.signal_fd >= 0)
            each_loop(&e);
        else
            e.status = CTL_ERROR;
        close(e.signal_fd);
        wspush_free(e.waiter);
    }
    free(e.path);
    return e.status;
}

static const struct ctl_option options[] = {
    {"parallel", 'p', CTL_VALUE, "N", "run at most N commands at a time (default 4)"},
    {"timeout", 't', CTL_VALUE, "TIME", "end a command that takes longer (default 30)"},
    {"count", 'n', CTL_VALUE, "N", "end after N messages"},
    {"close-on-empty", 0, CTL_FLAG, NULL, "an empty message closes its client's connection"},
    CTL_OPTION_CLIENT,
    {0},
};

const struct ctl_verb verb_each = {
    .name = "each",
    .args = "INBOX -- CMD ...",
    .help = "run a command for every message from a browser, and answer with its output",
    .more =
        "The message is CMD's stdin; its environment has WSPUSH_CLIENT (c42), WSPUSH_CHANNEL, WSPUSH_USER\n"
        "(may be empty), WSPUSH_TYPE (text or binary), and WSPUSH_SOCKET for a wsctl of its own.\n"
        "\n"
        "Its stdout goes back to that client as one message of at most 1 MiB, without the last newline of a\n"
        "text; what is not UTF-8 goes as binary, to the byte. No output, or just a newline: no answer. "
        "What\n"
        "is left in the background may go on, but what it says later than 0.2 s after CMD's end is lost.\n"
        "\n"
        "Of one client one command runs at a time, so its answers come in its order. One that takes too\n"
        "long, or says more, gets SIGTERM, two seconds later SIGKILL, its children too. These and those "
        "that\n"
        "die of a signal answer nothing. Whatever is not exit status 0 is a line on stderr.\n"
        "\n"
        "As long as CMD can't be started, it is tried again, and messages stay in the inbox. A message is\n"
        "handed out once: taken by a wsctl each that is killed, it is gone. SIGINT or SIGTERM ends it when\n"
        "the running commands have ended, within 10 s; a second one at once. A worker that goes away is\n"
        "waited for.\n",
    .example = "wsctl each test -- tr a-z A-Z",
    .options = options,
    .run = run_each,
};
