#include "ctl/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/print.h"

static void add_escaped(struct buf *out, const struct wspush_value *value)
{
    char *text = print_escape(value->text, value->len);
    buf_adds(out, text ? text : "?");
    free(text);
}

static void add_cell(struct buf *out, enum table_form form, const struct wspush_value *value)
{
    struct wspush_value item;
    if (value->kind == WSPUSH_NUMBER && form == TABLE_AGE)
        print_add_age(out, value->number);
    else if (value->kind == WSPUSH_NUMBER)
        buf_addf(out, form == TABLE_PING ? "%lldms" : "%lld", (long long)value->number);
    else if (value->kind == WSPUSH_TEXT && value->len)
        add_escaped(out, value);
    else if (value->kind == WSPUSH_LIST && value->items)
        for (size_t i = 0; wspush_item(value, i, &item); i++) {
            buf_adds(out, i ? "," : "");
            add_cell(out, TABLE_TEXT, &item);
        }
    else
        buf_addc(out, '-');
}

char *table_cell(const struct wspush *h, size_t row, const struct table_column *column)
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
static char **make_cells(const struct wspush *h, const struct table *t, const size_t *order, size_t rows,
                         size_t widths[TABLE_COLUMNS_MAX])
{
    char **cells = calloc(rows * t->count, sizeof *cells);
    for (size_t c = 0; cells && c < t->count; c++) {
        widths[c] = strlen(t->columns[c].title);
        for (size_t r = 0; r < rows; r++) {
            char *text = cells[r * t->count + c] = table_cell(h, order ? order[r] : r, &t->columns[c]);
            size_t width = text ? print_width(text) : 0;
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    return cells;
}

void table_print(const struct ctl *ctl, const struct table *t, const size_t *order, size_t rows)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    char **cells = make_cells(ctl->handle, t, order, rows, widths);
    for (size_t c = 0; cells && c < t->count; c++)
        print_cell(ctl, t, c, t->columns[c].title, widths[c], true);
    for (size_t r = 0; cells && r < rows; r++)
        for (size_t c = 0; c < t->count; c++) {
            char *text = cells[r * t->count + c];
            print_cell(ctl, t, c, text ? text : "?", widths[c], false);
            free(text);
        }
    free(cells);
}
