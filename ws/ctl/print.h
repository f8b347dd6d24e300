/*
 * Output of wsctl: for people, escaped so that what browsers sent can't drive the terminal, and as JSON lines
 * for programs.
 */
#ifndef WSPUSH_CTL_PRINT_H
#define WSPUSH_CTL_PRINT_H

#include <stdio.h>

#include "base/buf.h"
#include "ctl/ctl.h"

enum print_style { PRINT_PLAIN, PRINT_BOLD, PRINT_DIM, PRINT_NAME };

/* Whether `file` may be coloured: a terminal that can, and no NO_COLOR (no-color.org). */
bool print_may_colour(FILE *file);
/* Writes control bytes and what is not UTF-8 as \xNN, a backslash as two. */
void print_escaped(FILE *file, const void *bytes, size_t len);
/* The same as text; free it. NULL without memory. */
char *print_escape(const void *bytes, size_t len);
/* Writes text in a style, if colour is on. */
void print_styled(const struct ctl *ctl, FILE *file, enum print_style style, const char *text);
/* A browser's message on stdout: the payload and a newline (raw where stdout is no terminal), details with
 * -v, or a line of JSON. */
void print_message(const struct ctl *ctl, const struct wspush_message *m);
/* A message as JSON, without a newline. */
void print_message_json(struct buf *out, const struct wspush_message *m);
/* Writes and empties a buffer, and ends the line. */
void print_line(FILE *file, struct buf *line);
/* Flushes stdout. False if a write to it ever failed; errno says afterwards why the first one did. */
bool print_flush(void);
/* Columns that a terminal gives to the text. */
size_t print_width(const char *text);
/* How many bytes of the text fit into so many columns: whole characters. */
size_t print_fit(const char *text, size_t columns);
/* Local time of Unix ms as 15:04:05. */
const char *print_clock(char out[16], int64_t ms);

/* Adds how long ago this was: 75 s is "1m15s", the two largest units. */
void print_add_age(struct buf *out, int64_t since);
/* A row that the worker answered, as an object on a line. */
void print_row_json(const struct wspush *h, size_t row);

#endif
