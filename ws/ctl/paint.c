#include "ctl/paint.h"

#include <stdlib.h>
#include <string.h>

/* Where the next character goes. */
struct place {
    size_t row, column;
};

void paint_fini(struct paint *p)
{
    buf_fini(&p->cells);
}

/* ---- where characters are ---- */

/* What is seen of a character: those that would drive the terminal are not for it. */
static wchar_t visible(wchar_t c)
{
    if (c == L'\t')
        return L' ';
    return c == L'\n' || wcwidth(c) >= 0 ? c : L'\uFFFD';
}

/* Places a character and goes on to the next; a wide one that has no room at the margin begins a row. */
static void step(struct place *at, wchar_t c, size_t columns)
{
    size_t width = c == L'\n' ? 0 : (size_t)wcwidth(c);
    if (c == L'\n' || (width && at->column + width > columns)) {
        at->row++;
        at->column = 0;
    }
    at->column += width;
}

static struct place place_of(const struct buf *cells, size_t index, size_t columns)
{
    struct place at = {0};
    const wchar_t *c = (const void *)cells->data;
    for (size_t i = 0; i < index; i++)
        step(&at, c[i], columns);
    /* the one at the place itself may have no room there, and nothing has behind the margin */
    struct place next = at;
    if (index < cells->len / sizeof *c && c[index] != L'\n')
        step(&next, c[index], columns);
    if (next.row > at.row || at.column >= columns)
        at = (struct place){at.row + 1, 0};
    return at;
}

/* ---- what the terminal is told ---- */

static void up(struct buf *out, size_t rows)
{
    if (rows)
        buf_addf(out, "\033[%zuA", rows);
    buf_addc(out, '\r');
}

static void add_character(struct buf *out, wchar_t c)
{
    char bytes[16];
    mbstate_t state = {0};
    size_t n = wcrtomb(bytes, c, &state);
    if (c == L'\n')
        buf_adds(out, "\r\n");
    else if (n != (size_t)-1)
        buf_add(out, bytes, n);
}

void paint_hide(struct paint *p, struct buf *out, size_t columns, size_t rows)
{
    if (!p->shown)
        return;
    if (columns != p->columns)
        p->row = place_of(&p->cells, p->cursor, columns).row;
    up(out, p->row < rows ? p->row : rows - 1);
    /* clearing from a screen's first place, tmux keeps what was there as if it had scrolled off: begin one
     * beside it */
    buf_adds(out, "\033[K\033[C\033[J\r");
    p->shown = false;
}

/* ---- showing ---- */

static void keep_cells(struct paint *p, const char *prompt, const wchar_t *line, size_t len)
{
    mbstate_t state = {0};
    wchar_t c;
    size_t n;
    buf_clear(&p->cells);
    for (; (n = mbrtowc(&c, prompt, strlen(prompt), &state)) > 0 && n < (size_t)-2; prompt += n) {
        c = visible(c);
        buf_add(&p->cells, &c, sizeof c);
    }
    p->cursor = p->cells.len / sizeof c;
    for (size_t i = 0; i < len; i++) {
        c = visible(line[i]);
        buf_add(&p->cells, &c, sizeof c);
    }
}

/* The first of the characters that stand in that row or below. */
static size_t first_in_row(const struct paint *p, size_t row, size_t columns)
{
    const wchar_t *c = (const void *)p->cells.data;
    struct place at = {0};
    for (size_t i = 0; i < p->cursor; i++) {
        step(&at, c[i], columns);
        if (at.row >= row)
            return c[i] == L'\n' ? i + 1 : i;
    }
    return p->cursor;
}

/* How many of the characters fill at most so many rows. */
static size_t count_that_fits(const struct paint *p, size_t columns, size_t rows)
{
    const wchar_t *c = (const void *)p->cells.data;
    size_t count = p->cells.len / sizeof *c;
    struct place at = {0};
    for (size_t i = 0; i < count; i++) {
        step(&at, c[i], columns);
        if (at.row >= rows || (at.row == rows - 1 && at.column >= columns))
            return i;
    }
    return count;
}

/* Drops what is above or below the rows that fit, so that the cursor's is among them. */
static void cut_to_fit(struct paint *p, size_t columns, size_t rows)
{
    size_t row = place_of(&p->cells, p->cursor, columns).row;
    if (row >= rows) {
        size_t from = first_in_row(p, row - rows + 1, columns);
        buf_consume(&p->cells, from * sizeof(wchar_t));
        p->cursor -= from;
    }
    p->cells.len = count_that_fits(p, columns, rows) * sizeof(wchar_t);
}

void paint_show(struct paint *p, struct buf *out, const char *prompt, const wchar_t *line, size_t len,
                size_t cursor, size_t columns, size_t rows)
{
    keep_cells(p, prompt, line, len);
    p->cursor += cursor;
    if (buf_failed(&p->cells))
        return;
    if (place_of(&p->cells, p->cells.len / sizeof *line, columns).row >= rows)
        cut_to_fit(p, columns, rows);
    size_t count = p->cells.len / sizeof *line;
    const wchar_t *cells = (const void *)p->cells.data;
    for (size_t i = 0; i < count; i++)
        add_character(out, cells[i]);
    struct place end = place_of(&p->cells, count, columns);
    struct place at = place_of(&p->cells, p->cursor, columns);
    /* behind a full row the cursor still stands in it: a blank takes it to the next */
    if (end.row && end.column == 0 && count && cells[count - 1] != L'\n')
        buf_adds(out, " \r");
    up(out, end.row - at.row);
    if (at.column)
        buf_addf(out, "\033[%zuC", at.column);
    p->row = at.row;
    p->columns = columns;
    p->shown = true;
}

void paint_leave(struct paint *p, struct buf *out, size_t columns)
{
    if (!p->shown)
        return;
    struct place at = place_of(&p->cells, p->cursor, columns);
    struct place end = place_of(&p->cells, p->cells.len / sizeof(wchar_t), columns);
    if (end.row > at.row)
        buf_addf(out, "\033[%zuB", end.row - at.row);
    buf_adds(out, "\r\n");
    p->shown = false;
}
