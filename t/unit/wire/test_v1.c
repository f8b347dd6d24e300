/*
 * wspush.v1: every request that docs/CLIENT.md has, what is none and why, what a request may cost in heap,
 * and that messages on their way out read back as they were. Requests are read from a block of exactly their
 * size.
 */
#include "wire/v1.h"

#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../heap.h"
#include "../random.h"

static const char *why;

static enum v1_result parse_len(const char *text, size_t len, struct v1_request *r)
{
    char *exact = malloc(len ? len : 1);
    memcpy(exact, text, len);
    why = NULL;
    enum v1_result result = v1_parse(exact, len, r, &why);
    free(exact);
    ck_assert_msg((result == V1_OK) == (why == NULL), "%.*s", (int)len, text);
    return result;
}

static void parse(const char *text, struct v1_request *r)
{
    enum v1_result result = parse_len(text, strlen(text), r);
    ck_assert_msg(result == V1_OK, "%s: %s", text, why);
}

static void expect_len(const char *text, size_t len, enum v1_result result, const char *sentence)
{
    struct v1_request r;
    enum v1_result got = parse_len(text, len, &r);
    ck_assert_msg(got == result, "%.*s: gave %d (%s), not %d", (int)len, text, (int)got, why, (int)result);
    ck_assert_msg(strstr(why, sentence), "%.*s: %s", (int)len, text, why);
    v1_request_fini(&r);
}

static void expect(const char *text, enum v1_result result, const char *sentence)
{
    expect_len(text, strlen(text), result, sentence);
}

static void expect_text(struct v1_text t, const char *text)
{
    if (!text) {
        ck_assert_ptr_null(t.data);
        return;
    }
    ck_assert_msg(t.data && t.len == strlen(text) && memcmp(t.data, text, t.len) == 0, "'%.*s', not '%s'",
                  (int)t.len, t.data, text);
}

/* ---- requests ---- */

START_TEST(sub_and_unsub)
{
    struct v1_request r;
    parse("{\"sub\":[\"news\",\"chat/\\u623f\"],\"since\":{\"chat/\xe6\x88\xbf\":\"1795412345678-40\"}}", &r);
    ck_assert_int_eq(r.kind, V1_SUB);
    ck_assert_uint_eq(r.channel_count, 2);
    expect_text(r.channels[0].name, "news");
    expect_text(r.channels[0].since, NULL);
    expect_text(r.channels[1].name, "chat/\xe6\x88\xbf");
    expect_text(r.channels[1].since, "1795412345678-40");
    v1_request_fini(&r);
    parse(" {\t\"unsub\" :\r\n[ \"news\" ] } ", &r);
    ck_assert_int_eq(r.kind, V1_UNSUB);
    ck_assert_uint_eq(r.channel_count, 1);
    expect_text(r.channels[0].name, "news");
    expect_text(r.channels[0].since, NULL);
    v1_request_fini(&r);
    parse("{\"sub\":[],\"since\":{}}", &r);
    ck_assert_uint_eq(r.channel_count, 0);
    v1_request_fini(&r);
}
END_TEST

START_TEST(data)
{
    struct v1_request r;
    parse("{\"ch\":\"chat/room2\",\"data\":\"a\\u0000\\ud83d\\ude00\\\"\"}", &r);
    ck_assert_int_eq(r.kind, V1_DATA);
    ck_assert(!r.binary);
    expect_text(r.channel, "chat/room2");
    ck_assert_uint_eq(r.payload.len, 7);
    ck_assert_mem_eq(r.payload.data, "a\0\xf0\x9f\x98\x80\"", 7);
    v1_request_fini(&r);
    parse("{\"data\":\"\"}", &r);
    expect_text(r.channel, NULL);
    expect_text(r.payload, "");
    v1_request_fini(&r);
    parse("{\"b64\":\"AAEC/w==\",\"ch\":\"x\"}", &r);
    ck_assert(r.binary);
    expect_text(r.channel, "x");
    ck_assert_uint_eq(r.payload.len, 4);
    ck_assert_mem_eq(r.payload.data, "\0\1\2\xff", 4);
    v1_request_fini(&r);
    parse("{\"b64\":\"\"}", &r);
    ck_assert(r.binary);
    expect_text(r.payload, "");
    v1_request_fini(&r);
}
END_TEST

