/*
 * What differs between two configurations, for whoever has wspush.conf read anew. Values are texts as one
 * writes them in wspush.conf: `64k`, `"unix:/run/x.sock"`, `{"a", "b"}`.
 */
#ifndef WSPUSH_BASE_CHANGES_H
#define WSPUSH_BASE_CHANGES_H

#include <stddef.h>

#include "base/config.h"

enum change_applies {
    CHANGE_NOW,      /* as soon as the configuration is taken */
    CHANGE_RESTART,  /* from the worker's next start */
    CHANGE_RESPONDER /* the responder reads it, the worker does not */
};

/* One option; or, where `option` is "channel", a section as a whole. */
struct change {
    const char *option;
    char *section; /* whose option it is, by its pattern; "": the top level's */
    char *was;     /* NULL: there was no such section */
    char *is;      /* NULL: there is none any more */
    enum change_applies applies;
};

struct changes {
    struct change *items;
    size_t count;
};

/* What `fresh` changes, from `running`; of options that hold from a start only, from `started`. An option of
 * a section is there where it changes in another way than the top level's does. A section that came or went
 * is one change, and so is another order of those that stay. changes_free() frees them. */
void changes_find(struct changes *out, const struct config *started, const struct config *running,
                  const struct config *fresh);
void changes_free(struct changes *c);
/* "now", "restart", "responder" */
const char *change_applies_name(enum change_applies applies);

/* The names of the options that hold from the worker's start only; NULL ends the list. */
extern const char *const changes_at_start[];

#endif
