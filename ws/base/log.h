/*
 * One line an event on stderr: `2026-01-31T12:00:00.123Z warn wspushd: text`. Bytes that could forge a line
 * or drive a terminal are escaped here, so callers print what peers sent as it is. Any thread may log.
 */
#ifndef WSPUSH_BASE_LOG_H
#define WSPUSH_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `program` is kept; call once, before threads start. */
void log_init(const char *program, enum log_level level);
void log_set_level(enum log_level level);
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For what peers can cause at will: at most 20 lines in a second over all callers; the next second's first
 * line is preceded by how many were left out. */
void log_peer(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes `len` bytes to `out` (capacity `cap`, at least 4) as one printable line: control bytes, DEL and
 * invalid UTF-8 as \xNN, a backslash as two; cut with "..." where it does not fit. Always ends with NUL;
 * returns `out`. */
const char *log_escape(char *out, size_t cap, const void *bytes, size_t len);

#endif