START_TEST(ack_and_ping)
{
    struct v1_request r;
    parse("{\"ack\":7}", &r);
    ck_assert_int_eq(r.kind, V1_ACK);
    ck_assert_uint_eq(r.ack, 7);
    v1_request_fini(&r);
    parse("{\"ack\":9223372036854775807}", &r);
    ck_assert_uint_eq(r.ack, INT64_MAX);
    v1_request_fini(&r);
    parse("{\"ack\":{\"ch\":\"news\",\"id\":\"1795412345678-41\",\"more\":1}}", &r);
    ck_assert_int_eq(r.kind, V1_ACK);
    ck_assert_uint_eq(r.ack, 0);
    expect_text(r.channel, "news");
    expect_text(r.id, "1795412345678-41");
    v1_request_fini(&r);
    parse("{\"ping\":-9223372036854775808}", &r);
    ck_assert_int_eq(r.kind, V1_PING);
    ck_assert_int_eq(r.ping, INT64_MIN);
    v1_request_fini(&r);
    parse("{\"ping\":0}", &r);
    ck_assert_int_eq(r.ping, 0);
    v1_request_fini(&r);
}
END_TEST

START_TEST(what_is_not_known_is_ignored)
{
    struct v1_request r;
    parse("{\"hello\":{\"a\":[1,2.5e3,null,{}]},\"ping\":7,\"\":\"x\\u0000\",\"ch\":5,\"Ping\":8}", &r);
    ck_assert_int_eq(r.kind, V1_PING);
    ck_assert_int_eq(r.ping, 7);
    v1_request_fini(&r);
}
END_TEST

/* ---- what is none ---- */

START_TEST(no_json)
{
    static const char *const texts[] = {
        "",
        " ",
        "hello",
        "{",
        "{}}",
        "{\"ping\":7} {\"ping\":8}",
        "{\"ping\":07}",
        "{'ping':7}",
        "{\"ping\":7,}",
        "\"ping\"",
        "7",
        "null",
        "{\"data\":\"\t\"}",
        "{\"data\":\"\\x\"}",
        "{\"data\":\"\\ud83d\"}",
        "{\"data\":\"\xff\"}",
        "{\"data\":\"\xed\xa0\x80\"}",
        "{\"data\":\"a",
        "{\"data\":\"a\\",
        "{\"a\\u0000b\":1,\"ping\":7}",
        "{\"ping\":NaN}",
        "/**/{\"ping\":7}",
        "\xef\xbb\xbf{\"ping\":7}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect(texts[i], V1_NOT_JSON, "not JSON");
    expect_len("{\"ping\":7}\0", 11, V1_NOT_JSON, "not JSON");
    expect_len("\0", 1, V1_NOT_JSON, "not JSON");
    expect("[]", V1_NOT_JSON, "not a JSON object");
    expect("[{\"ping\":7}]", V1_NOT_JSON, "not a JSON object");
    expect("{\"ping\":7,\"ping\":7}", V1_NOT_JSON, "twice");
    expect("{\"sub\":[\"a\"],\"since\":{\"a\":\"1\",\"\\u0061\":\"2\"}}", V1_NOT_JSON, "twice");
    expect("{\"ping\":9223372036854775808}", V1_NOT_JSON, "range");
    expect("{\"ping\":1e999}", V1_NOT_JSON, "range");
}
END_TEST

START_TEST(no_request)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"{}", "no request"},
        {"{\"ch\":\"a\"}", "no request"},
        {"{\"Ping\":7}", "no request"},
        {"{\"since\":{}}", "no request"},
        {"{\"sub\":[\"a\"],\"unsub\":[\"b\"]}", "more than one"},
        {"{\"ping\":7,\"ack\":7}", "more than one"},
        {"{\"data\":\"\",\"b64\":\"\"}", "more than one"},
        {"{\"data\":\"\",\"ping\":null}", "more than one"},
        {"{\"sub\":\"a\"}", "array"},
        {"{\"sub\":{\"a\":1}}", "array"},
        {"{\"sub\":null}", "array"},
        {"{\"unsub\":[7]}", "array"},
        {"{\"unsub\":[\"a\",[\"b\"]]}", "array"},
        {"{\"sub\":[\"a\\u0000b\"]}", "array"},
        {"{\"sub\":[\"a\",\"b\",\"a\"]}", "twice"},
        {"{\"unsub\":[\"a\",\"\\u0061\"]}", "twice"},
        {"{\"sub\":[\"a\"],\"since\":{\"b\":\"1-1\"}}", "does not"},
        {"{\"sub\":[\"a\"],\"since\":{\"a\":\"1-1\",\"b\":\"1-1\"}}", "does not"},
        {"{\"sub\":[],\"since\":{\"\":\"1-1\"}}", "does not"},
        {"{\"sub\":[\"a\"],\"since\":\"1-1\"}", "object"},
        {"{\"sub\":[\"a\"],\"since\":null}", "object"},
        {"{\"sub\":[\"a\"],\"since\":{\"a\":1}}", "position"},
        {"{\"sub\":[\"a\"],\"since\":{\"a\":\"1\\u0000\"}}", "position"},
        {"{\"unsub\":[\"a\"],\"since\":{\"a\":\"1-1\"}}", "since goes"},
        {"{\"data\":\"\",\"since\":{}}", "since goes"},
        {"{\"data\":7}", "string"},
        {"{\"data\":null}", "string"},
        {"{\"b64\":[]}", "string"},
        {"{\"data\":\"\",\"ch\":7}", "name"},
        {"{\"b64\":\"\",\"ch\":\"a\\u0000\"}", "name"},
        {"{\"ack\":0}", "ack"},
        {"{\"ack\":-1}", "ack"},
        {"{\"ack\":7.0}", "ack"},
        {"{\"ack\":\"7\"}", "ack"},
        {"{\"ack\":[\"news\",\"1-1\"]}", "ack"},
        {"{\"ack\":{\"ch\":\"news\"}}", "ack"},
        {"{\"ack\":{\"ch\":\"news\",\"id\":41}}", "ack"},
        {"{\"ack\":{\"ch\":\"news\",\"id\":\"\\u0000\"}}", "ack"},
        {"{\"ping\":7.0}", "integer"},
        {"{\"ping\":\"7\"}", "integer"},
        {"{\"ping\":true}", "integer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i].text, V1_NO_REQUEST, rows[i].why);
}
END_TEST

