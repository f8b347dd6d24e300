/*
 * The line of wspush.conf that would let in who was refused: what `wsctl refused` shows. Shared by the worker
 * and the responder.
 */
#ifndef WSPUSH_BASE_REMEDY_H
#define WSPUSH_BASE_REMEDY_H

#include "base/buf.h"
#include "base/config.h"

/* Adds `line`, an option of `rules`, and to which channel section it belongs, if they are one's. */
void remedy_add(struct buf *out, const struct config *config, const struct channel_config *rules,
                const char *line);
/* The list of origins with this one too. Adds nothing where no entry stands for it alone, as for "null". */
void remedy_add_origin(struct buf *out, const struct config *config, const struct channel_config *rules,
                       const char *origin);
/* Twice as much as `value` for an option of the whole process, as far as it goes. */
void remedy_add_double(struct buf *out, const char *name, uint64_t value);

#endif
