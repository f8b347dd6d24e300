/*
 * A hundred clients at a time, half of them through nginx, half with compression; each sends messages of
 * random sizes, in random fragments, compressed or not, pings between them, and gets the same back: bytes,
 * type, order. $ECHO_MESSAGES is how many in all.
 *
 * What a message is follows from three numbers, so it is made a second time when its echo is here.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "../system/http.h"
#include "../system/site.h"
#include "../system/wsclient.h"
#include "../unit/random.h"

enum { CLIENTS = 100, FLIGHT = 4, LARGEST = 64 << 10, POOL = 1 << 20, PATIENCE_MS = 30000 };

/* Text of characters of every length, words, and noise that does not compress. */
enum kind { TEXT, WORDS, NOISE, KINDS };

struct message {
    enum kind kind;
    size_t from, len;
};

struct client {
    struct wsclient *ws;
    bool deflate;
    long left; /* to be sent */
    struct message flight[FLIGHT];
    size_t first, flying;
};

static unsigned char pools[KINDS][POOL];
static unsigned char made[LARGEST], packed[LARGEST * 2];
static z_stream packer, unpacker;
static unsigned long long bytes;

static void fill_pools(void)
{
    static const char *const chars[] = {"a", "Z", " ", "\xc3\xa9", "\xe6\x88\xbf", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < POOL;) {
        const char *c = chars[random_below(6)];
        for (; *c && i < POOL; c++)
            pools[TEXT][i++] = (unsigned char)*c;
    }
    for (size_t i = 0; i < POOL; i++) {
        pools[WORDS][i] = (unsigned char)"abcdefgh  "[random_below(10)];
        pools[NOISE][i] = (unsigned char)random_below(256);
    }
}

/* ---- a message ---- */

static void make(const struct message *m)
{
    memcpy(made, pools[m->kind] + m->from, m->len);
    if (m->kind != TEXT)
        return;
    for (size_t i = 0; i < m->len && (made[i] & 0xc0) == 0x80; i++)
        made[i] = 'a'; /* the rest of a character that begins before */
    for (size_t i = m->len < 3 ? 0 : m->len - 3; i < m->len; i++)
        made[i] = 'a'; /* the last may be cut, too, and so may the one before these three */
    for (size_t i = m->len < 3 ? 0 : m->len - 3; i > 0 && made[i - 1] >= 0x80; i--) {
        bool begins = made[i - 1] >= 0xc0;
        made[i - 1] = 'a';
        if (begins)
            break;
    }
}

static size_t pack(void)
{
    deflateReset(&packer);
    packer.next_out = packed;
    packer.avail_out = sizeof packed;
    ck_assert_int_eq(deflate(&packer, Z_SYNC_FLUSH), Z_OK);
    return sizeof packed - packer.avail_out - 4;
}

static bool is_text(const struct message *m)
{
    return m->kind != NOISE;
}

/* ---- out ---- */

static void send_in_fragments(struct wsclient *ws, const unsigned char *payload, size_t len, unsigned opcode,
                              unsigned rsv)
{
    for (bool fin = false; !fin; opcode = WSCLIENT_CONTINUATION, rsv = 0) {
        fin = random_below(2);
        size_t n = fin ? len : random_below(len + 1);
        struct wsclient_frame f = {.fin = fin, .rsv = rsv, .opcode = opcode, .payload = payload, .len = n};
        ck_assert_int_eq(wsclient_send_frame(ws, &f), 0);
        payload += n;
        len -= n;
        if (random_below(8) == 0)
            ck_assert_int_eq(wsclient_send_ping(ws, "still there?", random_below(13)), 0);
    }
}

static void send_one(struct client *c)
{
    struct message *m = &c->flight[(c->first + c->flying++) % FLIGHT];
    *m = (struct message){.kind = (enum kind)random_below(KINDS),
                          .from = random_below(POOL - LARGEST),
                          .len = random_below(LARGEST + 1)};
    make(m);
    bool compressed = c->deflate && random_below(2);
    packer.next_in = made;
    packer.avail_in = (unsigned)m->len;
    size_t len = compressed ? pack() : m->len;
    send_in_fragments(c->ws, compressed ? packed : made, len, is_text(m) ? WSCLIENT_TEXT : WSCLIENT_BINARY,
                      compressed ? 4 : 0);
    c->left--;
    bytes += m->len;
}

