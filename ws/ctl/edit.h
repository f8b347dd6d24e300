/*
 * A line typed on a terminal while other things go on. libedit has the line, its keys (and ~/.editrc) and the
 * way through the history; the screen is ours (paint.h), since libedit's knows neither of text that comes
 * from elsewhere nor of what terminals do when they are resized. What libedit would write goes nowhere.
 *
 * The terminal stays in the editing mode from edit_new() to edit_free(): nothing is echoed between two lines.
 */
#ifndef WSPUSH_CTL_EDIT_H
#define WSPUSH_CTL_EDIT_H

#include <stdbool.h>
#include <stddef.h>

struct edit;

enum edit_turn {
    EDIT_KEY,   /* stdin can be read */
    EDIT_AGAIN, /* something else was done */
    EDIT_END    /* no more lines */
};

/* Waits for whatever comes next and does what is to be done, keys excepted. What it prints, it prints behind
 * edit_hide(). */
typedef enum edit_turn edit_turn_fn(void *arg);

/* Whether lines can be edited: stdin and stdout are a terminal that can move its cursor. */
bool edit_possible(void);
/* `turn` is called from within edit_line(). NULL where the terminal can't be had. */
struct edit *edit_new(edit_turn_fn *turn, void *arg);
/* Takes a line that is shown off the screen and gives the terminal back. NULL is allowed. */
void edit_free(struct edit *e);
/* What stands before the line, a copy. */
void edit_prompt(struct edit *e, const char *prompt);
/* Waits for a line: its bytes without the newline, a NUL behind them, valid until the next call. It stays on
 * the screen unless it is empty. NULL at the end of input (Ctrl-D), or when `turn` said so. */
const char *edit_line(struct edit *e, size_t *len);
/* Adds a line to those that the Up key brings back. */
void edit_remember(struct edit *e, const char *line);

/* ---- for `turn` ---- */
/* Takes the line off the screen, so that something can be printed there. It comes back before the next wait.
 */
void edit_hide(struct edit *e);
/* Whether the line has anything in it. */
bool edit_begun(const struct edit *e);
/* Drops what was typed. */
void edit_drop(struct edit *e);
/* Puts the line on a screen that has changed: another size (SIGWINCH). */
void edit_redraw(struct edit *e);
/* Gives the terminal back for a while (Ctrl-Z), and takes it again. */
void edit_suspend(struct edit *e);
void edit_resume(struct edit *e);

#endif
