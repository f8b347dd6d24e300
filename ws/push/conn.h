/*
 * One browser's connection, owned by one shard. Its life: HANDSHAKE (the request arrives) -> REGISTERING (the
 * hub is asked) -> OPEN -> CLOSING (our close frame is queued) -> ENDED (nothing more is said; the rest is
 * drained) -> reaped. At rest an open connection holds this struct and nothing else.
 *
 * Files: conn.c begins, reads and ends it; conn_out.c writes; handshake.c is the way to OPEN, refuse.c the
 * way out; conn_in.c what its frames mean, conn_v1.c what they mean in wspush.v1; conn_time.c its deadlines.
 */
#ifndef WSPUSH_PUSH_CONN_H
#define WSPUSH_PUSH_CONN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/config.h"
#include "loop/loop.h"
#include "push/addresses.h"
#include "push/mail.h"
#include "push/outq.h"
#include "push/places.h"
#include "push/rate.h"
#include "wire/http.h"
#include "wire/websocket.h"

struct batch;
struct shard;

enum conn_state { CONN_HANDSHAKE, CONN_REGISTERING, CONN_OPEN, CONN_CLOSING, CONN_ENDED };

/* Until the connection is open. */
struct handshake {
    struct buf bytes; /* the request so far */
    size_t counted;   /* of its memory, in the tally */
    size_t scanned;
    struct msg *answer; /* the 101, until the hub has registered the client */
    struct shared_name *channel;
};

/* A channel that a client of wspush.v1 is on, besides its own. */
struct conn_channel {
    uint32_t channel; /* number */
    uint32_t index;   /* among the channel's subscribers */
    bool behind;      /* it is to get what it missed first */
};

/* What only some connections have: those that are limited in what they may send, and those of wspush.v1. */
struct conn_more {
    /* the throttle */
    bool limited;
    uint8_t heard; /* wspush.v1: the rules (1 << INBOUND_...) by which it spoke since all of it was taken */
    struct rate rate;
    int64_t quiet_until;  /* it is not read; 0: it is */
    int64_t behind_since; /* what it says has not been read up to the end since; 0: it has */
    /* wspush.v1 */
    struct shared_name *own; /* the name of its own channel */
    struct conn_channel *subscriptions;
    struct places *places; /* of them */
    uint32_t count;
    uint32_t cap;
    uint32_t behind;  /* how many of them it is to get what it missed of first */
    uint32_t faults;  /* in a row */
    uint64_t visited; /* by the shard's walk of this number */
};

enum { NO_CHANNEL = UINT32_MAX };

/* The order is that of use: a delivery touches the beginning, what is said to us the middle, time the end. */
struct conn {
    struct io io;
    struct shard *shard;
    struct outq out;
    uint8_t state;            /* enum conn_state */
    uint8_t pongs;            /* in the queue */
    uint8_t deflate_bits : 4; /* log2 of the window of its compressed messages; 0: none are sent or taken */
    uint8_t transport : 2;    /* enum transport */
    uint8_t behind : 1;       /* on one of its channels at least */
    uint8_t mortal : 1;       /* a message that may expire is in the queue, or was */
    bool opened : 1;          /* it has been OPEN */
    bool registered : 1;      /* the hub has let it in */
    bool own_behind : 1;      /* it is to get what it missed of its own channel first */
    bool close_received : 1;
    bool eof : 1; /* the peer has shut its side down */
    bool too_slow : 1;
    bool left : 1;  /* the hub knows that it is going */
    bool asked : 1; /* the hub for more of what it missed */
    /* moments of the monotonic clock; 0: not so */
    uint32_t slow_since;
    const struct channel_config *config; /* the top level's until the channel is known */
    uint64_t msgs_out;
    uint64_t bytes_out;
    uint32_t spoken;        /* when a message last went or came */
    uint32_t heard;         /* when bytes last came */
    uint32_t pinged;        /* a ping is unanswered since */
    uint32_t partial_since; /* a message is unfinished since */
    uint64_t msgs_in;
    uint64_t bytes_in;
    union {
        struct handshake *handshake;       /* until it was opened */
        struct websocket_partial *partial; /* from then on; NULL at rest */
    };
    struct conn_more *more; /* NULL: it has none of that */
    struct msg *owed_pong;  /* for the newest of the pings that were too many */
    uint64_t client;        /* number; 0 until REGISTERING */
    uint32_t channel;       /* number of its own channel, or NO_CHANNEL: it is not on it */
    uint32_t channel_index; /* among its subscribers */
    struct timer timer;     /* the earliest deadline */
    uint32_t unread_since;  /* reading is paused since */
    uint32_t end_at;        /* when waiting for the peer ends: for its request, or for its side of the end */
    int64_t since;          /* Unix milliseconds */
    uint32_t ping_ms;       /* how long the last pong took */
    uint16_t close_code;    /* with which it ends, for the records */
    bool seated : 1;        /* in world->seated */
    bool counted : 1;       /* in world->addresses */
    bool awaits : 1;        /* pongs to messages: shard_receipt.c */
    bool over_unix : 1;
    bool shut : 1; /* our side is shut down */
    bool asks : 1; /* it is to ask the hub for more of what it missed, when there is room */
    struct address address;
};

/* conn.c */

