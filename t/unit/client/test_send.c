/* WS.SEND through libwspush: what goes over the wire, what the results say, and whether a message may have
 * gone out. */
#include "client/wspush.h"

#include "standin.h"

static struct standin server;
static struct wspush *h;

static void begin(const struct step *script)
{
    standin_start(&server, script);
    h = wspush_open(server.path);
    wspush_set_deadline(h, 25000); /* sanitizers take their time */
}

static void end(const char *commands)
{
    wspush_free(h);
    standin_stop(&server, commands);
}

START_TEST(text_with_id)
{
    static const struct step script[] = {READS, SAYS("*2\r\n:3\r\n$15\r\n1795412345678-1\r\n"), DONE};
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "test", "h\303\244llo", 6, NULL, &sent), WSPUSH_OK);
    ck_assert_int_eq(sent.published, WSPUSH_PUBLISHED);
    ck_assert_int_eq(sent.recipients, 3);
    ck_assert_str_eq(sent.id, "1795412345678-1");
    ck_assert_str_eq(wspush_error(h), "");
    end("[WS.SEND|test|h\303\244llo]");
}
END_TEST

START_TEST(no_id)
{
    static const struct step script[] = {READS, SAYS("*2\r\n:1\r\n$-1\r\n"), DONE};
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "@client:c42", "", 0, NULL, &sent), WSPUSH_OK);
    ck_assert_str_eq(sent.id, "");
    end("[WS.SEND|@client:c42|]");
}
END_TEST

START_TEST(bad_utf8_is_not_sent)
{
    static const struct step script[] = {READS, SAYS("*2\r\n:1\r\n$-1\r\n"), DONE};
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "test", "ab\377", 3, NULL, &sent), WSPUSH_BADUTF8);
    ck_assert_int_eq(sent.published, WSPUSH_NOT_PUBLISHED);
    ck_assert_ptr_nonnull(strstr(wspush_error(h), "byte 2"));
    ck_assert_int_eq(
        wspush_send(h, "test", "ab\377", 3, &(struct wspush_send_options){.binary = true}, &sent), WSPUSH_OK);
    end("[WS.SEND|test|ab\377|BINARY]");
}
END_TEST

START_TEST(receipt)
{
    static const struct step script[] = {
        READS,
        SAYS("*4\r\n:3\r\n$3\r\n1-9\r\n*4\r\n$6\r\nhanded\r\n:2\r\n$6\r\nclosed\r\n:1\r\n"
             "*1\r\n*2\r\n$2\r\nc7\r\n$6\r\nclosed\r\n"),
        DONE};
    struct wspush_send_options options = {.wait_for = WSPUSH_WAIT_HANDED, .timeout_ms = 1500};
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "test", "x", 1, &options, &sent), WSPUSH_OK);
    ck_assert_uint_eq(sent.outcome_count, 2);
    ck_assert_str_eq(sent.outcomes[0].name, "handed");
    ck_assert_int_eq(sent.outcomes[0].count, 2);
    ck_assert_str_eq(sent.outcomes[1].name, "closed");
    ck_assert_int_eq(sent.outcomes[1].count, 1);
    ck_assert_uint_eq(sent.failure_count, 1);
    ck_assert_str_eq(sent.failures[0].client, "c7");
    ck_assert_str_eq(sent.failures[0].outcome, "closed");
    end("[WS.SEND|test|x|WAIT|handed|TIMEOUT|1500]");
}
END_TEST

START_TEST(key_and_ttl)
{
    static const struct step script[] = {READS, SAYS("*2\r\n:0\r\n$3\r\n1-4\r\n"), READS,
                                         SAYS("*2\r\n:0\r\n$3\r\n1-4\r\n"), DONE};
    struct wspush_send_options options = {.ttl_ms = 1500, .key = "order 7"};
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "test", "x", 1, &options, &sent), WSPUSH_OK);
    ck_assert_str_eq(sent.id, "1-4");
    options = (struct wspush_send_options){.binary = true, .wait_for = WSPUSH_WAIT_NONE, .ttl_ms = INT64_MAX};
    ck_assert_int_eq(wspush_send(h, "test", "x", 1, &options, &sent), WSPUSH_OK);
    end("[WS.SEND|test|x|TTL|1500|KEY|order 7][WS.SEND|test|x|BINARY|TTL|315360000000]");
}
END_TEST

