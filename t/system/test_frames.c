/*
 * Frames (RFC 6455 sections 5 to 7) against the real worker: what is right is understood however it is cut,
 * what is wrong ends one peer with the code that says why. A witness on the same thread gets every message
 * meanwhile.
 */
#include <check.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CHANNELS                                                                                             \
    "channel \"echo\" { inbound = echo }\n"                                                                  \
    "channel \"off\" { inbound = off }\n"                                                                    \
    "channel \"all\" { inbound = publish }\n"

enum { LIMIT = 1 << 20 }; /* the default of message_limit */

static struct site *site;
static struct resp *control;
static struct wsclient *witness;
static int heard; /* messages that the witness got */

static void begin(const char *config)
{
    char *lines;
    ck_assert(asprintf(&lines, "%s%s", config, CHANNELS) > 0);
    site = site_start(
        &(struct site_options){.config = lines, .no_nginx = true, .no_responder = true, .tcp = true});
    free(lines);
    control = resp_open(site_control(site));
    ck_assert(control != NULL);
    witness = wsclient_open(site_ws(site), "/witness");
    heard = 0;
}

/* Everybody else is well: served, and served with everything. */
static void others_are_well(void)
{
    char text[32];
    snprintf(text, sizeof text, "%d", heard++);
    struct resp_value *v = resp_call(control, "PUBLISH", "witness", text, NULL);
    ck_assert(v->type == ':' && v->integer == 1);
    resp_value_free(v);
    wsclient_expect_text(witness, text);
}

static void end(void)
{
    others_are_well();
    wsclient_close(witness);
    resp_free(control);
    site_stop(site);
}

static struct wsclient *visit(const char *path)
{
    return wsclient_open(site_ws(site), path);
}

/* ---- asking the worker ---- */

static bool has_read_all(void *arg)
{
    int unread = 0;
    return ioctl(wsclient_fd(arg), SIOCOUTQ, &unread) == 0 && unread == 0;
}

/* Waits until the worker has read all that this client (on a Unix socket) has sent. */
static void until_read(struct wsclient *c)
{
    ck_assert_msg(site_until(has_read_all, c, 5000), "the worker does not read");
    resp_expect(control, "PING", "PONG"); /* and has come to the end of that turn */
}

/* ---- violations ---- */

static void end_with(struct wsclient *take_c, unsigned code, const char *what)
{
    struct wsclient_received got;
    enum wsclient_result r = wsclient_recv_message(take_c, &got, WSCLIENT_WAIT);
    if (r != WSCLIENT_GOT || got.opcode != WSCLIENT_CLOSE || got.code != code)
        ck_abort_msg("%s: expected close %u, got %s, opcode %u, code %u", what, code, wsclient_result_name(r),
                     r == WSCLIENT_GOT ? got.opcode : 0, r == WSCLIENT_GOT ? got.code : 0);
    ck_assert_msg(*got.reason || code == 1005, "%s: no reason is given", what);
    r = wsclient_recv(take_c, &got, WSCLIENT_WAIT);
    ck_assert_msg(r == WSCLIENT_EOF || r == WSCLIENT_RESET, "%s: then %s", what, wsclient_result_name(r));
    wsclient_free(take_c);
    others_are_well();
}

struct violation {
    const char *what;
    struct wsclient_frame frames[3]; /* up to the first that is all zero */
    unsigned code;
};

#define TEXT_(...)                                                                                           \
    {                                                                                                        \
        .fin = true, .opcode = WSCLIENT_TEXT, __VA_ARGS__                                                    \
    }
#define START_(...)                                                                                          \
    {                                                                                                        \
        .opcode = WSCLIENT_TEXT, .payload = "ab", .len = 2, __VA_ARGS__                                      \
    }
#define CLOSE_(...)                                                                                          \
    {                                                                                                        \
        .fin = true, .opcode = WSCLIENT_CLOSE, __VA_ARGS__                                                   \
    }
#define BYTES(s) .payload = (s), .len = sizeof(s) - 1

static char zeroes[70000];

