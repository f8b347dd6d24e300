/* What the two ways of wsctl send share: one message (send.c), and a line a message (lines.c). */
#ifndef WSPUSH_CTL_SEND_H
#define WSPUSH_CTL_SEND_H

#include "ctl/ctl.h"

struct send_plan {
    const char *target;
    struct wspush_send_options options;
    int64_t interval_ms; /* between messages; 0: none */
    uint64_t count;      /* how often; 0: once, and {i} stays as it is */
};

/* Sends each line of `fd` as a message, as fast as the clients take them. Returns the exit status. */
int lines_send(struct ctl *ctl, const struct send_plan *plan, int fd);
/* Sleeps until `number` intervals after `start` (monotonic ms). */
void send_pace(const struct send_plan *plan, int64_t start, uint64_t number);

#endif
