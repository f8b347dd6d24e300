/*
 * The lines that were typed at the console, kept from one run to the next: one a line, the oldest first, in
 * wspush/console_history of $XDG_STATE_HOME or ~/.local/state, for its owner alone. Whatever goes wrong with
 * the file, there is just no history. Two consoles may add at the same time.
 */
#ifndef WSPUSH_CTL_PAST_H
#define WSPUSH_CTL_PAST_H

/* The file, its folders made; free it. NULL where there is none to be had. */
char *past_path(void);
/* Calls `each` with the lines of the last 64 KiB. A file that has grown past 256 KiB is cut to these. */
void past_read(const char *path, void (*each)(void *arg, const char *line), void *arg);
/* Adds a line; one longer than 4 KiB, or with a newline in it, is not kept. */
void past_add(const char *path, const char *line);

#endif