/* ---- and back ---- */

static void unpack(struct wsclient_received *got)
{
    static unsigned char plain[LARGEST + 1];
    unsigned char *const parts[] = {(unsigned char *)(uintptr_t)got->payload,
                                    (unsigned char *)(uintptr_t) "\0\0\xff\xff"};
    inflateReset(&unpacker);
    unpacker.next_out = plain;
    unpacker.avail_out = sizeof plain;
    for (int i = 0; i < 2; i++) {
        unpacker.next_in = parts[i];
        unpacker.avail_in = i ? 4 : (unsigned)got->len;
        int r = inflate(&unpacker, Z_SYNC_FLUSH);
        ck_assert_msg(r == Z_OK || r == Z_BUF_ERROR, "inflate: %d", r);
    }
    got->payload = (const char *)plain;
    got->len = sizeof plain - unpacker.avail_out;
}

static void take_one(struct client *c)
{
    struct wsclient_received got;
    const struct message *m = &c->flight[c->first];
    enum wsclient_result result = wsclient_recv_message(c->ws, &got, PATIENCE_MS);
    ck_assert_msg(result == WSCLIENT_GOT, "%s %s", wsclient_result_name(result), wsclient_fault(c->ws));
    ck_assert_msg(got.opcode != WSCLIENT_CLOSE, "closed with %u %s", got.code, got.reason);
    if (got.rsv)
        unpack(&got);
    make(m);
    ck_assert_uint_eq(got.opcode, is_text(m) ? WSCLIENT_TEXT : WSCLIENT_BINARY);
    ck_assert_msg(got.len == m->len && memcmp(got.payload, made, m->len) == 0,
                  "%zu bytes are not the %zu that were sent", got.len, m->len);
    c->first = (c->first + 1) % FLIGHT;
    c->flying--;
}

static void open_client(struct client *c, const struct site *site, size_t i, long share)
{
    c->deflate = i / 2 % 2;
    c->left = share;
    c->ws = wsclient_connect(i % 2 ? site_http(site) : site_ws(site), "/echo",
                             c->deflate ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : NULL);
    ck_assert(wsclient_accepted(c->ws));
    ck_assert((wsclient_header(c->ws, "Sec-WebSocket-Extensions") != NULL) == c->deflate);
}

START_TEST(random_messages)
{
    static struct client clients[CLIENTS];
    const char *wanted = getenv("ECHO_MESSAGES");
    long share = (wanted && *wanted ? atol(wanted) : 10000) / CLIENTS;
    struct site *site = site_start(&(struct site_options){.threads = 2, .config = "inbound = echo\n"});
    random_start(4);
    fill_pools();
    ck_assert_int_eq(deflateInit2(&packer, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(inflateInit2(&unpacker, -15), Z_OK);
    for (size_t i = 0; i < CLIENTS; i++)
        open_client(&clients[i], site, i, share);
    long long began = http_now();
    for (long done = 0; done < share * CLIENTS;)
        for (size_t i = 0; i < CLIENTS; i++) {
            while (clients[i].left > 0 && clients[i].flying < FLIGHT)
                send_one(&clients[i]);
            for (size_t n = clients[i].flying ? 1 + random_below(clients[i].flying) : 0; n > 0; n--, done++)
                take_one(&clients[i]);
        }
    double seconds = (double)(http_now() - began) / 1000;
    printf("%ld messages of random sizes echoed by %d clients in %.1f s: %.0f MB each way, %.0f MB/s\n",
           share * CLIENTS, CLIENTS, seconds, (double)bytes / 1e6, (double)bytes / 1e6 / seconds);
    for (size_t i = 0; i < CLIENTS; i++)
        wsclient_close(clients[i].ws);
    deflateEnd(&packer);
    inflateEnd(&unpacker);
    site_stop(site);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("echo");
    TCase *tc = tcase_create("echo");
    tcase_set_timeout(tc, 1800);
    tcase_add_test(tc, random_messages);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int run = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("%d passed, %d failed\n", run - failed, failed);
    return failed != 0;
}
