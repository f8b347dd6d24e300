/* Messages: the frame that goes out, byte for byte, and the references that keep it. */
#include "push/msg.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "../heap.h"

static struct websocket *ws;

static void make_codec(void)
{
    ws = websocket_new();
}

static void free_codec(void)
{
    websocket_free(ws);
}

static void expect_frame(struct msg *take_m, const char *header, size_t header_len, const char *payload,
                         size_t len)
{
    ck_assert_ptr_nonnull(take_m);
    ck_assert_uint_eq(take_m->len, len);
    ck_assert_uint_eq(msg_frame_len(take_m), header_len + len);
    ck_assert_mem_eq(msg_frame(take_m), header, header_len);
    ck_assert(len == 0 || memcmp(msg_frame(take_m) + header_len, payload, len) == 0);
    msg_unref(take_m);
}

START_TEST(frames)
{
    char *big = calloc(1, 70000);
    expect_frame(msg_new(ws, WEBSOCKET_TEXT, "hello", 5), "\x81\x05", 2, "hello", 5);
    expect_frame(msg_new(ws, WEBSOCKET_BINARY, "\0\xff", 2), "\x82\x02", 2, "\0\xff", 2);
    expect_frame(msg_new(ws, WEBSOCKET_TEXT, NULL, 0), "\x81\x00", 2, "", 0);
    expect_frame(msg_new(ws, WEBSOCKET_PING, NULL, 0), "\x89\x00", 2, "", 0);
    expect_frame(msg_new(ws, WEBSOCKET_PONG, "x", 1), "\x8a\x01", 2, "x", 1);
    expect_frame(msg_new(ws, WEBSOCKET_TEXT, big, 125), "\x81\x7d", 2, big, 125);
    expect_frame(msg_new(ws, WEBSOCKET_TEXT, big, 126), "\x81\x7e\x00\x7e", 4, big, 126);
    expect_frame(msg_new(ws, WEBSOCKET_TEXT, big, 65535), "\x81\x7e\xff\xff", 4, big, 65535);
    expect_frame(msg_new(ws, WEBSOCKET_TEXT, big, 65536), "\x81\x7f\0\0\0\0\0\1\0\0", 10, big, 65536);
    expect_frame(msg_new_raw("HTTP/1.1 101", 12), "", 0, "HTTP/1.1 101", 12);
    expect_frame(msg_new_raw(NULL, 0), "", 0, "", 0);
    free(big);
}
END_TEST

START_TEST(close_frames)
{
    expect_frame(msg_new_close(ws, 0, "not said"), "\x88\x00", 2, "", 0);
    expect_frame(msg_new_close(ws, 1000, ""), "\x88\x02", 2, "\x03\xe8", 2);
    expect_frame(msg_new_close(ws, 4999, "bye"), "\x88\x05", 2,
                 "\x13\x87"
                 "bye",
                 5);
}
END_TEST