START_TEST(base64_to_the_letter)
{
    static const char *const bad[] = {
        "A",    "AA",    "AAA",      "AAE",   "AA=",     "A===",    "====",        "=",
        "==",   "AAEC=", "AAE =",    " AAEC", "AAEC\\n", "AA EC",   "AAEC\\u0000", "AA-_",
        "AAE*", "AA==A", "AA==AAEC", "AB==",  "AAF=",    "A A E C", "AA==    "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"b64\":\"%s\"}", bad[i]);
        expect(text, V1_NO_REQUEST, "base64");
    }
}
END_TEST

/* ---- limits ---- */

/* `{"sub":["c0","c1",...],"since":{...}}` */
static void add_large_sub(struct buf *b, unsigned count)
{
    buf_adds(b, "{\"sub\":[");
    for (unsigned i = 0; i < count; i++)
        buf_addf(b, "%s\"c%u\"", i ? "," : "", i);
    buf_adds(b, "],\"since\":{");
    for (unsigned i = 0; i < count; i++)
        buf_addf(b, "%s\"c%u\":\"1795412345678-%u\"", i ? "," : "", i, i);
    buf_adds(b, "}}");
}

START_TEST(the_largest_request)
{
    struct v1_request r;
    struct buf b = {0};
    add_large_sub(&b, V1_CHANNELS_MAX);
    parse(buf_str(&b), &r);
    ck_assert_uint_eq(r.channel_count, V1_CHANNELS_MAX);
    expect_text(r.channels[999].since, "1795412345678-999");
    v1_request_fini(&r);
    buf_clear(&b);
    add_large_sub(&b, V1_CHANNELS_MAX + 1);
    expect(buf_str(&b), V1_NO_REQUEST, "1000");
    buf_fini(&b);
}
END_TEST

