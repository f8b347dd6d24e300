/* What `make fuzz TARGET=resp` has found. */
#include "wire/resp.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static enum resp_result parse(const struct buf *line, size_t len)
{
    struct resp_parser parser = {0};
    struct resp_request request;
    const char *fault;
    size_t taken;
    enum resp_result result = resp_parse(&parser, line->data, len, 1000, &taken, &request, &fault);
    resp_parser_fini(&parser);
    return result;
}

/* By the time that its end shows it as HTTP, a line that comes in pieces was refused. */
START_TEST(a_too_big_line_that_ends_like_http)
{
    struct buf line = {0};
    while (line.len <= RESP_INLINE_MAX)
        buf_addc(&line, 'x');
    size_t first = line.len;
    buf_adds(&line, " HTTP/1.1\r\n");
    ck_assert_int_eq(parse(&line, first), RESP_FAULT);
    ck_assert_int_eq(parse(&line, line.len), RESP_FAULT);
    memcpy(line.data, "POST", 4);
    ck_assert_int_eq(parse(&line, first), RESP_FOREIGN);
    ck_assert_int_eq(parse(&line, line.len), RESP_FOREIGN);
    buf_fini(&line);
}
END_TEST

/* It points at something, for whoever compares it with memcmp(). */
START_TEST(an_empty_word)
{
    struct resp_parser parser = {0};
    struct resp_request request;
    const char *fault;
    size_t taken;
    enum resp_result result =
        resp_parse(&parser, (const uint8_t *)"\"\"\n", 3, 1000, &taken, &request, &fault);
    ck_assert_int_eq(result, RESP_REQUEST);
    ck_assert_int_eq(request.argc, 1);
    ck_assert_uint_eq(request.argv[0].len, 0);
    ck_assert_ptr_nonnull(request.argv[0].data);
    resp_parser_fini(&parser);
}
END_TEST

/* A length that is out of bounds is called that, behind an argument over the limit too. */
START_TEST(an_impossible_length_behind_a_too_big_argument)
{
    static const char start[] = "*2\r\n$1001\r\n";
    struct resp_parser parser = {0};
    struct buf rest = {0};
    struct resp_request request;
    const char *fault;
    size_t taken;
    buf_adds(&rest, start);
    ck_assert_int_eq(resp_parse(&parser, rest.data, rest.len, 1000, &taken, &request, &fault), RESP_NONE);
    buf_clear(&rest);
    while (rest.len < 1001)
        buf_addc(&rest, 'x');
    buf_adds(&rest, "\r\n$18446744073709551613\r\n");
    ck_assert_int_eq(resp_parse(&parser, rest.data, rest.len, 1000, &taken, &request, &fault), RESP_FAULT);
    ck_assert_str_eq(fault, "invalid bulk length");
    buf_fini(&rest);
    resp_parser_fini(&parser);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fuzz_found_resp");
    TCase *tc = tcase_create("fuzz_found_resp");
    tcase_add_test(tc, a_too_big_line_that_ends_like_http);
    tcase_add_test(tc, an_empty_word);
    tcase_add_test(tc, an_impossible_length_behind_a_too_big_argument);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
