/* Whatever answers on the socket, a call ends within its deadline, with a bounded amount of memory, and says
 * so. */
#include "client/wspush.h"

#include <sys/wait.h>

#include "base/clock.h"
#include "standin.h"

enum { DEADLINE = 500, SLACK = 1500 };

static struct standin server;
static struct wspush *h;

/* The stand-in does `script`; a ping must end in time with `expected`. */
static void ping_ends(const struct step *script, enum wspush_result expected)
{
    standin_start(&server, script);
    h = wspush_open(server.path);
    wspush_set_deadline(h, DEADLINE);
    int64_t start = clock_mono_ms();
    enum wspush_result result = wspush_ping(h);
    int64_t took = clock_mono_ms() - start;
    ck_assert_msg(result == expected, "%s (%s)", wspush_result_name(result), wspush_error(h));
    ck_assert_str_ne(wspush_error(h), "");
    ck_assert_msg(took < DEADLINE + SLACK, "took %ld ms", (long)took);
    ck_assert_int_eq(wspush_fd(h), -1);
    wspush_free(h);
    standin_stop(&server, NULL);
}

START_TEST(silence)
{
    static const struct step script[] = {READS, HUSHES, DONE};
    ping_ends(script, WSPUSH_NOANSWER);
}
END_TEST

START_TEST(half_a_reply)
{
    static const struct step script[] = {READS, SAYS("$100\r\nhalf"), HUSHES, DONE};
    ping_ends(script, WSPUSH_NOANSWER);
}
END_TEST

START_TEST(dribble)
{
    struct step script[64] = {READS};
    for (size_t i = 1; i + 2 < 64; i += 2) {
        script[i] = (struct step)SAYS("x");
        script[i + 1] = (struct step)SLEEPS(40);
    }
    script[1].text = "+";
    ping_ends(script, WSPUSH_NOANSWER);
}
END_TEST

START_TEST(half_and_gone)
{
    static const struct step script[] = {READS, SAYS("+PO"), HANGS_UP, DONE};
    ping_ends(script, WSPUSH_NOWORKER);
}
END_TEST

START_TEST(gone_at_once)
{
    static const struct step script[] = {SLEEPS(1), HANGS_UP, DONE};
    ping_ends(script, WSPUSH_NOWORKER);
}
END_TEST

START_TEST(false_answer)
{
    static const char *const answers[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n", /* not RESP */
        "*2147483647\r\n",                  /* hiredis would allocate 16 GiB */
        "$9999999999\r\n",                  /* and read that */
        "$99999999999999999999999999999999999999",
        "$3\r\nabcdef\r\n",         /* and not see that this goes on */
        "*3000000\r\n*3000000\r\n", /* each within bounds, both not */
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        "*-2\r\n",
    };
    struct step script[] = {READS, SAYS(answers[_i]), HUSHES, DONE};
    ping_ends(script, WSPUSH_BADREPLY);
}
END_TEST

START_TEST(endless_line)
{
    static const struct step script[] = {READS, SAYS("+"), FLOODS(256 << 20), DONE};
    ping_ends(script, WSPUSH_BADREPLY);
}
END_TEST

START_TEST(over_the_limit)
{
    static const struct step script[] = {READS, SAYS_BULK(100001), HUSHES, HANGS_UP,
                                         READS, SAYS_BULK(99900),  DONE};
    const char *text = NULL;
    size_t len = 0;
    standin_start(&server, script);
    h = wspush_open(server.path);
    wspush_set_reply_limit(h, 100000);
    ck_assert_int_eq(wspush_info(h, NULL, &text, &len), WSPUSH_BADREPLY);
    ck_assert_int_eq(wspush_info(h, NULL, &text, &len), WSPUSH_OK);
    ck_assert_uint_eq(len, 99900);
    wspush_free(h);
    standin_stop(&server, NULL);
}
END_TEST

START_TEST(over_a_small_limit)
{
    static const struct step script[] = {READS, SAYS("$11\r\n12345678901\r\n"), HUSHES, DONE};
    const char *text = NULL;
    size_t len = 0;
    standin_start(&server, script);
    h = wspush_open(server.path);
    wspush_set_reply_limit(h, 10);
    ck_assert_int_eq(wspush_info(h, NULL, &text, &len), WSPUSH_BADREPLY);
    wspush_free(h);
    standin_stop(&server, NULL);
}
END_TEST

/* Many small strings, each within the limit, all together not. */
START_TEST(sum_over_the_limit)
{
    struct step script[64] = {READS, SAYS("*60\r\n")};
    for (size_t i = 2; i + 2 < 64; i++)
        script[i] = (struct step)SAYS_BULK(90000);
    const char *text = NULL;
    size_t len = 0;
    standin_start(&server, script);
    h = wspush_open(server.path);
    wspush_set_reply_limit(h, 1000000);
    ck_assert_int_eq(wspush_info(h, NULL, &text, &len), WSPUSH_BADREPLY);
    ck_assert_ptr_nonnull(strstr(wspush_error(h), "too many bytes"));
    wspush_free(h);
    standin_stop(&server, NULL);
}
END_TEST