/* A reason that is too long ends with a whole character. */
START_TEST(long_reasons)
{
    for (size_t ascii = 100; ascii < 130; ascii++) {
        char reason[200];
        memset(reason, 'x', ascii);
        strcpy(reason + ascii,
               "\xf0\x9f\x98\x80\xe6\x88\xbf\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
        struct msg *m = msg_new_close(ws, 1013, reason);
        ck_assert_uint_le(m->len, WEBSOCKET_CONTROL_MAX);
        ck_assert(m->len - 2 == strlen(reason) || m->len > WEBSOCKET_CONTROL_MAX - 4);
        ck_assert_mem_eq(m->payload + 2, reason, m->len - 2);
        ck_assert_int_eq(utf8_check(m->payload + 2, m->len - 2), -1);
        msg_unref(m);
    }
}
END_TEST

START_TEST(the_last_reference_frees)
{
    size_t before = heap_in_use();
    struct msg *m = msg_new(ws, WEBSOCKET_TEXT, "shared", 6);
    msg_ref(m);
    msg_ref(m);
    msg_unref(m);
    msg_unref(m);
    bool kept = heap_in_use() > before;
    msg_unref(m);
    bool freed = heap_in_use() == before;
    ck_assert(kept && freed);
    msg_unref(NULL);
}
END_TEST

static void *hold_and_let_go(void *arg)
{
    struct msg *m = arg;
    for (int i = 0; i < 50000; i++) {
        msg_ref(m);
        msg_unref(m);
    }
    msg_unref(m);
    return NULL;
}

START_TEST(threads_share_it)
{
    pthread_t threads[4];
    struct msg *m = msg_new(ws, WEBSOCKET_TEXT, "shared", 6);
    for (int i = 0; i < 4; i++) {
        msg_ref(m);
        pthread_create(&threads[i], NULL, hold_and_let_go, m);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(atomic_load(&m->refs), 1);
    msg_unref(m);
}
END_TEST

START_TEST(no_memory)
{
    char *big = calloc(1, 100000);
    if (heap_refuse_above(50000)) {
        const struct msg *m = msg_new(ws, WEBSOCKET_BINARY, big, 100000);
        const struct msg *raw = msg_new_raw(big, 100000);
        heap_refuse_above(SIZE_MAX);
        ck_assert(!m && !raw);
    }
    ck_assert_ptr_null(msg_new_raw(big, SIZE_MAX));
    free(big);
}
END_TEST

START_TEST(ids)
{
    char text[MSG_ID_TEXT_MAX];
    struct msg_id id = {UINT64_C(1795412345678), 17};
    ck_assert_uint_eq(msg_id_format(id, text), 16);
    ck_assert_mem_eq(text, "1795412345678-17", 16);
    ck_assert_uint_eq(msg_id_format((struct msg_id){0, 0}, text), 3);
    ck_assert_mem_eq(text, "0-0", 3);
    ck_assert_uint_eq(msg_id_format((struct msg_id){UINT64_MAX, UINT64_MAX}, text), 41);
    ck_assert_mem_eq(text, "18446744073709551615-18446744073709551615", 41);
}
END_TEST

START_TEST(ids_are_read)
{
    static const char *const good[] = {"1795412345678-17", "1-0",
                                       "18446744073709551615-18446744073709551615"};
    static const char *const bad[] = {"",
                                      "-",
                                      "1",
                                      "1-",
                                      "-1",
                                      "0-1",
                                      "01-1",
                                      "1-01",
                                      "1-00",
                                      "1-1-1",
                                      "1--1",
                                      "+1-1",
                                      "1- 1",
                                      " 1-1",
                                      "1-1 ",
                                      "1-x",
                                      "1.5-1",
                                      "18446744073709551616-1",
                                      "1-18446744073709551616",
                                      "closed"};
    char text[MSG_ID_TEXT_MAX];
    struct msg_id id;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_int_eq(msg_id_parse(good[i], strlen(good[i]), &id), 0);
        ck_assert_uint_eq(msg_id_format(id, text), strlen(good[i]));
        ck_assert_mem_eq(text, good[i], strlen(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(msg_id_parse(bad[i], strlen(bad[i]), &id) < 0, "'%s' is an id", bad[i]);
    ck_assert_int_eq(msg_id_parse("12-345", 5, &id), 0); /* no byte behind its end */
    ck_assert_uint_eq(id.seq, 34);
}
END_TEST

/* ---- other forms ---- */

static struct msg *placed(enum websocket_opcode opcode, enum wish wish, const char *payload, size_t len)
{
    struct msg *m = msg_new_wished(ws, opcode, wish, payload, len);
    struct shared_name *name = shared_name_new("a\"b", 3);
    msg_set_place(m, name, (struct msg_id){7, 12}, 1000);
    shared_name_unref(name);
    return m;
}

static void expect_envelope(struct msg *m, const char *text)
{
    const struct msg *form = msg_envelope(m, ws);
    uint8_t header[WEBSOCKET_HEADER_MAX];
    size_t header_len = websocket_header(ws, WEBSOCKET_TEXT, false, strlen(text), header);
    ck_assert_ptr_eq(msg_envelope(m, ws), form); /* made once */
    ck_assert_int_eq(form->opcode, WEBSOCKET_TEXT);
    ck_assert_msg(form->len == strlen(text) && memcmp(form->payload, text, form->len) == 0, "'%.*s'",
                  (int)form->len, form->payload);
    ck_assert_uint_eq(msg_frame_len(form), header_len + form->len);
    ck_assert_mem_eq(msg_frame(form), header, header_len);
}

static void expect_event(struct msg *m, const char *text)
{
    const struct msg *form = msg_event(m);
    ck_assert_ptr_eq(msg_event(m), form);
    ck_assert_msg(form->len == strlen(text) && memcmp(form->payload, text, form->len) == 0, "'%.*s'",
                  (int)form->len, form->payload);
    ck_assert_uint_eq(msg_frame_len(form), form->len); /* as it is */
    ck_assert_int_eq(form->opcode, m->opcode);
}

START_TEST(forms_of_a_message)
{
    struct msg *text = placed(WEBSOCKET_TEXT, WISH_NOTHING, "1\n\"2\"", 5);
    struct msg *binary = placed(WEBSOCKET_BINARY, WISH_NOTHING, "\0\xff", 2);
    struct msg *nowhere = msg_new(ws, WEBSOCKET_TEXT, "x", 1);
    expect_envelope(text, "{\"ch\":\"a\\\"b\",\"id\":\"7-12\",\"data\":\"1\\n\\\"2\\\"\"}");
    expect_envelope(binary, "{\"ch\":\"a\\\"b\",\"id\":\"7-12\",\"b64\":\"AP8=\"}");
    expect_envelope(nowhere, "{\"data\":\"x\"}");
    expect_event(text, "id: 7-12\ndata: 1\ndata: \"2\"\n\n");
    expect_event(binary, "id: 7-12\nevent: binary\ndata: AP8=\n\n");
    expect_event(nowhere, "data: x\n\n");
    ck_assert_ptr_eq(msg_form(text, ws, TRANSPORT_RAW), text);
    ck_assert_ptr_eq(msg_form(text, ws, TRANSPORT_V1), msg_envelope(text, ws));
    ck_assert_ptr_eq(msg_form(text, ws, TRANSPORT_SSE), msg_event(text));
    msg_unref(text);
    msg_unref(binary);
    msg_unref(nowhere);
}
END_TEST

/* What is asked of a message is asked of each form of it: whom it is reported to, until when it is good. */
START_TEST(forms_inherit)
{
    static const enum wish wishes[] = {WISH_NOTHING, WISH_HANDED, WISH_PONGED, WISH_ACKED};
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        struct msg *m = placed(WEBSOCKET_TEXT, wishes[i], "x", 1);
        msg_set_receipt(m, 77);
        m->expires = 5000;
        expect_event(m, "id: 7-12\ndata: x\n\n");
        const struct msg *forms[] = {msg_envelope(m, ws), msg_event(m)};
        for (int k = 0; k < 2; k++) {
            const struct msg *form = forms[k];
            ck_assert(form->receipt == 77 && form->wish == wishes[i] && form->expires == 5000);
            ck_assert(form->channel == m->channel && form->id.gen == 7 && form->id.seq == 12);
        }
        bool asks = wishes[i] == WISH_ACKED;
        ck_assert(asks == (memmem(forms[0]->payload, forms[0]->len, "\"ack\":77", 8) != NULL));
        /* the ping goes behind the envelope; a stream has none */
        ck_assert_uint_eq(forms[0]->ping_len, wishes[i] == WISH_PONGED ? 10 : 0);
        ck_assert(!forms[0]->ping_len ||
                  memcmp(forms[0]->payload + forms[0]->len, "\x89\x08\0\0\0\0\0\0\0\x4d", 10) == 0);
        ck_assert_uint_eq(forms[1]->ping_len, 0);
        msg_unref(m);
    }
}
END_TEST

START_TEST(forms_of_notices)
{
    struct msg *join = msg_new_notice(NOTICE_JOIN, "{\"a\":1}", 7);
    struct msg *sub = msg_new_notice(NOTICE_SUB, "{\"a\":1}", 7);
    struct msg *hello = msg_new_notice(NOTICE_HELLO, "{\"a\":1}", 7);
    expect_envelope(join, "{\"join\":{\"a\":1}}");
    expect_event(join, "event: join\ndata: {\"a\":1}\n\n");
    expect_envelope(sub, "{\"sub\":{\"a\":1}}");
    expect_event(sub, "");
    expect_envelope(hello, "{\"hello\":{\"a\":1}}");
    expect_event(hello, "event: hello\ndata: {\"a\":1}\n\n");
    ck_assert_int_eq(msg_envelope(join, ws)->notice, NOTICE_JOIN); /* it is no message that may be dropped */
    ck_assert_int_eq(msg_event(join)->notice, NOTICE_JOIN);
    msg_unref(join);
    msg_unref(sub);
    msg_unref(hello);
}
END_TEST

START_TEST(an_envelope_is_compressed)
{
    char text[1000];
    memset(text, 'm', sizeof text);
    struct msg *m = placed(WEBSOCKET_TEXT, WISH_NOTHING, text, sizeof text);
    struct msg *envelope = msg_envelope(m, ws);
    struct msg *compressed = msg_compressed(envelope, ws, 6);
    ck_assert(compressed != envelope && compressed->deflated && compressed->len < 100);
    ck_assert_uint_eq(msg_frame(compressed)[0], 0xc1); /* RSV1, text */
    ck_assert_ptr_ne(compressed, msg_compressed(m, ws, 6));
    ck_assert(compressed->id.seq == 12 && compressed->channel == m->channel);
    msg_unref(m);
}
END_TEST

/* All forms of a message that a history keeps, those of its envelope too, as long as it is kept. */
START_TEST(all_forms_are_counted)
{
    char text[1000];
    memset(text, 'm', sizeof text);
    struct msg *m = placed(WEBSOCKET_TEXT, WISH_NOTHING, text, sizeof text);
    msg_set_kept(m, true);
    size_t bytes = msg_weight(msg_envelope(m, ws));
    ck_assert_uint_eq(msg_kept_forms(), bytes);
    bytes += msg_weight(msg_event(m));
    ck_assert_uint_eq(msg_kept_forms(), bytes);
    bytes += msg_weight(msg_compressed(msg_envelope(m, ws), ws, 6));
    ck_assert_uint_eq(msg_kept_forms(), bytes);
    msg_ref(m);
    msg_set_kept(m, false);
    ck_assert_uint_eq(msg_kept_forms(), 0);
    msg_compressed(m, ws, 6); /* too late to count */
    ck_assert_uint_eq(msg_kept_forms(), 0);
    msg_unref(m);
    msg_unref(m);
    /* and one that ends while it is kept */
    m = placed(WEBSOCKET_TEXT, WISH_NOTHING, text, sizeof text);
    msg_set_kept(m, true);
    msg_compressed(msg_envelope(m, ws), ws, 6);
    msg_event(m);
    msg_unref(m);
    ck_assert_uint_eq(msg_kept_forms(), 0);
}
END_TEST

/* ---- threads ---- */

enum { MAKERS = 2, ROUNDS = 300 };

static struct maker {
    struct msg *m;
    pthread_barrier_t *begin;
    const struct msg *envelope;
    const struct msg *event;
    const struct msg *compressed;
} makers[MAKERS];

static void *make_all_forms(void *arg)
{
    struct maker *maker = arg;
    struct websocket *own = websocket_new();
    pthread_barrier_wait(maker->begin);
    struct msg *envelope = msg_envelope(maker->m, own);
    maker->envelope = envelope;
    maker->event = msg_event(maker->m);
    maker->compressed = msg_compressed(envelope, own, 1);
    msg_unref(maker->m);
    websocket_free(own);
    return NULL;
}

/* Two shards need a message's forms at the same time: both have the same ones, and they count once. */
START_TEST(forms_are_made_once)
{
    char text[500];
    pthread_barrier_t begin;
    memset(text, 'm', sizeof text);
    pthread_barrier_init(&begin, NULL, MAKERS);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t threads[MAKERS];
        struct msg *m = placed(WEBSOCKET_TEXT, WISH_NOTHING, text, sizeof text);
        msg_set_kept(m, true);
        for (int k = 0; k < MAKERS; k++) {
            msg_ref(m);
            makers[k] = (struct maker){.m = m, .begin = &begin};
            pthread_create(&threads[k], NULL, make_all_forms, &makers[k]);
        }
        for (int k = 0; k < MAKERS; k++)
            pthread_join(threads[k], NULL);
        ck_assert(makers[0].envelope == makers[1].envelope && makers[0].event == makers[1].event &&
                  makers[0].compressed == makers[1].compressed);
        ck_assert_uint_eq(msg_kept_forms(), msg_weight(makers[0].envelope) + msg_weight(makers[0].event) +
                                                msg_weight(makers[0].compressed));
        msg_set_kept(m, false);
        ck_assert_uint_eq(msg_kept_forms(), 0);
        msg_unref(m);
    }
    pthread_barrier_destroy(&begin);
}
END_TEST

/* The same while it stops being kept. */
START_TEST(no_count_of_any_form_is_left)
{
    char text[500];
    pthread_barrier_t begin;
    memset(text, 'm', sizeof text);
    pthread_barrier_init(&begin, NULL, MAKERS + 1);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t threads[MAKERS];
        struct msg *m = placed(WEBSOCKET_TEXT, WISH_NOTHING, text, sizeof text);
        msg_set_kept(m, true);
        for (int k = 0; k < MAKERS; k++) {
            msg_ref(m);
            makers[k] = (struct maker){.m = m, .begin = &begin};
            pthread_create(&threads[k], NULL, make_all_forms, &makers[k]);
        }
        pthread_barrier_wait(&begin);
        msg_set_kept(m, false);
        msg_unref(m);
        for (int k = 0; k < MAKERS; k++)
            pthread_join(threads[k], NULL);
        ck_assert_uint_eq(msg_kept_forms(), 0);
    }
    pthread_barrier_destroy(&begin);
}
END_TEST

/* Two messages with a form each, of which one is kept. */
START_TEST(forms_of_what_is_kept_are_counted)
{
    char text[1000];
    memset(text, 'm', sizeof text);
    struct msg *m = msg_new(ws, WEBSOCKET_TEXT, text, sizeof text);
    struct msg *other = msg_new(ws, WEBSOCKET_TEXT, text, sizeof text);
    msg_compressed(other, ws, 6);
    ck_assert_uint_eq(msg_kept_forms(), 0);
    msg_set_kept(m, true);
    size_t bytes = msg_weight(msg_compressed(m, ws, 6));
    ck_assert_uint_eq(msg_kept_forms(), bytes);
    msg_compressed(m, ws, 6); /* is there already */
    ck_assert_uint_eq(msg_kept_forms(), bytes);
    msg_set_kept(m, false);
    ck_assert_uint_eq(msg_kept_forms(), 0);
    msg_unref(m);
    msg_unref(other);
}
END_TEST

/* Forms are made while the message stops being kept: nothing is left over. */
static void *compress_it(void *arg)
{
    struct websocket *own = websocket_new();
    msg_compressed(arg, own, 1);
    websocket_free(own);
    return NULL;
}

START_TEST(no_count_is_left_by_threads)
{
    char text[500];
    memset(text, 'm', sizeof text);
    for (int i = 0; i < 200; i++) {
        struct msg *m = msg_new(ws, WEBSOCKET_TEXT, text, sizeof text);
        pthread_t thread;
        msg_set_kept(m, true);
        ck_assert_int_eq(pthread_create(&thread, NULL, compress_it, m), 0);
        msg_set_kept(m, false);
        pthread_join(thread, NULL);
        msg_unref(m);
    }
    ck_assert_uint_eq(msg_kept_forms(), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("msg");
    TCase *tc = tcase_create("msg");
    tcase_add_checked_fixture(tc, make_codec, free_codec);
    tcase_add_test(tc, frames);
    tcase_add_test(tc, close_frames);
    tcase_add_test(tc, long_reasons);
    tcase_add_test(tc, the_last_reference_frees);
    tcase_add_test(tc, threads_share_it);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, ids);
    tcase_add_test(tc, ids_are_read);
    tcase_add_test(tc, forms_of_a_message);
    tcase_add_test(tc, forms_inherit);
    tcase_add_test(tc, forms_of_notices);
    tcase_add_test(tc, an_envelope_is_compressed);
    tcase_add_test(tc, all_forms_are_counted);
    tcase_add_test(tc, forms_are_made_once);
    tcase_add_test(tc, no_count_of_any_form_is_left);
    tcase_add_test(tc, forms_of_what_is_kept_are_counted);
    tcase_add_test(tc, no_count_is_left_by_threads);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
