/*
 * The scenarios whose instructions are counted: what a worker does most. `scenarios NAME` runs one; without a
 * name they are listed, as "NAME UNITS WHAT". Each goes through everything once before it counts, so that
 * buffers have their sizes.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "worker.h"

#define REQUEST                                                                                              \
    "GET /room/1/ HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"              \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"                           \
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nOrigin: https://a.example\r\n"  \
    "Accept: */*\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"                                    \
    "X-Request-Id: 0123456789abcdef0123456789abcdef\r\nX-Wspush-Channel: room/1\r\n\r\n"
#define REQUEST_V1                                                                                           \
    "GET /room/1/ HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"              \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"                           \
    "Sec-WebSocket-Protocol: wspush.v1\r\n\r\n"
#define REQUEST_STREAM "GET /room/1/ HTTP/1.1\r\nHost: a.example\r\nAccept: text/event-stream\r\n\r\n"

enum {
    PAYLOAD = 128,
    LARGE = 64 * 1024,
    PIPELINED = 400, /* requests that an operator writes at once: as many as a socket takes */
    CLIENTS = 100,
    COALESCED = 16,
    HEADER = 4,       /* of a frame with PAYLOAD bytes, as it goes out */
    LARGE_HEADER = 10 /* of one with LARGE bytes */
};

/* ---- operators and browsers ---- */

static int operator_fd;
static int browsers[CLIENTS];

/* So many PUBLISHes to `channel` at once. */
static void operator_publishes(const char *channel, int count)
{
    static struct buf requests;
    char payload[PAYLOAD];
    memset(payload, 'm', sizeof payload);
    buf_clear(&requests);
    for (int i = 0; i < count; i++) {
        buf_addf(&requests, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%d\r\n", strlen(channel), channel,
                 PAYLOAD);
        buf_add(&requests, payload, sizeof payload);
        buf_adds(&requests, "\r\n");
    }
    other_end_says(operator_fd, requests.data, requests.len);
}

/* Replies that say how many clients each message goes to. */
static void operator_hears(const char *reply, int count)
{
    const char *heard = other_end_hears(operator_fd, strlen(reply) * (size_t)count);
    if (memcmp(heard, reply, strlen(reply)) != 0)
        fail("PUBLISH is answered otherwise");
}

static void browser_is_let_in(int fd)
{
    char heard[1024];
    if (read(fd, heard, sizeof heard) < 13 ||
        (memcmp(heard, "HTTP/1.1 101 ", 13) != 0 && memcmp(heard, "HTTP/1.1 200 ", 13) != 0))
        fail("a browser is not let in");
}

/* Lets browsers in, each taking up its connection and sending its request in a turn of its own kind. */
static void browsers_ask(const char *request, int *fds, int count, void (*turn)(void))
{
    for (int i = 0; i < count; i++)
        fds[i] = worker_connection();
    turn();
    for (int i = 0; i < count; i++)
        other_end_says(fds[i], request, strlen(request));
    turn();
    for (int i = 0; i < count; i++)
        browser_is_let_in(fds[i]);
}

static void browsers_come(int *fds, int count, void (*turn)(void))
{
    browsers_ask(REQUEST, fds, count, turn);
}

/* ---- publish: no subscriber ---- */

enum { PUBLISHED = 10000 };

static void publish_batch(void (*turn)(void))
{
    operator_publishes("room/1", PIPELINED);
    turn();
    operator_hears(":0\r\n", PIPELINED);
}

static void publish(void)
{
    worker_start();
    operator_fd = worker_operator();
    publish_batch(worker_turn);
    measure_from_here();
    for (int i = 0; i < PUBLISHED; i += PIPELINED)
        publish_batch(measured_turn);
}

/* ---- publish-kept: no subscriber, but a history that is full ---- */

static void publish_kept(void)
{
    worker_start()->channel.history_size = PIPELINED;
    operator_fd = worker_operator();
    publish_batch(worker_turn);
    publish_batch(worker_turn);
    measure_from_here();
    for (int i = 0; i < PUBLISHED; i += PIPELINED)
        publish_batch(measured_turn);
}

/* ---- fanout: a hundred subscribers, sixteen messages a turn ---- */

enum { FANNED_OUT = 1000 };

static void fanout_batch(int count, void (*turn)(void))
{
    operator_publishes("room/1", count);
    turn();
    operator_hears(":100\r\n", count);
    for (int i = 0; i < CLIENTS; i++)
        other_end_hears(browsers[i], (size_t)count * (PAYLOAD + HEADER));
}

static void fanout(void)
{
    worker_start()->channel.deflate = DEFLATE_OFF;
    operator_fd = worker_operator();
    browsers_come(browsers, CLIENTS, worker_turn);
    fanout_batch(COALESCED, worker_turn);
    measure_from_here();
    for (int left = FANNED_OUT; left > 0; left -= COALESCED)
        fanout_batch(left < COALESCED ? left : COALESCED, measured_turn);
}

/* ---- the same for those who speak wspush.v1, and for event streams ---- */

static void fanout_some(int count, void (*turn)(void))
{
    operator_publishes("room/1", count);
    turn();
    operator_hears(":100\r\n", count);
    for (int i = 0; i < CLIENTS; i++)
        other_end_hears_some(browsers[i], (size_t)count * PAYLOAD);
}