/* What is structure is counted, and what only looks like it, inside of strings, is not. */
START_TEST(parts_are_counted)
{
    struct v1_request r;
    struct buf b = {0};
    buf_adds(&b, "{\"x\":[1");
    for (int i = 0; i < 10000; i++)
        buf_adds(&b, ",1");
    buf_adds(&b, "],\"ping\":7}");
    expect(buf_str(&b), V1_NOT_JSON, "too many parts");
    buf_clear(&b);
    buf_adds(&b, "{\"data\":\"");
    for (int i = 0; i < 10000; i++)
        buf_adds(&b, "{,[:\\\"\\\\");
    buf_adds(&b, "\"}");
    parse(buf_str(&b), &r);
    ck_assert_uint_eq(r.payload.len, 60000);
    v1_request_fini(&r);
    buf_clear(&b);
    for (int i = 0; i < 3000; i++)
        buf_addc(&b, '[');
    expect(buf_str(&b), V1_NOT_JSON, "nested");
    buf_fini(&b);
}
END_TEST

enum { TEXT_MAX = 1 << 20, HEAP_MAX = 4 << 20 };

/* Fills up to 1 MiB: `before`, as often as it fits `fill`, `after`. */
static size_t fill(char *text, const char *before, const char *filling, const char *after)
{
    size_t len = strlen(before);
    size_t tail = strlen(after);
    memcpy(text, before, len);
    for (size_t n = strlen(filling); n && len + n + tail <= TEXT_MAX; len += n)
        memcpy(text + len, filling, n);
    memcpy(text + len, after, tail);
    return len + tail;
}

static void expect_light(const char *text, size_t len)
{
    struct v1_request r;
    const char *sentence;
    size_t before = heap_in_use();
    heap_forget_most();
    v1_parse(text, len, &r, &sentence);
    size_t most = heap_most() - before;
    v1_request_fini(&r);
    ck_assert_msg(most <= HEAP_MAX, "%.40s...: %zu bytes of heap", text, most);
    ck_assert_uint_eq(heap_in_use(), before);
}

START_TEST(a_mebibyte_takes_four_at_most)
{
    static const struct {
        const char *before, *filling, *after;
    } rows[] = {
        {"{\"data\":\"", "x", "\"}"},
        {"{\"data\":\"", "\\u0001", "\"}"},
        {"{\"data\":\"", "\\ud83d\\ude00", "\"}"},
        {"{\"b64\":\"", "AAEC", "\"}"},
        {"{\"", "k", "\":1}"},
        {"{\"a\":{\"", "k", "\":\"v\"}}"},
        {"{\"data\":\"", "x", ""},
        {"{\"ping\":", "1", "}"},
        {"{\"ping\":1.", "1", "}"},
        {"{\"x\":[", "{},", "1]}"},
        {"{\"x\":[", "[],", "1]}"},
        {"{\"x\":", "[", "}"},
        {"{\"x\":", "{\"\":", "}"},
        {"{\"sub\":[", "\"\",", "\"\"]}"},
        {"", " ", "{\"ping\":1}"},
        {"{\"ping\":1}", "\n", ""},
        {"", "{},", ""},
        {"", "\"", ""},
        {"", ",", ""},
    };
    static char text[TEXT_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_light(text, fill(text, rows[i].before, rows[i].filling, rows[i].after));
}
END_TEST

/* The same with as many parts as are let through, and a long text or name beside them. */
START_TEST(so_do_many_parts_and_a_long_text)
{
    static const struct {
        const char *part;
        int count;
    } rows[] = {{"{},", 2040}, {"[],", 2040}, {"1,", 4080}, {"\"\",", 4080}, {"[[[{}]]],", 800}};
    static const char *const begins[] = {"1],\"data\":\"", "1],\"ping\":1,\"", "1],\"ping\":1,\"x\":\""};
    static const char *const ends[] = {"\"}", "\":1}", "\"}"};
    static char text[TEXT_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
            struct v1_request r;
            struct buf b = {0};
            buf_adds(&b, "{\"y\":[");
            for (int n = 0; n < rows[i].count; n++)
                buf_adds(&b, rows[i].part);
            buf_adds(&b, begins[k]);
            size_t len = fill(text, buf_str(&b), "x", ends[k]);
            buf_fini(&b);
            ck_assert_uint_eq(len, TEXT_MAX);
            ck_assert_int_eq(parse_len(text, len, &r), V1_OK);
            v1_request_fini(&r);
            expect_light(text, len);
        }
    }
}
END_TEST

