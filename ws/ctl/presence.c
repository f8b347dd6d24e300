/* presence: which users are on a channel. */
#include "ctl/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/print.h"
#include "ctl/table.h"

static const struct table_column columns[] = {
    {"user", "USER", TABLE_TEXT, false},
    {"clients", "CLIENTS", TABLE_TEXT, false},
    {"since", "SINCE", TABLE_AGE, true},
};
static const struct table table = {columns, sizeof columns / sizeof *columns};

/* Clients may be there all the same: those whose name nobody said. */
static void say_nobody(struct ctl *ctl, const char *channel)
{
    size_t rows = 0;
    if (ctl->quiet || ctl->json)
        return;
    if (wspush_list(ctl->handle, channel, &rows) != WSPUSH_OK || rows == 0) {
        ctl_say_nobody(ctl, channel);
        return;
    }
    fprintf(stderr, "wsctl: no user is on '");
    print_escaped(stderr, channel, strlen(channel));
    fprintf(stderr, "': nginx names nobody there ($wspush_user); clients without a name: %zu\n", rows);
}

static void print_user(const struct ctl *ctl, size_t row)
{
    char *user = table_cell(ctl->handle, row, &columns[0]);
    printf("%s\n", user ? user : "?");
    free(user);
}

static int run_presence(struct ctl *ctl)
{
    size_t rows = 0;
    const char *channel = ctl_next(ctl);
    if (!channel)
        return ctl_usage(ctl, "a channel is missing, such as test");
    if (channel[0] == '@')
        return ctl_usage(ctl, "presence is a channel's; %s is none", channel);
    if (ctl_no_more(ctl) != CTL_DONE)
        return CTL_USAGE;
    enum wspush_result result = wspush_presence(ctl->handle, channel, &rows);
    if (result != WSPUSH_OK)
        return ctl_fail(ctl, ctl->handle, result);
    if (rows && !ctl->json && !ctl->quiet)
        table_print(ctl, &table, NULL, rows);
    for (size_t row = 0; row < rows && (ctl->json || ctl->quiet); row++) {
        if (ctl->json)
            print_row_json(ctl->handle, row);
        else
            print_user(ctl, row);
    }
    if (rows == 0)
        say_nobody(ctl, channel);
    return CTL_DONE;
}

const struct ctl_verb verb_presence = {
    .name = "presence",
    .args = "CHANNEL",
    .help = "list the users who are on a channel",
    .more = "A user is there once, with all clients on the channel, from the first one's coming on. Clients "
            "without a\n"
            "name are not shown; wsctl list has them. With -q only the names, one a line.\n",
    .example = "wsctl presence room",
    .run = run_presence,
};