static void fanout_as(const char *request)
{
    worker_start()->channel.deflate = DEFLATE_OFF;
    operator_fd = worker_operator();
    browsers_ask(request, browsers, CLIENTS, worker_turn);
    fanout_some(COALESCED, worker_turn);
    measure_from_here();
    for (int left = FANNED_OUT; left > 0; left -= COALESCED)
        fanout_some(left < COALESCED ? left : COALESCED, measured_turn);
}

static void fanout_v1(void)
{
    fanout_as(REQUEST_V1);
}

static void fanout_stream(void)
{
    fanout_as(REQUEST_STREAM);
}

/* ---- resume: clients come back to what they missed ---- */

enum { RESUMING = 50, MISSED = 100 };

static void resume_once(void (*turn)(void))
{
    int fd = worker_connection();
    turn();
    other_end_says(fd, REQUEST_V1, sizeof REQUEST_V1 - 1);
    turn();
    turn(); /* it asks for what it missed */
    other_end_hears_some(fd, (size_t)MISSED * PAYLOAD);
    close(fd);
    turn();
}

static void resume(void)
{
    struct config *config = worker_start();
    config->channel.deflate = DEFLATE_OFF;
    config->channel.history_size = MISSED;
    config->channel.first = FIRST_ALL;
    operator_fd = worker_operator();
    operator_publishes("room/1", MISSED);
    worker_turn();
    operator_hears(":0\r\n", MISSED);
    resume_once(worker_turn);
    measure_from_here();
    for (int i = 0; i < RESUMING; i++)
        resume_once(measured_turn);
}

/* ---- echo: what browsers say, and their own words back ---- */

enum { ROUNDS = 100, LARGE_ROUNDS = 100 };

/* A masked text frame as browsers send it. */
static size_t masked_frame(uint8_t *out, size_t len)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t n = 0;
    out[n++] = 0x81;
    if (len < 65536) {
        out[n++] = 0x80 | 126;
    } else {
        out[n++] = 0x80 | 127;
        for (int shift = 56; shift >= 16; shift -= 8)
            out[n++] = (uint8_t)((uint64_t)len >> shift);
    }
    out[n++] = (uint8_t)(len >> 8);
    out[n++] = (uint8_t)len;
    memcpy(out + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < len; i++)
        out[n++] = (uint8_t)('a' + i % 26) ^ mask[i % 4];
    return n;
}

static void echo_worker(void)
{
    struct config *config = worker_start();
    config->channel.inbound = INBOUND_ECHO;
    config->channel.deflate = DEFLATE_OFF;
}

/* One message of every browser. */
static void echo_round(void (*turn)(void))
{
    uint8_t frame[PAYLOAD + 14];
    size_t len = masked_frame(frame, PAYLOAD);
    for (int i = 0; i < CLIENTS; i++)
        other_end_says(browsers[i], frame, len);
    turn();
    for (int i = 0; i < CLIENTS; i++)
        other_end_hears(browsers[i], PAYLOAD + HEADER);
}

static void echo(void)
{
    echo_worker();
    browsers_come(browsers, CLIENTS, worker_turn);
    echo_round(worker_turn);
    measure_from_here();
    for (int i = 0; i < ROUNDS; i++)
        echo_round(measured_turn);
}

/* A message that comes in two pieces, each in a turn of its own. */
static void large_round(void (*turn)(void))
{
    static uint8_t frame[LARGE + 14];
    size_t len = masked_frame(frame, LARGE);
    other_end_says(browsers[0], frame, len / 2);
    turn();
    other_end_says(browsers[0], frame + len / 2, len - len / 2);
    turn();
    other_end_hears(browsers[0], LARGE + LARGE_HEADER);
}

static void echo_large(void)
{
    echo_worker();
    browsers_come(browsers, 1, worker_turn);
    large_round(worker_turn);
    measure_from_here();
    for (int i = 0; i < LARGE_ROUNDS; i++)
        large_round(measured_turn);
}

/* ---- handshake: browsers come, and stay ---- */

enum { COMING = 1000 };

static void handshake(void)
{
    static int fds[CLIENTS];
    worker_start();
    browsers_come(fds, CLIENTS, worker_turn);
    measure_from_here();
    for (int i = 0; i < COMING; i += CLIENTS)
        browsers_come(fds, CLIENTS, measured_turn);
}

/* ---- the list ---- */

static const struct scenario {
    const char *name;
    int units;
    const char *what;
    void (*run)(void);
} scenarios[] = {
    {"publish", PUBLISHED, "PUBLISH of 128 B, pipelined, no subscriber", publish},
    {"publish-kept", PUBLISHED, "the same to a channel that keeps the newest", publish_kept},
    {"fanout", FANNED_OUT, "PUBLISH of 128 B to 100 clients, 16 a turn", fanout},
    {"fanout-v1", FANNED_OUT, "the same to clients of wspush.v1", fanout_v1},
    {"fanout-sse", FANNED_OUT, "the same to event streams", fanout_stream},
    {"resume", RESUMING *MISSED, "a message of a client's that comes back to 100 of them", resume},
    {"echo", ROUNDS *CLIENTS, "128 B from a client, and back to it", echo},
    {"echo-large", LARGE_ROUNDS, "64 KiB from a client, and back to it", echo_large},
    {"handshake", COMING, "a client comes", handshake},
};

enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

int main(int argc, char **argv)
{
    for (size_t i = 0; i < SCENARIOS; i++) {
        const struct scenario *s = &scenarios[i];
        if (argc < 2) {
            printf("%s %d %s\n", s->name, s->units, s->what);
        } else if (strcmp(argv[1], s->name) == 0) {
            s->run();
            return 0;
        }
    }
    return argc < 2 ? 0 : 2;
}
