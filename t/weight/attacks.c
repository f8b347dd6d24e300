#include "attacks.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "../system/http.h"

enum { FIN = 0x80, RSV1 = 0x40, TEXT = 1, BINARY = 2, PING = 9 };
enum { LIMIT = 1 << 20 }; /* message_limit, as it is by default */

static const char offer[] = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

static unsigned char *block_of(size_t len, int byte)
{
    unsigned char *block = malloc(len);
    ck_assert(block != NULL);
    memset(block, byte, len);
    return block;
}

/* So many times the same, in one block; *len is its length. */
static unsigned char *repeat(const void *bytes, size_t len, size_t times, size_t *total)
{
    unsigned char *block = block_of(len * times, 0);
    for (size_t i = 0; i < times; i++)
        memcpy(block + i * len, bytes, len);
    *total = len * times;
    return block;
}

/* ---- frames ---- */

/* A text message that was begun, then `count` fragments of `size` bytes. */
static unsigned char *fragments(size_t count, size_t size, size_t *total)
{
    unsigned char frame[16] = {0}, start[16];
    size_t n = force_header(frame, 0, size), s = force_header(start, TEXT, 0), rest;
    frame[n] = 'x';
    unsigned char *all = repeat(frame, n + size, count, &rest), *block = block_of(s + rest, 0);
    memcpy(block, start, s);
    memcpy(block + s, all, rest);
    free(all);
    *total = s + rest;
    return block;
}

/* As many empty fragments as are let through, on as many connections as the budget has. */
static void empty_fragments(struct force *f)
{
    size_t len;
    unsigned char *block = fragments(990, 0, &len);
    while (force_left(f) > len + 300)
        force_send(f, force_enter(f, "/attack", NULL), block, len);
    free(block);
}

static void a_million_empty_fragments(struct force *f)
{
    size_t len;
    unsigned char *block = fragments(1000000, 0, &len);
    force_send(f, force_enter(f, "/attack", NULL), block, len);
    free(block);
}

static void tiny_fragments(struct force *f)
{
    size_t len;
    unsigned char *block = fragments(LIMIT - 1, 1, &len);
    force_send(f, force_enter(f, "/attack", NULL), block, len);
    free(block);
}

/* Of each message all but the last byte: `size` bytes, in frames or in one. */
static void unfinished(struct force *f, size_t size)
{
    unsigned char header[14];
    unsigned char *block = block_of(size, 'x');
    size_t n = force_header(header, FIN | TEXT, size + 1);
    while (force_left(f) > size + 300) {
        int fd = force_enter(f, "/attack", NULL);
        force_send(f, fd, header, n);
        force_send(f, fd, block, size);
    }
    free(block);
}

static void unfinished_large(struct force *f)
{
    unfinished(f, LIMIT - 4096);
}

static void unfinished_small(struct force *f)
{
    unfinished(f, 1100);
}

/* Headers that claim the most that is allowed, and one byte of it. */
static void claimed_lengths(struct force *f)
{
    unsigned char frame[15];
    size_t n = force_header(frame, FIN | BINARY, LIMIT);
    frame[n++] = 'x';
    for (int i = 0; i < 8000; i++)
        force_send(f, force_enter(f, "/attack", NULL), frame, n);
}

/* Claims of lengths that nobody has, each the end of its connection. */
static void impossible_lengths(struct force *f)
{
    static const unsigned long long claims[] = {LIMIT + 1,  1ull << 31, 0xffffffff,
                                                ~0ull >> 1, 1ull << 63, ~0ull};
    unsigned char frame[14];
    for (int i = 0; i < 12000; i++) {
        size_t n = force_header(frame, FIN | BINARY, claims[i % 6]);
        force_send(f, force_enter(f, "/attack", NULL), frame, n);
        if (i % 2)
            force_leave(f);
    }
}

/* Pings of somebody who reads no pong. */
static void unread_pings(struct force *f, size_t payload)
{
    unsigned char frame[150] = {0};
    size_t n = force_header(frame, FIN | PING, payload), len;
    unsigned char *block = repeat(frame, n + payload, (FORCE_BUDGET / 8 - 300) / (n + payload), &len);
    for (int i = 0; i < 8; i++)
        force_send(f, force_enter(f, "/attack", NULL), block, len);
    free(block);
}

static void unread_pings_empty(struct force *f)
{
    unread_pings(f, 0);
}

