/* What a reader gets of a channel's history. */
#ifndef WSPUSH_ENGINE_READING_H
#define WSPUSH_ENGINE_READING_H

#include "push/engine.h"
#include "push/history.h"

/* A channel as a reader meets it. */
struct reading_of {
    struct msg_id head;
    uint64_t lost;                 /* messages up to this number are not kept */
    const struct history *history; /* NULL: nothing is kept */
};

/* What is read, the messages with a reference each; reading_done() lets go of them. */
struct excerpt reading_take(const struct reading *r, const struct reading_of *of);
void reading_done(struct excerpt *x);

#endif
