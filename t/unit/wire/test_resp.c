/*
 * The control socket's protocol: requests in every form and every piece, what is no request, and replies that
 * nobody can forge.
 */
#include "wire/resp.h"

#include <check.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../cost.h"
#include "../heap.h"
#include "../random.h"

enum { BULK_MAX = 1000 };

/* ---- a session in small ---- */

/* Feeds a stream in pieces, as a connection does, and writes down what the parser makes of it: `[a|b]` for a
 * request, `BIG`, and at the end `FAULT text` or `FOREIGN`. */
struct session {
    struct resp_parser parser;
    struct buf unread;
    struct buf log;
    size_t most_unread;
    bool over;
};

static void log_request(struct session *s, const struct resp_request *r)
{
    for (int i = 0; i < r->argc; i++) {
        buf_addc(&s->log, i ? '|' : '[');
        buf_add(&s->log, r->argv[i].data, r->argv[i].len);
    }
    buf_addc(&s->log, ']');
}

static void feed(struct session *s, const void *bytes, size_t len)
{
    buf_add(&s->unread, bytes, len);
    while (!s->over && s->unread.len) {
        struct resp_request request;
        size_t taken;
        const char *fault;
        enum resp_result r =
            resp_parse(&s->parser, s->unread.data, s->unread.len, BULK_MAX, &taken, &request, &fault);
        ck_assert_uint_le(taken, s->unread.len);
        ck_assert((r == RESP_INCOMPLETE) == (taken == 0) || r >= RESP_FAULT);
        s->over = r >= RESP_FAULT;
        if (r == RESP_REQUEST)
            log_request(s, &request);
        else if (r == RESP_TOO_BIG)
            buf_adds(&s->log, "BIG");
        else if (r == RESP_FAULT)
            buf_addf(&s->log, "FAULT %s", fault);
        else if (r == RESP_FOREIGN)
            buf_adds(&s->log, "FOREIGN");
        else if (r == RESP_INCOMPLETE)
            break;
        buf_consume(&s->unread, taken);
    }
    s->most_unread = s->unread.len > s->most_unread ? s->unread.len : s->most_unread;
}

static void session_fini(struct session *s)
{
    resp_parser_fini(&s->parser);
    buf_fini(&s->unread);
    buf_fini(&s->log);
    *s = (struct session){0};
}

static void feed_in(struct session *s, const char *bytes, size_t len, size_t step)
{
    for (size_t at = 0; at < len; at += step)
        feed(s, bytes + at, step < len - at ? step : len - at);
}

static void expect_len(const char *bytes, size_t len, const char *log)
{
    for (size_t step = 1; step <= len; step++) {
        struct session s = {0};
        feed_in(&s, bytes, len, step);
        ck_assert_msg(strcmp(buf_str(&s.log), log) == 0, "in pieces of %zu:\n%s\nnot\n%s", step,
                      buf_str(&s.log), log);
        session_fini(&s);
    }
}

/* In pieces of every size. */
static void expect(const char *bytes, const char *log)
{
    expect_len(bytes, strlen(bytes), log);
}

/* ---- arrays ---- */

START_TEST(arrays)
{
    expect("*1\r\n$4\r\nPING\r\n", "[PING]");
    expect("*3\r\n$7\r\nPUBLISH\r\n$4\r\ntest\r\n$5\r\nhello\r\n", "[PUBLISH|test|hello]");
    expect("*2\r\n$0\r\n\r\n$0\r\n\r\n", "[|]");
    expect("*2\r\n$4\r\nECHO\r\n$8\r\na\r\n*1\r\nb\r\n", "[ECHO|a\r\n*1\r\nb]");
    expect("*01\r\n$004\r\nPING\r\n*1\r\n$4\r\nping\r\n", "[PING][ping]");
    expect("*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n*0\r\n", "[PING]");
    expect("*1\r\n$4\r\nPING\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n", "[PING][PING][QUIT]");
    struct session s = {0};
    feed(&s, "*1\r\n$3\r\na\0b\r\n", 13);
    ck_assert_uint_eq(s.log.len, 5);
    ck_assert_mem_eq(s.log.data, "[a\0b]", 5);
    session_fini(&s);
}
END_TEST

