/* The console's edited lines: the loop runs within edit_line(), and signals come as a descriptor. */
#include "ctl/console.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ctl/past.h"

static void set_prompt(struct console *c)
{
    char prompt[CHANNEL_NAME_MAX + 16];
    const char *whom = console_whom(c);
    snprintf(prompt, sizeof prompt, *whom ? "to %s> " : "to nobody yet> ", whom);
    edit_prompt(c->edit, prompt);
}

/* No line is begun: the next one is for who spoke meanwhile. */
static void begin_anew(struct console *c)
{
    if (c->behind[0])
        memcpy(c->speaker, c->behind, sizeof c->speaker);
    c->behind[0] = '\0';
    c->stranded = false;
}

static void interrupted(struct console *c)
{
    if (edit_begun(c->edit)) {
        edit_drop(c->edit);
        begin_anew(c);
    } else {
        console_say(c, "Ctrl-D ends", "", "");
    }
}

static void take_signals(struct console *c)
{
    struct signalfd_siginfo s;
    while (read(c->signal_fd, &s, sizeof s) == sizeof s) {
        switch (s.ssi_signo) {
        case SIGINT: interrupted(c); break;
        case SIGWINCH: edit_redraw(c->edit); break;
        case SIGTSTP:
            edit_suspend(c->edit);
            raise(SIGSTOP);
            break;
        case SIGCONT: edit_resume(c->edit); break;
        default: c->signal = (int)s.ssi_signo; c->status = CTL_ERROR;
        }
    }
}

static enum edit_turn turn(void *arg)
{
    struct console *c = arg;
    if (!edit_begun(c->edit) && (c->behind[0] || c->stranded)) {
        /* erased: the prompt is seen before the next key */
        begin_anew(c);
        set_prompt(c);
        return EDIT_AGAIN;
    }
    bool key = console_wait(c);
    take_signals(c);
    set_prompt(c);
    return c->status != GOING_ON ? EDIT_END : key ? EDIT_KEY : EDIT_AGAIN;
}

static void take_line(struct console *c, const char *line, size_t len)
{
    if (len) {
        edit_remember(c->edit, line);
        if (c->past)
            past_add(c->past, line);
        if (line[0] == '/' && line[1] != '/')
            console_slash(c, line);
        else
            console_answer(c, line + (line[0] == '/'), len - (line[0] == '/'));
    }
    begin_anew(c);
}

static void remember(void *arg, const char *line)
{
    edit_remember(arg, line);
}

static int open_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&set, signals[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Ends as the signal would have ended us. */
static void die_of(int signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    raise(signal);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

bool console_edit(struct console *c)
{
    const char *line;
    size_t len;
    if (!edit_possible() || (c->edit = edit_new(turn, c)) == NULL)
        return false;
    c->signal_fd = open_signals();
    c->past = past_path();
    if (c->past)
        past_read(c->past, remember, c->edit);
    while (set_prompt(c), (line = edit_line(c->edit, &len)) != NULL)
        take_line(c, line, len);
    if (c->status == GOING_ON)
        c->status = CTL_DONE;
    edit_free(c->edit);
    c->edit = NULL;
    free(c->past);
    if (c->signal)
        die_of(c->signal);
    close(c->signal_fd);
    return true;
}