/* A worker that says nothing of the recipients has not said that they have it. */
START_TEST(no_receipt)
{
    static const struct step script[] = {READS, SAYS("*2\r\n:2\r\n$3\r\n1-1\r\n"), DONE};
    struct wspush_send_options options = {.wait_for = WSPUSH_WAIT_PONGED};
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "test", "x", 1, &options, &sent), WSPUSH_BADREPLY);
    ck_assert_int_eq(sent.published, WSPUSH_PUBLISHED);
    ck_assert_int_eq(wspush_fd(h), -1);
    end("[WS.SEND|test|x|WAIT|ponged]");
}
END_TEST

static const struct {
    const char *reply;
    enum wspush_result result;
    enum wspush_published published;
} refusals[] = {
    {"-NOPERM no\r\n", WSPUSH_NOPERM, WSPUSH_NOT_PUBLISHED},
    {"-NOAUTH no\r\n", WSPUSH_NOPERM, WSPUSH_NOT_PUBLISHED},
    {"-NOTARGET no c9\r\n", WSPUSH_NOTARGET, WSPUSH_NOT_PUBLISHED},
    {"-BADNAME it is empty\r\n", WSPUSH_BADNAME, WSPUSH_NOT_PUBLISHED},
    {"-BADUTF8 at byte 1\r\n", WSPUSH_BADUTF8, WSPUSH_NOT_PUBLISHED},
    {"-TOOBIG limit 10\r\n", WSPUSH_TOOBIG, WSPUSH_NOT_PUBLISHED},
    {"-NOPOS gone\r\n", WSPUSH_NOPOS, WSPUSH_NOT_PUBLISHED},
    {"-BUSY later\r\n", WSPUSH_BUSY, WSPUSH_NOT_PUBLISHED},
    {"-TIMEOUT the store\r\n", WSPUSH_TIMEOUT, WSPUSH_PUBLISH_UNKNOWN},
    {"-ENGINEDOWN away\r\n", WSPUSH_ERROR, WSPUSH_PUBLISH_UNKNOWN},
    {"-ERR what\r\n", WSPUSH_ERROR, WSPUSH_NOT_PUBLISHED},
    {"-NO such word\r\n", WSPUSH_ERROR, WSPUSH_NOT_PUBLISHED},
    {"-BADNAMES no such word\r\n", WSPUSH_ERROR, WSPUSH_NOT_PUBLISHED},
};

START_TEST(refusal)
{
    struct step script[] = {READS, SAYS(refusals[_i].reply), READS, SAYS("*2\r\n:0\r\n$-1\r\n"), DONE};
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "t", "x", 1, NULL, &sent), refusals[_i].result);
    ck_assert_int_eq(sent.published, refusals[_i].published);
    ck_assert_int_eq(strncmp(wspush_error(h), refusals[_i].reply + 1, strlen(refusals[_i].reply) - 3), 0);
    ck_assert_int_eq(wspush_send(h, "t", "y", 1, NULL, &sent), WSPUSH_OK);
    ck_assert_str_eq(wspush_error(h), "");
    ck_assert_int_eq(atomic_load(&server.connections), 1);
    end("[WS.SEND|t|x][WS.SEND|t|y]");
}
END_TEST

#define DIGITS_64 "1234567812345678123456781234567812345678123456781234567812345678"

START_TEST(not_a_send_reply)
{
    static const char *const replies[] = {"*2\r\n:1\r\n$64\r\n" DIGITS_64 "\r\n",
                                          "+OK\r\n",
                                          ":1\r\n",
                                          "*0\r\n",
                                          "*2\r\n$1\r\nx\r\n$-1\r\n",
                                          "$-1\r\n",
                                          "*1\r\n*0\r\n"};
    struct step script[] = {READS, SAYS(replies[_i]), DONE};
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "t", "x", 1, NULL, &sent), WSPUSH_BADREPLY);
    ck_assert_int_eq(sent.published, WSPUSH_PUBLISH_UNKNOWN);
    end("[WS.SEND|t|x]");
}
END_TEST

START_TEST(nobody_listens)
{
    struct wspush_sent sent;
    h = wspush_open("/tmp/wspush-no-such-socket");
    ck_assert_int_eq(wspush_send(h, "t", "x", 1, NULL, &sent), WSPUSH_NOWORKER);
    ck_assert_int_eq(sent.published, WSPUSH_NOT_PUBLISHED);
    wspush_free(h);
}
END_TEST

