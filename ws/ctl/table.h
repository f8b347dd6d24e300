/* Rows that the worker answered, as a table for people. */
#ifndef WSPUSH_CTL_TABLE_H
#define WSPUSH_CTL_TABLE_H

#include "ctl/ctl.h"

enum { TABLE_COLUMNS_MAX = 16 };

/* How a value is shown: as it is (a list's with commas between), as the time since then, as milliseconds. */
enum table_form { TABLE_TEXT, TABLE_AGE, TABLE_PING };

struct table_column {
    const char *field;
    const char *title;
    enum table_form form;
    bool right; /* flush right */
};

struct table {
    const struct table_column *columns;
    size_t count;
};

/* The text of one cell; free it. NULL without memory. */
char *table_cell(const struct wspush *h, size_t row, const struct table_column *column);
/* Prints titles and rows. `order` NULL: the rows as the worker gave them, else the numbers of the rows. */
void table_print(const struct ctl *ctl, const struct table *t, const size_t *order, size_t rows);

#endif
