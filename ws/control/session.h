/*
 * One operator's connection. Requests are run in order; replies leave in the order of their requests, though
 * some are known late: each reply that is not known at once has a slot. A waiting verb blocks its own session
 * alone. While a session waits, has too much unread output, or is about to publish into a congested hub, no
 * more of it is read, and its bytes stay where they are.
 */
#ifndef WSPUSH_CONTROL_SESSION_H
#define WSPUSH_CONTROL_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/list.h"
#include "control/control.h"
#include "wire/resp.h"

/* How a late reply is to look. */
enum reply_form { FORM_PLAIN, FORM_COUNT, FORM_RECEIPT };

/* A reply, or a place kept for it. */
struct slot {
    struct list link;
    uint64_t number;
    enum reply_form form;
    bool done;
    struct buf reply;
    struct inbox_msg *handed; /* the reply carries it */
};

/* What the hub was asked by the command that runs, and has not answered yet: the slot that its reply gets if
 * the answer does not come within the call. */
struct slot_promise {
    uint64_t number; /* 0: none */
    enum reply_form form;
};

/* Where an answer of the hub goes. */
struct reply {
    struct session *session;
    struct slot *slot; /* NULL: the command that asked still runs */
    enum reply_form form;
    struct buf *to;
};

/* A message that was handed out, until the bytes of its reply are written. */
struct handed {
    struct list link;
    struct inbox_msg *msg;
    uint64_t written_at; /* count of written bytes at which they are */
};

enum { SESSION_NAME_MAX = 64, MULTI_MAX = 128, LISTS_IN_MULTI = 8 };

struct session {
    struct io io;
    struct control *control;
    struct list all;
    uint64_t number;
    char name[SESSION_NAME_MAX + 1];
    char library[SESSION_NAME_MAX + 1];
    int proto;
    pid_t pid;
    uid_t uid;
    int64_t since; /* monotonic milliseconds */
    const char *last_command;
    struct buf in;
    struct resp_parser parser;
    struct buf out;
    size_t out_sent;   /* of `out` */
    uint64_t written;  /* bytes, ever */
    struct list slots; /* replies that come later, and those that they hold up */
    uint64_t last_slot;
    struct slot_promise promised;
    uint64_t waiting_for; /* a slot: nothing more is run until it is done; 0: none */
    bool waits_briefly;   /* for the threads of the worker, not for somebody outside */
    bool held; /* the next request publishes, and too much is queued or was done in this turn for that */
    bool gone; /* the peer reads nothing more; what it wrote still counts */
    unsigned heard_in; /* the last turn that others had filled in which it asked for something */
    struct list handed;
    struct buf pushes; /* what comes unasked, while it would come between the parts of a reply */
    size_t unread;     /* bytes that came unasked, less what was written since */
    struct list subscriptions;
    uint32_t subscription_count;
    struct list monitoring; /* in the ring of those who watch commands */
    bool watches;           /* any of this */
    bool eof;
    bool closing; /* ends when its output is written */
    /* MULTI */
    bool in_multi;
    bool multi_faulty;
    bool in_exec;       /* nothing waits now */
    struct buf *queued; /* the commands, each as a RESP request */
    int queued_count;
    int lists; /* commands in this EXEC whose answers are large */
};

void session_adopt(struct control *c, int fd);
void session_free(struct session *s);

/* ---- replies ---- */

/* Where the reply of the command that runs goes, if it is known at once. */
struct buf *session_reply(struct session *s);
/* Before the command that runs asks the hub for its reply. */
struct asker session_asks(struct session *s, enum reply_form form);
/* After it has asked, unless the hub refused: if there is no answer yet, a place is kept for the reply. NULL
 * if there is one. */
struct slot *session_expects(struct session *s);
/* The hub answers: false if nobody waits for it any more. The reply is added to out->to. */
bool session_answer(struct control *c, struct asker asker, struct reply *out);
/* It is all there. */
void session_answered(const struct reply *reply);
/* Nothing more is run until the slot is done; NULL waits for nothing. If the operator goes, so does the wait.
 */
void session_wait_for(struct session *s, const struct slot *slot);
/* The same for what the worker's own threads will answer at once. */
void session_wait_briefly(struct session *s, const struct slot *slot);
/* The same for all replies so far. */
void session_wait_for_all(struct session *s);
/* A message goes out with this reply, to which nothing more is added. */
void session_hand_over(const struct reply *reply, struct inbox_msg *take_m);
void session_reset_multi(struct session *s);

/* ---- out ---- */

/* Writes what the peer takes now of the output. */
void session_write(struct session *s);
/* Frees the output of a session that ends, written or not. */
void session_forget_out(struct session *s);

#endif
