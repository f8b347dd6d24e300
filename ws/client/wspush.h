/*
 * libwspush: send to, and hear from, the browsers of a wspush worker, over its control socket.
 *
 * A handle is one connection, used by one thread at a time; there is no global state. It connects at the
 * first call and, when the connection broke, again at the next one: never in the middle of a call, and
 * nothing is sent twice. Every call has a deadline and a bound on what it reads. Message, timeout, closed and
 * error are four different results.
 *
 * What a call hands out (messages, rows, texts) belongs to the handle and is valid until the next call on it.
 * A target is a channel, "@client:c42", "@user:alice", "@match:PATTERN" (channels) or "@all".
 */
#ifndef WSPUSH_H
#define WSPUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WSPUSH_DEFAULT_SOCKET "/run/wspush/control.sock"

enum wspush_result {
    WSPUSH_OK,
    WSPUSH_EMPTY,    /* wspush_read: no message is waiting */
    WSPUSH_PENDING,  /* wspush_wait_take: no answer yet */
    WSPUSH_TIMEOUT,  /* the wait ended as told, with nothing; of a send: its store was slow */
    WSPUSH_CLOSED,   /* the client is gone and its messages ran out */
    WSPUSH_NOWORKER, /* nobody listens on the socket, or the connection broke */
    WSPUSH_NOANSWER, /* a worker that did not answer before the deadline */
    WSPUSH_BADREPLY, /* an answer that is not a worker's, or larger than the bound */
    WSPUSH_NOPERM,   /* the socket may not be opened, or the verb not be used */
    WSPUSH_NOTARGET, /* a client that never was */
    WSPUSH_BADNAME,  /* not a channel's name or a target */
    WSPUSH_BADUTF8,  /* a text that is not UTF-8 */
    WSPUSH_TOOBIG,   /* over the worker's message limit */
    WSPUSH_BUSY,     /* the worker asks to come back later */
    WSPUSH_NOMEM,
    WSPUSH_ERROR, /* any other error; wspush_error() has its text */
    WSPUSH_NOPOS, /* wspush_history: messages behind that id are gone */
};

struct wspush;

/* A handle for the control socket at `path`; NULL: WSPUSH_DEFAULT_SOCKET. Does not connect yet, so it works
 * while the worker is away. NULL only for want of memory. */
struct wspush *wspush_open(const char *path);
/* Closes the connection and frees the handle and all that it handed out. NULL is allowed. */
void wspush_free(struct wspush *h);
/* Closes the connection and keeps the handle; the next call connects anew. A wait that was begun is given up.
 */
void wspush_disconnect(struct wspush *h);

/* How long a call may take, connecting included, beyond the time that it was told to wait. Default 4,000 ms.
 */
void wspush_set_deadline(struct wspush *h, int64_t ms);
/* The largest reply that is read. Default 64 MiB. */
void wspush_set_reply_limit(struct wspush *h, size_t bytes);
/* After how long without a message wspush_next() ends with TIMEOUT. Default 0: never. */
void wspush_set_idle(struct wspush *h, int64_t ms);

/* What the last call on the handle ran into, as one line for people (an error reply's own text, or ours); ""
 * after a success. May hold bytes that the worker sent: escape before a terminal sees it. */
const char *wspush_error(const struct wspush *h);
/* The socket's path. */
const char *wspush_path(const struct wspush *h);
/* "OK", "NOWORKER" and so on. */
const char *wspush_result_name(enum wspush_result result);

/* ---- sending ---- */

/* Whether a message went out. After a failure, only NOT_PUBLISHED may be sent again without the risk of
 * doubling it. */
enum wspush_published {
    WSPUSH_NOT_PUBLISHED,  /* surely not: no connection, not wholly written, or refused */
    WSPUSH_PUBLISHED,      /* the worker said so */
    WSPUSH_PUBLISH_UNKNOWN /* wholly written, but no answer came */
};

enum wspush_wait_for { WSPUSH_WAIT_NONE, WSPUSH_WAIT_HANDED, WSPUSH_WAIT_PONGED, WSPUSH_WAIT_ACKED };

/* Of two messages to a channel with one key, the second within five minutes, the second is none: it reaches
 * nobody, and has the id of the first. So a message that may have gone out may be sent again. */
struct wspush_send_options {
    bool binary;                   /* else text, which must be UTF-8 */
    enum wspush_wait_for wait_for; /* answer when each recipient's outcome is known ... */
    int64_t timeout_ms;            /* ... or after this time; 0: the worker's default, 5,000 ms */
    int64_t ttl_ms;                /* nobody is to get it later than that; 0: no such time */
    const char *key;               /* 1 to 200 bytes; NULL: none */
};

enum { WSPUSH_ID_MAX = 63 };

struct wspush_outcome {
    const char *name; /* "handed", "closed", "timeout" ... */
    int64_t count;
};

struct wspush_failure {
    const char *client; /* "c42" */
    const char *outcome;
};

