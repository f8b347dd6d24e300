/* permessage-deflate (RFC 7692) through the worker: each way, once for all, and for those who did not ask. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "figures.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

static struct site *site;
static struct resp *control;

static void begin(int threads, const char *config)
{
    site = site_start(
        &(struct site_options){.config = config, .threads = threads, .no_nginx = true, .no_responder = true});
    control = resp_open(site_control(site));
    ck_assert_ptr_nonnull(control);
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

static struct wsclient *open_deflate(const char *path, const char *parameters)
{
    char headers[200];
    snprintf(headers, sizeof headers, "Sec-WebSocket-Extensions: permessage-deflate%s\r\n", parameters);
    struct wsclient *c = wsclient_connect(site_ws(site), path, headers);
    ck_assert(wsclient_accepted(c));
    ck_assert_ptr_nonnull(wsclient_header(c, "Sec-WebSocket-Extensions"));
    return c;
}

/* zlib's own compression, into at most 1 MiB; without the last four bytes. */
static size_t compress_text(const char *text, size_t len, unsigned char *out)
{
    z_stream z = {0};
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)len;
    z.next_out = out;
    z.avail_out = 1 << 20;
    ck_assert_int_eq(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    size_t n = (1 << 20) - z.avail_out - 4;
    deflateEnd(&z);
    return n;
}

static void send_compressed(struct wsclient *c, const char *text, size_t pieces)
{
    static unsigned char bytes[1 << 20];
    size_t len = compress_text(text, strlen(text), bytes);
    for (size_t i = 0; i < pieces; i++) {
        size_t from = len * i / pieces;
        size_t to = len * (i + 1) / pieces;
        struct wsclient_frame f = {.fin = i + 1 == pieces,
                                   .rsv = i ? 0 : 4,
                                   .opcode = i ? WSCLIENT_CONTINUATION : WSCLIENT_TEXT,
                                   .payload = bytes + from,
                                   .len = to - from};
        ck_assert_int_eq(wsclient_send_frame(c, &f), 0);
    }
}

/* The next frame is this text, compressed or not, and reads with a window of so many bits. */
static void expect_frame(struct wsclient *c, const char *text, bool compressed, int bits)
{
    static unsigned char plain[1 << 20];
    struct wsclient_received got;
    ck_assert_int_eq(wsclient_recv(c, &got, 5000), WSCLIENT_GOT);
    ck_assert_uint_eq(got.opcode, WSCLIENT_TEXT);
    ck_assert(got.fin);
    ck_assert_uint_eq(got.rsv, compressed ? 4 : 0);
    if (!compressed) {
        ck_assert_uint_eq(got.len, strlen(text));
        ck_assert_mem_eq(got.payload, text, got.len);
        return;
    }
    z_stream z = {0};
    ck_assert_int_eq(inflateInit2(&z, -bits), Z_OK);
    z.next_out = plain;
    z.avail_out = sizeof plain;
    for (int part = 0; part < 2; part++) {
        z.next_in =
            part ? (unsigned char *)(uintptr_t) "\0\0\xff\xff" : (unsigned char *)(uintptr_t)got.payload;
        z.avail_in = part ? 4 : (unsigned)got.len;
        int r = inflate(&z, Z_SYNC_FLUSH);
        ck_assert(r == Z_OK || r == Z_BUF_ERROR);
    }
    ck_assert_uint_eq(sizeof plain - z.avail_out, strlen(text));
    ck_assert_mem_eq(plain, text, strlen(text));
    inflateEnd(&z);
}

/* Words, so that it compresses, but not to nothing. */
static char *words(size_t len)
{
    char *text = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = "abcdefgh  "[rand() % 10];
    text[len] = '\0';
    return text;
}

static void publish(const char *text)
{
    struct resp_value *v = resp_call(control, "PUBLISH", "test", text, NULL);
    resp_value_free(v);
}

START_TEST(there_and_back)
{
    begin(_i + 1, "inbound = echo\n");
    struct wsclient *c = open_deflate("/test/", "; client_max_window_bits");
    for (int i = 0; i < 40; i++) {
        char *text = words(i < 2 ? (size_t)i * 100 : (size_t)rand() % 100000 + 200);
        send_compressed(c, text, i % 4 == 3 ? 5 : 1);
        expect_frame(c, text, strlen(text) >= 128, 15);
        wsclient_send_text(c, text); /* a client may send any message as it is */
        expect_frame(c, text, strlen(text) >= 128, 15);
        free(text);
    }
    wsclient_close(c);
    end();
}
END_TEST

