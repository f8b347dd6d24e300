/*
 * A reader of event streams that does what the HTML standard says in sections 9.2.5 and 9.2.6, as plainly as
 * it says it: the reference that sse.c is held against, in unit tests and under the fuzzer. Fed in any
 * pieces.
 */
#ifndef WSPUSH_T_EVENT_READER_H
#define WSPUSH_T_EVENT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

struct event_read {
    const char *type; /* "message" where the stream names none */
    const void *id;   /* lastEventId */
    size_t id_len;
    const void *data;
    size_t len;
};

/* { .dispatch, .arg } is one at its start. */
struct event_reader {
    void (*dispatch)(void *arg, const struct event_read *event);
    void *arg;
    struct buf line;
    size_t fed;    /* bytes in all, for the byte order mark */
    bool after_cr; /* an LF now belongs to the line end before */
    struct buf data;
    struct buf type;
    struct buf id;      /* the last event ID buffer */
    struct buf last_id; /* the last event ID string of the event source */
};

static inline void event_reader_set(struct buf *to, const uint8_t *bytes, size_t len)
{
    buf_clear(to);
    buf_add(to, bytes, len);
}

static inline const char *event_reader_last_id(struct event_reader *r)
{
    return buf_str(&r->last_id);
}

static inline void event_reader_dispatch(struct event_reader *r)
{
    event_reader_set(&r->last_id, r->id.data, r->id.len);
    if (r->data.len) {
        if (r->data.data[r->data.len - 1] == '\n')
            r->data.len--;
        const char *type = r->type.len ? buf_str(&r->type) : "message";
        r->dispatch(r->arg,
                    &(struct event_read){type, r->last_id.data, r->last_id.len, r->data.data, r->data.len});
    }
    buf_clear(&r->data);
    buf_clear(&r->type);
}

static inline void event_reader_field(struct event_reader *r, const uint8_t *name, size_t name_len,
                                      const uint8_t *value, size_t len)
{
    if (name_len == 5 && memcmp(name, "event", 5) == 0) {
        event_reader_set(&r->type, value, len);
    } else if (name_len == 4 && memcmp(name, "data", 4) == 0) {
        buf_add(&r->data, value, len);
        buf_addc(&r->data, '\n');
    } else if (name_len == 2 && memcmp(name, "id", 2) == 0 && !(len && memchr(value, '\0', len))) {
        event_reader_set(&r->id, value, len);
    } /* retry, and what is not known: nothing here */
}

static inline void event_reader_line(struct event_reader *r)
{
    const uint8_t *line = r->line.data;
    const uint8_t *colon = r->line.len ? memchr(line, ':', r->line.len) : NULL;
    if (!r->line.len) {
        event_reader_dispatch(r);
    } else if (!colon) {
        event_reader_field(r, line, r->line.len, line, 0);
    } else if (colon > line) {
        size_t name_len = (size_t)(colon - line);
        size_t skip = name_len + 1;
        if (skip < r->line.len && line[skip] == ' ')
            skip++;
        event_reader_field(r, line, name_len, line + skip, r->line.len - skip);
    }
    buf_clear(&r->line);
}

static inline void event_reader_byte(struct event_reader *r, uint8_t c)
{
    bool belongs = r->after_cr && c == '\n';
    r->after_cr = c == '\r';
    if (belongs)
        return;
    if (c == '\r' || c == '\n')
        event_reader_line(r);
    else
        buf_addc(&r->line, (char)c);
    if (++r->fed == 3 && r->line.len == 3 && memcmp(r->line.data, "\xef\xbb\xbf", 3) == 0)
        buf_clear(&r->line);
}

static inline void event_reader_feed(struct event_reader *r, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        event_reader_byte(r, ((const uint8_t *)bytes)[i]);
}

static inline void event_reader_fini(struct event_reader *r)
{
    buf_fini(&r->line);
    buf_fini(&r->data);
    buf_fini(&r->type);
    buf_fini(&r->id);
    buf_fini(&r->last_id);
}

/* What becomes of a text: every CR LF and CR is an LF. */
static inline void event_reader_join_lines(struct buf *out, const void *text, size_t len)
{
    const char *p = text;
    for (size_t i = 0; i < len; i++) {
        if (p[i] == '\n' && i > 0 && p[i - 1] == '\r')
            continue;
        buf_addc(out, p[i]);
        if (p[i] == '\r')
            out->data[out->len - 1] = '\n';
    }
}

#endif
