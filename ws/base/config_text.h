/*
 * A look at the text of a configuration before libconfuse reads it: refuses what libconfuse would take in
 * silence and mean something else by.
 */
#ifndef WSPUSH_BASE_CONFIG_TEXT_H
#define WSPUSH_BASE_CONFIG_TEXT_H

#include <stddef.h>

#include "base/buf.h"

/* Reads the file whole (at most 1 MiB, no NUL byte). 0, or -1 with a line in `why`. */
int config_text_read(const char *path, struct buf *out, char *why, size_t why_cap);
/* Refuses "${...}" (it would expand), an option set twice in one section (the last would win), "+=" and a '+'
 * without quotes (it would get lost), a key in quotes or with a '|' (it would reach into another section), an
 * escaped NUL in a string (it would truncate), an unclosed string, comment or section. 0, or -1 with file and
 * line in `why`. Comments become spaces, because libconfuse counts their lines wrong. */
int config_text_check(const char *path, char *text, char *why, size_t why_cap);

#endif