/* However long a wait may take: an answer that was begun may not. */
START_TEST(half_a_message)
{
    static const struct step script[] = {READS, SAYS("*6\r\n$2\r\nc4\r\n"), HUSHES, DONE};
    struct wspush_message m;
    standin_start(&server, script);
    h = wspush_open(server.path);
    wspush_set_deadline(h, DEADLINE);
    int64_t start = clock_mono_ms();
    ck_assert_int_eq(wspush_wait(h, "t", _i ? 60000 : -1, &m), WSPUSH_NOANSWER);
    ck_assert_int_lt(clock_mono_ms() - start, DEADLINE + SLACK);
    wspush_free(h);
    standin_stop(&server, NULL);
}
END_TEST

/* A listener that never accepts: the connection stands in its queue, or connecting itself has to wait. */
START_TEST(nobody_accepts)
{
    enum { FULL = 16 };
    struct wspush *other[FULL];
    standin_listen(&server);
    for (int i = 0; i < FULL; i++) {
        other[i] = wspush_open(server.path);
        wspush_set_deadline(other[i], 100);
        int64_t start = clock_mono_ms();
        ck_assert_int_eq(wspush_ping(other[i]), WSPUSH_NOANSWER);
        ck_assert_int_lt(clock_mono_ms() - start, 100 + SLACK);
    }
    for (int i = 0; i < FULL; i++)
        wspush_free(other[i]);
    close(server.listener);
    h = wspush_open(server.path);
    ck_assert_int_eq(wspush_ping(h), WSPUSH_NOWORKER);
    unlink(server.path);
    ck_assert_int_eq(wspush_ping(h), WSPUSH_NOWORKER);
    rmdir(server.dir);
    wspush_free(h);
}
END_TEST

START_TEST(path_too_long)
{
    char path[300];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    h = wspush_open(path);
    ck_assert_int_eq(wspush_ping(h), WSPUSH_NOWORKER);
    wspush_free(h);
}
END_TEST

/* In a process of its own, which is nobody: root may open everything. */
START_TEST(not_ours_to_open)
{
    int status = 0;
    standin_listen(&server);
    ck_assert_int_eq(chmod(server.path, 0), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (chmod(server.dir, 0755) < 0 || setuid(65534) < 0))
            _exit(100);
        h = wspush_open(server.path);
        _exit((int)wspush_ping(h));
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    close(server.listener);
    unlink(server.path);
    rmdir(server.dir);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), WSPUSH_NOPERM);
}
END_TEST

/* We were stopped (Ctrl-Z) while the answer came: it is an answer all the same. */
START_TEST(answer_after_a_stop)
{
    static const struct step script[] = {READS, SAYS("*1\r\n$7\r\ntimeout\r\n"), HUSHES, DONE};
    struct wspush_message m;
    standin_start(&server, script);
    h = wspush_open(server.path);
    wspush_set_deadline(h, 100);
    ck_assert_int_eq(wspush_wait_begin(h, "t", 50), WSPUSH_OK);
    usleep(400000);
    ck_assert_int_eq(wspush_wait_take(h, &m), WSPUSH_TIMEOUT);
    wspush_free(h);
    standin_stop(&server, NULL);
}
END_TEST

START_TEST(names_of_results)
{
    ck_assert_str_eq(wspush_result_name(WSPUSH_OK), "OK");
    for (int i = 0; i <= WSPUSH_ERROR; i++)
        ck_assert_ptr_nonnull(wspush_result_name((enum wspush_result)i));
    ck_assert_str_eq(wspush_result_name((enum wspush_result)1000), "ERROR");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client and a false worker");
    TCase *tc = tcase_create("false worker");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, silence);
    tcase_add_test(tc, half_a_reply);
    tcase_add_test(tc, dribble);
    tcase_add_test(tc, half_and_gone);
    tcase_add_test(tc, gone_at_once);
    tcase_add_loop_test(tc, false_answer, 0, 8);
    tcase_add_test(tc, endless_line);
    tcase_add_test(tc, over_the_limit);
    tcase_add_test(tc, over_a_small_limit);
    tcase_add_test(tc, sum_over_the_limit);
    tcase_add_loop_test(tc, half_a_message, 0, 2);
    tcase_add_test(tc, nobody_accepts);
    tcase_add_test(tc, path_too_long);
    tcase_add_test(tc, not_ours_to_open);
    tcase_add_test(tc, answer_after_a_stop);
    tcase_add_test(tc, names_of_results);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
