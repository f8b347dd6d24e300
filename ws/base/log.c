#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

enum { LINE_MAX_BYTES = 2048, PEER_LINES_A_SECOND = 20 };

static const char *program_name = "wspush";
static atomic_int max_level = LOG_LEVEL_INFO;

void log_init(const char *program, enum log_level level)
{
    program_name = program;
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store(&max_level, (int)level);
}

const char *log_escape(char *out, size_t cap, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    size_t at = 0;
    for (size_t i = 0; i < len;) {
        size_t n = utf8_char_len(p + i, len - i);
        bool plain =
            n > 1 ? !utf8_drives_display(p + i, n) : n == 1 && p[i] >= 0x20 && p[i] != 0x7f && p[i] != '\\';
        bool backslash = n == 1 && p[i] == '\\';
        size_t need = plain ? n : backslash ? 2 : 4;
        if (at + need + 4 > cap) {
            memcpy(out + at, "...", 4);
            return out;
        }
        if (plain) {
            memcpy(out + at, p + i, n);
            i += n;
        } else if (backslash) {
            memcpy(out + at, "\\\\", 2);
            i++;
        } else {
            snprintf(out + at, 5, "\\x%02x", p[i++]);
        }
        at += need;
    }
    out[at] = '\0';
    return out;
}

static void write_line(enum log_level level, const char *text)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char escaped[LINE_MAX_BYTES];
    char line[LINE_MAX_BYTES + 128];
    int64_t now = clock_wall_ms();
    time_t seconds = now / 1000;
    struct tm t;
    gmtime_r(&seconds, &t);
    int n = snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s %s: %s\n", t.tm_year + 1900,
                     t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (int)(now % 1000), names[level],
                     program_name, log_escape(escaped, sizeof escaped, text, strlen(text)));
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)n);
    (void)ignored;
}

static void log_at(enum log_level level, const char *format, va_list args)
{
    char text[LINE_MAX_BYTES];
    if ((int)level > atomic_load_explicit(&max_level, memory_order_relaxed))
        return;
    vsnprintf(text, sizeof text, format, args);
    write_line(level, text);
}

#define LOG_FUNCTION(name, level)                                                                            \
    void name(const char *format, ...)                                                                       \
    {                                                                                                        \
        va_list args;                                                                                        \
        va_start(args, format);                                                                              \
        log_at(level, format, args);                                                                         \
        va_end(args);                                                                                        \
    }
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

/* Whether one more line fits into this second; tells once how many did not. */
static bool peer_allowance(void)
{
    static atomic_llong window;
    static atomic_int used;
    static atomic_int left_out;
    long long now = clock_mono_ms() / 1000;
    long long old = atomic_load(&window);
    if (now != old && atomic_compare_exchange_strong(&window, &old, now)) {
        atomic_store(&used, 0);
        int missed = atomic_exchange(&left_out, 0);
        if (missed)
            log_warn("%d more lines about peers were left out", missed);
    }
    if (atomic_fetch_add(&used, 1) < PEER_LINES_A_SECOND)
        return true;
    atomic_fetch_add(&left_out, 1);
    return false;
}

void log_peer(const char *format, ...)
{
    if (!peer_allowance())
        return;
    va_list args;
    va_start(args, format);
    log_at(LOG_LEVEL_INFO, format, args);
    va_end(args);
}
