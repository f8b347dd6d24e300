/*
 * console: the origin's prompt. What browsers send to a channel is printed; what is typed goes to the one
 * that spoke last. A waiting question blocks its connection, so there are two: `waiter` asks, ctl->handle
 * sends. One poll loop serves the keyboard and the waiter; when the worker goes, it stays and asks again
 * until the worker is back.
 */
#include "ctl/verbs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "ctl/print.h"

enum { LOOK_MS = 1000, RETRY_MS = 300, TYPED_MAX = 64 * 1024 * 1024, BACKLOG_MAX = 100000 };

struct console {
    struct ctl *ctl;
    const char *target;
    struct wspush *waiter;
    char speaker[32]; /* who spoke last, "" for nobody */
    struct buf typed; /* not yet a whole line */
    bool keyboard;    /* stdin is a terminal */
    bool prompted;    /* the cursor stands behind a prompt */
    bool lost_one;    /* the speaker closed; nobody has spoken since */
    bool away;        /* the worker is */
};

enum { GOING_ON = -1 }; /* else an exit status */

static void prompt(struct console *c)
{
    if (c->ctl->json || c->prompted)
        return;
    fputs("Please enter information: ", stdout);
    print_flush();
    c->prompted = true;
}

/* Ends the line with the prompt, and leaves what was typed so far to be seen: the terminal still holds it. */
static void leave_prompt(struct console *c)
{
    if (c->prompted)
        putchar('\n');
    print_flush();
    c->prompted = false;
}

static void say(struct console *c, const char *before, const char *name, const char *behind)
{
    leave_prompt(c);
    if (c->ctl->quiet)
        return;
    fputs(before, stderr);
    print_escaped(stderr, name, strlen(name));
    fprintf(stderr, "%s\n", behind);
}

/* ---- what browsers send ---- */

static void show(struct console *c, const struct wspush_message *m)
{
    leave_prompt(c);
    snprintf(c->speaker, sizeof c->speaker, "%s", m->client);
    if (c->ctl->json) {
        print_message(c->ctl, m);
        print_flush();
        return;
    }
    if (m->lost)
        printf("(%lld before this one were dropped, the inbox was full)\n", (long long)m->lost);
    print_styled(c->ctl, stdout, PRINT_NAME, c->speaker);
    printf(": ");
    if (m->binary)
        printf("(binary, %zu bytes) ", m->len);
    print_escaped(stdout, m->payload, m->len);
    putchar('\n');
    print_flush();
}

/* What was waiting already comes before the first prompt. */
static int show_backlog(struct console *c)
{
    struct wspush_message m;
    enum wspush_result result = WSPUSH_OK;
    for (int i = 0; i < BACKLOG_MAX && result == WSPUSH_OK; i++) {
        result = wspush_read(c->ctl->handle, c->target, &m);
        if (result == WSPUSH_OK)
            show(c, &m);
    }
    if (result == WSPUSH_OK || result == WSPUSH_EMPTY)
        return GOING_ON;
    if (result != WSPUSH_CLOSED)
        return ctl_fail(c->ctl, c->ctl->handle, result);
    say(c, "", c->target, " is closed");
    return CTL_CLOSED;
}

/* What a failed or finished wait means for the console. */
static int wait_ended(struct console *c, enum wspush_result result)
{
    switch (result) {
    case WSPUSH_NOWORKER:
    case WSPUSH_NOANSWER:
        if (!c->away)
            say(c, "The worker is gone; looking for it on ", wspush_path(c->waiter), " (Ctrl-C ends)");
        c->away = c->lost_one = true;
        c->speaker[0] = '\0';
        return GOING_ON;
    case WSPUSH_CLOSED: say(c, "", c->target, " is closed"); return CTL_CLOSED;
    default: leave_prompt(c); return ctl_fail(c->ctl, c->waiter, result);
    }
}

static int ask(struct console *c)
{
    enum wspush_result result = wspush_wait_begin(c->waiter, c->target, -1);
    if (result != WSPUSH_OK)
        return wait_ended(c, result);
    if (c->away)
        say(c, "The worker is back on ", wspush_path(c->waiter), "");
    c->away = false;
    return GOING_ON;
}

static int listen_once(struct console *c)
{
    struct wspush_message m;
    if (c->away)
        return ask(c);
    enum wspush_result result = wspush_wait_take(c->waiter, &m);
    if (result == WSPUSH_PENDING)
        return GOING_ON;
    if (result != WSPUSH_OK)
        return wait_ended(c, result);
    show(c, &m);
    return ask(c);
}

/* ---- what is typed ---- */

static void sent_to(struct console *c, const char *whom, int64_t recipients)
{
    leave_prompt(c);
    if (c->ctl->json || c->ctl->quiet)
        return;
    char text[320];
    if (recipients < 0)
        snprintf(text, sizeof text, "-> %s", whom);
    else
        snprintf(text, sizeof text, "-> %s, %lld client%s", whom, (long long)recipients,
                 recipients == 1 ? "" : "s");
    print_styled(c->ctl, stdout, PRINT_DIM, text);
    putchar('\n');
    print_flush();
}

