/*
 * Event streams, byte for byte, and through a reader of our own that follows the HTML standard,
 * section 9.2.6, step by step, fed whole and byte by byte: whatever is in a message, a browser gets that and
 * nothing else.
 */
#include "wire/sse.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../cost.h"
#include "../random.h"
#include "event_reader.h"

static void expect_event(const char *id, const char *event, bool binary, const void *data, size_t len,
                         const char *bytes)
{
    struct buf b = {0};
    sse_add_event(&b, id, id ? strlen(id) : 0, event, binary, data, len);
    ck_assert_str_eq(buf_str(&b), bytes);
    buf_fini(&b);
}

static void expect_text(const char *text, const char *bytes)
{
    expect_event(NULL, NULL, false, text, strlen(text), bytes);
}

START_TEST(events)
{
    expect_event("1795412345678-18", NULL, false, "text", 4, "id: 1795412345678-18\ndata: text\n\n");
    expect_event("1-2", "reset", false, "{}", 2, "id: 1-2\nevent: reset\ndata: {}\n\n");
    expect_event(NULL, "join", false, "{}", 2, "event: join\ndata: {}\n\n");
    expect_event("1-2", NULL, true, "\0\1\2", 3, "id: 1-2\nevent: binary\ndata: AAEC\n\n");
    expect_event(NULL, "else", true, NULL, 0, "event: binary\ndata: \n\n");
    expect_event(NULL, NULL, false, NULL, 0, "data: \n\n");
}
END_TEST

START_TEST(lines)
{
    expect_text("a\nb", "data: a\ndata: b\n\n");
    expect_text("a\rb", "data: a\ndata: b\n\n");
    expect_text("a\r\nb", "data: a\ndata: b\n\n");
    expect_text("a\n\rb", "data: a\ndata: \ndata: b\n\n");
    expect_text("a\r\r\nb", "data: a\ndata: \ndata: b\n\n");
    expect_text("\n", "data: \ndata: \n\n");
    expect_text("\r\n", "data: \ndata: \n\n");
    expect_text("a\r", "data: a\ndata: \n\n");
    expect_text(" a\n:b", "data:  a\ndata: :b\n\n");
    expect_text("a\n\nid: 7\nevent: x\nretry: 1", "data: a\ndata: \ndata: id: 7\ndata: event: x\n"
                                                  "data: retry: 1\n\n");
}
END_TEST

START_TEST(the_others)
{
    struct buf b = {0};
    sse_add_retry(&b, 3000);
    sse_add_beat(&b);
    sse_add_end(&b);
    ck_assert_str_eq(buf_str(&b), "retry: 3000\n\nevent: beat\ndata:\n\nid: closed\n\n");
    buf_fini(&b);
}
END_TEST

/* ---- through the reader ---- */

struct seen {
    struct buf text;
    unsigned count;
};

/* What a browser's listeners would see: type, last id and data, each with its length. */
static void see(void *arg, const struct event_read *e)
{
    struct seen *seen = arg;
    seen->count++;
    buf_addf(&seen->text, "%s %zu ", e->type, e->id_len);
    buf_add(&seen->text, e->id, e->id_len);
    buf_addf(&seen->text, " %zu ", e->len);
    buf_add(&seen->text, e->data, e->len);
    buf_addc(&seen->text, '\n');
}

static void read_stream(const struct buf *stream, size_t piece, struct seen *seen,
                        struct event_reader *reader)
{
    *seen = (struct seen){0};
    *reader = (struct event_reader){.dispatch = see, .arg = seen};
    for (size_t at = 0; at < stream->len; at += piece) {
        size_t n = stream->len - at < piece ? stream->len - at : piece;
        char *exact = malloc(n);
        memcpy(exact, stream->data + at, n);
        event_reader_feed(reader, exact, n);
        free(exact);
    }
}

static void expect_seen(const struct buf *stream, const struct seen *expected)
{
    static const size_t pieces[] = {SIZE_MAX / 2, 1, 2, 7};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct seen seen;
        struct event_reader reader;
        read_stream(stream, pieces[i], &seen, &reader);
        ck_assert_uint_eq(seen.count, expected->count);
        ck_assert_uint_eq(seen.text.len, expected->text.len);
        ck_assert_mem_eq(seen.text.data, expected->text.data, seen.text.len);
        buf_fini(&seen.text);
        event_reader_fini(&reader);
    }
}

