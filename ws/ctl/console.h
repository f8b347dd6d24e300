/*
 * What the parts of wsctl console share: console.c hears and waits, console_edit.c has the edited
 * lines, console_answer.c sends, console_slash.c has the commands that begin with a slash.
 */
#ifndef WSPUSH_CTL_CONSOLE_H
#define WSPUSH_CTL_CONSOLE_H

#include "base/buf.h"
#include "base/name.h"
#include "ctl/ctl.h"
#include "ctl/edit.h"

enum { CONSOLE_NAME_BYTES = 32 };

struct console {
    struct ctl *ctl;
    const char *target;
    struct wspush *waiter;
    char speaker[CONSOLE_NAME_BYTES]; /* who spoke last, "" for nobody */
    char behind[CONSOLE_NAME_BYTES];  /* who spoke while a line was being typed; the next one is for them */
    char chosen[CONSOLE_NAME_BYTES];  /* whom /to chose, "" for nobody */
    struct edit *edit;                /* NULL: plain lines */
    char *past;                       /* where typed lines are kept, or NULL */
    struct buf typed;                 /* plain lines: not yet a whole one */
    int signal_fd;                    /* with `edit` */
    int signal;                       /* the one that ends the console */
    int status;                       /* GOING_ON, else the exit status */
    bool keyboard;                    /* stdin is a terminal */
    bool prompted;                    /* plain lines: the cursor stands behind a prompt */
    bool lost_one;                    /* the speaker closed; nobody has spoken since */
    bool stranded;                    /* whom the line was begun for went with the worker: it is for nobody */
    int failed;                       /* the exit status of the last line that could not be sent, or 0 */
    bool away;                        /* the worker is */
};

enum { GOING_ON = -1 };

/* ---- console.c ---- */

/* Makes room for a line of output. */
void console_make_room(struct console *c);
/* A line on stderr, `name` escaped; nothing with -q. */
void console_say(struct console *c, const char *before, const char *name, const char *behind);

/* Waits a moment for the keyboard, the worker or a signal, and hears what the worker has; whether stdin can
 * be read. */
bool console_wait(struct console *c);

/* ---- console_edit.c ---- */

/* Where lines can be edited: serves them to the end, and sets c->status. */
bool console_edit(struct console *c);

/* ---- console_answer.c ---- */

/* Sends a typed line to whom the prompt names. */
void console_answer(struct console *c, const void *line, size_t len);
/* Whom the next line goes to, a client's name or the target; "" for nobody yet. */
const char *console_whom(const struct console *c);

/* ---- console_slash.c ---- */

/* Carries out "/who" or "/to c42". */
void console_slash(struct console *c, const char *line);

#endif
