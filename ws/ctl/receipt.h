/* What became of a message that was waited for, as wsctl send tells it. */
#ifndef WSPUSH_CTL_RECEIPT_H
#define WSPUSH_CTL_RECEIPT_H

#include "base/buf.h"
#include "ctl/ctl.h"

/* Reads the word behind --wait; "" is the first. 0, or -1 if it is none. */
int receipt_parse(const char *word, enum wspush_wait_for *wait_for);
/* "delivered 41 of 43 in 12 ms, 1 closed, 1 timed out", and with -v the id and who failed. */
void receipt_print(const struct ctl *ctl, enum wspush_wait_for wait_for, const struct wspush_sent *sent,
                   int64_t took_ms);
/* Whether not all recipients came to what was waited for; never where nothing was. */
bool receipt_failed(enum wspush_wait_for wait_for, const struct wspush_sent *sent);
/* "c7 closed", a line each; of a message that was line `line` (0: of none) with "line 12: " before it. */
void receipt_print_failures(const struct ctl *ctl, const struct wspush_sent *sent, uint64_t line);
/* Adds the members of the same: outcomes, failed, ms. */
void receipt_add_json(struct buf *line, const struct wspush_sent *sent, int64_t took_ms);

/* The words, for the option's row. */
#define RECEIPT_WORDS "handed|ponged|acked"

#endif