/* The connection ends under a message that was wholly written: nobody knows, and nothing is repeated. */
START_TEST(hung_up_after_the_command)
{
    static const struct step script[] = {READS, HANGS_UP, READS, SAYS("*2\r\n:1\r\n$-1\r\n"), DONE};
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "t", "x", 1, NULL, &sent), WSPUSH_NOWORKER);
    ck_assert_int_eq(sent.published, WSPUSH_PUBLISH_UNKNOWN);
    ck_assert_int_eq(wspush_send(h, "t", "y", 1, NULL, &sent), WSPUSH_OK);
    end("[WS.SEND|t|x][WS.SEND|t|y]");
}
END_TEST

/* A worker that takes a connection and goes before the command is wholly written. */
START_TEST(hung_up_within_the_command)
{
    static const struct step script[] = {SLEEPS(100), HANGS_UP, DONE};
    size_t len = 8 * 1024 * 1024;
    char *payload = calloc(1, len);
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "t", payload, len, NULL, &sent), WSPUSH_NOWORKER);
    ck_assert_int_eq(sent.published, WSPUSH_NOT_PUBLISHED);
    free(payload);
    end("");
}
END_TEST

/* The worker was restarted between two calls: the next one notices before it writes. */
START_TEST(restart_between_calls)
{
    static const struct step script[] = {READS, SAYS("*2\r\n:1\r\n$-1\r\n"), HANGS_UP,
                                         READS, SAYS("*2\r\n:2\r\n$-1\r\n"), DONE};
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "t", "x", 1, NULL, &sent), WSPUSH_OK);
    while (recv(wspush_fd(h), &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
        usleep(1000);
    ck_assert_int_eq(wspush_send(h, "t", "y", 1, NULL, &sent), WSPUSH_OK);
    ck_assert_int_eq(sent.recipients, 2);
    end("[WS.SEND|t|x][WS.SEND|t|y]");
}
END_TEST

/* Bytes that nobody asked for would make every later answer the wrong one: such a connection is given up. */
START_TEST(out_of_step)
{
    static const struct step script[] = {READS,  SAYS("*2\r\n:1\r\n$-1\r\n*2\r\n:9\r\n$-1\r\n"),
                                         HUSHES, HANGS_UP,
                                         READS,  SAYS("*2\r\n:2\r\n$-1\r\n"),
                                         DONE};
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "t", "x", 1, NULL, &sent), WSPUSH_OK);
    ck_assert_int_eq(wspush_send(h, "t", "y", 1, NULL, &sent), WSPUSH_OK);
    ck_assert_int_eq(sent.recipients, 2);
    end(NULL);
}
END_TEST

/* More than the socket holds, to a worker that begins to read late. */
START_TEST(large_payload)
{
    static const struct step script[] = {SLEEPS(50), READS, SAYS("*2\r\n:1\r\n$-1\r\n"), DONE};
    size_t len = 8 * 1024 * 1024;
    struct buf commands = {0};
    buf_adds(&commands, "[WS.SEND|t|");
    memset(buf_reserve(&commands, len), 'x', len);
    commands.len += len;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "t", commands.data + commands.len - len, len, NULL, NULL), WSPUSH_OK);
    buf_addc(&commands, ']');
    end(buf_str(&commands));
    buf_fini(&commands);
}
END_TEST

/* An error that comes while we still write, and the end behind it: the error is the answer. */
START_TEST(refused_while_writing)
{
    static const struct step script[] = {SAYS("-TOOBIG limit 10\r\n"), HANGS_UP, DONE};
    size_t len = 8 * 1024 * 1024;
    char *payload = calloc(1, len);
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_send(h, "t", payload, len, NULL, &sent), WSPUSH_TOOBIG);
    ck_assert_int_eq(sent.published, WSPUSH_NOT_PUBLISHED);
    free(payload);
    end("");
}
END_TEST

struct seen {
    size_t count;
    enum wspush_result results[8];
    struct wspush_sent sent[8];
};

static void see(void *arg, size_t number, enum wspush_result result, const struct wspush_sent *sent)
{
    struct seen *seen = arg;
    ck_assert_uint_eq(number, seen->count);
    seen->results[seen->count] = result;
    seen->sent[seen->count++] = *sent;
}

