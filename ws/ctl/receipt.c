#include "ctl/receipt.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "ctl/print.h"

/* The outcome that is waited for, and how people are told of it. */
static const struct {
    const char *word;
    const char *done;
    enum wspush_wait_for wait_for;
} waits[] = {
    {"handed", "handed", WSPUSH_WAIT_HANDED},
    {"ponged", "delivered", WSPUSH_WAIT_PONGED},
    {"acked", "acked", WSPUSH_WAIT_ACKED},
};
enum { WAITS = sizeof waits / sizeof *waits };

int receipt_parse(const char *word, enum wspush_wait_for *wait_for)
{
    for (size_t i = 0; i < WAITS; i++) {
        if (*word && strcmp(waits[i].word, word) != 0)
            continue;
        *wait_for = waits[i].wait_for;
        return 0;
    }
    return -1;
}

static size_t index_of(enum wspush_wait_for wait_for)
{
    size_t i = 0;
    while (i < WAITS - 1 && waits[i].wait_for != wait_for)
        i++;
    return i;
}

static void print_outcome(const char *outcome)
{
    if (strcmp(outcome, "timeout") == 0)
        outcome = "timed out";
    print_escaped(stdout, outcome, strlen(outcome));
}

void receipt_print_failures(const struct ctl *ctl, const struct wspush_sent *sent, uint64_t line)
{
    for (size_t i = 0; i < sent->failure_count; i++) {
        if (line)
            printf("line %llu: ", (unsigned long long)line);
        print_styled(ctl, stdout, PRINT_NAME, sent->failures[i].client);
        putchar(' ');
        print_outcome(sent->failures[i].outcome);
        putchar('\n');
    }
}

/* How many came to what was waited for. */
static int64_t count_good(enum wspush_wait_for wait_for, const struct wspush_sent *sent)
{
    int64_t good = 0;
    for (size_t i = 0; i < sent->outcome_count; i++)
        if (strcmp(sent->outcomes[i].name, waits[index_of(wait_for)].word) == 0)
            good += sent->outcomes[i].count;
    return good;
}

bool receipt_failed(enum wspush_wait_for wait_for, const struct wspush_sent *sent)
{
    return wait_for != WSPUSH_WAIT_NONE && count_good(wait_for, sent) < sent->recipients;
}

void receipt_print(const struct ctl *ctl, enum wspush_wait_for wait_for, const struct wspush_sent *sent,
                   int64_t took_ms)
{
    size_t wait = index_of(wait_for);
    printf("%s %lld of %lld in %lld ms", waits[wait].done, (long long)count_good(wait_for, sent),
           (long long)sent->recipients, (long long)took_ms);
    for (size_t i = 0; i < sent->outcome_count; i++) {
        if (strcmp(sent->outcomes[i].name, waits[wait].word) == 0 || sent->outcomes[i].count == 0)
            continue;
        printf(", %lld ", (long long)sent->outcomes[i].count);
        print_outcome(sent->outcomes[i].name);
    }
    if (ctl->verbose && sent->id[0])
        printf("; id %s", sent->id);
    putchar('\n');
    if (ctl->verbose)
        receipt_print_failures(ctl, sent, 0);
}

void receipt_add_json(struct buf *line, const struct wspush_sent *sent, int64_t took_ms)
{
    buf_adds(line, ",\"outcomes\":{");
    for (size_t i = 0; i < sent->outcome_count; i++) {
        buf_adds(line, i ? "," : "");
        json_add_string(line, sent->outcomes[i].name, strlen(sent->outcomes[i].name));
        buf_addf(line, ":%lld", (long long)sent->outcomes[i].count);
    }
    buf_adds(line, "},\"failed\":[");
    for (size_t i = 0; i < sent->failure_count; i++) {
        buf_adds(line, i ? ",{\"client\":" : "{\"client\":");
        json_add_string(line, sent->failures[i].client, strlen(sent->failures[i].client));
        buf_adds(line, ",\"outcome\":");
        json_add_string(line, sent->failures[i].outcome, strlen(sent->failures[i].outcome));
        buf_addc(line, '}');
    }
    buf_addf(line, "],\"ms\":%lld", (long long)took_ms);
}