static const struct violation violations[] = {
    {"RSV1", {TEXT_(.rsv = 4, BYTES("a"))}, 1002},
    {"RSV2", {TEXT_(.rsv = 2, BYTES("a"))}, 1002},
    {"RSV3", {TEXT_(.rsv = 1, BYTES("a"))}, 1002},
    {"RSV1 in a ping", {{.fin = true, .opcode = WSCLIENT_PING, .rsv = 4}}, 1002},
    {"RSV1 in a continuation", {START_(), {.fin = true, .rsv = 4, BYTES("a")}}, 1002},
    {"opcode 3", {{.fin = true, .opcode = 3, BYTES("a")}}, 1002},
    {"opcode 7, empty", {{.fin = true, .opcode = 7}}, 1002},
    {"opcode 11", {{.fin = true, .opcode = 11}}, 1002},
    {"opcode 15", {{.fin = true, .opcode = 15, BYTES("a")}}, 1002},
    {"unmasked text", {TEXT_(.unmasked = true, BYTES("a"))}, 1002},
    {"unmasked ping", {{.fin = true, .opcode = WSCLIENT_PING, .unmasked = true}}, 1002},
    {"unmasked close", {CLOSE_(.unmasked = true, BYTES("\x03\xe8"))}, 1002},
    {"5 bytes in 16 bits", {TEXT_(.length_form = 16, BYTES("abcde"))}, 1002},
    {"5 bytes in 64 bits", {TEXT_(.length_form = 64, BYTES("abcde"))}, 1002},
    {"65,535 bytes in 64 bits", {TEXT_(.length_form = 64, .payload = zeroes, .len = 65535)}, 1002},
    {"a length with its top bit", {TEXT_(.length_form = 64, .lie = true, .claimed = 1ull << 63)}, 1002},
    {"a ping of 126 bytes", {{.fin = true, .opcode = WSCLIENT_PING, .payload = zeroes, .len = 126}}, 1002},
    {"a pong of 65,536 bytes",
     {{.fin = true, .opcode = WSCLIENT_PONG, .payload = zeroes, .len = 65536}},
     1002},
    {"a close of 126 bytes", {CLOSE_(.payload = zeroes, .len = 126)}, 1002},
    {"a fragmented ping", {{.opcode = WSCLIENT_PING, BYTES("a")}}, 1002},
    {"a fragmented close", {{.opcode = WSCLIENT_CLOSE, BYTES("\x03\xe8")}}, 1002},
    {"a continuation of nothing", {{.fin = true, BYTES("a")}}, 1002},
    {"an unfinished continuation of nothing", {{.lie = true, BYTES("a"), .claimed = 1}}, 1002},
    {"text inside a text", {START_(), TEXT_(BYTES("a"))}, 1002},
    {"binary inside a text", {START_(), {.opcode = WSCLIENT_BINARY, BYTES("a")}}, 1002},
    {"a close of one byte", {CLOSE_(BYTES("\x03"))}, 1002},
    {"a close of one byte inside a message", {START_(), CLOSE_(BYTES("\x03"))}, 1002},
    {"text: a lone continuation byte", {TEXT_(BYTES("\x80"))}, 1007},
    {"text: overlong", {TEXT_(BYTES("a\xc0\xaf"))}, 1007},
    {"text: a surrogate", {TEXT_(BYTES("\xed\xa0\x80"))}, 1007},
    {"text: beyond U+10FFFF", {TEXT_(BYTES("\xf4\x90\x80\x80"))}, 1007},
    {"text: ends within a character", {TEXT_(BYTES("ab\xe6\x88"))}, 1007},
    {"text: a fragment breaks a character", {START_(), {BYTES("\xe6\x88")}, {.fin = true, BYTES("a")}}, 1007},
    {"text: the last fragment ends within one", {START_(), {.fin = true, BYTES("\xe6\x88")}}, 1007},
    {"text: an empty last fragment leaves one open",
     {START_(), {BYTES("\xe6")}, {.fin = true, BYTES("")}},
     1007},
    {"a close reason that is not UTF-8", {CLOSE_(BYTES("\x03\xe8\xff"))}, 1007},
    {"a close reason that ends within a character", {CLOSE_(BYTES("\x03\xe8 \xe6\x88"))}, 1007},
    {"a message over the limit", {TEXT_(.lie = true, .claimed = LIMIT + 1)}, 1009},
    {"a binary far over it", {{.fin = true, .opcode = 2, .lie = true, .claimed = (1ull << 63) - 1}}, 1009},
    {"a fragment over it", {START_(), {.lie = true, .claimed = LIMIT - 1}}, 1009},
};

static bool is_zero(const struct wsclient_frame *f)
{
    static const struct wsclient_frame zero;
    return memcmp(f, &zero, sizeof zero) == 0;
}

START_TEST(each_violation_its_code)
{
    begin("");
    for (size_t i = 0; i < COUNT(violations); i++) {
        const struct violation *v = &violations[i];
        struct wsclient *c = visit("/echo");
        for (size_t k = 0; k < COUNT(v->frames) && (k == 0 || !is_zero(&v->frames[k])); k++)
            ck_assert(wsclient_send_frame(c, &v->frames[k]) == 0);
        end_with(c, v->code, v->what);
    }
    info_until(control, "protocol_errors", COUNT(violations));
    info_until(control, "connected_clients", 1);
    end();
}
END_TEST

/* Codes that mean something among implementations only, and those of nobody. */
START_TEST(close_codes)
{
    static const unsigned wrong[] = {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535};
    static const unsigned right[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                     1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
    begin("");
    for (size_t i = 0; i < COUNT(wrong); i++) {
        const char payload[] = {(char)(wrong[i] >> 8), (char)wrong[i]};
        struct wsclient *c = visit("/echo");
        wsclient_send_frame(
            c, &(struct wsclient_frame){.fin = true, .opcode = WSCLIENT_CLOSE, .payload = payload, .len = 2});
        end_with(c, 1002, "a code that is not for the wire");
    }
    for (size_t i = 0; i < COUNT(right); i++) {
        struct wsclient_received got;
        struct wsclient *c = visit("/echo");
        wsclient_send_close(c, right[i], "so be it \xe2\x82\xac");
        ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        ck_assert_uint_eq(got.opcode, WSCLIENT_CLOSE);
        ck_assert_uint_eq(got.code, right[i]);
        ck_assert_str_eq(got.reason, "so be it \xe2\x82\xac");
        ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_EOF);
        wsclient_free(c);
    }
    info_until(control, "protocol_errors", COUNT(wrong));
    end();
}
END_TEST