struct wspush_sent {
    enum wspush_published published;
    int64_t recipients;
    char id[WSPUSH_ID_MAX + 1]; /* "" for a target that has no ids */
    /* With wait_for: how many had which outcome, and each client that failed. */
    const struct wspush_outcome *outcomes;
    size_t outcome_count;
    const struct wspush_failure *failures;
    size_t failure_count;
};

/* Sends one message. `options` NULL: text, no waiting. Text is checked before it is sent: WSPUSH_BADUTF8.
 * `sent` may be NULL; it is filled in on failure too (`published`). No recipient is no error. */
enum wspush_result wspush_send(struct wspush *h, const char *target, const void *payload, size_t len,
                               const struct wspush_send_options *options, struct wspush_sent *sent);

/* Many messages in one go. wspush_send_queue() copies a message behind those queued before and sends nothing
 * yet: OK, BADUTF8, NOMEM, or ERROR on a handle that waits or watches. wspush_send_flush() sends them all and
 * calls `each` (may be NULL) once for each, in order, with its number (from 0), its result and what
 * wspush_send() would have filled in, valid during that call. Returns OK when the worker answered every one,
 * be it with a refusal; else why the conversation ended: `each` had this result for all that were not
 * answered. On the handle `each` may ask wspush_error() only. Any other call than these two drops the queue.
 */
typedef void wspush_sent_fn(void *arg, size_t number, enum wspush_result result,
                            const struct wspush_sent *sent);
enum wspush_result wspush_send_queue(struct wspush *h, const char *target, const void *payload, size_t len,
                                     const struct wspush_send_options *options);
enum wspush_result wspush_send_flush(struct wspush *h, wspush_sent_fn *each, void *arg);

/* ---- what was sent ---- */

struct wspush_past {
    const char *id;
    bool binary;
    const void *payload; /* a NUL follows it */
    size_t len;
    int64_t time; /* Unix ms */
};

/* What a channel keeps of what was sent to it (the options history_size, history_bytes and history_ttl), the
 * oldest first. `since` NULL: the newest `count`. An id: the first `count` behind it, or NOPOS. `count` 0:
 * all. `*messages` is how many. */
enum wspush_result wspush_history(struct wspush *h, const char *channel, const char *since, int64_t count,
                                  size_t *messages);
/* The message numbered `index`; false behind the last one. */
bool wspush_history_get(const struct wspush *h, size_t index, struct wspush_past *message);

struct wspush_limits {
    int64_t messages; /* 0: it keeps none */
    int64_t bytes;
    int64_t ttl_ms; /* 0: any age */
};

/* How much a channel may keep. */
enum wspush_result wspush_history_limits(struct wspush *h, const char *channel, struct wspush_limits *limits);

/* ---- hearing ---- */

struct wspush_message {
    const char *client;  /* "c42" */
    const char *channel; /* to which it was sent */
    bool binary;
    const void *payload; /* a NUL follows it */
    size_t len;
    int64_t time; /* Unix ms */
    int64_t lost; /* messages before it that were dropped for want of room */
};

/* Waits for the next message to the target, at most `timeout_ms` (negative: for ever): OK with a message,
 * TIMEOUT, CLOSED, or an error. At most once: a message that was handed out is gone from the inbox. */
enum wspush_result wspush_wait(struct wspush *h, const char *target, int64_t timeout_ms,
                               struct wspush_message *message);
/* One message after the other:
 * `while ((result = wspush_next(h, target, &message)) == WSPUSH_OK)`. It ends with CLOSED when the client is
 * gone and its messages ran out, TIMEOUT only after the time of wspush_set_idle(), or an error; silence does
 * not end it. */
enum wspush_result wspush_next(struct wspush *h, const char *target, struct wspush_message *message);
/* The next message if one is waiting: OK, EMPTY, CLOSED, or an error. */
enum wspush_result wspush_read(struct wspush *h, const char *target, struct wspush_message *message);
/* How many messages are waiting. */
enum wspush_result wspush_count_messages(struct wspush *h, const char *target, int64_t *count);
/* Whether a message is waiting. */
enum wspush_result wspush_has_messages(struct wspush *h, const char *target, bool *has);

/* wspush_wait() for a poll loop: begin sends the question; when wspush_fd() is readable, or once a second,
 * take returns PENDING or what wspush_wait() would have. No other call meanwhile but take and
 * wspush_disconnect(). */
enum wspush_result wspush_wait_begin(struct wspush *h, const char *target, int64_t timeout_ms);
enum wspush_result wspush_wait_take(struct wspush *h, struct wspush_message *message);
/* The connection's descriptor, or -1. */
int wspush_fd(const struct wspush *h);

/* ---- watching ---- */

struct wspush_event {
    const char *pattern; /* the one that matched; NULL where the name itself is subscribed to */
    const char *name;    /* "test", "@in:test" or "@events:test" */
    const void *payload; /* a NUL follows it */
    size_t len;
};

