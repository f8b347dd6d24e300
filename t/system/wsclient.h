/*
 * A blocking WebSocket client for tests (RFC 6455), strict about what it receives and free in what it sends:
 * any handshake, any frame, any bytes. One handle is one connection, over TCP or a Unix socket.
 *
 * wsclient_connect, _send_* and _recv* report and never fail the test; wsclient_open, wsclient_expect_* and
 * wsclient_close do (Check's ck_abort_msg), with what came instead. Times are milliseconds.
 */
#ifndef WSPUSH_T_WSCLIENT_H
#define WSPUSH_T_WSCLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wsclient;

enum { WSCLIENT_WAIT = 5000 }; /* a good deadline for what should come at once */

enum wsclient_opcode {
    WSCLIENT_CONTINUATION = 0,
    WSCLIENT_TEXT = 1,
    WSCLIENT_BINARY = 2,
    WSCLIENT_CLOSE = 8,
    WSCLIENT_PING = 9,
    WSCLIENT_PONG = 10
};

/* ---- handshake ---- */

/* Connects and sends a right handshake for `path` with "Host: localhost" and `headers` (NULL, or whole lines,
 * each ending in "\r\n"; a line for Host, Upgrade, Connection, Sec-WebSocket-Key or -Version replaces ours,
 * and one with an empty value takes it away). Reads the answer, whatever it is. Never NULL. */
struct wsclient *wsclient_connect(const char *address, const char *path, const char *headers);
/* The same with the whole request given, and with what may follow it. */
struct wsclient *wsclient_connect_raw(const char *address, const void *request, size_t len);
/* wsclient_connect, and the test fails if the answer is not a right 101. */
struct wsclient *wsclient_open(const char *address, const char *path);

/* The status of the answer; 0: the connection was refused, ended, or gave no HTTP in WSCLIENT_WAIT. */
int wsclient_status(const struct wsclient *c);
/* 101 with Upgrade, Connection and the Sec-WebSocket-Accept that our key asks for (section 4.2.2). */
bool wsclient_accepted(const struct wsclient *c);
/* The answer's head as it came ("" if none), and one header's value (NULL if absent; valid until the next
 * call). */
const char *wsclient_head(const struct wsclient *c);
const char *wsclient_header(struct wsclient *c, const char *name);
/* What a refusal said: the answer's body, "" if none. */
const char *wsclient_body(const struct wsclient *c);
/* For poll and setsockopt. */
int wsclient_fd(const struct wsclient *c);

/* ---- sending: 0, or -1 if the peer is gone ---- */

int wsclient_send_text(struct wsclient *c, const char *text);
int wsclient_send_binary(struct wsclient *c, const void *data, size_t len);
int wsclient_send_ping(struct wsclient *c, const void *data, size_t len);
/* code 0: an empty close frame. */
int wsclient_send_close(struct wsclient *c, unsigned code, const char *reason);

/* Any frame. Zeroed is: a masked continuation without FIN and without payload. */
struct wsclient_frame {
    bool fin;
    unsigned rsv;    /* 0 to 7: RSV1 is 4 */
    unsigned opcode; /* 0 to 15 */
    bool unmasked;
    bool lie;         /* announce `claimed` instead of len */
    uint64_t claimed; /* any 64 bits */
    int length_form;  /* 0: the shortest; 7, 16, 64: that many bits, needed or not */
    const void *payload;
    size_t len;
};
int wsclient_send_frame(struct wsclient *c, const struct wsclient_frame *frame);
/* The bytes of the same frame into out, at most cap; returns how many. At most 14 more than len. */
size_t wsclient_encode(const struct wsclient_frame *frame, unsigned char *out, size_t cap);
int wsclient_send_raw(struct wsclient *c, const void *bytes, size_t len);

/* ---- receiving ---- */

enum wsclient_result {
    WSCLIENT_GOT,
    WSCLIENT_TIMEOUT,
    WSCLIENT_EOF,   /* the connection was closed in good order (perhaps in the middle of a frame) */
    WSCLIENT_RESET, /* it broke */
    WSCLIENT_BAD    /* the server broke RFC 6455; wsclient_fault says how */
};

struct wsclient_received {
    bool fin;
    unsigned rsv, opcode;
    const char *payload; /* the handle's, until the next receive; a NUL stands behind it */
    size_t len;
    unsigned code;      /* of a close frame; 1005 if it carries none */
    const char *reason; /* of a close frame; "" if none */
};

/* The next frame, of any kind. */
enum wsclient_result wsclient_recv(struct wsclient *c, struct wsclient_received *out, int timeout_ms);
/* The next whole message, or a close frame; pings are answered, pongs passed over, fragments joined. */
enum wsclient_result wsclient_recv_message(struct wsclient *c, struct wsclient_received *out, int timeout_ms);
/* Why the last receive was WSCLIENT_BAD. */
const char *wsclient_fault(const struct wsclient *c);
/* A result's name, for messages. */
const char *wsclient_result_name(enum wsclient_result result);

/* ---- expecting: the test fails with what came instead ---- */

/* The next message is this text. */
void wsclient_expect_text(struct wsclient *c, const char *text);
/* The next message is binary and these bytes. */
void wsclient_expect_binary(struct wsclient *c, const void *data, size_t len);
/* The next message is a close frame with this code; it is answered, and the connection then ends. Returns the
 * reason, the handle's until the next receive. */
const char *wsclient_expect_close(struct wsclient *c, unsigned code);
/* The connection ends (close frame or not) without another message. */
void wsclient_expect_end(struct wsclient *c);
/* Nothing comes for so long, pings apart. */
void wsclient_expect_silence(struct wsclient *c, int ms);

/* ---- ending ---- */

/* The closing handshake with 1000, passing over messages that come before its answer; then frees. The test
 * fails if the answer is not 1000 or does not come. */
void wsclient_close(struct wsclient *take_c);
/* Ends the connection at once, without a word, and frees. NULL is allowed. */
void wsclient_free(struct wsclient *c);
/* The same with a TCP reset, where it is TCP. */
void wsclient_reset(struct wsclient *take_c);

#endif
