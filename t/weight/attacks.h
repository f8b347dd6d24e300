/* Ways to make the worker keep or do more than was sent to it, each within FORCE_BUDGET. */
#ifndef WSPUSH_T_ATTACKS_H
#define WSPUSH_T_ATTACKS_H

#include "force.h"

struct attack {
    const char *name;
    /* Sends, and leaves its connections open. */
    void (*run)(struct force *f);
};

extern const struct attack attacks[];
extern const size_t attack_count;

#endif