/* Subscribes to a name: "test" is what is pushed to that channel, "@in:test" what its clients send,
 * "@events:test" how they come and go (the last two as lines of JSON, see docs/CONTROL.md). Or to all names
 * that a pattern matches, such as "@in:**". Watching takes nothing away: inboxes keep their messages. From
 * the first subscription on the handle is for subscribing and wspush_event() only, until wspush_disconnect()
 * or a failure of the connection ends all of them. A name that is refused (BADNAME, or ERROR for one too
 * many) leaves the others. */
enum wspush_result wspush_subscribe(struct wspush *h, const char *name);
enum wspush_result wspush_psubscribe(struct wspush *h, const char *pattern);
/* The next event, waiting at most `timeout_ms` (negative: for ever): OK, TIMEOUT, or an error. NOWORKER: the
 * worker is gone, or has dropped a watcher that did not read 4 MiB of events; what comes from then on is
 * missed until the names are subscribed to again. In a poll loop ask with timeout 0 until TIMEOUT, then wait
 * for wspush_fd() to be readable. */
enum wspush_result wspush_event(struct wspush *h, int64_t timeout_ms, struct wspush_event *event);

/* ---- clients and the worker ---- */

/* Begins closing handshakes: `code` 0 is 1000; `reason` may be NULL. `*closing` is how many. */
enum wspush_result wspush_close(struct wspush *h, const char *target, int code, const char *reason,
                                int64_t *closing);

/* Rows of named values; the worker may add names. */
enum wspush_kind { WSPUSH_NONE, WSPUSH_TEXT, WSPUSH_NUMBER, WSPUSH_LIST };

struct wspush_value {
    enum wspush_kind kind;
    const char *text; /* TEXT: a NUL follows it */
    size_t len;
    int64_t number;
    const void *list; /* LIST: ask wspush_item() */
    size_t items;
};

/* Connected clients, all of them or those of a target (NULL: all). `*rows` is how many. */
enum wspush_result wspush_list(struct wspush *h, const char *target, size_t *rows);
/* The users on a channel, in the order in which they came: rows of user, clients (a list), since (Unix ms,
 * when the first of these came). Clients without a name are in wspush_list() only. */
enum wspush_result wspush_presence(struct wspush *h, const char *channel, size_t *rows);
/* Who was refused lately, latest first, at most `count`: rows of time, address, channel, what ("ws", "sse",
 * "post"), why, remedy (a line for wspush.conf, or ""), times. */
enum wspush_result wspush_refused(struct wspush *h, int64_t count, size_t *rows);
/* The field numbered `index` of a row, false behind the last one. */
bool wspush_row_field(const struct wspush *h, size_t row, size_t index, const char **name,
                      struct wspush_value *value);
/* The field called `name`; false, and kind WSPUSH_NONE, when the row has none. */
bool wspush_row_get(const struct wspush *h, size_t row, const char *name, struct wspush_value *value);
/* The element numbered `index` of a list, false behind the last one. */
bool wspush_item(const struct wspush_value *list, size_t index, struct wspush_value *item);

/* The worker's figures, `name:value` lines; `section` may be NULL. */
enum wspush_result wspush_info(struct wspush *h, const char *section, const char **text, size_t *len);
/* Whether a worker answers. */
enum wspush_result wspush_ping(struct wspush *h);

/* Asks every client to leave (close code 1001), spread over `ms`, and lets nobody in meanwhile; at most a
 * day; negative: for the worker's own drain_time; 0 ends it, whoever was not asked yet stays. Then the worker
 * goes on. `*asked` is how many are asked. */
enum wspush_result wspush_drain(struct wspush *h, int64_t ms, int64_t *asked);
/* Has the worker read its configuration anew; `dry_run` only looks. `*rows` is how many options change: rows
 * of option, channel (a section's pattern, or ""), old, new, applies ("now", "restart", "responder"). A file
 * with a fault changes nothing: WSPUSH_ERROR, its text has file and line. */
enum wspush_result wspush_reload(struct wspush *h, bool dry_run, size_t *rows);

/* For programs that refuse on wspush's behalf: the refusal shows in `wsctl refused`. `remedy` may be "". */
struct wspush_refusal {
    const char *what; /* "ws", "sse" or "post" */
    const char *address;
    const char *channel;
    const char *why;
    const char *remedy;
};
enum wspush_result wspush_note_refusal(struct wspush *h, const struct wspush_refusal *refusal);

/* ---- for CGI and FastCGI programs ---- */

/* Whether a request asks for a WebSocket, by the CGI variables REQUEST_METHOD, SERVER_PROTOCOL,
 * HTTP_CONNECTION and HTTP_UPGRADE: an HTTP/1.1 GET with "upgrade" among the tokens of Connection and
 * "websocket" among those of Upgrade, in any letter case (RFC 6455, section 4.2.1), which is how
 * conf/nginx judges, too. `variables` are texts "NAME=value", NULL behind the last: environ, or the envp of
 * an FCGX_Request. */
bool wspush_is_websocket(char *const *variables);

#ifdef __cplusplus
}
#endif

#endif
