/* What wsctl tail shows of an event: a line for people, or one of JSON. */
#ifndef WSPUSH_CTL_TAIL_LINE_H
#define WSPUSH_CTL_TAIL_LINE_H

#include "ctl/ctl.h"

/* Prints the event on stdout. On a terminal the line is cut to its width. */
void tail_line(const struct ctl *ctl, const struct wspush_event *event);

#endif