/* What a frame's header alone is answered with; 0: nothing yet. */
static unsigned verdict_on(unsigned opcode, uint64_t claimed)
{
    if ((opcode > 2 && opcode < 8) || opcode > 10 || opcode == 0)
        return 1002;
    if (opcode >= 8)
        return claimed > 125 || (opcode == WSCLIENT_CLOSE && claimed == 1) ? 1002 : 0;
    return claimed >> 63 ? 1002 : claimed > LIMIT ? 1009 : 0;
}

/* Every opcode with lengths that others tripped over: the header condemns, and no byte is set aside for what
 * it claims. */
START_TEST(claimed_lengths)
{
    static const uint64_t claims[] = {2,          125,        126,        127,        65535,
                                      65536,      LIMIT,      LIMIT + 1,  1ull << 31, 0xffffffff,
                                      1ull << 32, ~0ull >> 1, 1ull << 63, ~0ull};
    char what[64];
    begin("");
    long long before = info_get(control, "used_memory");
    for (unsigned opcode = 0; opcode < 16; opcode++) {
        for (size_t i = 0; i < COUNT(claims); i++) {
            struct wsclient *c = visit("/test");
            struct wsclient_frame f = {.fin = true, .opcode = opcode, .lie = true, .claimed = claims[i]};
            ck_assert(wsclient_send_frame(c, &f) == 0);
            unsigned code = verdict_on(opcode, claims[i]);
            snprintf(what, sizeof what, "opcode %u, length %llu", opcode, (unsigned long long)claims[i]);
            if (code) {
                end_with(c, code, what);
                continue;
            }
            until_read(c);
            ck_assert_msg(info_get(control, "used_memory") - before < 16 * 1024,
                          "%s: memory for what is not there", what);
            wsclient_expect_silence(c, 0);
            wsclient_free(c);
        }
    }
    end();
}
END_TEST

/* A byte that condemns is enough; the rest of the header need not come. */
START_TEST(condemned_at_the_byte)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
        unsigned code;
    } rows[] = {
        {"a reserved opcode", "\x83", 1, 1002},
        {"a reserved bit", "\xc1", 1, 1002},
        {"a fragmented ping", "\x09", 1, 1002},
        {"a continuation of nothing", "\x80", 1, 1002},
        {"unmasked", "\x81\x05", 2, 1002},
        {"a close of one byte", "\x88\x81", 2, 1002},
        {"a long ping", "\x89\xfe", 2, 1002},
        {"not the shortest length", "\x81\xfe\x00\x7d", 4, 1002},
        {"too large", "\x82\xff\x00\x00\x00\x00\x00\x10\x00\x01", 10, 1009},
    };
    begin("");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct wsclient *c = visit("/echo");
        for (size_t k = 0; k < rows[i].len; k++) {
            wsclient_expect_silence(c, 0);
            ck_assert(wsclient_send_raw(c, rows[i].bytes + k, 1) == 0);
            if (k + 1 < rows[i].len)
                until_read(c);
        }
        end_with(c, rows[i].code, rows[i].what);
    }
    end();
}
END_TEST

/* ---- text ---- */

/* Sends the first n bytes of a frame and waits until they are read. */
static void send_part(struct wsclient *c, const unsigned char *frame, size_t from, size_t to)
{
    ck_assert(wsclient_send_raw(c, frame + from, to - from) == 0);
    until_read(c);
    wsclient_expect_silence(c, 0);
}

/* Bad text is refused at its byte: in the middle of a frame, and of a message. */
START_TEST(bad_text_at_its_byte)
{
    char text[1000];
    unsigned char frame[1100];
    memset(text, 'a', sizeof text);
    memcpy(text + 497, "\xe6\x88\xff", 3);
    begin("");
    for (int fragment = 0; fragment < 2; fragment++) {
        struct wsclient *c = visit("/echo");
        if (fragment)
            ck_assert(wsclient_send_frame(c, &(struct wsclient_frame)START_()) == 0);
        struct wsclient_frame f = {
            .fin = true, .opcode = fragment ? 0 : WSCLIENT_TEXT, .payload = text, .len = sizeof text};
        size_t size = wsclient_encode(&f, frame, sizeof frame), header = size - sizeof text;
        send_part(c, frame, 0, header);
        send_part(c, frame, header, header + 1);
        send_part(c, frame, header + 1, header + 499);
        ck_assert(wsclient_send_raw(c, frame + header + 499, 1) == 0);
        end_with(c, 1007, "the byte 0xff");
    }
    end();
}
END_TEST