/* Takes over a fresh descriptor; closes it if there is no memory. */
void conn_adopt(struct shard *shard, int fd, bool over_unix);
/* Reads once what has come. Not while it is REGISTERING. */
void conn_read(struct conn *c);
/* Begins the closing handshake (RFC 6455 section 7.1.2): the close frame goes out behind what is queued. */
void conn_close(struct conn *c, unsigned code, struct msg *close_frame);
/* The same with a text of our own. */
void conn_close_with(struct conn *c, unsigned code, const char *reason);
/* Ends it for -ERR_...: a close frame with the error's code, then nothing is read any more (RFC 6455
 * section 7.1.7). */
void conn_fail(struct conn *c, int error);
/* Says no more: shuts our side down when the queue is out, and waits for the peer's end. */
void conn_end(struct conn *c);
/* Gone at once, without a word. */
void conn_drop(struct conn *c, unsigned code);
/* The hub gets to know that it is nobody's recipient from here on. Not within a walk through the subscribers:
 * in the flush, or the reap. */
void conn_leave(struct conn *c);
/* The name of its own channel, or NULL as long as it has none. */
const struct shared_name *conn_channel_name(const struct conn *c);
void conn_fill_row(const struct conn *c, struct client_row *row);
/* NULL if this io is not a client's. */
struct conn *conn_of(struct io *io);
struct conn *conn_find(const struct shard *shard, struct conn_ref ref);
struct conn_ref conn_ref(const struct conn *c);

/* conn_out.c */

/* Queues a message, a data frame or any other, in the form that the client speaks. Over the bounds it is
 * flushed first; if that does not help, the client is slow and ends. */
void conn_push(struct conn *c, struct msg *m);
/* Queues what the client asked for and had room for: the bounds are not looked at. */
void conn_replay(struct conn *c, const struct replay *replay);
/* The same for all messages of a batch: written at once where nothing waits before them. */
void conn_push_batch(struct conn *c, struct batch *b);
/* Queues what the protocol itself makes us say, which may pass the bounds (RFC 6455 sections 5.5.1 and
 * 5.5.3). */
void conn_queue(struct conn *c, struct msg *m);
/* The same with the caller's reference; NULL is for want of memory. */
void conn_push_control(struct conn *c, struct msg *take_m);
/* It is too slow. By the option `slow` the oldest messages that wait for it are dropped, until so many bytes
 * and messages wait at most; or it ends: what was not begun to be written is dropped, and the client gets to
 * know why. */
void conn_is_slow(struct conn *c, size_t bytes, size_t messages);
/* The end of a turn in which something was queued, or in which there was room again. */
void conn_flush(struct loop *loop, struct io *io);
/* What waits is dropped, at the end. */
void conn_drop_queue(struct conn *c);

/* handshake.c */

/* The request did not come in time. */
void handshake_expired(struct conn *c);
void handshake_read(struct conn *c, const uint8_t *bytes, size_t len);
/* The hub has registered the client; it is on its own channel, of that number, as `seat` says. */
void handshake_done(struct conn *c, uint32_t channel, struct shared_name *name, enum seat seat);
/* The hub has not, for -ERR_... */
void handshake_denied(struct conn *c, int error);
void handshake_free(struct handshake *h);

/* refuse.c */

/* A request that is refused, as far as it is known: zeroed, "", 0. */
struct refused {
    const struct http_request *request;
    const char *channel;
    size_t channel_len;
};

/* Answers for -ERR_..., logs, keeps a record. `detail`: more than the error's text says, or NULL. */
void handshake_refuse(struct conn *c, int error, const char *detail, const struct refused *what);

/* conn_in.c */

void conn_take_frames(struct conn *c, uint8_t *bytes, size_t len);
/* What it said goes to the message's channel, or to its own where that is NULL. */
void conn_send_to_hub(struct conn *c, struct msg *take_m);

/* conn_v1.c */

/* A request of wspush.v1, the text of a frame; NULL: it was binary. 0, or -ERR_... that ends the connection.
 */
int conn_take_request(struct conn *c, const uint8_t *text, size_t len);
/* What is wrong with a request; `channel` may be NULL. */
void conn_say_error(struct conn *c, const char *code, const char *text, const char *channel,
                    size_t channel_len);

/* conn_rate.c */

/* What only some connections have; NULL when there is no memory: the connection then ends. */
struct conn_more *conn_need_more(struct conn *c);
void conn_drop_more(struct conn *c);

/* How many bytes may be read from it at once. */
size_t conn_may_read(const struct conn *c, size_t most);
/* It has said this much: whoever speaks too fast is not read for a while, or ends. */
void conn_has_said(struct conn *c, uint64_t frames, size_t bytes);
/* All that it has said so far was read. */
void conn_read_up(struct conn *c);
/* The quiet time is over. */
void conn_hear_again(struct conn *c);
/* What is limited may have changed. */
void conn_set_limits(struct conn *c);
static inline bool conn_is_quiet(const struct conn *c)
{
    return c->state == CONN_OPEN && c->more && c->more->quiet_until;
}

/* conn_time.c */

void conn_on_timer(struct timer *t);
/* It was not read for a while, so its silence proves nothing: its life signs, and the rest of its message,
 * are awaited anew. */
void conn_stood_still(struct conn *c);
/* Sets the timer anew after a deadline was moved nearer. */
void conn_reckon(struct conn *c);

#endif
