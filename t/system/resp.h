/*
 * A small strict client of the control socket for tests: RESP2 and RESP3, inline lines, any bytes. It refuses
 * what forgiving clients let through (a bulk without CR LF, a number with a leading zero, bytes behind an
 * error's text).
 *
 * A reply is a tree; resp_text renders it as one line of text, so that a test can say what it expects:
 *     +OK is OK      $ is "hi" (quotes, \r \n \t \" \\ \xNN escaped)      : is 3      * is [1, "a"]
 *     -ERR x is -ERR x      null (of all kinds) is null      %, ~, > are {"a": 1}, ~[..], >[..]
 *     # is true or false      , is 1.5      ( is 123      = is txt:"x"
 */
#ifndef WSPUSH_T_RESP_H
#define WSPUSH_T_RESP_H

#include <stdbool.h>
#include <stddef.h>

struct resp;

enum { RESP_WAIT = 5000 }; /* a good deadline for what should come at once */

/* Connects, NULL if nobody listens there. address: as in http.h, "unix:/tmp/x/control.sock". */
struct resp *resp_open(const char *address);
/* Closes and frees; NULL is allowed. */
void resp_free(struct resp *r);
/* For poll. */
int resp_fd(const struct resp *r);

/* ---- sending: 0, or -1 if the peer is gone or takes nothing for 10 s ---- */

/* A command as an array of bulks: resp_send(r, "PUBLISH", "test", "hello", NULL). */
int resp_send(struct resp *r, ...) __attribute__((sentinel));
/* The same for arguments of any bytes. */
int resp_send_argv(struct resp *r, int argc, const char *const *argv, const size_t *lens);
/* An inline line: resp_send_inline(r, "PING"); CR LF is added. */
int resp_send_inline(struct resp *r, const char *line);
int resp_send_raw(struct resp *r, const void *bytes, size_t len);

/* ---- receiving ---- */

struct resp_value {
    char type;  /* RESP's own sign: + - : $ * _ # , ( ! = % ~ > ; null of RESP2 ($-1, *-1) is '_' too */
    char *text; /* + - $ ( ! = , and of : and #; a NUL stands behind it */
    size_t len;
    long long integer;         /* of : ; 1 or 0 of # */
    struct resp_value **items; /* of * ~ > ; of % keys and values in turn */
    size_t count;
};

/* The next reply, NULL if none came in time or it was not RESP; resp_fault says which. Free it. */
struct resp_value *resp_read(struct resp *r, int timeout_ms);
/* Why the last resp_read was NULL: "timeout", "eof", "reset", or what is wrong with the bytes. */
const char *resp_fault(const struct resp *r);
/* Whether bytes are read that no resp_read has taken. */
size_t resp_pending(const struct resp *r);
void resp_value_free(struct resp_value *v);
/* As one line, see above; malloc'd. NULL as "no reply". */
char *resp_text(const struct resp_value *v);

/* ---- for tests: they fail if it is otherwise ---- */

/* Sends a command and returns its reply, an error's too. Free it. */
struct resp_value *resp_call(struct resp *r, ...) __attribute__((sentinel));
/* Sends a command (one line, arguments split at spaces; "..." holds spaces together, no escapes) and compares
 * the reply as text. Where `expected` ends in '*', only what is before it counts. */
void resp_expect(struct resp *r, const char *command, const char *expected);
/* The next reply, without sending. */
void resp_expect_next(struct resp *r, const char *expected);
/* The command's reply as an integer. */
long long resp_integer(struct resp *r, const char *command);
/* The worker ends the connection within RESP_WAIT; what comes before is passed over. */
void resp_expect_end(struct resp *r);

#endif