static const char mixed[] =
    "\xce\xba\xcf\x8c\xcf\x83 \xe6\x88\xbf\xe9\x97\xb4 \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf";

/* Fragments may break characters anywhere. */
START_TEST(good_text_in_fragments)
{
    size_t len = sizeof mixed - 1;
    begin("");
    struct wsclient *c = visit("/echo");
    for (size_t i = 0; i <= len; i++) {
        for (size_t k = i; k <= len; k += 3) {
            struct wsclient_frame parts[] = {
                {.opcode = WSCLIENT_TEXT, .payload = mixed, .len = i},
                {.payload = mixed + i, .len = k - i},
                {.fin = true, .payload = mixed + k, .len = len - k},
            };
            for (size_t p = 0; p < COUNT(parts); p++)
                ck_assert(wsclient_send_frame(c, &parts[p]) == 0);
            wsclient_expect_text(c, mixed);
        }
    }
    wsclient_close(c);
    end();
}
END_TEST

/* ---- messages ---- */

START_TEST(sizes_and_kinds)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 65537, 300000, LIMIT};
    char *data = malloc(LIMIT + 1);
    ck_assert(data != NULL);
    begin("");
    struct wsclient *c = visit("/echo");
    for (size_t i = 0; i < COUNT(sizes); i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            data[k] = (char)(k * 7 + i);
        ck_assert(wsclient_send_binary(c, data, sizes[i]) == 0);
        wsclient_expect_binary(c, data, sizes[i]);
        memset(data, 'a' + (int)i, sizes[i]);
        data[sizes[i]] = '\0';
        ck_assert(wsclient_send_text(c, data) == 0);
        wsclient_expect_text(c, data);
    }
    wsclient_close(c);
    free(data);
    end();
}
END_TEST

/* All kinds of frames, whole, fragmented and interleaved, one byte at a time. */
static size_t make_stream(unsigned char *out, size_t cap)
{
    static const struct wsclient_frame frames[] = {
        TEXT_(BYTES("one")),
        TEXT_(BYTES("")),
        {.opcode = WSCLIENT_TEXT, BYTES("tw\xe6")},
        {.fin = true, .opcode = WSCLIENT_PING, BYTES("in between")},
        {BYTES("\x88")},
        {.fin = true, .opcode = WSCLIENT_PONG, BYTES("unasked")},
        {.fin = true, BYTES("\xbfo")},
        {.fin = true, .opcode = WSCLIENT_PING},
        {.fin = true, .opcode = WSCLIENT_BINARY, .payload = zeroes, .len = 130},
        {.opcode = WSCLIENT_BINARY, BYTES("\xff")},
        {.fin = true, BYTES("")},
        CLOSE_(BYTES("\x0f\xa0"
                     "done")),
    };
    size_t n = 0;
    for (size_t i = 0; i < COUNT(frames); i++)
        n += wsclient_encode(&frames[i], out + n, cap - n);
    return n;
}

static void expect_frame(struct wsclient *c, unsigned opcode, const void *payload, size_t len)
{
    struct wsclient_received got;
    enum wsclient_result r = wsclient_recv(c, &got, WSCLIENT_WAIT);
    ck_assert_msg(r == WSCLIENT_GOT, "%s instead of a frame", wsclient_result_name(r));
    ck_assert_msg(got.opcode == opcode && got.len == len && memcmp(got.payload, payload, len) == 0,
                  "opcode %u, %zu bytes \"%s\" instead of opcode %u, %zu bytes \"%.*s\"", got.opcode, got.len,
                  got.payload, opcode, len, (int)len, (const char *)payload);
}

static void expect_stream(struct wsclient *c)
{
    expect_frame(c, WSCLIENT_TEXT, "one", 3);
    expect_frame(c, WSCLIENT_TEXT, "", 0);
    expect_frame(c, WSCLIENT_PONG, "in between", 10);
    expect_frame(c, WSCLIENT_TEXT, "tw\xe6\x88\xbfo", 6);
    expect_frame(c, WSCLIENT_PONG, "", 0);
    expect_frame(c, WSCLIENT_BINARY, zeroes, 130);
    expect_frame(c, WSCLIENT_BINARY, "\xff", 1);
    expect_frame(c, WSCLIENT_CLOSE,
                 "\x0f\xa0"
                 "done",
                 6);
}

START_TEST(any_cut_is_the_same)
{
    unsigned char stream[1024];
    size_t len = make_stream(stream, sizeof stream);
    begin("");
    for (size_t cut = 1; cut < len; cut++) {
        struct wsclient *c = visit("/echo");
        ck_assert(wsclient_send_raw(c, stream, cut) == 0);
        until_read(c);
        ck_assert(wsclient_send_raw(c, stream + cut, len - cut) == 0);
        expect_stream(c);
        wsclient_free(c);
    }
    struct wsclient *c = visit("/echo");
    for (size_t i = 0; i < len; i++)
        ck_assert(wsclient_send_raw(c, stream + i, 1) == 0);
    expect_stream(c);
    wsclient_free(c);
    end();
}
END_TEST