static void unread_pings_large(struct force *f)
{
    unread_pings(f, 125);
}

/* ---- deflate ---- */

/* A compressed frame of so many bytes that are all alike. */
static unsigned char *bomb(size_t plain, size_t *total)
{
    unsigned char header[14];
    unsigned char *zeros = block_of(plain, 'x'), *block = block_of(plain / 500 + 2000, 0);
    z_stream z = {0};
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = zeros;
    z.avail_in = (unsigned)plain;
    z.next_out = block + sizeof header;
    z.avail_out = (unsigned)(plain / 500 + 1900);
    ck_assert_int_eq(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    size_t packed = (size_t)(z.next_out - block) - sizeof header - 4;
    deflateEnd(&z);
    size_t n = force_header(header, FIN | RSV1 | TEXT, packed);
    memmove(block + n, block + sizeof header, packed);
    memcpy(block, header, n);
    free(zeros);
    *total = n + packed;
    return block;
}

/* 10 KB that become 10 MiB, on as many connections as the budget has; their last bytes come together. */
static void deflate_bombs(struct force *f)
{
    size_t len;
    unsigned char *block = bomb(10u << 20, &len);
    while (force_left(f) > len + 1000)
        force_send(f, force_enter(f, "/attack", offer), block, len - 1);
    for (size_t i = 0; i < f->count; i++)
        force_send(f, f->fds[i], block + len - 1, 1);
    free(block);
}

/* 1 KB that becomes the largest message that is allowed, again and again. */
static void deflate_at_the_limit(struct force *f)
{
    enum { CONNECTIONS = 8, ROUNDS = 100 };
    size_t len;
    unsigned char *block = bomb(LIMIT, &len);
    int fds[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++)
        fds[i] = force_enter(f, "/attack", offer);
    for (int i = 0; i < ROUNDS * CONNECTIONS; i++)
        force_send(f, fds[i % CONNECTIONS], block, len);
    free(block);
}

/* The same from a thousand at once, a message each. */
static void deflate_from_many(struct force *f)
{
    size_t len;
    unsigned char *block = bomb(LIMIT, &len);
    for (int i = 0; i < 1000; i++)
        force_enter(f, "/attack", offer);
    for (size_t i = 0; i < f->count; i++)
        force_send(f, f->fds[i], block, len);
    free(block);
}

/* And right behind the request, before there is an answer. */
static void deflate_behind_requests(struct force *f)
{
    enum { BOMBS = 3, CONNECTIONS = 500 };
    char request[512];
    size_t len, n = force_request(request, sizeof request, "/attack", offer);
    unsigned char *block = bomb(LIMIT, &len), *packet = block_of(n + BOMBS * len, 0);
    memcpy(packet, request, n);
    for (size_t i = 0; i < BOMBS; i++)
        memcpy(packet + n + i * len, block, len);
    for (int i = 0; i < CONNECTIONS; i++)
        force_send(f, force_connect(f, site_ws(f->site)), packet, n + BOMBS * len);
    free(block);
    free(packet);
}

/* ---- handshakes ---- */

/* Heads without an end, as large as they may be. */
static void large_half_handshakes(struct force *f)
{
    enum { SIZE = 16 * 1024 - 1 };
    char *head = (char *)block_of(SIZE, 'x');
    memcpy(head, "GET / HTTP/1.1\r\nX: ", 19);
    while (force_left(f) >= SIZE)
        force_send(f, force_connect(f, site_ws(f->site)), head, SIZE);
    free(head);
}

/* Two thousand that come byte by byte. */
static void slow_handshakes(struct force *f)
{
    enum { MANY = 2000, BYTES = 25, PAUSE_MS = 100 };
    for (int i = 0; i < MANY; i++)
        force_connect(f, site_ws(f->site));
    for (int byte = 0; byte < BYTES; byte++) {
        for (size_t i = 0; i < f->count; i++)
            force_send(f, f->fds[i], "GET /attack HTTP/1.1\r\nHost: a" + byte, 1);
        poll(NULL, 0, PAUSE_MS);
    }
}

/* Connections that say one byte, or nothing. */
static void silent_connections(struct force *f)
{
    for (int i = 0; i < 9000; i++) {
        int fd = force_connect(f, site_ws(f->site));
        if (i % 2)
            force_send(f, fd, "G", 1);
    }
}

/* Requests that are refused, with much to say about them. */
static void refused_handshakes(struct force *f)
{
    char request[4096], headers[3072] = "Origin: http://";
    memset(headers + 15, 'e', sizeof headers - 20);
    strcpy(headers + sizeof headers - 5, "\r\n");
    while (force_left(f) > 4096) {
        size_t len = force_request(request, sizeof request, "/attack", headers);
        int fd = force_connect(f, site_ws(f->site));
        force_send(f, fd, request, len);
        if (f->count % 2 == 0)
            force_leave(f);
    }
}

/* Channels with the longest names, all different. */
static void chosen_names(struct force *f)
{
    enum { NAME = 200 };
    char path[NAME + 2];
    for (int i = 0; i < 8000; i++) {
        snprintf(path, sizeof path, "/%0*d", NAME, i);
        force_enter(f, path, NULL);
    }
}

static void connects_and_resets(struct force *f)
{
    for (int i = 0; i < 10000; i++) {
        force_enter(f, "/attack", NULL);
        force_leave(f);
    }
}

/* ---- messages ---- */

/* What nobody takes stays in the inboxes of many channels; it goes when an operator has read it. */
static void small_words(struct force *f)
{
    unsigned char frame[16];
    size_t n = force_header(frame, FIN | TEXT, 1), len;
    frame[n++] = 'x';
    unsigned char *block = repeat(frame, n, 110000, &len);
    force_send(f, force_enter(f, "/attack", NULL), block, len);
    for (int i = 0; i < 9; i++)
        force_send(f, force_enter(f, "/attack", NULL), block, len);
    free(block);
}

/* ---- the control socket ---- */

static void operators_errors(struct force *f)
{
    for (int i = 0; i < 20000; i++) {
        const char *text = i % 2 ? "*2147483647\r\n" : "POST / HTTP/1.1\r\nHost: a\r\n\r\n";
        force_send(f, force_connect(f, site_control(f->site)), text, strlen(text));
        force_leave(f);
    }
}

static void operators_unread_replies(struct force *f)
{
    size_t len;
    unsigned char *block = repeat("PING\r\n", 6, 170000, &len);
    for (int i = 0; i < 8; i++)
        force_send(f, force_connect(f, site_control(f->site)), block, len);
    free(block);
}

static void operators_half_commands(struct force *f)
{
    static const char head[] = "*3\r\n$7\r\nPUBLISH\r\n$4\r\nnone\r\n$1048576\r\n";
    unsigned char *block = block_of(LIMIT, 'x');
    for (int i = 0; i < 8; i++) {
        int fd = force_connect(f, site_control(f->site));
        force_send(f, fd, head, sizeof head - 1);
        force_send(f, fd, block, LIMIT - 4096);
    }
    free(block);
}

static void descriptors(struct force *f)
{
    for (int i = 0; i < 40; i++) {
        http_send_descriptors(force_connect(f, site_ws(f->site)), 'G', 250);
        http_send_descriptors(force_connect(f, site_control(f->site)), 'P', 250);
        f->sent += 2;
    }
}

const struct attack attacks[] = {
    {"empty fragments, within the bound", empty_fragments},
    {"empty fragments, a million", a_million_empty_fragments},
    {"a message of tiny fragments", tiny_fragments},
    {"unfinished messages, large", unfinished_large},
    {"unfinished messages, small", unfinished_small},
    {"claimed lengths", claimed_lengths},
    {"impossible lengths", impossible_lengths},
    {"unread pings, empty", unread_pings_empty},
    {"unread pings, of 125 bytes", unread_pings_large},
    {"deflate bombs", deflate_bombs},
    {"deflate, at the limit", deflate_at_the_limit},
    {"deflate, at the limit, from many", deflate_from_many},
    {"deflate, behind requests", deflate_behind_requests},
    {"half handshakes, large", large_half_handshakes},
    {"half handshakes, byte by byte", slow_handshakes},
    {"silent connections", silent_connections},
    {"refused handshakes", refused_handshakes},
    {"chosen names", chosen_names},
    {"connects and resets", connects_and_resets},
    {"a million words", small_words},
    {"operators: protocol errors", operators_errors},
    {"operators: unread replies", operators_unread_replies},
    {"operators: half commands", operators_half_commands},
    {"floods of descriptors", descriptors},
};
const size_t attack_count = sizeof attacks / sizeof *attacks;