static void send_failed(struct console *c, enum wspush_result result, const struct wspush_sent *sent)
{
    leave_prompt(c);
    ctl_fail(c->ctl, c->ctl->handle, result);
    if (sent->published == WSPUSH_PUBLISH_UNKNOWN)
        fprintf(stderr, "It may have been sent all the same; it was not sent again.\n");
}

static void answer_channel(struct console *c, const void *line, size_t len)
{
    struct wspush_sent sent;
    enum wspush_result result = wspush_send(c->ctl->handle, c->target, line, len, NULL, &sent);
    if (result != WSPUSH_OK) {
        send_failed(c, result, &sent);
        return;
    }
    sent_to(c, c->target, sent.recipients);
    if (sent.recipients == 0)
        ctl_say_nobody(c->ctl, c->target);
}

static void answer_speaker(struct console *c, const void *line, size_t len)
{
    char target[64];
    struct wspush_sent sent;
    if (!c->speaker[0]) {
        say(c,
            c->lost_one ? "nobody has spoken since, so nothing was sent; --channel sends to all of "
                        : "nobody has spoken yet, so nothing was sent; --channel sends to all of ",
            c->target, "");
        return;
    }
    snprintf(target, sizeof target, "@client:%s", c->speaker);
    enum wspush_result result = wspush_send(c->ctl->handle, target, line, len, NULL, &sent);
    if (result == WSPUSH_NOTARGET || (result == WSPUSH_OK && sent.recipients == 0)) {
        say(c, "", c->speaker, " has closed its connection meanwhile; nothing was sent");
        c->speaker[0] = '\0';
        c->lost_one = true;
    } else if (result != WSPUSH_OK) {
        send_failed(c, result, &sent);
    } else {
        sent_to(c, c->speaker, -1);
    }
}

static void answer(struct console *c, const void *line, size_t len)
{
    /* the terminal has echoed the line and its end */
    if (c->keyboard && c->ctl->terminal)
        c->prompted = false;
    if (len == 0)
        return;
    if (ctl_given(c->ctl, "channel"))
        answer_channel(c, line, len);
    else
        answer_speaker(c, line, len);
}

static int end_of_input(struct console *c)
{
    if (c->typed.len)
        answer(c, c->typed.data, c->typed.len);
    if (c->prompted)
        putchar('\n');
    return CTL_DONE;
}

static int read_typed(struct console *c)
{
    uint8_t *to = c->typed.len < TYPED_MAX ? buf_reserve(&c->typed, 4096) : NULL;
    ssize_t n = to ? read(STDIN_FILENO, to, 4096) : 0;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return GOING_ON;
    if (n <= 0)
        return end_of_input(c);
    c->typed.len += (size_t)n;
    const uint8_t *end;
    while (c->typed.len && (end = memchr(c->typed.data, '\n', c->typed.len)) != NULL) {
        size_t len = (size_t)(end - c->typed.data);
        answer(c, c->typed.data, len);
        buf_consume(&c->typed, len + 1);
    }
    return GOING_ON;
}

/* ---- the loop ---- */

static int loop(struct console *c)
{
    int status = GOING_ON;
    while (status == GOING_ON) {
        prompt(c);
        struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                              {.fd = c->away ? -1 : wspush_fd(c->waiter), .events = POLLIN}};
        int n = poll(p, 2, c->away ? RETRY_MS : LOOK_MS);
        if (n < 0 && errno != EINTR)
            return CTL_ERROR;
        if (n <= 0 || p[1].revents)
            status = listen_once(c);
        if (status == GOING_ON && n > 0 && p[0].revents)
            status = read_typed(c);
    }
    return status;
}

static int run_console(struct ctl *ctl)
{
    struct console c = {.ctl = ctl, .target = ctl_target(ctl), .keyboard = isatty(STDIN_FILENO)};
    if (!c.target || ctl_no_more(ctl) != CTL_DONE)
        return CTL_USAGE;
    c.waiter = ctl_open_another(ctl);
    int status = c.waiter ? show_backlog(&c) : CTL_ERROR;
    if (status == GOING_ON)
        status = ask(&c);
    if (status == GOING_ON)
        status = loop(&c);
    wspush_free(c.waiter);
    buf_fini(&c.typed);
    print_flush();
    return status;
}

static const struct ctl_option options[] = {
    {"channel", 'c', CTL_FLAG, NULL, "what is typed goes to the whole channel"},
    CTL_OPTION_CLIENT,
    {0},
};

const struct ctl_verb verb_console = {
    .name = "console",
    .args = "INBOX",
    .help = "print what browsers send, and answer them at a prompt",
    .more = "What is typed goes to the client that spoke last. End of input (Ctrl-D) ends the console. It "
            "works on a\n"
            "pipe too: a line of stdin is an answer. With --json messages are JSON lines and there is no "
            "prompt.\n",
    .example = "wsctl console test",
    .options = options,
    .run = run_console,
};