/* An event of a message whose id is "1-2", between two others. */
static void expect_through(const char *text, size_t len)
{
    struct buf stream = {0};
    struct buf joined = {0};
    struct seen expected = {0};
    event_reader_join_lines(&joined, text, len);
    sse_add_retry(&stream, 1);
    sse_add_event(&stream, "1-1", 3, "first", false, "", 0);
    sse_add_event(&stream, "1-2", 3, NULL, false, text, len);
    sse_add_event(&stream, NULL, 0, "last", false, "x", 1);
    see(&expected, &(struct event_read){"first", "1-1", 3, "", 0});
    see(&expected, &(struct event_read){"message", "1-2", 3, joined.data, joined.len});
    see(&expected, &(struct event_read){"last", "1-2", 3, "x", 1});
    expect_seen(&stream, &expected);
    buf_fini(&stream);
    buf_fini(&joined);
    buf_fini(&expected.text);
}

START_TEST(every_text_arrives)
{
    static const struct {
        const char *text;
        size_t len;
    } rows[] = {
#define ROW(text) {text, sizeof(text) - 1}
        ROW(""),
        ROW("plain"),
        ROW(" one space"),
        ROW("  two\n  lines"),
        ROW("\n"),
        ROW("\r"),
        ROW("\r\n"),
        ROW("\n\n\n"),
        ROW("\r\r\n\n\r"),
        ROW("a\r\n\r\nb"),
        ROW("\0"),
        ROW("a\0b\n\0"),
        ROW("\xef\xbb\xbf"),
        ROW("\xef\xbb\xbf bom\n\xef\xbb\xbf"),
        ROW("\xe2\x80\xa8line\xe2\x80\xa9paragraph\xc2\x85next"),
        ROW("\v\f\x1c\x1d\x1e"),
        ROW(": comment"),
        ROW("data: x\n\ndata: y"),
        ROW("x\rid: 9\revent: evil\rdata: z\r\r"),
        ROW("x\n\nid: closed\n\n"),
        ROW("retry: 0"),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_through(rows[i].text, rows[i].len);
}
END_TEST

START_TEST(any_bytes_arrive)
{
    for (int i = 0; i < 5000; i++) {
        char text[40];
        size_t len = random_below(sizeof text);
        for (size_t k = 0; k < len; k++)
            text[k] = random_below(4) ? "\r\n\r\n: \0a\xef\xbb\xbf"[random_below(11)] : (char)random_bits();
        expect_through(text, len);
    }
}
END_TEST

START_TEST(very_long_lines)
{
    enum { LONG = 1 << 20 };
    char *text = malloc(LONG);
    memset(text, 'x', LONG);
    text[LONG / 3] = '\r';
    text[LONG / 2] = '\n';
    expect_through(text, LONG);
    free(text);
}
END_TEST

/* A beat is seen and leaves the id as it was; the end is not seen and leaves its own. */
START_TEST(beat_and_end)
{
    struct buf stream = {0};
    struct seen expected = {0};
    struct seen seen;
    struct event_reader reader;
    sse_add_event(&stream, "1-1", 3, NULL, false, "a", 1);
    sse_add_beat(&stream);
    sse_add_end(&stream);
    see(&expected, &(struct event_read){"message", "1-1", 3, "a", 1});
    see(&expected, &(struct event_read){"beat", "1-1", 3, "", 0});
    expect_seen(&stream, &expected);
    read_stream(&stream, 3, &seen, &reader);
    ck_assert_str_eq(event_reader_last_id(&reader), SSE_CLOSED);
    event_reader_fini(&reader);
    buf_fini(&seen.text);
    buf_fini(&expected.text);
    buf_fini(&stream);
}
END_TEST

/* ---- cost ---- */

static void add_it(const void *input)
{
    const struct buf *text = input;
    struct buf b = {0};
    sse_add_event(&b, NULL, 0, NULL, false, text->data, text->len);
    ck_assert(!buf_failed(&b));
    buf_fini(&b);
}

START_TEST(time_is_linear)
{
    static const char *const fills[] = {"\n", "\r", "a\r\n", "a\n", "aaaaaaa"};
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        struct buf some = {0};
        struct buf many = {0};
        for (int k = 0; k < 10000; k++)
            buf_adds(&some, fills[i]);
        for (int k = 0; k < 80000; k++)
            buf_adds(&many, fills[i]);
        double ratio = cost_ratio(add_it, &some, &many);
        ck_assert_msg(ratio < COST_LINEAR_MAX, "row %zu: %.1f times for 8 times the size", i, ratio);
        buf_fini(&some);
        buf_fini(&many);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sse");
    TCase *tc = tcase_create("sse");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, events);
    tcase_add_test(tc, lines);
    tcase_add_test(tc, the_others);
    tcase_add_test(tc, every_text_arrives);
    tcase_add_test(tc, any_bytes_arrive);
    tcase_add_test(tc, very_long_lines);
    tcase_add_test(tc, beat_and_end);
    tcase_add_test(tc, time_is_linear);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