/* Small messages by the thousand in few packets, in order. */
START_TEST(many_in_a_packet)
{
    enum { MANY = 20000 };
    char text[16];
    unsigned char *stream = malloc(MANY * 24);
    size_t n = 0;
    ck_assert(stream != NULL);
    for (int i = 0; i < MANY; i++) {
        struct wsclient_frame f = {
            .fin = true, .opcode = 1, .payload = text, .len = (size_t)snprintf(text, sizeof text, "%d", i)};
        n += wsclient_encode(&f, stream + n, 24);
    }
    begin("");
    struct wsclient *c = visit("/echo");
    for (size_t sent = 0, i = 0; i < MANY;) {
        size_t piece = n - sent < 50000 ? n - sent : 50000;
        ck_assert(wsclient_send_raw(c, stream + sent, piece) == 0);
        sent += piece;
        for (size_t until = i + (sent == n ? MANY : 2000); i < until && i < MANY; i++) {
            snprintf(text, sizeof text, "%zu", i);
            wsclient_expect_text(c, text);
        }
    }
    wsclient_close(c);
    free(stream);
    end();
}
END_TEST

/* ---- what is kept of an unfinished message ---- */

/* The limit counts the bytes of a message, however they are cut; memory follows what came, not how. */
START_TEST(tiny_fragments)
{
    begin("");
    size_t cap = 7 * (LIMIT + 16);
    unsigned char *stream = malloc(cap);
    ck_assert(stream != NULL);
    size_t n = wsclient_encode(&(struct wsclient_frame){.opcode = WSCLIENT_BINARY, BYTES("x")}, stream, cap);
    for (int i = 1; i < LIMIT; i++)
        n += wsclient_encode(&(struct wsclient_frame){BYTES("x")}, stream + n, 24);
    struct wsclient *c = visit("/echo");
    long long before = info_get(control, "used_memory");
    ck_assert(wsclient_send_raw(c, stream, n) == 0);
    until_read(c);
    long long more = info_get(control, "used_memory") - before;
    ck_assert_msg(more < LIMIT + LIMIT / 10 + 8192, "%lld bytes are kept", more);
    ck_assert(wsclient_send_frame(c, &(struct wsclient_frame){BYTES("x")}) == 0);
    end_with(c, 1009, "one byte more");
    more = info_get(control, "used_memory") - before;
    ck_assert_msg(more < 32 * 1024, "%lld bytes are still kept", more);
    free(stream);
    end();
}
END_TEST

/* Fragments without bytes would never reach the limit: they are counted too. */
START_TEST(empty_fragments)
{
    begin("");
    struct wsclient *c = visit("/echo");
    long long before = info_get(control, "used_memory");
    ck_assert(wsclient_send_frame(c, &(struct wsclient_frame)START_()) == 0);
    bool went = true;
    for (int i = 0; i < 100000 && went; i++)
        went = wsclient_send_frame(c, &(struct wsclient_frame){0}) == 0;
    end_with(c, 1008, "empty fragments");
    ck_assert(info_get(control, "used_memory") - before < 32 * 1024);
    end();
}
END_TEST

START_TEST(message_limit)
{
    char text[32] = "";
    begin("message_limit = 20\nchannel \"small\" { inbound = echo\nmessage_limit = 10 }\n");
    for (size_t n = 9; n <= 11; n++) {
        memset(text, 'x', n);
        struct wsclient *c = visit("/small");
        ck_assert(wsclient_send_text(c, text) == 0);
        if (n > 10) {
            end_with(c, 1009, "11 of 10 bytes");
            continue;
        }
        wsclient_expect_text(c, text);
        wsclient_close(c);
    }
    struct wsclient *c = visit("/echo");
    ck_assert(wsclient_send_text(c, "this is twenty bytes") == 0);
    wsclient_expect_text(c, "this is twenty bytes");
    ck_assert(wsclient_send_text(c, "this is 21 bytes long") == 0);
    end_with(c, 1009, "21 of 20 bytes");
    end();
}
END_TEST

/* ---- inbound ---- */

START_TEST(inbound_off)
{
    begin("");
    struct wsclient *c = visit("/off"), *other = visit("/off");
    ck_assert(wsclient_send_text(c, "is anybody there?") == 0);
    end_with(c, 1008, "a message");
    resp_expect(control, "WS.COUNT off", "0");
    ck_assert(wsclient_send_ping(other, "x", 1) == 0); /* pings are no messages */
    expect_frame(other, WSCLIENT_PONG, "x", 1);
    wsclient_close(other);
    end();
}
END_TEST

START_TEST(inbound_publish)
{
    static const char bytes[] = "\x00\xff\x80";
    begin("");
    struct wsclient *a = visit("/all"), *b = visit("/all");
    ck_assert(wsclient_send_text(a, "to everybody") == 0);
    wsclient_expect_text(a, "to everybody");
    wsclient_expect_text(b, "to everybody");
    ck_assert(wsclient_send_binary(b, bytes, 3) == 0);
    wsclient_expect_binary(a, bytes, 3);
    wsclient_expect_binary(b, bytes, 3);
    resp_expect(control, "WS.COUNT all", "0");
    wsclient_close(a);
    wsclient_close(b);
    info_until(control, "published", 2);
    end();
}
END_TEST

