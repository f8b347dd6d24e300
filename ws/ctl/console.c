/*
 * console: the origin's prompt. What browsers send to a channel is printed; what is typed goes to the one
 * that spoke last. A waiting question blocks its connection, so there are two: `waiter` asks, ctl->handle
 * sends. One poll loop serves the keyboard, the waiter and signals; when the worker goes, it stays and asks
 * again until the worker is back.
 *
 * On a terminal the line is edited (edit.h), and the loop runs within edit_line(). Otherwise lines are read
 * as they come, and nothing but text is written.
 */
#include "ctl/console.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/print.h"
#include "ctl/verbs.h"

enum { LOOK_MS = 1000, RETRY_MS = 300, TYPED_MAX = 64 * 1024 * 1024, BACKLOG_MAX = 100000 };

/* Ends the line with the prompt of plain lines, and leaves what was typed so far to be seen: the terminal
 * still holds it. */
static void leave_prompt(struct console *c)
{
    if (c->prompted)
        putchar('\n');
    print_flush();
    c->prompted = false;
}

void console_make_room(struct console *c)
{
    if (c->edit)
        edit_hide(c->edit);
    else
        leave_prompt(c);
}

void console_say(struct console *c, const char *before, const char *name, const char *behind)
{
    console_make_room(c);
    if (c->ctl->quiet)
        return;
    fputs(before, stderr);
    print_escaped(stderr, name, strlen(name));
    fprintf(stderr, "%s\n", behind);
}

static void plain_prompt(struct console *c)
{
    if (c->ctl->json || c->prompted)
        return;
    fputs("Please enter information: ", stdout);
    print_flush();
    c->prompted = true;
}

/* ---- what browsers send ---- */

static bool is_begun(const struct console *c)
{
    return c->edit && edit_begun(c->edit);
}

/* Whoever speaks is answered next; but a line that was begun stays for whom it was, be it for nobody. */
static void note_speaker(struct console *c, const char *client)
{
    snprintf(is_begun(c) ? c->behind : c->speaker, CONSOLE_NAME_BYTES, "%s", client);
}

static void show(struct console *c, const struct wspush_message *m)
{
    console_make_room(c);
    note_speaker(c, m->client);
    if (c->ctl->json) {
        print_message(c->ctl, m);
        print_flush();
        return;
    }
    if (m->lost)
        printf("(%lld before this one were dropped, the inbox was full)\n", (long long)m->lost);
    print_styled(c->ctl, stdout, PRINT_NAME, m->client);
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
    console_say(c, "", c->target, " is closed");
    return CTL_CLOSED;
}

/* The next worker's c42 is somebody else. */
static void forget_clients(struct console *c)
{
    c->stranded = c->stranded || (is_begun(c) && console_whom(c) != c->target);
    c->lost_one = true;
    c->speaker[0] = c->behind[0] = c->chosen[0] = '\0';
}

/* What a failed or finished wait means for the console. */
static int wait_ended(struct console *c, enum wspush_result result)
{
    switch (result) {
    case WSPUSH_NOWORKER:
    case WSPUSH_NOANSWER:
        if (!c->away)
            console_say(c, "The worker is gone; looking for it on ", wspush_path(c->waiter),
                        c->edit ? " (Ctrl-D ends)" : " (Ctrl-C ends)");
        c->away = true;
        forget_clients(c);
        return GOING_ON;
    case WSPUSH_CLOSED: console_say(c, "", c->target, " is closed"); return CTL_CLOSED;
    default: console_make_room(c); return ctl_fail(c->ctl, c->waiter, result);
    }
}

