/*
 * What the files of libwspush share: the handle, its connection (link.c), its bounded reply parser (parse.c)
 * and the shape of a call (call.c). Nothing here is public.
 */
#ifndef WSPUSH_CLIENT_HANDLE_H
#define WSPUSH_CLIENT_HANDLE_H

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "client/wspush.h"

enum { ERROR_TEXT_MAX = 512 };

struct wspush {
    char *path;
    int64_t deadline_ms;
    int64_t idle_ms; /* of wspush_next, 0: none */
    size_t reply_limit;

    int fd; /* -1: not connected */
    bool write_failed;
    bool late;      /* the deadline passed; one more look was taken */
    struct buf out; /* commands; the first out_done bytes are written */
    size_t out_done;

    redisReader *reader;
    redisReplyObjectFunctions functions; /* hiredis's own, two of them wrapped */
    void *(*create_string)(const redisReadTask *, char *, size_t);
    void *(*create_array)(const redisReadTask *, int);
    const char *fault;    /* why a wrapper refused */
    size_t reply_bytes;   /* of the reply that is being read */
    size_t reply_entries; /* array elements announced in it */
    int64_t reply_began;  /* when its first byte came, 0: not yet */
    int64_t looked;       /* when link_try did, last */

    redisReply *reply;   /* the last one; what calls hand out points into it */
    size_t rows;         /* of a reply that consists of them */
    size_t past;         /* messages, of one that consists of them */
    bool waiting;        /* between wspush_wait_begin and its result */
    int64_t wait_until;  /* when its answer is overdue, -1: never */
    int64_t watched;     /* subscriptions; while there are any, the connection is for them alone */
    struct buf kept;     /* events that came before a subscription's answer: of struct kept */
    size_t kept_bytes;   /* of their payloads */
    struct buf queue;    /* an array of struct queued */
    struct buf receipts; /* arrays behind struct wspush_sent */
    char error[ERROR_TEXT_MAX];
};

struct arg {
    const void *bytes;
    size_t len;
};

/* ---- parse.c ---- */

/* A new reader, empty; false without memory. */
bool parse_start(struct wspush *h);
void parse_stop(struct wspush *h);
/* The next whole reply into h->reply (the one before is freed): OK, PENDING, or BADREPLY with its text. */
enum wspush_result parse_next(struct wspush *h);
/* Takes what was read from the connection. */
enum wspush_result parse_feed(struct wspush *h, const char *bytes, size_t len);
/* Whether part of a reply, or one that nobody asked for, is there. */
bool parse_has_rest(const struct wspush *h);

/* ---- link.c ---- */

/* Connects by `until` (monotonic ms), or makes sure that the connection which is there still lives. */
enum wspush_result link_ready(struct wspush *h, int64_t until);
void link_close(struct wspush *h);
/* Writes what is queued in h->out, reading meanwhile, until all is written. */
enum wspush_result link_flush(struct wspush *h, int64_t until);
/* Writes and reads until h->reply is the next reply. `until` -1: as long as no byte of it has come. On
 * failure the connection is closed. */
enum wspush_result link_reply(struct wspush *h, int64_t until);
/* What nobody asked for: h->reply is the next one, or PENDING at `until` (-1: never), with one look at least.
 * A reply that has begun may take as long as a call, counted from now. */
enum wspush_result link_listen(struct wspush *h, int64_t until);
/* One look without waiting: as link_reply, or PENDING. A reply that has begun by `until` may take as long as
 * a call, of which the time that passes between two looks counts as a second at most. */
enum wspush_result link_try(struct wspush *h, int64_t until);

/* ---- call.c ---- */

/* Forgets the results of the call before. */
void call_reset(struct wspush *h);
/* Sets the error text and returns `result`. */
enum wspush_result call_fail(struct wspush *h, enum wspush_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* OK, or the failure of a call on a handle that is busy with something else. */
enum wspush_result call_may_begin(struct wspush *h);
/* Adds a command behind h->out. */
void call_add(struct wspush *h, const struct arg *args, size_t count);
/* Begins a call: results forgotten, connection ready, one command in h->out. */
enum wspush_result call_begin(struct wspush *h, const struct arg *args, size_t count, int64_t until);
/* A whole call that may take `wait_ms` longer than the deadline: OK with h->reply, no error reply, or the
 * failure. */
enum wspush_result call(struct wspush *h, const struct arg *args, size_t count, int64_t wait_ms);
/* The same for an answer that is rows; `*rows` is how many. ask.c has it. */
enum wspush_result call_for_rows(struct wspush *h, const char *verb, const struct arg *args, size_t count,
                                 size_t *rows);
/* OK, or what an error reply in h->reply means, its text in h->error. */
enum wspush_result call_judge(struct wspush *h);
/* BADREPLY: the worker's reply has not the shape that this verb's has. */
enum wspush_result call_odd_reply(struct wspush *h, const char *verb);
int64_t call_until(const struct wspush *h, int64_t wait_ms);
/* `ms`, but no longer than the worker takes for a time: so it may be added to others. */
int64_t call_clamp(int64_t ms);

/* ---- subscribe.c ---- */

/* The connection is gone, and with it all subscriptions. */
void subscriptions_end(struct wspush *h);

struct arg arg_text(const char *text);
/* `digits` holds at least 24 bytes and stays in place until the command is added. */
struct arg arg_number(char *digits, int64_t number);

static inline bool reply_is(const redisReply *r, int type)
{
    return r && r->type == type;
}

#endif