/* ---- the closing handshake ---- */

/* The client begins: its code comes back, and our side of the connection ends first. */
START_TEST(closed_by_the_client)
{
    begin("");
    struct wsclient *c = visit("/echo"), *silent = visit("/echo");
    ck_assert(wsclient_send_close(c, 4321, "good night") == 0);
    expect_frame(c, WSCLIENT_CLOSE, "\x10\xe1good night", 12);
    struct wsclient_received got;
    ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_EOF);
    info_until(control, "connected_clients",
               2); /* it is nobody's recipient any more, though its end is open */
    wsclient_free(c);
    ck_assert(wsclient_send_close(silent, 0, "") == 0); /* without a code */
    expect_frame(silent, WSCLIENT_CLOSE, "", 0);
    ck_assert_int_eq(wsclient_recv(silent, &got, WSCLIENT_WAIT), WSCLIENT_EOF);
    wsclient_free(silent);
    info_until(control, "connected_clients", 1);
    end();
}
END_TEST

START_TEST(closed_by_the_operator)
{
    begin("");
    struct wsclient *c = visit("/test");
    resp_expect(control, "WS.CLOSE test 4001 \"until tomorrow\"", "1");
    ck_assert_str_eq(wsclient_expect_close(c, 4001), "until tomorrow");
    wsclient_free(c);
    info_until(control, "connected_clients", 1);
    end();
}
END_TEST

/* Who does not answer our close frame is cut off in time; what it still says is nobody's. */
START_TEST(close_timeout)
{
    begin("close_timeout = 300ms\n");
    struct wsclient *c = visit("/test");
    resp_expect(control, "WS.CLOSE test", "1");
    expect_frame(c, WSCLIENT_CLOSE, "\x03\xe8", 2);
    ck_assert(wsclient_send_text(c, "but I am not done") == 0);
    ck_assert(wsclient_send_ping(c, "", 0) == 0);
    long long began = http_now();
    struct wsclient_received got;
    ck_assert_int_ne(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
    ck_assert(http_now() - began < 2000);
    resp_expect(control, "WS.COUNT test", "0");
    wsclient_free(c);
    info_until(control, "connected_clients", 1);
    end();
}
END_TEST

/* Both begin at once: one close frame from each side, no second one. */
START_TEST(closed_by_both)
{
    begin("");
    struct wsclient *c = visit("/test");
    resp_expect(control, "WS.CLOSE test 4001", "1");
    ck_assert(wsclient_send_close(c, 4002, "") == 0);
    expect_frame(c, WSCLIENT_CLOSE, "\x0f\xa1", 2);
    struct wsclient_received got;
    ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_EOF);
    wsclient_free(c);
    end();
}
END_TEST

/* What was said before the end comes before the end. */
START_TEST(replies_before_the_close)
{
    static const struct wsclient_frame ends[] = {CLOSE_(BYTES("\x0f\xa0")), {.fin = true, .opcode = 3}};
    unsigned char bytes[256];
    begin("");
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct wsclient *c = visit("/echo");
        size_t n = wsclient_encode(&(struct wsclient_frame)TEXT_(BYTES("first")), bytes, 99);
        n += wsclient_encode(&(struct wsclient_frame){.fin = true, .opcode = 9, BYTES("p")}, bytes + n, 99);
        n += wsclient_encode(&(struct wsclient_frame)TEXT_(BYTES("last")), bytes + n, 99);
        n += wsclient_encode(&ends[i], bytes + n, 99);
        n += wsclient_encode(&(struct wsclient_frame)TEXT_(BYTES("too late")), bytes + n, 99);
        ck_assert(wsclient_send_raw(c, bytes, n) == 0);
        expect_frame(c, WSCLIENT_TEXT, "first", 5);
        expect_frame(c, WSCLIENT_PONG, "p", 1);
        expect_frame(c, WSCLIENT_TEXT, "last", 4);
        struct wsclient_received got;
        ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        ck_assert_uint_eq(got.opcode, WSCLIENT_CLOSE);
        ck_assert_uint_eq(got.code, i ? 1002 : 4000);
        ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_EOF);
        wsclient_free(c);
    }
    end();
}
END_TEST

/* Whoever has said good-bye and then all, gets all that is still to come. */
START_TEST(half_closed_with_much_to_come)
{
    enum { MESSAGES = 4, SIZE = 90000 };
    static unsigned char text[SIZE];
    memset(text, 'x', SIZE);
    begin("");
    for (int tcp = 0; tcp < 2; tcp++) {
        struct wsclient *c = wsclient_open(tcp ? site_tcp(site) : site_ws(site), "/echo");
        for (int i = 0; i < MESSAGES; i++)
            ck_assert_int_eq(wsclient_send_binary(c, text, SIZE), 0);
        ck_assert_int_eq(wsclient_send_close(c, 4000, "bye"), 0);
        ck_assert_int_eq(shutdown(wsclient_fd(c), SHUT_WR), 0);
        if (!tcp)
            until_read(c);
        for (int i = 0; i < 3; i++) /* turns in which the worker has met the end, with much in its queue */
            resp_expect(control, "PING", "PONG");
        for (int i = 0; i < MESSAGES; i++)
            wsclient_expect_binary(c, text, SIZE);
        struct wsclient_received got;
        ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        ck_assert(got.opcode == WSCLIENT_CLOSE && got.code == 4000);
        ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_EOF);
        wsclient_free(c);
    }
    info_until(control, "connections", 1);
    end();
}
END_TEST

