/* Flat objects of JSON: what the worker writes comes back as it was, and what is none is refused. */
#include "base/flat.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

/* Members as text: name=T:text; name=N:number; name=true. */
static void tell(void *arg, const struct flat_member *m)
{
    static const char *const words[] = {[FLAT_TRUE] = "true", [FLAT_FALSE] = "false", [FLAT_NULL] = "null"};
    struct buf *out = arg;
    buf_addf(out, "%s=", m->name);
    if (m->kind == FLAT_TEXT) {
        buf_adds(out, "T:");
        buf_add(out, m->text, m->len);
        ck_assert_int_eq(m->text[m->len], '\0');
    } else if (m->kind == FLAT_NUMBER) {
        buf_addf(out, "N:%lld", (long long)m->number);
    } else {
        buf_adds(out, words[m->kind]);
    }
    buf_addc(out, ';');
}

/* From a block of its own size, so that AddressSanitizer sees who reads on. */
static bool reads(const char *bytes, size_t len, struct buf *out)
{
    char *copy = malloc(len + !len);
    memcpy(copy, bytes, len);
    bool good = flat_read(copy, len, tell, out);
    free(copy);
    return good;
}

static void expect(const char *json, const char *told)
{
    struct buf out = {0};
    ck_assert_msg(reads(json, strlen(json), &out), "%s", json);
    ck_assert_str_eq(buf_str(&out), told);
    buf_fini(&out);
}

START_TEST(objects)
{
    expect("{}", "");
    expect(" { } \n", "");
    expect("{\"client\":\"c1\",\"type\":\"text\",\"data\":\"a\",\"time\":1795412345913}",
           "client=T:c1;type=T:text;data=T:a;time=N:1795412345913;");
    expect("\t{ \"a\" : true , \"b\":false,\"c\" :null,\"\":-7, \"d\":0 }",
           "a=true;b=false;c=null;=N:-7;d=N:0;");
    expect("{\"a\":999999999999999999}", "a=N:999999999999999999;");
    expect("{\"a\":\"\",\"a\":\"x\"}", "a=T:;a=T:x;");
}
END_TEST

START_TEST(escapes)
{
    expect("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "a=T:\"\\/\b\f\n\r\t;");
    expect("{\"a\":\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"}", "a=T:A\u00e9\u20ac\U0001F600;");
    expect("{\"a\":\"\\ud83d\"}", "a=T:\ufffd;");
    expect("{\"a\":\"\\ude00x\"}", "a=T:\ufffdx;");
    expect("{\"a\":\"\\ud83d\\ud83d\\ude00\"}", "a=T:\ufffd\U0001F600;");
    expect("{\"a\":\"\\ud83d\\n\"}", "a=T:\ufffd\n;");
    expect("{\"a\":\"\\ud83d\\u0041\"}", "a=T:\ufffdA;");
    expect("{\"a\":\"\\ud83d\\ue000\"}", "a=T:\ufffd\ue000;");
    expect("{\"\\u0061\":1}", "a=N:1;");
    struct buf out = {0};
    ck_assert(reads("{\"a\":\"x\\u0000y\"}", 16, &out));
    ck_assert_uint_eq(out.len, strlen("a=T:x?y;"));
    ck_assert_mem_eq(out.data, "a=T:x\0y;", out.len);
    buf_fini(&out);
}
END_TEST

START_TEST(not_objects)
{
    static const char *const texts[] = {"",
                                        "x",
                                        "[]",
                                        "\"a\"",
                                        "{",
                                        "}",
                                        "{}x",
                                        "{}{}",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{,}",
                                        "{\"a\":1 \"b\":2}",
                                        "{a:1}",
                                        "{\"a\":[]}",
                                        "{\"a\":{}}",
                                        "{\"a\":1.5}",
                                        "{\"a\":1e3}",
                                        "{\"a\":01}",
                                        "{\"a\":-}",
                                        "{\"a\":+1}",
                                        "{\"a\":9999999999999999999}",
                                        "{\"a\":tru}",
                                        "{\"a\":truex}",
                                        "{\"a\":\"x}",
                                        "{\"a\":\"\\x\"}",
                                        "{\"a\":\"\\u12g4\"}",
                                        "{\"a\":\"\\u123\"}",
                                        "{\"a\":\"\\",
                                        "{\"a\":\"\\ud83d\\",
                                        "{\"a\":\"\n\"}",
                                        "{\"a\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf out = {0};
        ck_assert_msg(!reads(texts[i], strlen(texts[i]), &out), "'%s' is read", texts[i]);
        buf_fini(&out);
    }
}
END_TEST

/* What json_add_string writes comes back, and no shorter piece of it is an object. */
START_TEST(round_trip)
{
    struct buf text = {0};
    struct buf json = {0};
    struct buf out = {0};
    struct buf told = {0};
    for (int c = 0; c < 128; c++)
        buf_addc(&text, (char)c);
    buf_adds(&text, "\u00e4\u754c\U0001F600");
    buf_adds(&json, "{\"a\":");
    json_add_string(&json, text.data, text.len);
    buf_addc(&json, '}');
    ck_assert(reads((const char *)json.data, json.len, &out));
    buf_adds(&told, "a=T:");
    buf_add(&told, text.data, text.len);
    buf_addc(&told, ';');
    ck_assert_uint_eq(out.len, told.len);
    ck_assert_mem_eq(out.data, told.data, told.len);
    for (size_t len = 0; len < json.len; len++)
        ck_assert(!reads((const char *)json.data, len, &out));
    buf_fini(&text);
    buf_fini(&json);
    buf_fini(&out);
    buf_fini(&told);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base flat");
    TCase *tc = tcase_create("flat");
    tcase_add_test(tc, objects);
    tcase_add_test(tc, escapes);
    tcase_add_test(tc, not_objects);
    tcase_add_test(tc, round_trip);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