/* A kind of value that takes the most for a part. */
START_TEST(so_do_nested_objects)
{
    enum { DEPTH = 2000 };
    static char text[TEXT_MAX];
    struct v1_request r;
    struct buf b = {0};
    buf_adds(&b, "{\"y\":");
    for (int i = 0; i < DEPTH; i++)
        buf_adds(&b, "{\"\":");
    buf_addc(&b, '1');
    for (int i = 0; i < DEPTH; i++)
        buf_addc(&b, '}');
    buf_adds(&b, ",\"ping\":1,\"");
    size_t len = fill(text, buf_str(&b), "x", "\":1}");
    buf_fini(&b);
    ck_assert_int_eq(parse_len(text, len, &r), V1_OK);
    v1_request_fini(&r);
    expect_light(text, len);
}
END_TEST

/* 1,000 channels whose names are as long as they can be. */
START_TEST(so_do_long_names)
{
    struct buf b = {0};
    static char name[1041];
    memset(name, 'n', sizeof name - 1);
    buf_adds(&b, "{\"sub\":[\"\"");
    for (int i = 0; i < 999; i++)
        buf_addf(&b, ",\"%03d%s\"", i, name);
    buf_adds(&b, "]}");
    ck_assert_uint_le(b.len, TEXT_MAX);
    expect_light(buf_str(&b), b.len);
    buf_fini(&b);
}
END_TEST

/* In a child, without memory for the allocation with that number: what v1_parse returns; -1: the child has
 * aborted, as it does where jansson would go on with a string that it could not keep. */
static int parse_without(long place, const char *text, bool *refused)
{
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct v1_request r;
        const char *sentence;
        heap_refuse_the(place);
        int result = (int)v1_parse(text, strlen(text), &r, &sentence);
        _exit(result + (heap_has_refused() ? 16 : 0));
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) || WTERMSIG(status) == SIGABRT);
    *refused = !WIFEXITED(status) || WEXITSTATUS(status) >= 16;
    return WIFEXITED(status) ? WEXITSTATUS(status) % 16 : -1;
}

START_TEST(no_memory)
{
    static const char *const texts[] = {
        "{\"sub\":[\"a name that is longer than sixteen "
        "bytes\",\"b\"],\"since\":{\"b\":\"1-1\"},\"more\":[1,2.5]}",
        "{\"b64\":\"AAEC\",\"ch\":\"a\"}",
    };
    for (size_t i = 0; heap_refuse_the(0) && i < sizeof texts / sizeof *texts; i++) {
        int soft = 0;
        bool refused = true;
        for (long place = 1; refused; place++) {
            int result = parse_without(place, texts[i], &refused);
            ck_assert_msg(result == (refused ? V1_NO_MEMORY : V1_OK) || (result == -1 && place > 1),
                          "place %ld: %d", place, result);
            soft += result == V1_NO_MEMORY;
        }
        ck_assert_int_eq(soft, 2);
    }
}
END_TEST

/* ---- out ---- */

static void expect_message(const struct v1_message *m, const char *json)
{
    struct buf b = {0};
    v1_add_message(&b, m);
    ck_assert_str_eq(buf_str(&b), json);
    buf_fini(&b);
}

START_TEST(messages)
{
    struct v1_message m = {
        .channel = {"chat/room1", 10}, .id = {"1795412345678-18", 16}, .payload = "text", .len = 4};
    expect_message(&m, "{\"ch\":\"chat/room1\",\"id\":\"1795412345678-18\",\"data\":\"text\"}");
    m.ack = UINT64_MAX;
    expect_message(&m, "{\"ch\":\"chat/room1\",\"id\":\"1795412345678-18\",\"ack\":18446744073709551615,"
                       "\"data\":\"text\"}");
    m = (struct v1_message){.ack = 7, .binary = true, .payload = "\0\1\2", .len = 3};
    expect_message(&m, "{\"ack\":7,\"b64\":\"AAEC\"}");
    m = (struct v1_message){.binary = false};
    expect_message(&m, "{\"data\":\"\"}");
    m.binary = true;
    expect_message(&m, "{\"b64\":\"\"}");
    struct buf b = {0};
    v1_add_notice(&b, "pong", "7", 1);
    ck_assert_str_eq(buf_str(&b), "{\"pong\":7}");
    buf_fini(&b);
}
END_TEST

