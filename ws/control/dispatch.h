/* Commands as rows, and how a request finds its own. */
#ifndef WSPUSH_CONTROL_DISPATCH_H
#define WSPUSH_CONTROL_DISPATCH_H

#include <stdbool.h>

#include "control/session.h"
#include "wire/resp.h"

enum command_flags {
    COMMAND_AT_ONCE = 1,   /* runs within MULTI too */
    COMMAND_PUBLISHES = 2, /* puts messages into clients' queues; its third word is what it sends */
    COMMAND_WATCHING = 4,  /* may be given by who watches, in RESP2 too */
    COMMAND_SECRET = 8     /* its arguments are not shown to others */
};

struct command {
    const char *name; /* lower case */
    int min_args;     /* with the name */
    int max_args;
    const char *usage; /* what a wrong call is told */
    void (*run)(struct session *s, const struct resp_request *r);
    unsigned flags;
};

/* A family's rows, ended by one without a name. */
extern const struct command commands_connection[];
extern const struct command commands_info[];
extern const struct command commands_multi[];
extern const struct command commands_send[];
extern const struct command commands_inbox[];
extern const struct command commands_clients[];
extern const struct command commands_history[];
extern const struct command commands_refused[];
extern const struct command commands_watch[];
extern const struct command commands_presence[];
extern const struct command commands_worker[];

/* Runs a request, or queues it within MULTI. */
void dispatch(struct session *s, const struct resp_request *r);
/* Runs it now. */
void dispatch_run(struct session *s, const struct command *command, const struct resp_request *r);
/* NULL after an error reply. */
const struct command *dispatch_find(struct session *s, const struct resp_request *r);
/* Whether running this request would put messages into clients' queues. */
bool dispatch_publishes(const struct session *s, const struct resp_request *r);
/* Calls `visit` for each row. */
void dispatch_each(void (*visit)(void *arg, const struct command *command), void *arg);

/* ---- for the commands ---- */

bool arg_is(const struct resp_arg *arg, const char *word);
/* The usage error of this command's row. */
void reply_usage(struct session *s, const char *usage);
/* A target, or false after -BADNAME. */
bool arg_target(struct session *s, const struct resp_arg *arg, struct target *out);
/* Milliseconds up to ten years, or false after -ERR. */
bool arg_ms(struct session *s, const struct resp_arg *arg, int64_t *out);
/* Whether this command's long answer may be given; within MULTI only a few may. False after -ERR. */
bool may_list(struct session *s);
void reply_no_target(struct session *s, const struct resp_arg *arg);

#endif
