/* refused: who was not let in lately, why, and what would let them in. */
#include "ctl/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "ctl/print.h"

#define COUNT_DEFAULT "20"

static const char *text_of(const struct wspush *h, size_t row, const char *field)
{
    struct wspush_value value;
    return wspush_row_get(h, row, field, &value) && value.kind == WSPUSH_TEXT ? value.text : "";
}

static int64_t number_of(const struct wspush *h, size_t row, const char *field)
{
    struct wspush_value value;
    return wspush_row_get(h, row, field, &value) && value.kind == WSPUSH_NUMBER ? value.number : 0;
}

static void print_field(const struct wspush *h, size_t row, const char *before, const char *field)
{
    const char *text = text_of(h, row, field);
    fputs(before, stdout);
    print_escaped(stdout, text, strlen(text));
}

/* When, who, where; then why; then the remedy as it is to be written. */
static void print_refusal(const struct wspush *h, size_t row)
{
    struct buf age = {0};
    int64_t times = number_of(h, row, "times");
    print_add_age(&age, number_of(h, row, "time"));
    printf("%s ago", buf_str(&age));
    buf_fini(&age);
    print_field(h, row, "  ", "address");
    print_field(h, row, "  ", "channel");
    print_field(h, row, "  ", "what");
    if (times > 1)
        printf("  %lld times", (long long)times);
    print_field(h, row, "\n    ", "why");
    if (*text_of(h, row, "remedy"))
        print_field(h, row, "\n    to allow it: ", "remedy");
    putchar('\n');
}

static int get_count(const struct ctl *ctl, uint64_t *count)
{
    const char *text = ctl_given(ctl, "count") ? ctl_value(ctl, "count") : COUNT_DEFAULT;
    if (units_number(text, strlen(text), count) < 0 || *count > INT32_MAX)
        return ctl_usage(ctl, "--count '%s' is not a number", text);
    return CTL_DONE;
}

static int run_refused(struct ctl *ctl)
{
    size_t rows = 0;
    uint64_t count = 0;
    if (ctl_no_more(ctl) != CTL_DONE || get_count(ctl, &count) != CTL_DONE)
        return CTL_USAGE;
    enum wspush_result result = wspush_refused(ctl->handle, (int64_t)count, &rows);
    if (result != WSPUSH_OK)
        return ctl_fail(ctl, ctl->handle, result);
    for (size_t row = 0; row < rows; row++) {
        if (ctl->json)
            print_row_json(ctl->handle, row);
        else
            print_refusal(ctl->handle, row);
    }
    if (rows == 0 && !ctl->json && !ctl->quiet)
        fprintf(stderr, "wsctl: nobody was refused since the worker's start\n");
    return CTL_DONE;
}

static const struct ctl_option options[] = {
    {"count", 'n', CTL_VALUE, "N", "how many, the latest first (default " COUNT_DEFAULT "; 100 are kept)"},
    {0},
};

const struct ctl_verb verb_refused = {
    .name = "refused",
    .args = "",
    .help = "list who was not let in, and what would let them in",
    .more = "What stands behind \"to allow it\" goes into wspush.conf;\n"
            "`systemctl reload wspushd wspush-fcgi` makes it hold.\n",
    .example = "wsctl refused --count 5",
    .options = options,
    .run = run_refused,
};