/* Valid UTF-8 of all lengths, dense in what is escaped. */
static void random_text(struct buf *out)
{
    static const char *const chars[] = {
        "\"",       "\\",           "\x7f",         "\n",           "\x1f",
        "\xc2\x85", "\xe2\x80\xa8", "\xd8\x9c",     "\xe6\x88\xbf", "\xf0\x9f\x98\x80",
        "\xc3\xa9", "plain text, ", "\xe2\x81\xa6", "</script>",    "abcdefg"};
    for (size_t i = random_below(40); i-- > 0;) {
        if (random_below(20) == 0)
            buf_addc(out, '\0');
        else
            buf_adds(out, chars[random_below(sizeof chars / sizeof *chars)]);
    }
}

/* jansson is the reference: what was sent is what a parser of JSON gets. */
START_TEST(any_message_reads_back_as_it_was)
{
    for (int i = 0; i < 20000; i++) {
        struct buf text = {0};
        struct buf out = {0};
        random_text(&text);
        struct v1_message m = {.channel = {(const char *)text.data, text.data ? text.len : 0},
                               .payload = text.data,
                               .len = text.len,
                               .binary = i % 2};
        v1_add_message(&out, &m);
        json_t *json = json_loadb((const char *)out.data, out.len, JSON_ALLOW_NUL, NULL);
        ck_assert_ptr_nonnull(json);
        const json_t *channel = json_object_get(json, "ch");
        ck_assert(!channel == !text.data);
        ck_assert_uint_eq(json_string_length(channel), text.len);
        ck_assert_int_eq(text.len ? memcmp(json_string_value(channel), text.data, text.len) : 0, 0);
        json_decref(json);
        struct v1_request r;
        m.channel.data = NULL;
        buf_clear(&out);
        v1_add_message(&out, &m);
        ck_assert_int_eq(parse_len((const char *)out.data, out.len, &r), V1_OK);
        ck_assert_uint_eq(r.payload.len, text.len);
        ck_assert_int_eq(text.len ? memcmp(r.payload.data, text.data, text.len) : 0, 0);
        v1_request_fini(&r);
        buf_fini(&out);
        buf_fini(&text);
    }
}
END_TEST

/* ---- any bytes ---- */

static const char good[] =
    "{\"sub\":[\"a\",\"b\"],\"since\":{\"a\":\"1-1\",\"b\":\"1-2\"},\"x\":[1,-2.5e3,\"\\ud83d\\ude00\"]}";

START_TEST(every_truncation_and_every_flipped_bit)
{
    struct v1_request r;
    int accepted = 0;
    for (size_t len = 0; len < sizeof good - 1; len++)
        expect_len(good, len, V1_NOT_JSON, "not JSON");
    for (size_t i = 0; i < sizeof good - 1; i++) {
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            char text[sizeof good];
            memcpy(text, good, sizeof text);
            text[i] = (char)(text[i] ^ bit);
            accepted += parse_len(text, sizeof good - 1, &r) == V1_OK;
            v1_request_fini(&r);
        }
    }
    ck_assert_int_gt(accepted, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("v1");
    TCase *tc = tcase_create("v1");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, sub_and_unsub);
    tcase_add_test(tc, data);
    tcase_add_test(tc, ack_and_ping);
    tcase_add_test(tc, what_is_not_known_is_ignored);
    tcase_add_test(tc, no_json);
    tcase_add_test(tc, no_request);
    tcase_add_test(tc, base64_to_the_letter);
    tcase_add_test(tc, the_largest_request);
    tcase_add_test(tc, parts_are_counted);
    tcase_add_test(tc, a_mebibyte_takes_four_at_most);
    tcase_add_test(tc, so_do_many_parts_and_a_long_text);
    tcase_add_test(tc, so_do_nested_objects);
    tcase_add_test(tc, so_do_long_names);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, messages);
    tcase_add_test(tc, any_message_reads_back_as_it_was);
    tcase_add_test(tc, every_truncation_and_every_flipped_bit);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