static int ask(struct console *c)
{
    enum wspush_result result = wspush_wait_begin(c->waiter, c->target, -1);
    if (result != WSPUSH_OK)
        return wait_ended(c, result);
    if (c->away)
        console_say(c, "The worker is back on ", wspush_path(c->waiter), "");
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

/* ---- plain lines ---- */

static void answer_plain(struct console *c, const void *line, size_t len)
{
    /* the terminal has echoed the line and its end */
    if (c->keyboard && c->ctl->terminal)
        c->prompted = false;
    if (len)
        console_answer(c, line, len);
}

static int end_of_input(struct console *c)
{
    if (c->typed.len)
        answer_plain(c, c->typed.data, c->typed.len);
    leave_prompt(c);
    return c->keyboard ? CTL_DONE : c->failed;
}

static int read_typed(struct console *c)
{
    uint8_t *to = c->typed.len < TYPED_MAX ? buf_reserve(&c->typed, 4096) : NULL;
    ssize_t n = to ? read(STDIN_FILENO, to, 4096) : 0;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return GOING_ON;
    if (n <= 0)
        return end_of_input(c);
    size_t seen = c->typed.len;
    c->typed.len += (size_t)n;
    const uint8_t *end;
    while (seen < c->typed.len && (end = memchr(c->typed.data + seen, '\n', c->typed.len - seen)) != NULL) {
        size_t len = (size_t)(end - c->typed.data);
        answer_plain(c, c->typed.data, len);
        buf_consume(&c->typed, len + 1);
        seen = 0;
    }
    return GOING_ON;
}

bool console_wait(struct console *c)
{
    struct pollfd p[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
                          {.fd = c->away ? -1 : wspush_fd(c->waiter), .events = POLLIN},
                          {.fd = c->signal_fd, .events = POLLIN}};
    int n = poll(p, 3, c->away ? RETRY_MS : LOOK_MS);
    if (n < 0 && errno != EINTR)
        c->status = CTL_ERROR;
    else if (n <= 0 || p[1].revents)
        c->status = listen_once(c);
    return n > 0 && p[0].revents;
}

static void plain_lines(struct console *c)
{
    while (c->status == GOING_ON) {
        plain_prompt(c);
        if (console_wait(c) && c->status == GOING_ON)
            c->status = read_typed(c);
    }
}

static int run_console(struct ctl *ctl)
{
    struct console c = {.ctl = ctl,
                        .target = ctl_target(ctl),
                        .keyboard = isatty(STDIN_FILENO),
                        .signal_fd = -1,
                        .status = GOING_ON};
    if (!c.target || ctl_no_more(ctl) != CTL_DONE)
        return CTL_USAGE;
    c.waiter = ctl_open_another(ctl);
    c.status = c.waiter ? show_backlog(&c) : CTL_ERROR;
    if (c.status == GOING_ON)
        c.status = ask(&c);
    if (c.status != GOING_ON || ctl->json || !console_edit(&c))
        plain_lines(&c);
    wspush_free(c.waiter);
    buf_fini(&c.typed);
    print_flush();
    return c.status;
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
    .more =
        "What is typed goes to the client that spoke last, which the prompt names, and which does not "
        "change\n"
        "under a line that was begun; one begun for nobody, or before the worker went, is sent to nobody.\n"
        "Ctrl-C drops the line, Ctrl-D on an empty one ends the console. Lines that begin with a slash are\n"
        "its own commands; /help lists them:\n"
        "\n"
        "/to c42 answers that client from now on, /to alone who spoke last; /close c42 closes its "
        "connection;\n"
        "/who lists the clients; //text sends \"/text\".\n"
        "\n"
        "Lines can be edited (libedit; ~/.editrc), and the keys Up and Ctrl-R find those of former times,\n"
        "which are kept in wspush/console_history of $XDG_STATE_HOME, or ~/.local/state.\n"
        "\n"
        "It works on a pipe too: each line of stdin is an answer, one that begins with a slash too, and the\n"
        "end of input ends it, with the exit status of the last line that could not be sent. With --json\n"
        "messages are JSON lines and there is no prompt.\n",
    .example = "wsctl console test",
    .options = options,
    .run = run_console,
};