/* The same message to those who asked, to those who did not, and to those with a small window. */
START_TEST(each_gets_its_form)
{
    begin(_i + 1, "deflate_min = 64\nchannel \"plain\" { deflate = off }\n");
    struct wsclient *deflated = open_deflate("/test/", "");
    struct wsclient *again = open_deflate("/test/", "");
    struct wsclient *plain = wsclient_open(site_ws(site), "/test/");
    struct wsclient *narrow = open_deflate("/test/", "; server_max_window_bits=9");
    struct wsclient *narrowest = open_deflate("/test/", "; server_max_window_bits=8");
    for (size_t len = 32; len <= 4096; len *= 2) {
        char *text = words(len);
        publish(text);
        expect_frame(deflated, text, len >= 64, 15);
        expect_frame(again, text, len >= 64, 15);
        expect_frame(plain, text, false, 0);
        expect_frame(narrow, text, len >= 64 && len <= 512, 9);
        expect_frame(narrowest, text, len >= 64 && len <= 256, 9); /* zlib reads no smaller window than 9 */
        free(text);
    }
    ck_assert_int_eq(info_get(control, "deliveries_compressed"), 2 * 7 + 4 + 3);
    wsclient_close(deflated);
    wsclient_close(again);
    wsclient_close(plain);
    wsclient_close(narrow);
    wsclient_close(narrowest);
    end();
}
END_TEST

/* What does not get shorter goes out as it is. */
START_TEST(what_does_not_pay)
{
    begin(1, "deflate_min = 1\n");
    struct wsclient *c = open_deflate("/test/", "");
    publish("a");
    expect_frame(c, "a", false, 0);
    wsclient_close(c);
    end();
}
END_TEST

static void expect_refusal(const struct wsclient_frame *f, const char *offer, unsigned code)
{
    struct wsclient *c = *offer ? open_deflate("/test/", offer + 1) : wsclient_open(site_ws(site), "/test/");
    ck_assert_int_eq(wsclient_send_frame(c, f), 0);
    wsclient_expect_close(c, code);
    wsclient_free(c);
}

START_TEST(violations)
{
    static unsigned char bomb[1 << 20];
    static char zeros[100u << 10];
    begin(1, "message_limit = 64k\n");
    size_t len = compress_text(memset(zeros, 'x', sizeof zeros), sizeof zeros, bomb);
    struct wsclient_frame f = {.fin = true, .rsv = 4, .opcode = WSCLIENT_TEXT, .payload = bomb, .len = len};
    expect_refusal(&f, "+", 1009);
    f.len = len / 2; /* cut */
    expect_refusal(&f, "+", 1007);
    f.payload = "\x07";
    f.len = 1;
    expect_refusal(&f, "+", 1007);
    f.payload = "\xf2\x48\xcd\xc9\xc9\x07\x00";
    f.len = 7;
    expect_refusal(&f, "", 1002); /* not agreed on */
    f.rsv = 2;
    expect_refusal(&f, "+", 1002);
    f = (struct wsclient_frame){.fin = true, .rsv = 4, .opcode = WSCLIENT_PING};
    expect_refusal(&f, "+", 1002);
    f = (struct wsclient_frame){.fin = true, .rsv = 4, .opcode = WSCLIENT_CLOSE};
    expect_refusal(&f, "+", 1002);
    size_t bad = compress_text("\xff", 1, bomb); /* no UTF-8 when it is expanded */
    f = (struct wsclient_frame){.fin = true, .rsv = 4, .opcode = WSCLIENT_TEXT, .payload = bomb, .len = bad};
    expect_refusal(&f, "+", 1007);
    struct wsclient *c = open_deflate("/test/", "");
    f = (struct wsclient_frame){.rsv = 4, .opcode = WSCLIENT_TEXT, .payload = "\xf2", .len = 1};
    ck_assert_int_eq(wsclient_send_frame(c, &f), 0);
    f.opcode = WSCLIENT_CONTINUATION; /* the bit belongs on the first frame alone */
    ck_assert_int_eq(wsclient_send_frame(c, &f), 0);
    wsclient_expect_close(c, 1002);
    wsclient_free(c);
    end();
}
END_TEST

/* What arrives compressed is a message like any other. */
START_TEST(to_the_inbox)
{
    begin(1, "");
    struct wsclient *c = open_deflate("/test/", "");
    send_compressed(c, "Hello, hello, hello", 2);
    struct resp_value *v = resp_call(control, "WS.WAIT", "test", "TIMEOUT", "5000", NULL);
    char *text = resp_text(v);
    ck_assert_msg(strstr(text, "\"Hello, hello, hello\"") != NULL, "%s", text);
    free(text);
    resp_value_free(v);
    wsclient_close(c);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deflate");
    TCase *tc = tcase_create("deflate");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, there_and_back, 0, 2);
    tcase_add_loop_test(tc, each_gets_its_form, 0, 2);
    tcase_add_test(tc, what_does_not_pay);
    tcase_add_test(tc, violations);
    tcase_add_test(tc, to_the_inbox);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
