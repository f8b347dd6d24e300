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
    size_t out_sent;    /* of `out` */
    uint64_t written;   /* bytes, ever */
    struct list slots;  /* replies that others before them hold up */
    struct slot *spare; /* for the next one; may be NULL */
    uint64_t last_slot;
    uint64_t waiting_for; /* a slot: nothing more is run until it is done; 0: none */
    bool waits_briefly;   /* for the threads of the worker, not for somebody outside */
    bool held;            /* the next request publishes, and too much is queued for that */
    bool gone;            /* the peer reads nothing more; what it wrote still counts */
    struct list handed;
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
/* The session that asked, if it still is. */
struct session *session_find(struct control *c, struct asker asker);

/* ---- replies ---- */

/* Where the reply of the command that runs goes, if it is known at once. */
struct buf *session_reply(struct session *s);
/* Keeps a place for a reply that comes later, or already within the call that is made for it. */
struct slot *session_defer(struct session *s, enum reply_form form);
struct slot *session_slot(struct session *s, uint64_t number);
/* The slot's reply is there. */
void session_complete(struct session *s, struct slot *slot);
/* Gives the place up: for a command that turned out to have an error; whose reply goes to session_reply(). */
void session_undefer(struct session *s, struct slot *slot);
struct asker session_asker(const struct session *s, const struct slot *slot);
/* Nothing more is run until the slot is done. If the operator goes, so does the wait. */
void session_wait_for(struct session *s, const struct slot *slot);
/* The same for what the worker's own threads will answer at once. */
void session_wait_briefly(struct session *s, const struct slot *slot);
/* A message goes out with the reply that was just added to session_reply(). */
void session_hand_over(struct session *s, struct inbox_msg *take_m);
void session_reset_multi(struct session *s);

#endif
