#include "ctl/edit.h"

#include <errno.h>
#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "ctl/paint.h"

#define ABORT "\007"
#define KILL  "\037"
#define CLEAR L'\f'

enum { REMEMBERED = 1000, READ_CHUNK = 4096 };

struct edit {
    edit_turn_fn *turn;
    void *arg;
    EditLine *el;
    History *history;
    FILE *nowhere;
    struct termios before; /* what the terminal is to be again */
    char *prompt;
    struct buf typed; /* keys not yet given to libedit */
    struct paint paint;
    bool fresh; /* no key was pressed since the line was shown */
};

/* ---- the screen ---- */

static void screen_size(size_t *columns, size_t *rows)
{
    struct winsize size = {0};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    *columns = size.ws_col ? size.ws_col : 80;
    *rows = size.ws_row ? size.ws_row : 24;
}

static void write_out(struct buf *out)
{
    if (out->len && !buf_failed(out))
        fwrite(out->data, 1, out->len, stdout);
    fflush(stdout);
    buf_fini(out);
}

void edit_hide(struct edit *e)
{
    struct buf out = {0};
    size_t columns;
    size_t rows;
    screen_size(&columns, &rows);
    paint_hide(&e->paint, &out, columns, rows);
    write_out(&out);
}

static void show(struct edit *e)
{
    const LineInfoW *line = el_wline(e->el);
    size_t len = (size_t)(line->lastchar - line->buffer);
    size_t cursor = (size_t)(line->cursor - line->buffer);
    struct buf out = {0};
    size_t columns;
    size_t rows;
    if (e->paint.shown && e->fresh)
        return;
    screen_size(&columns, &rows);
    paint_hide(&e->paint, &out, columns, rows);
    /* Enter is the last character of a whole line */
    if (len && line->buffer[len - 1] == L'\n')
        len--;
    paint_show(&e->paint, &out, e->prompt, line->buffer, len, cursor < len ? cursor : len, columns, rows);
    write_out(&out);
    e->fresh = true;
}

/* Leaves a line that was typed on the screen: all of it, be it that its last keys and Enter came at once. */
static void leave_line(struct edit *e)
{
    struct buf out = {0};
    size_t columns;
    size_t rows;
    show(e);
    screen_size(&columns, &rows);
    paint_leave(&e->paint, &out, columns);
    write_out(&out);
}

void edit_redraw(struct edit *e)
{
    e->fresh = false;
}

void edit_prompt(struct edit *e, const char *prompt)
{
    if (e->prompt && strcmp(e->prompt, prompt) == 0)
        return;
    free(e->prompt);
    e->prompt = strdup(prompt);
    e->fresh = false;
}

static void clear_screen(struct edit *e)
{
    struct buf out = {0};
    edit_hide(e);
    buf_adds(&out, "\033[H\033[2J");
    write_out(&out);
}

/* ---- keys ---- */

/* The next whole character of what was typed; what is none is passed over. False: there is none yet. */
static bool next_character(struct edit *e, wchar_t *c)
{
    while (e->typed.len) {
        mbstate_t state = {0};
        size_t n = mbrtowc(c, (const char *)e->typed.data, e->typed.len, &state);
        if (n == (size_t)-2)
            return false;
        bool bad = n == (size_t)-1;
        buf_consume(&e->typed, bad || n == 0 ? 1 : n);
        if (!bad)
            return true;
    }
    return false;
}

