/* wait, read, count, has: what browsers sent to a channel, or one of them. */
#include "ctl/verbs.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/print.h"

enum { LOOK_MS = 1000 };

static void say(const struct ctl *ctl, const char *before, const char *target, const char *behind)
{
    if (ctl->quiet)
        return;
    fprintf(stderr, "%s'", before);
    print_escaped(stderr, target, strlen(target));
    fprintf(stderr, "'%s\n", behind);
}

/* CLOSED and TIMEOUT of a wait are answers and not failures; an error reply has its text. */
static int end(const struct ctl *ctl, const char *target, enum wspush_result result)
{
    bool answer = *wspush_error(ctl->handle) == '\0';
    if (result == WSPUSH_OK)
        return CTL_DONE;
    if (result == WSPUSH_CLOSED && answer)
        say(ctl, "", target, " is closed");
    else if (result == WSPUSH_TIMEOUT && answer)
        say(ctl, "no message to ", target, " in that time");
    else if (result == WSPUSH_EMPTY)
        say(ctl, "no message to ", target, " is waiting");
    else
        return ctl_fail(ctl, ctl->handle, result);
    return ctl_status(result);
}

/* As wspush_wait, and notes when the worker was reached. */
static enum wspush_result wait_once(const struct ctl *ctl, struct ctl_absence *absence, const char *target,
                                    int64_t timeout, struct wspush_message *message)
{
    enum wspush_result result = wspush_wait_begin(ctl->handle, target, timeout);
    if (result != WSPUSH_OK)
        return result;
    ctl_met(ctl, absence);
    do {
        struct pollfd p = {.fd = wspush_fd(ctl->handle), .events = POLLIN};
        poll(&p, 1, LOOK_MS);
        result = wspush_wait_take(ctl->handle, message);
    } while (result == WSPUSH_PENDING);
    return result;
}

/* A worker that goes meanwhile is looked for, and asked again for the rest of the time. */
static enum wspush_result wait_on(const struct ctl *ctl, const char *target, int64_t timeout,
                                  struct wspush_message *message)
{
    struct ctl_absence absence = {0};
    int64_t until = clock_mono_ms() + timeout;
    int64_t left = timeout;
    for (;;) {
        enum wspush_result result = absence.away ? wspush_ping(ctl->handle) : WSPUSH_OK;
        if (result == WSPUSH_OK)
            result = wait_once(ctl, &absence, target, left, message);
        if (timeout >= 0)
            left = until > clock_mono_ms() ? until - clock_mono_ms() : 1;
        if (result != WSPUSH_NOWORKER || !ctl_wait_return(ctl, &absence, target, left))
            return result;
    }
}

static int run_wait(struct ctl *ctl)
{
    int64_t timeout;
    struct wspush_message message;
    const char *target = ctl_target(ctl);
    if (!target || ctl_no_more(ctl) != CTL_DONE || ctl_duration(ctl, "timeout", -1, &timeout) != CTL_DONE)
        return CTL_USAGE;
    enum wspush_result result = wait_on(ctl, target, timeout, &message);
    if (result == WSPUSH_OK)
        print_message(ctl, &message);
    return end(ctl, target, result);
}

static int run_read(struct ctl *ctl)
{
    struct wspush_message message;
    const char *target = ctl_target(ctl);
    if (!target || ctl_no_more(ctl) != CTL_DONE)
        return CTL_USAGE;
    enum wspush_result result = wspush_read(ctl->handle, target, &message);
    if (result == WSPUSH_OK)
        print_message(ctl, &message);
    return end(ctl, target, result);
}

static int run_count(struct ctl *ctl)
{
    int64_t count = 0;
    const char *target = ctl_target(ctl);
    if (!target || ctl_no_more(ctl) != CTL_DONE)
        return CTL_USAGE;
    enum wspush_result result = wspush_count_messages(ctl->handle, target, &count);
    if (result == WSPUSH_OK)
        printf(ctl->json ? "{\"count\":%lld}\n" : "%lld\n", (long long)count);
    return end(ctl, target, result);
}

static int run_has(struct ctl *ctl)
{
    bool has = false;
    const char *target = ctl_target(ctl);
    if (!target || ctl_no_more(ctl) != CTL_DONE)
        return CTL_USAGE;
    enum wspush_result result = wspush_has_messages(ctl->handle, target, &has);
    if (result != WSPUSH_OK)
        return end(ctl, target, result);
    if (ctl->json)
        printf("{\"has\":%s}\n", has ? "true" : "false");
    else if (!ctl->quiet)
        printf("%s\n", has ? "yes" : "no");
    return has ? CTL_DONE : CTL_NOTHING;
}

static const struct ctl_option wait_options[] = {
    {"timeout", 't', CTL_VALUE, "TIME", "wait no longer; without it, for ever"},
    CTL_OPTION_CLIENT,
    {0},
};

static const struct ctl_option target_options[] = {CTL_OPTION_CLIENT, {0}};

const struct ctl_verb verb_wait = {
    .name = "wait",
    .args = "INBOX",
    .help = "wait for the next message from a browser and print it",
    .more =
        "Prints the payload and a newline: as it is where stdout is a pipe or a file, with control bytes as\n"
        "\\xNN on a terminal. A message is handed out once. Exit status 4: none came in time; 5: the client\n"
        "is gone and its messages are out. A worker that goes meanwhile is looked for until TIME is over.\n",
    .example = "wsctl wait --timeout 5m test",
    .options = wait_options,
    .run = run_wait,
};

const struct ctl_verb verb_read = {
    .name = "read",
    .args = "INBOX",
    .help = "print the next message if one is waiting, else exit 1",
    .more = "Prints as wsctl wait does. Exit status 5: the client is gone and its messages are out.\n",
    .example = "while wsctl read test; do :; done",
    .options = target_options,
    .run = run_read,
};

const struct ctl_verb verb_count = {
    .name = "count",
    .args = "INBOX",
    .help = "print how many messages are waiting",
    .example = "wsctl count test",
    .options = target_options,
    .run = run_count,
};

const struct ctl_verb verb_has = {
    .name = "has",
    .args = "INBOX",
    .help = "exit 0 if a message is waiting, else 1",
    .example = "wsctl has test && wsctl read test",
    .options = target_options,
    .run = run_has,
};