START_TEST(queue_and_flush)
{
    static const struct step script[] = {READS,      READS,
                                         READS,      SAYS("*2\r\n:1\r\n$3\r\n1-1\r\n*2\r\n:5\r\n$3\r"),
                                         SLEEPS(30), SAYS("\n1-2\r\n-TOOBIG limit 1\r\n"),
                                         DONE};
    struct seen seen = {0};
    begin(script);
    ck_assert_int_eq(wspush_send_queue(h, "t", "a", 1, NULL), WSPUSH_OK);
    ck_assert_int_eq(wspush_send_queue(h, "t", "\377", 1, NULL), WSPUSH_BADUTF8);
    ck_assert_int_eq(wspush_send_queue(h, "t", "bb", 2, NULL), WSPUSH_OK);
    ck_assert_int_eq(wspush_send_queue(h, "t", "c", 1, NULL), WSPUSH_OK);
    ck_assert_int_eq(wspush_send_flush(h, see, &seen), WSPUSH_OK);
    ck_assert_uint_eq(seen.count, 3);
    ck_assert_int_eq(seen.results[0], WSPUSH_OK);
    ck_assert_int_eq(seen.results[1], WSPUSH_OK);
    ck_assert_str_eq(seen.sent[1].id, "1-2");
    ck_assert_int_eq(seen.results[2], WSPUSH_TOOBIG);
    ck_assert_int_eq(wspush_send_flush(h, see, &seen), WSPUSH_OK);
    ck_assert_uint_eq(seen.count, 3);
    ck_assert_str_eq(wspush_error(h), "");
    end("[WS.SEND|t|a][WS.SEND|t|bb][WS.SEND|t|c]");
}
END_TEST

START_TEST(flush_ends_early)
{
    static const struct step script[] = {READS, READS, SAYS("*2\r\n:1\r\n$3\r\n1-1\r\n"), HANGS_UP, DONE};
    struct seen seen = {0};
    begin(script);
    ck_assert_int_eq(wspush_send_queue(h, "t", "a", 1, NULL), WSPUSH_OK);
    ck_assert_int_eq(wspush_send_queue(h, "t", "b", 1, NULL), WSPUSH_OK);
    ck_assert_int_eq(wspush_send_flush(h, see, &seen), WSPUSH_NOWORKER);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_int_eq(seen.sent[0].published, WSPUSH_PUBLISHED);
    ck_assert_int_eq(seen.results[1], WSPUSH_NOWORKER);
    ck_assert_int_eq(seen.sent[1].published, WSPUSH_PUBLISH_UNKNOWN);
    end("[WS.SEND|t|a][WS.SEND|t|b]");
}
END_TEST

/* More commands and replies than the sockets hold: reading goes on while we write, or both sides would stand.
 */
START_TEST(long_pipeline)
{
    enum { MANY = 20000 };
    struct step *script = calloc(2 * MANY + 1, sizeof *script);
    for (size_t i = 0; i < MANY; i++) {
        script[2 * i].act = READ;
        script[2 * i + 1] = (struct step)SAYS("*2\r\n:1\r\n$15\r\n1795412345678-1\r\n");
    }
    begin(script);
    for (size_t i = 0; i < MANY; i++)
        ck_assert_int_eq(wspush_send_queue(h, "t", "a line of the pipeline", 22, NULL), WSPUSH_OK);
    ck_assert_int_eq(wspush_send_flush(h, NULL, NULL), WSPUSH_OK);
    end(NULL);
    free(script);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client send");
    TCase *tc = tcase_create("send");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, text_with_id);
    tcase_add_test(tc, no_id);
    tcase_add_test(tc, bad_utf8_is_not_sent);
    tcase_add_test(tc, receipt);
    tcase_add_test(tc, key_and_ttl);
    tcase_add_test(tc, no_receipt);
    tcase_add_loop_test(tc, refusal, 0, sizeof refusals / sizeof *refusals);
    tcase_add_loop_test(tc, not_a_send_reply, 0, 7);
    tcase_add_test(tc, nobody_listens);
    tcase_add_test(tc, hung_up_after_the_command);
    tcase_add_test(tc, hung_up_within_the_command);
    tcase_add_test(tc, restart_between_calls);
    tcase_add_test(tc, out_of_step);
    tcase_add_test(tc, large_payload);
    tcase_add_test(tc, refused_while_writing);
    tcase_add_test(tc, queue_and_flush);
    tcase_add_test(tc, flush_ends_early);
    tcase_add_test(tc, long_pipeline);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