static bool read_keys(struct edit *e)
{
    uint8_t *to = buf_reserve(&e->typed, READ_CHUNK);
    ssize_t n = to ? read(STDIN_FILENO, to, READ_CHUNK) : 0;
    if (n > 0)
        e->typed.len += (size_t)n;
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* libedit asks for a key. */
static int get_key(EditLine *el, wchar_t *key)
{
    struct edit *e;
    el_get(el, EL_CLIENTDATA, &e);
    for (;;) {
        while (!next_character(e, key)) {
            show(e);
            enum edit_turn turn = e->turn(e->arg);
            if (turn == EDIT_END || (turn == EDIT_KEY && !read_keys(e)))
                return 0;
        }
        e->fresh = false;
        if (*key != CLEAR)
            return 1;
        clear_screen(e); /* libedit's own does not reach it */
    }
}

static void bind_keys(EditLine *el)
{
    static const char *const keys[][2] = {
        {"^R", "em-inc-search-prev"},      {"^W", "ed-delete-prev-word"}, {"^I", "ed-insert"},
        {"\\e[3~", "ed-delete-next-char"}, {"\\e[1~", "ed-move-to-beg"},  {"\\e[4~", "ed-move-to-end"},
        {"\\e[H", "ed-move-to-beg"},       {"\\e[F", "ed-move-to-end"},   {"\\e[1;5C", "em-next-word"},
        {"\\e[1;5D", "ed-prev-word"},
    };
    el_set(el, EL_EDITOR, "emacs");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        el_set(el, EL_BIND, keys[i][0], keys[i][1], NULL);
}

/* ---- lines ---- */

const char *edit_line(struct edit *e, size_t *len)
{
    int count = 0;
    e->fresh = false;
    const char *line = el_gets(e->el, &count);
    if (!line || count <= 0) {
        edit_hide(e);
        return NULL;
    }
    *len = (size_t)count - (line[count - 1] == '\n');
    if (*len)
        leave_line(e);
    ((char *)(uintptr_t)line)[*len] = '\0';
    return line;
}

void edit_remember(struct edit *e, const char *line)
{
    HistEvent event;
    history(e->history, &event, H_ENTER, line);
}

bool edit_begun(const struct edit *e)
{
    const LineInfoW *line = el_wline(e->el);
    return line->lastchar > line->buffer;
}

/* By keys, since libedit may be in the middle of a search or of a key's sequence. */
void edit_drop(struct edit *e)
{
    buf_clear(&e->typed);
    buf_adds(&e->typed, ABORT KILL);
}

/* ---- the terminal ---- */

bool edit_possible(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

void edit_suspend(struct edit *e)
{
    edit_hide(e);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &e->before);
}

void edit_resume(struct edit *e)
{
    /* libedit believes that the terminal is still as it wants it */
    el_set(e->el, EL_PREP_TERM, 0);
    el_set(e->el, EL_PREP_TERM, 1);
    edit_redraw(e);
}

static bool start_libedit(struct edit *e)
{
    HistEvent event;
    e->nowhere = fopen("/dev/null", "r+e");
    e->history = history_init();
    if (!e->nowhere || !e->history || tcgetattr(STDIN_FILENO, &e->before) < 0)
        return false;
    e->el =
        el_init_fd("wsctl", e->nowhere, e->nowhere, e->nowhere, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO);
    if (!e->el)
        return false;
    history(e->history, &event, H_SETSIZE, REMEMBERED);
    history(e->history, &event, H_SETUNIQUE, 1);
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_GETCFN, get_key);
    el_set(e->el, EL_HIST, history, e->history);
    el_set(e->el, EL_SIGNAL, 0);
    /* between two lines, too */
    el_set(e->el, EL_SETTY, "-x", "-echo", "-icanon", NULL);
    bind_keys(e->el);
    el_source(e->el, NULL);
    el_set(e->el, EL_BIND, KILL, "em-kill-line", NULL);
    return true;
}

struct edit *edit_new(edit_turn_fn *turn, void *arg)
{
    struct edit *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->turn = turn;
    e->arg = arg;
    e->prompt = strdup("");
    if (e->prompt && start_libedit(e))
        return e;
    edit_free(e);
    return NULL;
}

void edit_free(struct edit *e)
{
    if (!e)
        return;
    if (e->el) {
        edit_hide(e);
        el_end(e->el);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &e->before);
    }
    if (e->history)
        history_end(e->history);
    if (e->nowhere)
        fclose(e->nowhere);
    buf_fini(&e->typed);
    paint_fini(&e->paint);
    free(e->prompt);
    free(e);
}
