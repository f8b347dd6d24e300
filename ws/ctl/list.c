/* list: who is connected, as a table for people or a JSON object each. */
#include "ctl/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "ctl/print.h"
#include "ctl/table.h"

static const struct table_column all_columns[] = {
    {"client", "CLIENT", TABLE_TEXT, false},     {"user", "USER", TABLE_TEXT, false},
    {"channels", "CHANNELS", TABLE_TEXT, false}, {"transport", "OVER", TABLE_TEXT, false},
    {"address", "ADDRESS", TABLE_TEXT, false},   {"since", "SINCE", TABLE_AGE, true},
    {"msgs_out", "SENT", TABLE_TEXT, true},      {"msgs_in", "RECEIVED", TABLE_TEXT, true},
    {"queued", "QUEUED", TABLE_TEXT, true},      {"ping", "PING", TABLE_PING, true},
};
static const struct table_column brief_columns[] = {
    {"client", "CLIENT", TABLE_TEXT, false},
    {"user", "USER", TABLE_TEXT, false},
    {"transport", "OVER", TABLE_TEXT, false},
    {"since", "SINCE", TABLE_AGE, true},
};
static const struct table tables[] = {
    [CTL_LIST_ALL] = {all_columns, sizeof all_columns / sizeof *all_columns},
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

/* The rows by their clients' numbers. Free it; NULL without memory. */
static size_t *put_in_order(const struct wspush *h, size_t rows)
{
    struct listed *listed = calloc(rows + 1, sizeof *listed);
    size_t *order = calloc(rows + 1, sizeof *order);
    for (size_t row = 0; listed && row < rows; row++) {
        struct wspush_value name;
        listed[row].row = row;
        if (wspush_row_get(h, row, "client", &name) && name.kind == WSPUSH_TEXT)
            client_name_parse(name.text, name.len, &listed[row].client);
    }
    if (listed && order) {
        qsort(listed, rows, sizeof *listed, by_client);
        for (size_t i = 0; i < rows; i++)
            order[i] = listed[i].row;
    }
    if (!listed) {
        free(order);
        order = NULL;
    }
    free(listed);
    return order;
}

static void print_name(const struct wspush *h, size_t row)
{
    char *name = table_cell(h, row, &all_columns[0]);
    printf("%s\n", name ? name : "?");
    free(name);
}

int ctl_list(struct ctl *ctl, const char *target, enum ctl_list form, size_t *rows)
{
    *rows = 0;
    enum wspush_result result = wspush_list(ctl->handle, target, rows);
    if (result != WSPUSH_OK)
        return ctl_fail(ctl, ctl->handle, result);
    size_t *order = put_in_order(ctl->handle, *rows);
    if (!order)
        return CTL_ERROR;
    if (*rows && !ctl->json && !ctl->quiet)
        table_print(ctl, &tables[form], order, *rows);
    for (size_t i = 0; i < *rows && (ctl->json || ctl->quiet); i++) {
        if (ctl->json)
            print_row_json(ctl->handle, order[i]);
        else
            print_name(ctl->handle, order[i]);
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