START_TEST(arguments_point_into_the_bytes)
{
    static const char bytes[] = "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n";
    struct resp_parser p = {0};
    struct resp_request r;
    size_t taken;
    const char *fault;
    size_t before = heap_in_use();
    enum resp_result result =
        resp_parse(&p, (const uint8_t *)bytes, sizeof bytes - 1, BULK_MAX, &taken, &r, &fault);
    size_t after = heap_in_use();
    ck_assert_int_eq(result, RESP_REQUEST);
    ck_assert_uint_eq(taken, sizeof bytes - 1);
    ck_assert_ptr_eq(r.argv[1].data, bytes + 18);
    ck_assert_uint_eq(after, before);
    resp_parser_fini(&p);
}
END_TEST

START_TEST(malformed_arrays)
{
    static const char *const counts[] = {"*\r\n",
                                         "*-2\r\n",
                                         "*+1\r\n",
                                         "* 1\r\n",
                                         "*1 \r\n",
                                         "*1x\r\n",
                                         "*x\r\n",
                                         "*1\rx",
                                         "*1.0\r\n",
                                         "*--1\r\n",
                                         "*-1x\r\n",
                                         "*0x1\r\n",
                                         "*18446744073709551616\r\n",
                                         "*99999999999999999999999999999999999"};
    static const char *const lengths[] = {"*1\r\n$-1\r\n",
                                          "*1\r\n$\r\n",
                                          "*1\r\n$+1\r\n",
                                          "*1\r\n:1\r\n",
                                          "*1\r\n+OK\r\n",
                                          "*1\r\n*1\r\n",
                                          "*1\r\nPING\r\n",
                                          "*1\r\n$1\rx",
                                          "*1\r\n\r\n",
                                          "*2\r\n$1\r\na\r\n$x\r\n",
                                          "*1\r\n$99999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        expect(counts[i], "FAULT expected '*' and a count");
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        expect(lengths[i], "FAULT expected '$' and a length");
    expect("*1\r\n$4\r\nPINGxx", "FAULT a bulk string does not end with CR LF");
    expect("*1\r\n$4\r\nPING\n\n", "FAULT a bulk string does not end with CR LF");
    expect("*1\r\n$4\r\nPING\rx", "FAULT a bulk string does not end with CR LF");
}
END_TEST

/* In some pieces: in all of them it would take a minute. */
static void expect_long(struct buf *stream, const char *log)
{
    for (size_t step = 1; step <= stream->len; step += 1 + step * 2) {
        struct session s = {0};
        feed_in(&s, (const char *)stream->data, stream->len, step);
        ck_assert_str_eq(buf_str(&s.log), log);
        session_fini(&s);
    }
}

START_TEST(at_most_1001_arguments)
{
    struct buf many = {0};
    struct buf log = {0};
    ck_assert_int_eq(RESP_ARGS_MAX, 1001); /* as the texts say */
    buf_adds(&many, "*1001\r\n");
    for (int i = 0; i < RESP_ARGS_MAX; i++) {
        buf_adds(&many, "$1\r\nx\r\n");
        buf_adds(&log, i ? "|x" : "[x");
    }
    buf_addc(&log, ']');
    expect_long(&many, buf_str(&log));
    expect("*1002\r\n", "FAULT invalid multibulk length: at most 1001 arguments");
    expect("*2147483647\r\n", "FAULT invalid multibulk length: at most 1001 arguments");
    expect("*18446744073709551615\r\n", "FAULT invalid multibulk length: at most 1001 arguments");
    buf_clear(&many);
    for (int i = 0; i < RESP_ARGS_MAX; i++)
        buf_adds(&many, "x ");
    expect_long(&many, "");
    size_t len = many.len;
    buf_adds(&many, "\n");
    expect_long(&many, buf_str(&log));
    many.len = len;
    buf_adds(&many, "x\n");
    expect_long(&many, "FAULT too many arguments");
    buf_fini(&many);
    buf_fini(&log);
}
END_TEST

/* A header line of 34 bytes with its CR LF, and one of 35. */
START_TEST(header_lines_are_short)
{
    expect("*0000000000000000000000000000001\r\n$4\r\nPING\r\n", "[PING]");
    expect("*00000000000000000000000000000001\r\n$4\r\nPING\r\n", "FAULT expected '*' and a count");
    expect("*1\r\n$0000000000000000000000000000004\r\nPING\r\n", "[PING]");
    expect("*1\r\n$00000000000000000000000000000004\r\nPING\r\n", "FAULT expected '$' and a length");
}
END_TEST

START_TEST(claims_move_no_memory)
{
    static const char *const bombs[] = {"*2147483647\r\n", "*1001\r\n$2147483647\r\n",
                                        "*1\r\n$4294967295\r\n", "*1\r\n$9999999999\r\n",
                                        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"};
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        struct resp_parser p = {0};
        struct resp_request r;
        size_t taken;
        const char *fault;
        heap_forget_most();
        size_t before = heap_in_use();
        resp_parse(&p, (const uint8_t *)bombs[i], strlen(bombs[i]), BULK_MAX, &taken, &r, &fault);
        size_t most = heap_most();
        ck_assert_uint_eq(most, before);
        resp_parser_fini(&p);
    }
    expect("*1\r\n$4294967296\r\n", "FAULT invalid bulk length");
    expect("*1\r\n$18446744073709551615\r\n", "FAULT invalid bulk length");
}
END_TEST

/* ---- arguments over the limit ---- */

static void add_bulk(struct buf *to, size_t len)
{
    buf_addf(to, "$%zu\r\n", len);
    for (size_t i = 0; i < len; i++)
        buf_addc(to, "*1\r\n$4\r\nQUIT\r\n"[i % 14]); /* is never read as a request */
    buf_adds(to, "\r\n");
}

START_TEST(a_too_big_argument_is_skipped)
{
    static const size_t sizes[] = {BULK_MAX, BULK_MAX + 1, 3 * BULK_MAX};
    for (size_t i = 0; i < 3; i++) {
        struct buf stream = {0};
        buf_adds(&stream, "*4\r\n$4\r\nECHO\r\n");
        add_bulk(&stream, sizes[i]);
        add_bulk(&stream, i * 1000);
        add_bulk(&stream, 0);
        buf_adds(&stream, "*1\r\n$4\r\nPING\r\n");
        for (size_t step = 1; step <= stream.len; step += 1 + step / 20) {
            struct session s = {0};
            feed_in(&s, (const char *)stream.data, stream.len, step);
            const char *log = buf_str(&s.log);
            if (sizes[i] > BULK_MAX)
                ck_assert_str_eq(log, "BIG[PING]");
            else
                ck_assert(strncmp(log, "[ECHO|*1\r\n", 10) == 0 &&
                          strcmp(log + s.log.len - 9, "QUI||][PING]" + 3) == 0);
            session_fini(&s);
        }
        buf_fini(&stream);
    }
}
END_TEST

START_TEST(what_is_skipped_is_not_kept)
{
    struct session s = {0};
    char piece[1000] = {0};
    feed(&s, "*2\r\n$4\r\nECHO\r\n$4000000\r\n", 24);
    for (int i = 0; i < 4000; i++)
        feed(&s, piece, sizeof piece);
    ck_assert_uint_eq(s.log.len, 0);
    ck_assert_uint_lt(s.most_unread, 50);
    feed(&s, "\r\nPING\r\n", 8);
    ck_assert_str_eq(buf_str(&s.log), "BIG[PING]");
    session_fini(&s);
}
END_TEST

START_TEST(a_fault_behind_a_too_big_argument)
{
    struct buf stream = {0};
    buf_adds(&stream, "*2\r\n");
    add_bulk(&stream, BULK_MAX + 1);
    buf_adds(&stream, "*1\r\n$4\r\nPING\r\n");
    struct session s = {0};
    feed(&s, stream.data, stream.len);
    ck_assert_str_eq(buf_str(&s.log), "FAULT expected '$' and a length");
    session_fini(&s);
    buf_fini(&stream);
}
END_TEST

/* ---- inline ---- */

START_TEST(inline_requests)
{
    static const struct {
        const char *line;
        const char *log;
    } rows[] = {
        {"PING\n", "[PING]"},
        {"PING\r\n", "[PING]"},
        {"  PUBLISH \t test   hello  \r\n", "[PUBLISH|test|hello]"},
        {"\r\n\n  \r\nPING\n", "[PING]"},
        {"SET a \"b c\"\n", "[SET|a|b c]"},
        {"SET a 'b \"c'\n", "[SET|a|b \"c]"},
        {"SET \"\" ''\n", "[SET||]"},
        {"\"\"\n", "[]"},
        {"\"PING\"\n", "[PING]"},
        {"'PING'\n", "[PING]"},
        {"e a\"b c\"\n", "[e|ab c]"},
        {"e \"\\n\\r\\t\\b\\a\\\\\\\"\\q\"\n", "[e|\n\r\t\b\a\\\"q]"},
        {"e \"\\x41\\x4a\\x7E\"\n", "[e|AJ~]"},
        {"e \"\\xzz\\x4\"\n", "[e|xzzx4]"},
        {"e 'it\\'s' '\\n\\x41'\n", "[e|it's|\\n\\x41]"},
        {"e \xe6\x88\xbf\xe9\x97\xb4\n", "[e|\xe6\x88\xbf\xe9\x97\xb4]"},
        {"e \"open\n", "FAULT unbalanced quotes"},
        {"e 'open\n", "FAULT unbalanced quotes"},
        {"e \"a\"b\n", "FAULT unbalanced quotes"},
        {"e \"a\"\"b\"\n", "FAULT unbalanced quotes"},
        {"e \"\\\n", "FAULT unbalanced quotes"},
        {"e \"\n", "FAULT unbalanced quotes"},
        {"a\nb\nc d\n", "[a][b][c|d]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i].line, rows[i].log);
}
END_TEST

START_TEST(inline_lines_have_a_limit)
{
    struct buf line = {0};
    struct session s = {0};
    buf_adds(&line, "ECHO ");
    while (line.len < RESP_INLINE_MAX)
        buf_addc(&line, 'x');
    feed_in(&s, (const char *)line.data, line.len, 1000);
    ck_assert_uint_eq(s.log.len, 0);
    ck_assert(!s.over);
    feed(&s, "\n", 1);
    ck_assert_uint_eq(s.log.len, RESP_INLINE_MAX + 2);
    ck_assert_uint_eq(s.unread.len, 0);
    session_fini(&s);
    feed_in(&s, (const char *)line.data, line.len, 1000);
    feed(&s, "x", 1);
    ck_assert_str_eq(buf_str(&s.log), "FAULT too big inline request");
    session_fini(&s);
    buf_adds(&line, "x\n");
    feed(&s, line.data, line.len);
    ck_assert_str_eq(buf_str(&s.log), "FAULT too big inline request");
    session_fini(&s);
    buf_fini(&line);
}
END_TEST

START_TEST(no_memory_for_a_line)
{
    struct resp_parser p = {0};
    struct resp_request r;
    struct buf line = {0};
    size_t taken;
    const char *fault;
    buf_adds(&line, "ECHO ");
    for (int i = 0; i < 10000; i++)
        buf_addc(&line, 'x');
    buf_adds(&line, "\nPING\n");
    if (heap_refuse_above(5000)) {
        enum resp_result result = resp_parse(&p, line.data, line.len, BULK_MAX, &taken, &r, &fault);
        heap_refuse_above(SIZE_MAX);
        ck_assert_int_eq(result, RESP_TOO_BIG);
        buf_consume(&line, taken);
        ck_assert_int_eq(resp_parse(&p, line.data, line.len, BULK_MAX, &taken, &r, &fault), RESP_REQUEST);
        ck_assert_uint_eq(r.argv[0].len, 4);
    }
    resp_parser_fini(&p);
    buf_fini(&line);
}
END_TEST

/* ---- other protocols ---- */

START_TEST(other_protocols_are_not_answered)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
#define BYTES(text) {text, sizeof(text) - 1}
        BYTES("POST / HTTP/1.1\r\nHost: x\r\n\r\nPUBLISH test hi\r\n"),
        BYTES("post /x y\r\nPING\r\n"),
        BYTES("POST"),
        BYTES("Host: a.example\r\nPING\r\n"),
        BYTES("host:x\n"),
        BYTES("GET / HTTP/1.1\r\nPING\r\n"),
        BYTES("GET /?PUBLISH HTTP/1.0\r\n\r\n"),
        BYTES("PUBLISH /test HTTP/1.1\r\nPING\r\n"),
        BYTES("OPTIONS * HTTP/1.1\r\nPING\r\n"),
        BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        BYTES("GET http://a/ HTTP/1.1\n"),
        BYTES("\r\nPOST / HTTP/1.1\r\nPING\r\n"),
        BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\nPING\n"),                     /* a TLS hello */
        BYTES("\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\nPING\n"), /* a FastCGI record
                                                                                            */
        BYTES("\x00\nPING\n"),
        BYTES("\x81\x85\x01\x02\x03\x04\nPING\n"),
        BYTES("$4\r\nPING\r\n"),
        BYTES("+OK\r\n"),
        BYTES("{\"a\":1}\nPING\n"),
        BYTES("<?xml?>\nPING\n"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_len(rows[i].bytes, rows[i].len, "FOREIGN");
    expect("PUBLISH test HTTP/1.1-is-fine\r\n", "[PUBLISH|test|HTTP/1.1-is-fine]");
    expect("PUBLISH test \"see HTTP/1.1\"\r\n", "[PUBLISH|test|see HTTP/1.1]");
    expect("*3\r\n$7\r\nPUBLISH\r\n$4\r\ntest\r\n$14\r\nGET / HTTP/1.1\r\n", "[PUBLISH|test|GET / HTTP/1.1]");
}
END_TEST

/* ---- any bytes ---- */

/* However it is cut, a stream means the same, and what is no request is never one. */
START_TEST(random_streams_in_random_pieces)
{
    static const char *const parts[] = {"*1\r\n",      "*2\r\n",
                                        "$4\r\n",      "PING",
                                        "\r\n",        "$0\r\n",
                                        "*0\r\n",      "$1001\r\n",
                                        "*-1\r\n",     "\n",
                                        "a b",         "\"",
                                        "'",           "\\x41",
                                        " ",           "*3\r\n",
                                        "$1\r\nx\r\n", "$4\r\nECHO\r\n",
                                        "x",           "PO",
                                        " HTTP/",      "$4\r\nPING\r\n"};
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct buf stream = {0};
        struct session whole = {0};
        struct session pieces = {0};
        random_start(seed);
        for (size_t n = 1 + random_below(14); n; n--)
            buf_adds(&stream, parts[random_below(sizeof parts / sizeof *parts)]);
        feed(&whole, stream.data, stream.len);
        for (size_t at = 0, n; at < stream.len; at += n) {
            n = 1 + random_below(stream.len - at);
            feed(&pieces, stream.data + at, n);
        }
        ck_assert_msg(strcmp(buf_str(&whole.log), buf_str(&pieces.log)) == 0, "%s\nwhole: %s\nin pieces: %s",
                      buf_str(&stream), buf_str(&whole.log), buf_str(&pieces.log));
        session_fini(&whole);
        session_fini(&pieces);
        buf_fini(&stream);
    }
}
END_TEST

/* ---- cost ---- */

static void feed_byte_by_byte(const void *input)
{
    const struct buf *b = input;
    struct resp_parser p = {0};
    struct resp_request request;
    const char *fault;
    size_t taken;
    enum resp_result r = RESP_INCOMPLETE;
    for (size_t len = 1; len <= b->len; len++)
        r = resp_parse(&p, b->data, len, 1 << 20, &taken, &request, &fault);
    ck_assert_int_eq(r, RESP_REQUEST);
    resp_parser_fini(&p);
}

static void expect_linear(const char *before, size_t len, const char *after)
{
    struct buf inputs[2] = {0};
    for (int i = 0; i < 2; i++) {
        if (strchr(before, '%'))
            buf_addf(&inputs[i], "*2\r\n$4\r\nECHO\r\n$%zu\r\n", i ? len : len / 8);
        else
            buf_adds(&inputs[i], before);
        for (size_t n = i ? len : len / 8; n; n--)
            buf_addc(&inputs[i], 'x');
        buf_adds(&inputs[i], after);
    }
    ck_assert_double_lt(cost_ratio(feed_byte_by_byte, &inputs[0], &inputs[1]), COST_LINEAR_MAX);
    buf_fini(&inputs[0]);
    buf_fini(&inputs[1]);
}

START_TEST(time_is_linear)
{
    expect_linear("ECHO ", 65000, "\n");
    expect_linear("ECHO \"", 65000, "\"\n");
    expect_linear("%", 65000, "\r\n");
}
END_TEST

/* ---- replies ---- */

static void expect_reply(struct buf *b, const char *bytes)
{
    ck_assert_str_eq(buf_str(b), bytes);
    buf_clear(b);
}

START_TEST(replies)
{
    struct buf b = {0};
    resp_add_simple(&b, "OK");
    expect_reply(&b, "+OK\r\n");
    resp_add_error(&b, "ERR %s", "no");
    expect_reply(&b, "-ERR no\r\n");
    resp_add_int(&b, 0);
    resp_add_int(&b, -42);
    resp_add_int(&b, INT64_MAX);
    resp_add_int(&b, INT64_MIN);
    expect_reply(&b, ":0\r\n:-42\r\n:9223372036854775807\r\n:-9223372036854775808\r\n");
    resp_add_bulk(&b, "a\r\nb", 4);
    resp_add_bulk(&b, NULL, 0);
    resp_add_text(&b, "text");
    expect_reply(&b, "$4\r\na\r\nb\r\n$0\r\n\r\n$4\r\ntext\r\n");
    resp_add_array(&b, 0);
    resp_add_array(&b, UINT64_MAX);
    expect_reply(&b, "*0\r\n*18446744073709551615\r\n");
    resp_add_null(&b, 2);
    resp_add_null(&b, 3);
    expect_reply(&b, "$-1\r\n_\r\n");
    resp_add_map(&b, 2, 7);
    resp_add_map(&b, 3, 7);
    expect_reply(&b, "*14\r\n%7\r\n");
    resp_add_bulk(&b, "a\0b", 3);
    ck_assert_mem_eq(b.data, "$3\r\na\0b\r\n", 9);
    buf_fini(&b);
}
END_TEST

/* Whatever a peer said is echoed, the reply stays one line. */
START_TEST(no_reply_is_forged)
{
    struct buf b = {0};
    char echo[600];
    resp_add_error(&b, "ERR unknown command '%s'", "x'\r\n+OK\r\n$3\r\nyes\r\n\x1b[2J\x7f");
    expect_reply(&b, "-ERR unknown command 'x'??+OK??$3??yes???[2J?'\r\n");
    for (size_t i = 0; i < sizeof echo - 1; i++)
        echo[i] = (char)(i % 255 + 1);
    echo[sizeof echo - 1] = '\0';
    resp_add_error(&b, "ERR %s", echo);
    ck_assert_uint_lt(b.len, 520);
    for (size_t i = 0; i < b.len - 2; i++)
        ck_assert(b.data[i] >= 0x20 && b.data[i] != 0x7f);
    ck_assert_mem_eq(b.data + b.len - 2, "\r\n", 2);
    buf_fini(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("resp");
    TCase *tc = tcase_create("resp");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, arrays);
    tcase_add_test(tc, arguments_point_into_the_bytes);
    tcase_add_test(tc, malformed_arrays);
    tcase_add_test(tc, at_most_1001_arguments);
    tcase_add_test(tc, header_lines_are_short);
    tcase_add_test(tc, claims_move_no_memory);
    tcase_add_test(tc, a_too_big_argument_is_skipped);
    tcase_add_test(tc, what_is_skipped_is_not_kept);
    tcase_add_test(tc, a_fault_behind_a_too_big_argument);
    tcase_add_test(tc, inline_requests);
    tcase_add_test(tc, inline_lines_have_a_limit);
    tcase_add_test(tc, no_memory_for_a_line);
    tcase_add_test(tc, other_protocols_are_not_answered);
    tcase_add_test(tc, random_streams_in_random_pieces);
    tcase_add_test(tc, time_is_linear);
    tcase_add_test(tc, replies);
    tcase_add_test(tc, no_reply_is_forged);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
