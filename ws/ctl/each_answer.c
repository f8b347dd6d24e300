#include "ctl/each.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/utf8.h"
#include "ctl/print.h"

void each_say(const struct run *r, const char *format, ...)
{
    va_list args;
    fputs("wsctl: ", stderr);
    print_escaped(stderr, r->client, strlen(r->client));
    fputs(": ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static void target_of(char target[64], const struct run *r)
{
    snprintf(target, 64, "@client:%s", r->client);
}

/* "" where the client has none, or is gone. */
static void set_user(struct ctl *ctl, const struct run *r)
{
    char target[64];
    size_t rows = 0;
    struct wspush_value user = {0};
    target_of(target, r);
    if (!r->orphan && wspush_list(ctl->handle, target, &rows) == WSPUSH_OK && rows)
        wspush_row_get(ctl->handle, 0, "user", &user);
    setenv("WSPUSH_USER", user.kind == WSPUSH_TEXT ? user.text : "", 1);
}

void each_set_environment(struct ctl *ctl, const struct run *r)
{
    set_user(ctl, r);
    setenv("WSPUSH_CLIENT", r->client, 1);
    setenv("WSPUSH_CHANNEL", r->channel, 1);
    setenv("WSPUSH_TYPE", r->binary ? "binary" : "text", 1);
    /* a wsctl that the command runs asks the worker that we ask */
    setenv("WSPUSH_SOCKET", wspush_path(ctl->handle), 1);
}

/* Whether it ended by itself, be it with a status of its own. */
static bool ended_well(const char *command, const struct run *r)
{
    if (r->failure)
        each_say(r, "%s %s and was ended; nothing was sent", command, r->failure);
    else if (WIFSIGNALED(r->wait_status))
        each_say(r, "%s was ended by signal %d (%s); nothing was sent", command, WTERMSIG(r->wait_status),
                 strsignal(WTERMSIG(r->wait_status)));
    else if (WEXITSTATUS(r->wait_status))
        each_say(r, "%s exited with %d", command, WEXITSTATUS(r->wait_status));
    return !r->failure && !WIFSIGNALED(r->wait_status);
}

static void say_unsent(struct ctl *ctl, const struct run *r, enum wspush_result result)
{
    if (result == WSPUSH_OK || result == WSPUSH_NOTARGET) {
        each_say(r, "has closed its connection; the answer was not sent");
        return;
    }
    each_say(r, "the answer was not sent:");
    ctl_fail(ctl, ctl->handle, result);
}

void each_answer(struct ctl *ctl, const char *command, struct run *r)
{
    char target[64];
    struct wspush_sent sent;
    if (!ended_well(command, r))
        return;
    size_t len = r->output.len;
    bool binary = buf_failed(&r->output) || utf8_check(r->output.data, len) >= 0;
    if (!binary && len && r->output.data[len - 1] == '\n')
        len--;
    if (len == 0)
        return;
    if (r->orphan) {
        each_say(r, "its worker has gone; the answer was not sent");
        return;
    }
    target_of(target, r);
    struct wspush_send_options options = {.binary = binary};
    enum wspush_result result = wspush_send(ctl->handle, target, r->output.data, len, &options, &sent);
    if (result != WSPUSH_OK || sent.recipients == 0)
        say_unsent(ctl, r, result);
}

void each_close(struct ctl *ctl, const struct run *r)
{
    char target[64];
    int64_t closing;
    target_of(target, r);
    enum wspush_result result = wspush_close(ctl->handle, target, 0, NULL, &closing);
    if (result != WSPUSH_OK && result != WSPUSH_NOTARGET)
        ctl_fail(ctl, ctl->handle, result);
}
