/*
 * A prompt and a line that is being typed, on a terminal: any number of rows high, with wide characters, and
 * taken away again without a trace. It knows where on the screen it is, also when the terminal has another
 * width by now.
 *
 * Rows are never ended by us but by the terminal's own margin, so that a terminal that reflows its text when
 * it is resized (nearly all do) takes ours for one long line. After a resize our rows are those of the new
 * width, then.
 */
#ifndef WSPUSH_CTL_PAINT_H
#define WSPUSH_CTL_PAINT_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

#include "base/buf.h"

/* Zeroed: nothing is on the screen. */
struct paint {
    struct buf cells; /* of wchar_t: what is on the screen, prompt and line */
    size_t cursor;    /* which of them the cursor is on */
    size_t row;       /* the cursor's, counted from the first of ours, at `columns` */
    size_t columns;
    bool shown;
};

void paint_fini(struct paint *p);
/* Adds to `out` what takes the line off a screen of that size and leaves the cursor where the line began. */
void paint_hide(struct paint *p, struct buf *out, size_t columns, size_t rows);
/* Adds what puts the prompt and the line there, the cursor on number `cursor` of the line's characters. What
 * has no room on the screen is not shown; the cursor's row is. Nothing of ours must be shown. */
void paint_show(struct paint *p, struct buf *out, const char *prompt, const wchar_t *line, size_t len,
                size_t cursor, size_t columns, size_t rows);
/* Adds what leaves the line as it is and goes to the row below it. */
void paint_leave(struct paint *p, struct buf *out, size_t columns);

#endif
