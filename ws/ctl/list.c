/* list: who is connected, as a table for people or a JSON object each. */
#include "ctl/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "ctl/print.h"

enum form { TEXT, AGE, PING };

struct column {
    const char *field;
    const char *title;
    enum form form;
    bool right;
};

static const struct column all_columns[] = {
    {"client", "CLIENT", TEXT, false},     {"user", "USER", TEXT, false},
    {"channels", "CHANNELS", TEXT, false}, {"transport", "OVER", TEXT, false},
    {"address", "ADDRESS", TEXT, false},   {"since", "SINCE", AGE, true},
    {"msgs_out", "SENT", TEXT, true},      {"msgs_in", "RECEIVED", TEXT, true},
    {"queued", "QUEUED", TEXT, true},      {"ping", "PING", PING, true},
};
static const struct column brief_columns[] = {
    {"client", "CLIENT", TEXT, false},
    {"user", "USER", TEXT, false},
    {"transport", "OVER", TEXT, false},
    {"since", "SINCE", AGE, true},
};
enum { COLUMNS = sizeof all_columns / sizeof *all_columns };

static const struct table {
    const struct column *columns;
    size_t count;
} tables[] = {
    [CTL_LIST_ALL] = {all_columns, COLUMNS},
    [CTL_LIST_BRIEF] = {brief_columns, sizeof brief_columns / sizeof *brief_columns},
};

/* A row of the answer and the number of its client, by which they are listed. */
struct listed {
    uint64_t client;
    size_t row;
};

static int by_client(const void *a, const void *b)
{
    const struct listed *x = a;
    const struct listed *y = b;
    return x->client < y->client ? -1 : x->client > y->client;
}

/* Free it; NULL without memory. */
static struct listed *put_in_order(const struct wspush *h, size_t rows)
{
    struct listed *order = calloc(rows + 1, sizeof *order);
    for (size_t row = 0; order && row < rows; row++) {
        struct wspush_value name;
        order[row].row = row;
        if (wspush_row_get(h, row, "client", &name) && name.kind == WSPUSH_TEXT)
            client_name_parse(name.text, name.len, &order[row].client);
    }
    if (order)
        qsort(order, rows, sizeof *order, by_client);
    return order;
}

static void add_escaped(struct buf *out, const struct wspush_value *value)
{
    char *text = print_escape(value->text, value->len);
    buf_adds(out, text ? text : "?");
    free(text);
}

static void add_cell(struct buf *out, enum form form, const struct wspush_value *value)
{
    struct wspush_value item;
    if (value->kind == WSPUSH_NUMBER && form == AGE)
        print_add_age(out, value->number);
    else if (value->kind == WSPUSH_NUMBER)
        buf_addf(out, form == PING ? "%lldms" : "%lld", (long long)value->number);
    else if (value->kind == WSPUSH_TEXT && value->len)
        add_escaped(out, value);
    else if (value->kind == WSPUSH_LIST && value->items)
        for (size_t i = 0; wspush_item(value, i, &item); i++) {
            buf_adds(out, i ? "," : "");
            add_cell(out, TEXT, &item);
        }
    else
        buf_addc(out, '-');
}

/* The text of one cell; free it. */
static char *cell(const struct wspush *h, size_t row, const struct column *column)
{
    struct buf text = {0};
    struct wspush_value value;
    wspush_row_get(h, row, column->field, &value);
    add_cell(&text, column->form, &value);
    char *copy = strdup(buf_str(&text));
    buf_fini(&text);
    return copy;
}

static void print_cell(const struct ctl *ctl, const struct table *t, size_t c, const char *text, size_t width,
                       bool title)
{
    size_t own = print_width(text);
    int pad = own < width ? (int)(width - own) : 0;
    bool right = t->columns[c].right;
    bool last = c == t->count - 1;
    printf("%*s", right ? pad : 0, "");
    print_styled(ctl, stdout, title ? PRINT_BOLD : c == 0 ? PRINT_NAME : PRINT_PLAIN, text);
    printf("%*s%s", right || last ? 0 : pad, "", last ? "\n" : "  ");
}

/* Cells of a table, row by row; the rows in the order of `order`. */
static char **make_cells(const struct wspush *h, const struct table *t, const struct listed *order,
                         size_t rows, size_t widths[COLUMNS])
{
    char **cells = calloc(rows * t->count, sizeof *cells);
    for (size_t c = 0; cells && c < t->count; c++) {
        widths[c] = strlen(t->columns[c].title);
        for (size_t r = 0; r < rows; r++) {
            char *text = cells[r * t->count + c] = cell(h, order[r].row, &t->columns[c]);
            size_t width = text ? print_width(text) : 0;
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    return cells;
}

static void print_table(const struct ctl *ctl, const struct table *t, const struct listed *order, size_t rows)
{
    size_t widths[COLUMNS] = {0};
    char **cells = make_cells(ctl->handle, t, order, rows, widths);
    for (size_t c = 0; cells && c < t->count; c++)
        print_cell(ctl, t, c, t->columns[c].title, widths[c], true);
    for (size_t i = 0; cells && i < rows * t->count; i++) {
        print_cell(ctl, t, i % t->count, cells[i] ? cells[i] : "?", widths[i % t->count], false);
        free(cells[i]);
    }
    free(cells);
}

static void print_name(const struct wspush *h, size_t row)
{
    char *name = cell(h, row, &all_columns[0]);
    printf("%s\n", name ? name : "?");
    free(name);
}

int ctl_list(struct ctl *ctl, const char *target, enum ctl_list form, size_t *rows)
{
    *rows = 0;
    enum wspush_result result = wspush_list(ctl->handle, target, rows);
    if (result != WSPUSH_OK)
        return ctl_fail(ctl, ctl->handle, result);
    struct listed *order = put_in_order(ctl->handle, *rows);
    if (!order)
        return CTL_ERROR;
    if (*rows && !ctl->json && !ctl->quiet)
        print_table(ctl, &tables[form], order, *rows);
    for (size_t i = 0; i < *rows && (ctl->json || ctl->quiet); i++) {
        if (ctl->json)
            print_row_json(ctl->handle, order[i].row);
        else
            print_name(ctl->handle, order[i].row);
    }
    free(order);
    if (*rows == 0 && !ctl->json)
        ctl_say_nobody(ctl, target ? target : "@all");
    return CTL_DONE;
}

static int run_list(struct ctl *ctl)
{
    size_t rows;
    const char *target = ctl->arg_count || ctl_given(ctl, "client") ? ctl_target(ctl) : "";
    if (!target || ctl_no_more(ctl) != CTL_DONE)
        return CTL_USAGE;
    return ctl_list(ctl, *target ? target : NULL, CTL_LIST_ALL, &rows);
}

static const struct ctl_option options[] = {CTL_OPTION_CLIENT, {0}};

const struct ctl_verb verb_list = {
    .name = "list",
    .args = "[TARGET]",
    .help = "list the connected clients",
    .more = "With -q only their names, one a line.\n",
    .example = "wsctl list test",
    .options = options,
    .run = run_list,
};