/* ---- pings ---- */

START_TEST(pings_are_answered)
{
    char payload[125];
    unsigned char packet[512];
    begin("");
    struct wsclient *c = visit("/test");
    for (size_t len = 0; len <= sizeof payload; len += 25) {
        memset(payload, (int)len, sizeof payload);
        ck_assert(wsclient_send_ping(c, payload, len) == 0);
        expect_frame(c, WSCLIENT_PONG, payload, len);
    }
    size_t n = 0;
    for (int i = 0; i < 10; i++) {
        char digit = (char)('0' + i);
        n += wsclient_encode(&(struct wsclient_frame){.fin = true, .opcode = 9, .payload = &digit, .len = 1},
                             packet + n, 32);
    }
    ck_assert(wsclient_send_raw(c, packet, n) == 0);
    for (int i = 0; i < 10; i++)
        expect_frame(c, WSCLIENT_PONG, (char[]){(char)('0' + i)}, 1);
    wsclient_close(c);
    end();
}
END_TEST

/* A peer that pings and never reads: all is read, the newest is owed, nothing is heaped up. */
START_TEST(unread_pings)
{
    enum { PINGS = 100000, SIZE = 8 };
    char text[16];
    unsigned char *stream = malloc(PINGS * (SIZE + 14));
    size_t n = 0;
    ck_assert(stream != NULL);
    for (int i = 0; i < PINGS; i++) {
        snprintf(text, sizeof text, "%08d", i);
        n += wsclient_encode(&(struct wsclient_frame){.fin = true, .opcode = 9, .payload = text, .len = SIZE},
                             stream + n, SIZE + 14);
    }
    begin("");
    struct wsclient *c = visit("/test");
    int small = 4096;
    ck_assert(setsockopt(wsclient_fd(c), SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    long long before = info_get(control, "used_memory");
    ck_assert(wsclient_send_raw(c, stream, n) == 0);
    until_read(c);
    long long more = info_get(control, "used_memory") - before;
    ck_assert_msg(more < 64 * 1024, "%lld bytes are kept of %d pings", more, PINGS);
    others_are_well();
    int last = -1, pongs = 0;
    while (last != PINGS - 1) {
        struct wsclient_received got;
        ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        ck_assert(got.opcode == WSCLIENT_PONG && got.len == SIZE);
        ck_assert_msg(atoi(got.payload) > last, "pong %s after %d", got.payload, last);
        last = atoi(got.payload);
        pongs++;
    }
    ck_assert_msg(pongs < PINGS, "it was read");
    wsclient_close(c);
    free(stream);
    end();
}
END_TEST

/* ---- in time ---- */

/* Who answers pings stays, who does not goes, and WS.LIST knows how long an answer took. */
START_TEST(ping_and_pong)
{
    begin("channel \"pinged\" { ping_interval = 150ms\npong_timeout = 300ms }\n");
    struct wsclient *good = visit("/pinged"), *dead = visit("/pinged");
    long long began = http_now();
    for (int i = 0; i < 4; i++) {
        struct wsclient_received got;
        ck_assert_int_eq(wsclient_recv(good, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        ck_assert_uint_eq(got.opcode, WSCLIENT_PING);
        ck_assert(wsclient_send_frame(good, &(struct wsclient_frame){.fin = true,
                                                                     .opcode = WSCLIENT_PONG,
                                                                     .payload = got.payload,
                                                                     .len = got.len}) == 0);
    }
    ck_assert_msg(http_now() - began >= 500, "pings come too often");
    expect_frame(dead, WSCLIENT_PING, "", 0);
    end_with(dead, 1011, "no answer");
    struct resp_value *v = resp_call(control, "WS.LIST", "pinged", NULL);
    ck_assert_uint_eq(v->count, 1);
    const struct resp_value *ping = v->items[0]->items[v->items[0]->count - 1];
    ck_assert_msg(ping->type == ':' && ping->integer < 300, "ping %s", ping->text);
    resp_value_free(v);
    wsclient_free(good);
    end();
}
END_TEST

/* What comes in by itself proves life as well: no ping is sent to who talks. */
START_TEST(talk_is_life)
{
    begin("channel \"pinged\" { inbound = echo\nping_interval = 400ms\npong_timeout = 200ms }\n");
    struct wsclient *c = visit("/pinged");
    for (long long began = http_now(); http_now() - began < 1000;) {
        ck_assert(wsclient_send_text(c, "I am here") == 0);
        expect_frame(c, WSCLIENT_TEXT, "I am here", 9);
        wsclient_expect_silence(c, 20);
    }
    wsclient_close(c);
    end();
}
END_TEST

/* A frame, or a message, that was begun is to be finished in time; bytes now and then don't help. */
START_TEST(frame_timeout)
{
    begin("channel \"framed\" { inbound = echo\nframe_timeout = 300ms }\n");
    struct wsclient *half = visit("/framed"), *open = visit("/framed"), *drip = visit("/framed");
    struct wsclient *header = visit("/framed"), *well = visit("/framed");
    struct wsclient_frame frame = {.fin = true, .opcode = 2, .lie = true, .claimed = 1000, BYTES("begun")};
    ck_assert(wsclient_send_frame(half, &frame) == 0);
    ck_assert(wsclient_send_frame(drip, &frame) == 0);
    ck_assert(wsclient_send_frame(open, &(struct wsclient_frame)START_()) == 0);
    ck_assert(wsclient_send_raw(header, "\x81", 1) == 0);
    enum wsclient_result r = WSCLIENT_TIMEOUT;
    struct wsclient_received got;
    for (int i = 0; i < 500 && r == WSCLIENT_TIMEOUT; i++) {
        wsclient_send_raw(drip, "x", 1);
        ck_assert(wsclient_send_text(well, "and on") == 0);
        expect_frame(well, WSCLIENT_TEXT, "and on", 6);
        r = wsclient_recv(drip, &got, 10);
    }
    ck_assert_int_eq(r, WSCLIENT_GOT);
    ck_assert_uint_eq(got.code, 1008);
    wsclient_free(drip);
    end_with(half, 1008, "half a frame");
    end_with(open, 1008, "half a message");
    end_with(header, 1008, "half a header");
    ck_assert(wsclient_send_text(well, "still") == 0);
    wsclient_expect_text(well, "still");
    wsclient_close(well);
    end();
}
END_TEST

/* ---- sudden ends ---- */

START_TEST(sudden_ends)
{
    unsigned char stream[1024];
    size_t len = make_stream(stream, sizeof stream);
    begin("");
    int descriptors = site_descriptors(site, SITE_WORKER);
    for (size_t n = 0; n < len; n += 5) {
        struct wsclient *over_unix = visit("/echo"), *over_tcp = wsclient_open(site_tcp(site), "/echo");
        struct wsclient *half = wsclient_open(site_tcp(site), "/echo");
        ck_assert(wsclient_send_raw(over_unix, stream, n) == 0);
        ck_assert(wsclient_send_raw(over_tcp, stream, n) == 0);
        ck_assert(wsclient_send_raw(half, stream, n) == 0);
        wsclient_free(over_unix);
        wsclient_reset(over_tcp);
        shutdown(wsclient_fd(half), SHUT_WR);
        struct wsclient_received got;
        enum wsclient_result r;
        while ((r = wsclient_recv(half, &got, WSCLIENT_WAIT)) == WSCLIENT_GOT)
            continue;
        ck_assert_msg(r == WSCLIENT_EOF || r == WSCLIENT_RESET, "half-closed: %s", wsclient_result_name(r));
        wsclient_free(half);
        others_are_well();
    }
    info_until(control, "connections", 1);
    ck_assert_int_ge(info_get(control, "closed_abnormally"), (long long)(len / 5) * 2); /* 1006 */
    site_wait_descriptors(site, SITE_WORKER, descriptors);
    end();
}
END_TEST

/* ---- the whole ---- */

static TCase *tcase(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("frames");
    TCase *tc = tcase(suite, "violations");
    tcase_add_test(tc, each_violation_its_code);
    tcase_add_test(tc, close_codes);
    tcase_add_test(tc, claimed_lengths);
    tcase_add_test(tc, condemned_at_the_byte);
    tcase_add_test(tc, bad_text_at_its_byte);
    tc = tcase(suite, "messages");
    tcase_add_test(tc, good_text_in_fragments);
    tcase_add_test(tc, sizes_and_kinds);
    tcase_add_test(tc, any_cut_is_the_same);
    tcase_add_test(tc, many_in_a_packet);
    tcase_add_test(tc, tiny_fragments);
    tcase_add_test(tc, empty_fragments);
    tcase_add_test(tc, message_limit);
    tcase_add_test(tc, inbound_off);
    tcase_add_test(tc, inbound_publish);
    tc = tcase(suite, "closing");
    tcase_add_test(tc, closed_by_the_client);
    tcase_add_test(tc, closed_by_the_operator);
    tcase_add_test(tc, close_timeout);
    tcase_add_test(tc, closed_by_both);
    tcase_add_test(tc, replies_before_the_close);
    tcase_add_test(tc, half_closed_with_much_to_come);
    tc = tcase(suite, "pings and time");
    tcase_add_test(tc, pings_are_answered);
    tcase_add_test(tc, unread_pings);
    tcase_add_test(tc, ping_and_pong);
    tcase_add_test(tc, talk_is_life);
    tcase_add_test(tc, frame_timeout);
    tcase_add_test(tc, sudden_ends);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
