/*
 * Every command of wsctl and every exit status, against the real worker; answers that a real worker seldom
 * gives come from the stand-in of false_worker.h.
 */
#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "false_worker.h"
#include "program.h"
#include "site.h"
#include "wsclient.h"

enum { SIGNALLED = 128 };

static struct site *site;
static const char *socket_path;
static const char *front; /* where pages connect */

/* The worker alone, its configuration with these lines. */
static void begin_threads(const char *config, int threads)
{
    struct site_options options = {
        .config = config, .threads = threads, .no_nginx = true, .no_responder = true};
    site = site_start(&options);
    socket_path = site_control(site) + strlen("unix:");
    front = site_ws(site);
}

static void begin(const char *config)
{
    begin_threads(config, 1);
}

/* A whole site, pages behind its nginx. */
static void begin_site(void)
{
    site = site_start(NULL);
    socket_path = site_control(site) + strlen("unix:");
    front = site_http(site);
}

static void end(void)
{
    site_stop(site);
}

/* A directory for a site whose worker is a stand-in, or nobody. */
static struct false_worker *begin_false(const char *answer)
{
    site = site_start(&(struct site_options){.no_nginx = true, .no_responder = true, .no_worker = true});
    socket_path = site_control(site) + strlen("unix:");
    struct false_worker *worker = false_worker_new(site_control(site));
    false_worker_answer(worker, answer);
    return worker;
}

static void end_false(struct false_worker *worker)
{
    false_worker_free(worker);
    site_stop(site);
}

static struct wsclient *visit(const char *path)
{
    return wsclient_open(front, path);
}

/* ---- running wsctl ---- */

/* Rows of arguments: START(&p, "wait", "test"), RUN("ping"), RUN_WITH(bytes, len, "send", "test"). */
#define ARGS(...)                 ((const char *const[]){site_program("wsctl"), __VA_ARGS__, NULL})
#define START(program, ...)       spawn(program, ARGS(__VA_ARGS__))
#define RUN(...)                  run_with("", 0, ARGS(__VA_ARGS__))
#define RUN_WITH(input, len, ...) run_with(input, len, ARGS(__VA_ARGS__))

static void spawn(struct program *p, const char *const *args)
{
    char variable[200];
    snprintf(variable, sizeof variable, "WSPUSH_SOCKET=%s", socket_path ? socket_path : "");
    program_start_fed(p, socket_path ? variable : NULL, args);
}

/* Waits until it has said this on `stream`, and forgets what was said up to there. */
static void expect_said(struct program *p, struct buf *stream, const char *text)
{
    int64_t until = clock_mono_ms() + 10000;
    char *found;
    while ((found = strstr(buf_str(stream), text)) == NULL)
        if (!program_listen(p, 50) || clock_mono_ms() > until)
            ck_abort_msg("'%s' was not said, but '%s' and on stderr '%s'", text, buf_str(&p->said),
                         buf_str(&p->complained));
    buf_consume(stream, (size_t)(found - buf_str(stream)) + strlen(text));
}

static void type(struct program *p, const char *text)
{
    ck_assert_int_eq(write(p->in, text, strlen(text)), (ssize_t)strlen(text));
}

/* The last run's output. */
static struct program last;

/* Runs wsctl to its end with these bytes on stdin; returns its exit status. */
static int run_with(const char *input, size_t len, const char *const *args)
{
    program_fini(&last);
    spawn(&last, args);
    program_feed(&last, input, len);
    return program_finish(&last);
}

static const char *out(void)
{
    return buf_str(&last.said);
}

static const char *err(void)
{
    return buf_str(&last.complained);
}

/* The run's status, and what it said on stdout (NULL: anything) and, somewhere, on stderr (NULL: nothing). */
static void expect(int status, int wanted, const char *stdout_text, const char *in_stderr)
{
    if (status != wanted || (stdout_text && strcmp(out(), stdout_text) != 0) ||
        (in_stderr ? !strstr(err(), in_stderr) : *err() != '\0'))
        ck_abort_msg("status %d (not %d), stdout '%s', stderr '%s'; expected '%s' and '%s'", status, wanted,
                     out(), err(), stdout_text ? stdout_text : "(any)", in_stderr ? in_stderr : "");
}

/* The same with the beginning of stdout. */
static void expect_begins(int status, int wanted, const char *stdout_begin)
{
    if (status != wanted || strncmp(out(), stdout_begin, strlen(stdout_begin)) != 0)
        ck_abort_msg("status %d (not %d), stdout '%s', stderr '%s'; expected '%s'", status, wanted, out(),
                     err(), stdout_begin);
}

/* Runs a command of one argument until it prints this: the worker hears of clients' doings in its own time.
 */
static void expect_soon(const char *stdout_text, const char *verb, const char *argument)
{
    int64_t until = clock_mono_ms() + 10000;
    while (RUN(verb, argument), strcmp(out(), stdout_text) != 0)
        ck_assert_msg(clock_mono_ms() < until, "wsctl %s %s says '%s', not '%s'", verb, argument, out(),
                      stdout_text);
}

/* ---- JSON, as strictly as RFC 8259 ---- */

static const char *json_value(const char *p);

static const char *json_text(const char *p)
{
    for (p++; *p && *p != '"'; p++) {
        if ((unsigned char)*p < 0x20)
            return NULL;
        if (*p == '\\' && !strchr("\"\\/bfnrtu", *++p))
            return NULL;
    }
    return *p ? p + 1 : NULL;
}

static const char *json_list(const char *p, char close, bool members)
{
    if (*++p == close)
        return p + 1;
    for (;; p++) {
        if (members) {
            p = *p == '"' ? json_text(p) : NULL;
            if (!p || *p++ != ':')
                return NULL;
        }
        p = json_value(p);
        if (!p || (*p != ',' && *p != close))
            return NULL;
        if (*p == close)
            return p + 1;
    }
}

static const char *json_value(const char *p)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++)
        if (strncmp(p, words[i], strlen(words[i])) == 0)
            return p + strlen(words[i]);
    if (*p == '"')
        return json_text(p);
    if (*p == '[' || *p == '{')
        return json_list(p, *p == '[' ? ']' : '}', *p == '{');
    char *number_end;
    strtod(p, &number_end);
    return (*p == '-' || isdigit((unsigned char)*p)) && number_end > p ? number_end : NULL;
}

/* Stdout is `lines` JSON objects, a line each. */
static void expect_json_lines(int lines)
{
    const char *p = out();
    for (int i = 0; i < lines; i++) {
        const char *object_end = *p == '{' ? json_value(p) : NULL;
        if (!object_end || *object_end != '\n')
            ck_abort_msg("line %d is no JSON object: %s", i + 1, p);
        p = object_end + 1;
    }
    ck_assert_str_eq(p, "");
}

/* ---- the worker itself ---- */

START_TEST(ping)
{
    begin(NULL);
    expect_begins(RUN("ping"), 0, "PONG in ");
    expect(RUN("ping", "-q"), 0, "", NULL);
    expect_begins(RUN("--json", "ping"), 0, "{\"pong\":true,\"ms\":");
    expect_json_lines(1);
    char *path = strdup(socket_path);
    socket_path = "/nowhere/control.sock";
    expect_begins(RUN("ping", "--socket", path), 0, "PONG in ");
    free(path);
    end();
}
END_TEST

START_TEST(info)
{
    begin(NULL);
    expect(RUN("info"), 0, NULL, NULL);
    ck_assert_ptr_nonnull(strstr(out(), "redis_version:"));
    ck_assert_ptr_null(strstr(out(), "\\x"));
    expect(RUN("info", "--json"), 0, NULL, NULL);
    expect_json_lines(1);
    ck_assert_ptr_nonnull(strstr(out(), "\"redis_version\":\""));
    expect_begins(RUN("info", "clients"), 0, "# Clients");
    expect(RUN("info", "nosuch"), 1, "",
           "no section 'nosuch'; there are: server clients memory history stats cpu\n");
    end();
}
END_TEST

static void expect_no_worker(const char *because)
{
    int64_t began = clock_mono_ms();
    expect(RUN("send", "test", "x"), 3, "", because);
    ck_assert_int_lt(clock_mono_ms() - began, 5000);
    ck_assert_ptr_nonnull(strstr(err(), socket_path));
    if (strstr(site_program("wsctl"), "build/")) /* a tree's own wsctl names its `make run` */
        ck_assert_ptr_nonnull(strstr(err(), "make run"));
    ck_assert_ptr_nonnull(strstr(err(), "systemctl start wspushd"));
}

START_TEST(no_worker)
{
    static const char *const verbs[] = {"send",    "wait", "read", "count", "has",    "close",
                                        "console", "list", "info", "ping",  "refused"};
    begin(NULL);
    site_kill(site, SITE_WORKER);
    expect_no_worker("Connection refused");
    unlink(socket_path);
    expect_no_worker("No such file");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        expect(i < 7 ? RUN(verbs[i], "test") : RUN(verbs[i]), 3, "", "no worker on");
    expect(RUN_WITH("a\nb\n", 4, "send", "--lines", "test"), 3, "", "no worker on");
    site_begin(site, SITE_WORKER);
    expect_begins(RUN("send", "test", "x"), 0, "reached 0 clients");
    end();
}
END_TEST

/* The socket of the tree that wsctl was built in: TREE/build/wsctl, TREE/build/VARIANT/wsctl, and nowhere
 * else. */
START_TEST(own_tree)
{
    static const char *const places[] = {"tree/build/wsctl", "tree/build/asan/wsctl", "tree/bin/wsctl",
                                         "tree/build/a/b/wsctl"};
    site = site_start(&(struct site_options){.no_nginx = true, .no_responder = true, .no_worker = true});
    socket_path = NULL;
    unsetenv("WSPUSH_SOCKET");
    for (size_t i = 0; i < 4; i++) {
        char *output = NULL;
        site_write_file(site, places[i], "");
        const char *copy = site_path(site, places[i]);
        ck_assert_int_eq(
            site_run((const char *[]){"cp", site_program("wsctl"), copy, NULL}, NULL, NULL, 10000), 0);
        ck_assert_int_eq(chmod(copy, 0755), 0);
        ck_assert_int_eq(site_run((const char *[]){copy, "ping", NULL}, NULL, &output, 10000), 3);
        const char *socket = i < 2 ? site_path(site, "tree/run/control.sock") : "/run/wspush/control.sock";
        ck_assert_msg(strstr(output, socket) != NULL, "%s: %s", places[i], output);
        ck_assert_msg((strstr(output, "make run") != NULL) == (i < 2), "%s: %s", places[i], output);
        free(output);
    }
    site_stop(site);
}
END_TEST

/* ---- send ---- */

START_TEST(send_argument)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    struct wsclient *c = visit("/chat/");
    expect_begins(RUN("send", "test", "h\303\244llo"), 0, "reached 2 clients, id ");
    wsclient_expect_text(a, "h\303\244llo");
    wsclient_expect_text(b, "h\303\244llo");
    expect(RUN("send", "--client", "c3", "only you"), 0, "reached 1 client\n", NULL);
    wsclient_expect_text(c, "only you");
    expect(RUN("send", "--all", "everybody"), 0, "reached 3 clients\n", NULL);
    wsclient_expect_text(c, "everybody");
    expect(RUN("send", "-q", "chat", "quiet"), 0, "", NULL);
    wsclient_expect_text(c, "quiet");
    expect(RUN("send", "chat", "--", "--lines"), 0, NULL, NULL);
    wsclient_expect_text(c, "--lines");
    expect(RUN("send", "chat", "--", "-"), 0, NULL, NULL);
    wsclient_expect_text(c, "-");
    expect(RUN("send", "chat", ""), 0, NULL, NULL);
    wsclient_expect_text(c, "");
    expect(RUN("send", "chat", "{i}"), 0, NULL, NULL);
    wsclient_expect_text(c, "{i}");
    expect_begins(RUN("send", "--json", "chat", "j"), 0, "{\"recipients\":1,\"id\":\"");
    expect_json_lines(1);
    expect(RUN("send", "--json", "--client", "c3", "j"), 0, "{\"recipients\":1,\"id\":null}\n", NULL);
    wsclient_free(a);
    wsclient_free(b);
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(send_stdin_and_file)
{
    static const char bytes[] = "two\nlines\n";
    begin(NULL);
    struct wsclient *c = visit("/test/");
    expect(RUN_WITH(bytes, 10, "send", "test"), 0, NULL, NULL);
    wsclient_expect_text(c, bytes);
    expect(RUN_WITH(bytes, 10, "send", "test", "-"), 0, NULL, NULL);
    wsclient_expect_text(c, bytes);
    expect(RUN_WITH("", 0, "send", "test"), 0, NULL, NULL);
    wsclient_expect_text(c, "");
    site_write_file(site, "message", "from a file");
    expect(RUN("send", "test", "--file", site_path(site, "message")), 0, NULL, NULL);
    wsclient_expect_text(c, "from a file");
    expect(RUN("send", "test", "--file", "/nowhere"), 2, "", "/nowhere");
    expect(RUN_WITH("\0\377\n", 3, "send", "--binary", "test"), 0, NULL, NULL);
    wsclient_expect_binary(c, "\0\377\n", 3);
    expect(RUN_WITH("ab\377", 3, "send", "test"), 7, "", "byte 2");
    wsclient_expect_silence(c, 50);
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(send_large)
{
    size_t limit = 1 << 20;
    char *bytes = malloc(limit + 1);
    memset(bytes, 'x', limit + 1);
    begin(NULL);
    struct wsclient *c = visit("/test/");
    struct wsclient_received got;
    expect_begins(RUN_WITH(bytes, limit, "send", "test"), 0, "reached 1 client");
    ck_assert_int_eq(wsclient_recv_message(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
    ck_assert_uint_eq(got.len, limit);
    expect(RUN_WITH(bytes, limit + 1, "send", "test"), 7, "", "TOOBIG");
    wsclient_expect_silence(c, 50);
    ck_assert_int_eq(wsclient_send_binary(c, bytes, limit), 0);
    expect(RUN("wait", "test", "-t", "10s"), 0, NULL, NULL);
    ck_assert_uint_eq(last.said.len, limit + 1);
    wsclient_free(c);
    free(bytes);
    end();
}
END_TEST

START_TEST(send_to_nobody)
{
    begin(NULL);
    expect(RUN("send", "tset", "x"), 0, NULL, "no client on 'tset'; no client is connected at all\n");
    struct wsclient *clients[] = {visit("/chat/"), visit("/test/"), visit("/chat/"), visit("/test/"),
                                  visit("/chat/")};
    expect(RUN("send", "tset", "x"), 0, NULL, "no client on 'tset'; clients are on: test (2), chat (3)\n");
    expect_begins(RUN("send", "tset", "x"), 0, "reached 0 clients, id ");
    expect(RUN("send", "--strict", "tset", "x"), 1, NULL, "no client on 'tset'");
    expect(RUN("send", "-q", "tset", "x"), 0, "", NULL);
    expect(RUN("send", "--strict", "test", "x"), 0, NULL, NULL);
    expect(RUN("send", "--client", "c99", "x"), 1, "", "NOTARGET");
    wsclient_close(clients[0]);
    expect_soon("c2\nc3\nc4\nc5\n", "list", "-q");
    expect(RUN("send", "--client", "c1", "x"), 0, "reached 0 clients\n", "no client is '@client:c1'");
    for (int i = 1; i < 5; i++)
        wsclient_free(clients[i]);
    end();
}
END_TEST

START_TEST(send_again_and_again)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    int64_t began = clock_mono_ms();
    expect(RUN("send", "--count", "4", "--interval", "0.1", "test", "service message: {i} {i}"), 0, NULL,
           NULL);
    int64_t took = clock_mono_ms() - began;
    ck_assert_msg(took >= 300 && took < 3000, "three intervals took %ld ms", (long)took);
    for (int i = 1; i <= 4; i++) {
        char text[64];
        snprintf(text, sizeof text, "service message: %d %d", i, i);
        wsclient_expect_text(c, text);
    }
    expect(RUN("send", "--json", "-n2", "test", "x"), 0, NULL, NULL);
    expect_json_lines(2);
    expect(RUN("send", "-n3", "tset", "x"), 0, NULL, "no client on 'tset'");
    ck_assert_ptr_null(strstr(strstr(err(), "tset") + 1, "tset"));
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(send_with_receipt)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    expect_begins(RUN("send", "--wait", "test", "x"), 0, "handed 2 of 2 in ");
    expect_begins(RUN("send", "--wait=handed", "--timeout", "2", "test", "x"), 0, "handed 2 of 2 in ");
    ck_assert_ptr_null(strstr(out(), "id"));
    expect_begins(RUN("send", "--wait", "-v", "test", "x"), 0, "handed 2 of 2 in ");
    ck_assert_ptr_nonnull(strstr(out(), " ms; id 1"));
    expect(RUN("send", "--wait", "--json", "test", "x"), 0, NULL, NULL);
    expect_json_lines(1);
    ck_assert_ptr_nonnull(strstr(out(), "\"outcomes\":{\"handed\":2}"));
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

/* Two of three had it, c7 closed and c9 did not answer: the reply of a worker that was asked for `word`. */
static struct false_worker *begin_receipt(const char *word)
{
    char reply[200];
    snprintf(
        reply, sizeof reply,
        "*4\r\n:4\r\n$3\r\n1-9\r\n*6\r\n$%zu\r\n%s\r\n:2\r\n$7\r\ntimeout\r\n:1\r\n$6\r\nclosed\r\n:1\r\n"
        "*2\r\n*2\r\n$2\r\nc7\r\n$6\r\nclosed\r\n*2\r\n$2\r\nc9\r\n$7\r\ntimeout\r\n",
        strlen(word), word);
    return begin_false(reply);
}

START_TEST(receipt_with_failures)
{
    static const char *const said[][2] = {{"handed", "handed"}, {"ponged", "delivered"}, {"acked", "acked"}};
    for (size_t i = 0; i < 3; i++) {
        char option[32];
        char begins[32];
        struct false_worker *worker = begin_receipt(said[i][0]);
        snprintf(option, sizeof option, "--wait=%s", said[i][0]);
        snprintf(begins, sizeof begins, "%s 2 of 4 in ", said[i][1]);
        expect_begins(RUN("send", option, "test", "x"), 1, begins);
        ck_assert_ptr_nonnull(strstr(out(), " ms, 1 timed out, 1 closed\n"));
        ck_assert_str_eq(false_worker_argument(worker, 4, NULL), said[i][0]);
        expect_begins(RUN("send", option, "-v", "test", "x"), 1, begins);
        ck_assert_ptr_nonnull(strstr(out(), ", 1 closed; id 1-9\nc7 closed\nc9 timed out\n"));
        expect(RUN("send", option, "--json", "test", "x"), 1, NULL, NULL);
        expect_json_lines(1);
        ck_assert_ptr_nonnull(strstr(out(), "\"failed\":[{\"client\":\"c7\",\"outcome\":\"closed\"},"));
        expect(RUN("send", option, "-q", "test", "x"), 1, "", NULL);
        end_false(worker);
    }
}
END_TEST

/* A browser answers pings by itself; ours does when it reads. */
static void *hear_two(void *client)
{
    wsclient_expect_text(client, "x");
    wsclient_expect_text(client, "the end");
    return NULL;
}

START_TEST(send_until_ponged)
{
    pthread_t reader;
    begin_site();
    struct wsclient *a = visit("/test/");
    struct wsclient *deaf = visit("/test/");
    ck_assert_int_eq(pthread_create(&reader, NULL, hear_two, a), 0);
    expect_begins(RUN("send", "--wait=ponged", "--timeout", "0.3", "-v", "test", "x"), 1,
                  "delivered 1 of 2 in ");
    ck_assert_ptr_nonnull(strstr(out(), " ms, 1 timed out; id "));
    ck_assert_ptr_nonnull(strstr(out(), "\nc2 timed out\n"));
    expect_begins(RUN("send", "--wait=acked", "--client", "c2", "x"), 1, "acked 0 of 1 in ");
    ck_assert_ptr_nonnull(strstr(out(), " ms, 1 unsupported\n"));
    expect(RUN("send", "-q", "test", "the end"), 0, "", NULL);
    pthread_join(reader, NULL);
    wsclient_free(a);
    wsclient_free(deaf);
    end();
}
END_TEST

/* The worker's word is what counts: who is not in the outcomes was not reached. */
START_TEST(receipt_that_is_short)
{
    struct false_worker *worker = begin_false("*4\r\n:2\r\n$3\r\n1-9\r\n*2\r\n$6\r\nponged\r\n:1\r\n*0\r\n");
    expect_begins(RUN("send", "--wait=ponged", "test", "x"), 1, "delivered 1 of 2 in ");
    false_worker_answer(worker, "*2\r\n:2\r\n$3\r\n1-9\r\n");
    expect(RUN("send", "--wait=ponged", "test", "x"), 3, "", "gave no receipt");
    end_false(worker);
}
END_TEST

START_TEST(send_dry)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    struct wsclient *c = visit("/other/");
    expect_begins(RUN("send", "--dry-run", "test", "x"), 0, "CLIENT ");
    ck_assert_ptr_nonnull(strstr(out(), "\nc1 "));
    ck_assert_ptr_nonnull(strstr(out(), "\nc2 "));
    ck_assert_ptr_null(strstr(out(), "c3"));
    ck_assert_ptr_nonnull(strstr(out(), "\nwould reach 2 clients; nothing was sent\n"));
    expect(RUN("send", "--dry-run", "-q", "--all"), 0, "c1\nc2\nc3\n", NULL);
    expect(RUN("send", "--dry-run", "--json", "--client", "c3", "x"), 0, NULL, NULL);
    expect_json_lines(1);
    expect(RUN("send", "--dry-run", "tset", "x"), 0, "would reach 0 clients; nothing was sent\n",
           "no client on 'tset'");
    expect(RUN("send", "--dry-run", "--strict", "-q", "tset"), 1, "", NULL);
    expect(RUN("send", "--dry-run", "test", "a", "b"), 2, "", "'b' is one argument too many");
    expect(RUN("send", "--dry-run", "test", "--file", "/nowhere"), 2, "", "can't open /nowhere");
    wsclient_expect_silence(a, 0);
    expect(RUN("send", "-q", "--all", "the end"), 0, "", NULL);
    wsclient_expect_text(a, "the end");
    wsclient_free(a);
    wsclient_free(b);
    wsclient_free(c);
    end();
}
END_TEST

/* ---- send --lines ---- */

START_TEST(lines_are_messages)
{
    static const char input[] = "a\n\nb\0c\r\nlast";
    begin(NULL);
    struct wsclient *c = visit("/test/");
    expect_begins(RUN_WITH(input, sizeof input - 1, "send", "--lines", "test"), 0,
                  "4 lines sent, each to 1 client, last id ");
    wsclient_expect_text(c, "a");
    wsclient_expect_text(c, "");
    struct wsclient_received got;
    ck_assert_int_eq(wsclient_recv_message(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
    ck_assert_uint_eq(got.len, 4);
    ck_assert_mem_eq(got.payload, "b\0c\r", 4);
    wsclient_expect_text(c, "last");
    expect_begins(RUN_WITH("", 0, "send", "--lines", "test"), 0, "0 lines sent\n");
    expect_begins(RUN_WITH("\n", 1, "send", "--lines", "test"), 0, "1 line sent, to 1 client");
    wsclient_expect_text(c, "");
    site_write_file(site, "lines", "x\ny\n");
    expect(RUN("send", "--lines", "--json", "--file", site_path(site, "lines"), "test"), 0, NULL, NULL);
    expect_json_lines(1);
    ck_assert_ptr_nonnull(strstr(out(), "{\"lines\":2,\"fewest\":1,\"most\":1,\"unreached\":0,"));
    wsclient_expect_text(c, "x");
    wsclient_expect_text(c, "y");
    expect(RUN_WITH("a\nb\n", 4, "send", "--lines", "--strict", "tset"), 1, NULL,
           "no client on 'tset'; clients are on: test (1)");
    wsclient_free(c);
    end();
}
END_TEST

/* Lines go out when they come, not when 64 KiB have come. */
START_TEST(lines_as_they_come)
{
    struct program p;
    begin(NULL);
    struct wsclient *c = visit("/test/");
    START(&p, "send", "--lines", "test");
    type(&p, "one\ntw");
    wsclient_expect_text(c, "one");
    type(&p, "o\n");
    wsclient_expect_text(c, "two");
    ck_assert_int_eq(program_finish(&p), 0);
    program_fini(&p);
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(line_that_is_refused)
{
    begin("message_limit = 100\n");
    char input[300] = "good\n";
    memset(input + 5, 'x', 101);
    strcpy(input + 106, "\nbad \377\nnever\n");
    struct wsclient *c = visit("/test/");
    expect(RUN_WITH(input, strlen(input), "send", "--lines", "test"), 7, NULL, "At line 2: wsctl: TOOBIG");
    expect(RUN_WITH("1\nbad \377\nnever\n", 14, "send", "--lines", "test"), 7, NULL,
           "line 2: the text is not UTF-8 at byte 4");
    wsclient_expect_text(c, "good");
    wsclient_expect_text(c, "1");
    wsclient_expect_silence(c, 50);
    wsclient_free(c);
    end();
}
END_TEST

static int line_count(void)
{
    const char *clients = getenv("WSPUSH_CLIENTS");
    return clients && atoi(clients) < 1000 ? 5000 : 100000;
}

/* Line i: of many lengths, some empty. */
static size_t make_line(char *to, int i)
{
    static const char filler[] =
        "................................................................................";
    if (i % 1000 == 999)
        return 0;
    return (size_t)sprintf(to, "line %d %.*s", i, i % 80, filler);
}

struct reader {
    pthread_t thread;
    struct wsclient *client;
    int lines;      /* to come */
    int stop_after; /* then it reads nothing for a second; 0: never */
    char fault[200];
};

static void *read_lines(void *arg)
{
    struct reader *r = arg;
    char wanted[200];
    for (int i = 0; i < r->lines; i++) {
        struct wsclient_received got;
        enum wsclient_result result = wsclient_recv_message(r->client, &got, 60000);
        size_t len = make_line(wanted, i);
        if (r->stop_after && i == r->stop_after)
            sleep(1);
        if (result == WSCLIENT_GOT && got.opcode == WSCLIENT_TEXT && got.len == len &&
            memcmp(got.payload, wanted, len) == 0)
            continue;
        snprintf(r->fault, sizeof r->fault, "at line %d came %s, code %u, '%.60s'", i,
                 wsclient_result_name(result), got.code, result == WSCLIENT_GOT ? got.payload : "");
        return NULL;
    }
    return NULL;
}

static void pour_lines(int lines, int clients, int slow_ones)
{
    struct reader *readers = calloc((size_t)clients, sizeof *readers);
    struct buf input = {0};
    char line[200];
    for (int i = 0; i < lines; i++) {
        buf_add(&input, line, make_line(line, i));
        buf_addc(&input, '\n');
    }
    for (int i = 0; i < clients; i++) {
        readers[i].client = visit("/test/");
        readers[i].lines = lines;
        readers[i].stop_after = i < slow_ones ? lines / 2 : 0;
        ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, read_lines, &readers[i]), 0);
    }
    int status = RUN_WITH((const char *)input.data, input.len, "send", "--lines", "test");
    char wanted[100];
    snprintf(wanted, sizeof wanted, "%d lines sent, each to %d clients, ", lines, clients);
    expect_begins(status, 0, wanted);
    for (int i = 0; i < clients; i++) {
        pthread_join(readers[i].thread, NULL);
        ck_assert_msg(!readers[i].fault[0], "client %d: %s", i, readers[i].fault);
        wsclient_expect_silence(readers[i].client, i ? 0 : 100);
        wsclient_free(readers[i].client);
    }
    buf_fini(&input);
    free(readers);
}

START_TEST(lines_to_a_hundred)
{
    begin_threads(NULL, _i);
    pour_lines(line_count(), 100, 0);
    end();
}
END_TEST

/* Three clients, one of which stops reading for a second: wsctl waits, nobody is closed. */
START_TEST(lines_to_three)
{
    begin("out_slow = 64k\nout_limit = 256k\n");
    pour_lines(100000, 3, 1);
    end();
}
END_TEST

/* One that reads nothing holds the others up for 3 s, 1.5 s, ...: -t is not for that. */
START_TEST(lines_past_a_stuck_client)
{
    struct buf input = {0};
    char line[200];
    begin("out_slow = 8m\nout_limit = 16m\n");
    struct wsclient *stuck = visit("/test/");
    while (input.len < 1200000)
        buf_add(&input, line, (size_t)sprintf(line, "%0150zu\n", input.len));
    int64_t began = clock_mono_ms();
    expect_begins(RUN_WITH((const char *)input.data, input.len, "send", "--lines", "-t", "8", "test"), 0, "");
    int64_t took = clock_mono_ms() - began;
    ck_assert_msg(took > 2500 && took < 13000, "took %ld ms", (long)took);
    buf_fini(&input);
    wsclient_free(stuck);
    end();
}
END_TEST

static void expect_line(struct program *p, struct wsclient *c, const char *line)
{
    char text[64];
    snprintf(text, sizeof text, "%s\n", line);
    type(p, text);
    wsclient_expect_text(c, line);
}

/* It is for a worker that does not answer. */
START_TEST(lines_to_a_worker_that_stops)
{
    struct program p;
    begin(NULL);
    struct wsclient *c = visit("/test/");
    START(&p, "send", "--lines", "-t", "0.5", "test");
    expect_line(&p, c, "one");
    int64_t began = clock_mono_ms();
    site_signal(site, SITE_WORKER, SIGSTOP);
    type(&p, "two\n");
    int status = program_finish(&p);
    site_signal(site, SITE_WORKER, SIGCONT);
    ck_assert_int_eq(status, 3);
    ck_assert_int_lt(clock_mono_ms() - began, 10000);
    ck_assert_ptr_nonnull(strstr(buf_str(&p.complained), "At line 2: "));
    program_fini(&p);
    wsclient_free(c);
    end();
}
END_TEST

/* What failed is told line by line, and before the sum of it. */
START_TEST(lines_with_receipts)
{
    begin(NULL);
    struct wsclient *deaf = visit("/test/");
    expect(RUN_WITH("a\nb\n", 4, "send", "--lines", "--wait=acked", "-v", "test"), 1, NULL,
           "2 did not come through to every client.");
    ck_assert_ptr_nonnull(strstr(out(), "line 1: c1 unsupported\nline 2: c1 unsupported\n2 lines sent"));
    wsclient_free(deaf);
    end();
}
END_TEST

/* ---- wait, read, count, has ---- */

START_TEST(inbox)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    expect(RUN("has", "test"), 1, "no\n", NULL);
    expect(RUN("count", "test"), 0, "0\n", NULL);
    expect(RUN("read", "test"), 1, "", "no message to 'test' is waiting");
    int64_t began = clock_mono_ms();
    expect(RUN("wait", "test", "--timeout", "200ms"), 4, "", "no message to 'test' in that time");
    ck_assert_int_ge(clock_mono_ms() - began, 200);
    expect(RUN("wait", "-q", "test", "-t0.1"), 4, "", NULL);
    ck_assert_int_eq(wsclient_send_text(c, "[\"1\",\"2\",\"3\"]"), 0);
    ck_assert_int_eq(wsclient_send_binary(c, "\0\033[31m\377", 7), 0);
    ck_assert_int_eq(wsclient_send_text(c, "third \"quoted\"\n"), 0);
    expect(RUN("wait", "test"), 0, "[\"1\",\"2\",\"3\"]\n", NULL);
    expect_soon("2\n", "count", "test");
    expect(RUN("has", "test"), 0, "yes\n", NULL);
    expect(RUN("has", "-q", "test"), 0, "", NULL);
    expect(RUN("has", "--json", "test"), 0, "{\"has\":true}\n", NULL);
    expect(RUN("count", "--json", "test"), 0, "{\"count\":2}\n", NULL);
    expect(RUN("count", "--client", "c1"), 0, "2\n", NULL);
    expect(RUN("read", "test"), 0, NULL, NULL);
    ck_assert_uint_eq(last.said.len, 8);
    ck_assert_mem_eq(out(), "\0\033[31m\377\n", 8);
    expect_begins(RUN("read", "--json", "test"), 0,
                  "{\"client\":\"c1\",\"channel\":\"test\",\"type\":\"text\",\"data\":\"third "
                  "\\\"quoted\\\"\\n\",\"time\":");
    expect_json_lines(1);
    ck_assert_int_eq(wsclient_send_binary(c, "\1\2\3", 3), 0);
    expect_begins(RUN("wait", "--json", "test"), 0,
                  "{\"client\":\"c1\",\"channel\":\"test\",\"type\":\"binary\",\"b64\":\"AQID\",\"time\":");
    expect_json_lines(1);
    ck_assert_int_eq(wsclient_send_text(c, "for -v"), 0);
    expect_begins(RUN("wait", "-v", "test"), 0, "c1 on test at ");
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(a_closed_client)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    ck_assert_int_eq(wsclient_send_text(c, "last words"), 0);
    wsclient_close(c);
    expect_soon("", "list", "-q");
    expect(RUN("wait", "--client", "c1"), 0, "last words\n", NULL);
    expect(RUN("wait", "--client", "c1"), 5, "", "'@client:c1' is closed");
    expect(RUN("wait", "@client:c1", "-q"), 5, "", NULL);
    expect(RUN("read", "--client", "c1"), 5, "", "is closed");
    expect(RUN("read", "--client", "c77"), 1, "", "NOTARGET");
    expect(RUN("wait", "--client", "77"), 2, "", "'77' is not a client");
    expect(RUN("console", "--client", "c1"), 5, NULL, "is closed");
    end();
}
END_TEST

/* A wait that is broken off takes no message with it. */
START_TEST(interrupted_wait)
{
    struct program p;
    begin(NULL);
    struct wsclient *c = visit("/test/");
    START(&p, "wait", "test");
    program_listen(&p, 300);
    kill(p.pid, SIGINT);
    ck_assert_int_eq(program_finish(&p), 130);
    ck_assert_uint_eq(p.said.len + p.complained.len, 0);
    program_fini(&p);
    ck_assert_int_eq(wsclient_send_text(c, "kept"), 0);
    expect(RUN("wait", "test"), 0, "kept\n", NULL);
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(broken_pipe)
{
    struct program p;
    begin(NULL);
    START(&p, "send", "--count", "50", "--interval", "0.01", "test", "x");
    close(p.out);
    p.out = -1;
    ck_assert_int_eq(program_finish(&p), SIGNALLED + SIGPIPE);
    ck_assert_msg(!strstr(buf_str(&p.complained), "wsctl:"), "%s", buf_str(&p.complained));
    program_fini(&p);
    expect(RUN("ping", "-q"), 0, "", NULL);
    end();
}
END_TEST

/* A disk that is full is what it is called, also where more was asked after the write. */
START_TEST(full_disk)
{
    char *output = NULL;
    char command[300];
    begin(NULL);
    snprintf(command, sizeof command, "%s --socket %s send test x > /dev/full", site_program("wsctl"),
             socket_path);
    ck_assert_int_eq(site_run((const char *[]){"sh", "-c", command, NULL}, NULL, &output, 10000), 7);
    ck_assert_msg(strstr(output, "can't write: No space left on device\n") != NULL, "%s", output);
    free(output);
    end();
}
END_TEST

/* ---- a worker that is killed and comes back ---- */

START_TEST(worker_comes_back)
{
    struct program lines;
    struct program count;
    struct program wait;
    begin(NULL);
    struct wsclient *c = visit("/test/");
    START(&lines, "send", "--lines", "test");
    expect_line(&lines, c, "one");
    START(&count, "send", "--count", "3", "--interval", "0.7", "other", "{i}");
    START(&wait, "wait", "test", "--timeout", "20");
    expect_said(&count, &count.complained, "no client on 'other'");
    program_listen(&wait, 200);
    site_kill(site, SITE_WORKER);
    wsclient_free(c);
    type(&lines, "two\nthree\n");
    expect_said(&lines, &lines.complained, "The worker is gone; looking for it on ");
    expect_said(&count, &count.complained, "The worker is gone");
    expect_said(&wait, &wait.complained, "The worker is gone");
    site_begin(site, SITE_WORKER);
    expect_said(&lines, &lines.complained, "The worker is back on ");
    expect_said(&count, &count.complained, "The worker is back");
    expect_said(&wait, &wait.complained, "The worker is back");
    c = visit("/test/");
    expect_line(&lines, c, "four");
    ck_assert_int_eq(wsclient_send_text(c, "heard"), 0);
    ck_assert_int_eq(program_finish(&lines), 0);
    ck_assert_ptr_nonnull(strstr(buf_str(&lines.said), "4 lines sent, each to between 0 and 1 clients"));
    ck_assert_int_eq(program_finish(&count), 0);
    ck_assert_ptr_nonnull(strstr(buf_str(&count.said), "reached 0 clients"));
    ck_assert_int_eq(program_finish(&wait), 0);
    ck_assert_str_eq(buf_str(&wait.said), "heard\n");
    program_fini(&lines);
    program_fini(&count);
    program_fini(&wait);
    wsclient_free(c);
    end();
}
END_TEST

/* Killed with the question under way: nobody knows, so nothing goes again. */
START_TEST(worker_dies_on_us)
{
    struct program p;
    struct false_worker *worker = begin_false(NULL);
    START(&p, "send", "--count", "2", "test", "{i}");
    for (int64_t until = clock_mono_ms() + 5000; false_worker_count(worker) == 0;)
        ck_assert_msg(clock_mono_ms() < until, "no command came");
    false_worker_free(worker);
    ck_assert_int_eq(program_finish(&p), 3);
    ck_assert_ptr_nonnull(strstr(buf_str(&p.complained), "At message 1 of 2: "));
    ck_assert_ptr_nonnull(strstr(buf_str(&p.complained), "may have been published"));
    program_fini(&p);
    site_stop(site);
}
END_TEST

/* ---- list and close ---- */

START_TEST(list)
{
    begin(NULL);
    expect(RUN("list"), 0, "", "no client is connected");
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/%E6%88%BF%E9%97%B4");
    struct wsclient *c = visit("/test/");
    expect_begins(RUN("list"), 0, "CLIENT  ");
    ck_assert_ptr_nonnull(strstr(out(), "\nc1 "));
    ck_assert_ptr_nonnull(strstr(out(), "test/\346\210\277\351\227\264  raw"));
    expect(RUN("list", "-q"), 0, "c1\nc2\nc3\n", NULL);
    expect(RUN("list", "-q", "test"), 0, "c1\nc3\n", NULL);
    expect(RUN("list", "-q", "--client", "c2"), 0, "c2\n", NULL);
    expect(RUN("list", "--json"), 0, NULL, NULL);
    expect_json_lines(3);
    ck_assert_ptr_nonnull(strstr(out(), "{\"client\":\"c2\","));
    ck_assert_ptr_nonnull(strstr(out(), "\"channels\":[\"test/\346\210\277\351\227\264\"]"));
    expect(RUN("list", "tset"), 0, "", "no client on 'tset'; clients are on: test (2)");
    wsclient_free(a);
    wsclient_free(b);
    wsclient_free(c);
    end();
}
END_TEST

static struct wsclient *visit_as(const char *path, const char *user)
{
    char header[100];
    snprintf(header, sizeof header, "X-Wspush-User: %s\r\n", user);
    struct wsclient *c = wsclient_connect(front, path, header);
    ck_assert(wsclient_accepted(c));
    return c;
}

START_TEST(presence)
{
    begin(NULL);
    expect(RUN("presence", "test"), 0, "", "no client on 'test'; no client is connected at all");
    struct wsclient *nobody = visit("/test/");
    expect(RUN("presence", "test"), 0, "",
           "wsctl: no user is on 'test': nginx names nobody there ($wspush_user); clients without a name: 1");
    expect(RUN("presence", "tset"), 0, "", "no client on 'tset'; clients are on: test (1)");
    struct wsclient *bob = visit_as("/test/", "bob");
    struct wsclient *alice = visit_as("/test/", "alice");
    struct wsclient *twice = visit_as("/test/", "bob");
    struct wsclient *elsewhere = visit_as("/test/other", "bob");
    expect_begins(RUN("presence", "test"), 0, "USER   CLIENTS  SINCE\nbob    c2,c4       ");
    ck_assert_ptr_nonnull(strstr(out(), "\nalice  c3          "));
    expect(RUN("presence", "-q", "test"), 0, "bob\nalice\n", NULL);
    expect(RUN("presence", "--json", "test"), 0, NULL, NULL);
    expect_json_lines(2);
    expect_begins(RUN("presence", "--json", "test"), 0,
                  "{\"user\":\"bob\",\"clients\":[\"c2\",\"c4\"],\"since\":17");
    wsclient_close(twice);
    wsclient_close(bob);
    expect(RUN("presence", "-q", "test/other"), 0, "bob\n", NULL);
    int64_t until = clock_mono_ms() + 10000;
    while (RUN("presence", "-q", "test"), strcmp(out(), "alice\n") != 0)
        ck_assert_msg(clock_mono_ms() < until, "still: %s", out());
    expect(RUN("presence"), 2, "", "a channel is missing");
    expect(RUN("presence", "@user:bob"), 2, "", "presence is a channel's; @user:bob is none");
    expect(RUN("presence", "a//b"), 2, "", "BADNAME");
    expect(RUN("presence", "a", "b"), 2, "", "'b' is one argument too many");
    wsclient_free(nobody);
    wsclient_free(alice);
    wsclient_free(elsewhere);
    end();
}
END_TEST

/* By number, in whatever order the worker names them, and whatever they are called. */
START_TEST(list_in_order)
{
    struct false_worker *worker =
        begin_false("*4\r\n*2\r\n$6\r\nclient\r\n$3\r\nc10\r\n*2\r\n$6\r\nclient\r\n$2\r\nc9\r\n"
                    "*2\r\n$6\r\nclient\r\n$2\r\nc2\r\n*4\r\n$6\r\nclient\r\n$3\r\nc11\r\n"
                    "$4\r\nuser\r\n$3\r\na\033b\r\n");
    expect(RUN("list", "-q"), 0, "c2\nc9\nc10\nc11\n", NULL);
    expect_begins(RUN("list"), 0, "CLIENT  USER    CHANNELS  ");
    ck_assert_ptr_nonnull(strstr(out(), "\nc11     a\\x1bb  -  "));
    end_false(worker);
}
END_TEST

START_TEST(close_clients)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    struct wsclient *c = visit("/chat/");
    expect(RUN("close", "tset", "--json"), 0, "{\"closing\":0}\n",
           "no client on 'tset'; clients are on: test (2)");
    expect(RUN("close", "tset", "--strict"), 1, "closing 0 clients\n", "no client on 'tset'");
    expect(RUN("close", "--client", "c9"), 1, "", "NOTARGET");
    expect(RUN("close", "test", "12"), 2, "", "not a close code");
    static const char *const bad_codes[] = {"999", "1004", "1007", "1015", "2999", "5000", "x"};
    for (size_t i = 0; i < sizeof bad_codes / sizeof *bad_codes; i++)
        expect(RUN("close", "test", bad_codes[i]), 2, "", "not a close code");
    char reason[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
        "456789012345678901234567890123";
    expect(RUN("close", "test", "1000", reason), 2, "", "longer than 123 bytes");
    reason[123] = '\0';
    expect(RUN("close", "tset", "1014", reason), 0, "closing 0 clients\n", "no client on 'tset'");
    expect(RUN("close", "test"), 0, "closing 2 clients\n", NULL);
    ck_assert_str_eq(wsclient_expect_close(a, 1000), "");
    wsclient_expect_close(b, 1000);
    expect(RUN("close", "--strict", "--client", "c3", "4001", "go \303\244way"), 0, "closing 1 client\n",
           NULL);
    ck_assert_str_eq(wsclient_expect_close(c, 4001), "go \303\244way");
    wsclient_free(a);
    wsclient_free(b);
    wsclient_free(c);
    end();
}
END_TEST

/* ---- console ---- */

static const char prompt[] = "Please enter information: ";

START_TEST(console_conversation)
{
    struct program p;
    begin_site();
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    START(&p, "console", "test");
    expect_said(&p, &p.said, prompt);
    type(&p, "too early\n");
    expect_said(&p, &p.complained,
                "nobody has spoken yet, so nothing was sent; --channel sends to all of test\n");
    expect_said(&p, &p.said, prompt);
    ck_assert_int_eq(wsclient_send_text(a, "[\"1\",\"2\",\"3\"]"), 0);
    expect_said(&p, &p.said, "\nc1: [\"1\",\"2\",\"3\"]\n");
    expect_said(&p, &p.said, prompt);
    type(&p, "hello a\n");
    wsclient_expect_text(a, "hello a");
    expect_said(&p, &p.said, "-> c1\n");
    ck_assert_int_eq(wsclient_send_binary(b, "\0\033", 2), 0);
    expect_said(&p, &p.said, "\nc2: (binary, 2 bytes) \\x00\\x1b\n");
    type(&p, "hello b\n\nagain\n");
    wsclient_expect_text(b, "hello b");
    wsclient_expect_text(b, "again");
    wsclient_expect_silence(a, 0);
    wsclient_close(b);
    expect_soon("c1\n", "list", "-q");
    type(&p, "lost\n");
    expect_said(&p, &p.complained, "c2 has closed its connection meanwhile; nothing was sent\n");
    type(&p, "lost too\n");
    expect_said(&p, &p.complained, "nobody has spoken since");
    ck_assert_int_eq(wsclient_send_text(a, "me"), 0);
    expect_said(&p, &p.said, "\nc1: me\n");
    type(&p, "bad \377\n");
    expect_said(&p, &p.complained, "not UTF-8");
    type(&p, "no newline at the end");
    ck_assert_int_eq(program_finish(&p), 7);
    wsclient_expect_text(a, "no newline at the end");
    program_fini(&p);
    wsclient_free(a);
    end();
}
END_TEST

START_TEST(console_to_the_channel)
{
    struct program p;
    begin_site();
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    ck_assert_int_eq(wsclient_send_text(a, "before it began"), 0);
    expect_soon("1\n", "count", "test");
    START(&p, "console", "--channel", "test");
    expect_said(&p, &p.said, "c1: before it began\n");
    expect_said(&p, &p.said, prompt);
    type(&p, "to both\n");
    wsclient_expect_text(a, "to both");
    wsclient_expect_text(b, "to both");
    expect_said(&p, &p.said, "-> test, 2 clients\n");
    ck_assert_int_eq(program_finish(&p), 0);
    program_fini(&p);
    expect(RUN_WITH("once\n", 5, "console", "-c", "tset"), 0, NULL,
           "no client on 'tset'; clients are on: test (2)");
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

START_TEST(console_json)
{
    struct program p;
    begin(NULL);
    struct wsclient *a = visit("/test/");
    START(&p, "console", "--json", "test");
    ck_assert_int_eq(wsclient_send_text(a, "x"), 0);
    expect_said(&p, &p.said,
                "{\"client\":\"c1\",\"channel\":\"test\",\"type\":\"text\",\"data\":\"x\",\"time\":");
    expect_said(&p, &p.said, "}\n");
    type(&p, "answer\n");
    wsclient_expect_text(a, "answer");
    ck_assert_int_eq(program_finish(&p), 0);
    ck_assert_uint_eq(p.said.len, 0);
    program_fini(&p);
    wsclient_free(a);
    end();
}
END_TEST

/* The worker is killed and comes back: the console goes on. */
START_TEST(console_stays)
{
    struct program p;
    begin(NULL);
    START(&p, "console", "test");
    expect_said(&p, &p.said, prompt);
    site_kill(site, SITE_WORKER);
    expect_said(&p, &p.complained, "The worker is gone");
    site_begin(site, SITE_WORKER);
    expect_said(&p, &p.complained, "The worker is back");
    struct wsclient *a = visit("/test/");
    ck_assert_int_eq(wsclient_send_text(a, "hi"), 0);
    expect_said(&p, &p.said, "\nc1: hi\n");
    type(&p, "answer\n");
    wsclient_expect_text(a, "answer");
    ck_assert_int_eq(program_finish(&p), 0);
    program_fini(&p);
    wsclient_free(a);
    end();
}
END_TEST

/* ---- on a terminal ---- */

/* What wsctl writes to a terminal. */
static void run_on_terminal(struct buf *text, const char *no_color, const char *const *args)
{
    int fd;
    pid_t pid = forkpty(&fd, NULL, NULL, NULL);
    if (pid == 0) {
        setenv("TERM", "xterm", 1);
        if (no_color)
            setenv("NO_COLOR", no_color, 1);
        else
            unsetenv("NO_COLOR");
        if (socket_path)
            setenv("WSPUSH_SOCKET", socket_path, 1);
        execv(args[0], (char *const *)(uintptr_t)args);
        _exit(127);
    }
    buf_clear(text);
    ssize_t n;
    while ((n = read(fd, buf_reserve(text, 4096), 4096)) > 0)
        text->len += (size_t)n;
    close(fd);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(terminal_is_not_driven)
{
    struct buf text = {0};
    begin(NULL);
    struct wsclient *c = visit("/test/");
    ck_assert_int_eq(wsclient_send_text(c, "x\302\2331m\342\200\256"), 0);
    run_on_terminal(&text, NULL, ARGS("wait", "--json", "test"));
    ck_assert_ptr_nonnull(strstr(buf_str(&text), "\"x\\u009b1m\\u202e\""));
    ck_assert_int_eq(wsclient_send_text(c, "evil \033]0;title\007\n\302\233m \303\244"), 0);
    run_on_terminal(&text, NULL, ARGS("wait", "test"));
    ck_assert_str_eq(buf_str(&text), "evil \\x1b]0;title\\x07\\x0a\\xc2\\x9bm \303\244\r\n");
    run_on_terminal(&text, NULL, ARGS("list"));
    ck_assert_ptr_nonnull(strstr(buf_str(&text), "\033[1mCLIENT\033[0m"));
    run_on_terminal(&text, "1", ARGS("list"));
    ck_assert_ptr_null(strchr(buf_str(&text), '\033'));
    run_on_terminal(&text, "", ARGS("list"));
    ck_assert_ptr_nonnull(strchr(buf_str(&text), '\033'));
    buf_fini(&text);
    wsclient_free(c);
    end();
}
END_TEST

/* ---- errors, usage, help ---- */

START_TEST(error_replies)
{
    static const struct {
        const char *reply;
        int status;
        const char *text;
    } cases[] = {
        {"-NOPERM not you\r\n", 6, "NOPERM not you"},
        {"-NOAUTH\r\n", 6, "NOAUTH"},
        {"-BADNAME it is empty\r\n", 2, "BADNAME it is empty"},
        {"-NOTARGET no c9\r\n", 1, "NOTARGET no c9"},
        {"-TIMEOUT of the store\r\n", 4, "TIMEOUT of the store"},
        {"-ERR \033[31mred\r\n", 7, "ERR \\x1b[31mred"},
        {"-TOOBIG limit 10\r\n", 7, "TOOBIG limit 10"},
        {"-BUSY later\r\n", 7, "BUSY later"},
        {"-ENGINEDOWN gone\r\n", 7, "may have been published"},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 3, "not a worker's"},
        {"+OK\r\n", 3, "not a worker's"},
        {"*2\r\n:1\r\n", 3, "does not answer"},
    };
    struct false_worker *worker = begin_false("+PONG\r\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        false_worker_answer(worker, cases[i].reply);
        int64_t began = clock_mono_ms();
        expect(RUN("send", "test", "x"), cases[i].status, "", cases[i].text);
        ck_assert_int_lt(clock_mono_ms() - began, 5000);
    }
    ck_assert_int_eq(false_worker_count(worker), (int)(sizeof cases / sizeof *cases));
    false_worker_answer(worker, NULL);
    expect(RUN("send", "test", "x"), 3, "", "may have been published");
    expect(RUN_WITH("x\n", 2, "send", "--lines", "test"), 3, "", "does not answer");
    false_worker_answer(worker, "*1\r\n$7\r\ntimeout\r\n");
    expect(RUN("wait", "test"), 4, "", "no message to 'test'");
    end_false(worker);
}
END_TEST

START_TEST(no_permission)
{
    begin(NULL);
    ck_assert_int_eq(chmod(socket_path, 0), 0);
    if (geteuid() == 0) {
        /* root may open everything: as nobody, from a place that nobody may look into */
        ck_assert_int_eq(chmod(site_dir(site), 0755), 0);
        char *output = NULL;
        const char *const as_nobody[] = {"setpriv",
                                         "--reuid=65534",
                                         "--regid=65534",
                                         "--clear-groups",
                                         site_program("wsctl"),
                                         "--socket",
                                         socket_path,
                                         "ping",
                                         NULL};
        ck_assert_int_eq(site_run(as_nobody, NULL, &output, 10000), 6);
        ck_assert_msg(strstr(output, "Permission denied") != NULL, "%s", output);
        free(output);
    } else {
        expect(RUN("ping"), 6, "", "Permission denied");
    }
    end();
}
END_TEST

START_TEST(bad_names)
{
    static const char *const names[] = {"",    "a b",        "a//b",     "a/../b", "a?b",
                                        "a#b", "@nothing:x", "\033[31m", "\377"};
    begin(NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        expect(RUN("send", names[i], "x"), 2, "", "BADNAME");
        ck_assert_ptr_null(strchr(err(), '\033'));
        expect(RUN("wait", names[i], "-t1"), 2, "", "BADNAME");
    }
    end();
}
END_TEST

START_TEST(usage)
{
    socket_path = "/nowhere/control.sock";
    expect(run_with("", 0, (const char *const[]){site_program("wsctl"), NULL}), 2, "",
           "a command is missing");
    expect(RUN("sned", "test"), 2, "", "did you mean 'send'?");
    expect(RUN("\033[31m"), 2, "", "\\x1b[31m");
    expect(RUN("send"), 2, "", "a target is missing");
    expect(RUN("send", "test", "hello", "world"), 2, "", "'world' is one argument too many");
    expect(RUN("send", "test", "-x"), 2, "", "there is no option -x; put --");
    expect(RUN("send", "test", "--line"), 2, "", "there is no option --line; put --");
    expect(RUN("send", "test", "--lines=3"), 2, "", "--lines takes no value");
    expect(RUN("send", "test", "--count"), 2, "", "--count needs a value");
    expect(RUN("send", "test", "-n"), 2, "", "-n needs a value");
    expect(RUN("send", "test", "x", "--count", "0"), 2, "", "'0' is not a number of messages");
    expect(RUN("send", "test", "x", "--count", "1x"), 2, "", "'1x' is not a number of messages");
    expect(RUN("send", "test", "x", "-n2", "-i", "fast"), 2, "", "'fast' is not a time");
    expect(RUN("send", "test", "x", "-i", "1"), 2, "", "--interval is for --count or --lines");
    expect(RUN("send", "test", "--lines", "-n2"), 2, "", "--count and --lines");
    expect(RUN("send", "test", "x", "--lines"), 2, "", "a MESSAGE and --lines");
    expect(RUN("send", "test", "x", "--file", "f"), 2, "", "a MESSAGE and --file");
    expect(RUN("send", "test", "x", "--wait=seen"), 2, "", "--wait=seen is not");
    expect(RUN("send", "test", "x", "--wait="), 2, "", "--wait= needs a value: handed|ponged|acked");
    expect(RUN("send", "--wait", "ponged", "test"), 2, "", "write --wait=ponged; or put --");
    expect(RUN("send", "--wait", "test", "x", "-t", "0"), 2, "", "--timeout 0 leaves no time");
    static const char *const inboxes[] = {"wait", "read", "count", "has", "console"};
    for (size_t i = 0; i < sizeof inboxes / sizeof *inboxes; i++) {
        expect(RUN(inboxes[i], "@all"), 2, "", "@all has no inbox: an inbox belongs to a channel");
        expect(RUN(inboxes[i], "--all"), 2, "", "there is no --all here: an inbox belongs to a channel");
        expect_begins(RUN(inboxes[i], "--help"), 0, "Usage: wsctl ");
        ck_assert_ptr_null(strstr(out(), "@all"));
    }
    expect(RUN("wait", "test", "-x"), 2, "", "there is no option -x\n");
    expect(RUN("send", "--client", "c1", "--all", "x"), 2, "", "--client and --all");
    expect(RUN("send", "--client", "x1", "x"), 2, "", "'x1' is not a client");
    expect(RUN("wait", "test", "-t", "soon"), 2, "", "'soon' is not a time");
    expect(RUN("ping", "x"), 2, "", "one argument too many");
    expect(RUN("--count", "3", "send"), 2, "", "there is no option --count");
    expect(RUN("help", "sned"), 2, "", "there is no command 'sned'; did you mean 'send'?\n(wsctl help tells");
    expect(RUN("help", "xyzzy"), 2, "", "there is no command 'xyzzy'\n(wsctl help tells more)");
}
END_TEST

START_TEST(help)
{
    static const char *const verbs[] = {"send", "wait", "read", "count",   "has",  "close",
                                        "list", "ping", "info", "console", "each", "help"};
    socket_path = "/nowhere/control.sock";
    expect_begins(RUN("--help"), 0, "Usage: wsctl [OPTIONS] COMMAND");
    char *whole = strdup(out());
    expect(RUN("help"), 0, whole, NULL);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        char text[64];
        snprintf(text, sizeof text, "\n  %s ", verbs[i]);
        ck_assert_msg(strstr(whole, text) != NULL, "%s is not in the list", verbs[i]);
        snprintf(text, sizeof text, "Usage: wsctl %s ", verbs[i]);
        expect_begins(RUN(verbs[i], "--help"), 0, text);
        char *own = strdup(out());
        expect(RUN("help", verbs[i]), 0, own, NULL);
        expect(RUN("-h", verbs[i]), 0, own, NULL);
        free(own);
    }
    free(whole);
    expect_begins(RUN("help", "send"), 0, "Usage: wsctl send [OPTIONS] TARGET [MESSAGE]\n");
    ck_assert_ptr_nonnull(strstr(out(), "--interval TIME"));
    char *version = site_read_file("VERSION", NULL);
    char line[64];
    snprintf(line, sizeof line, "wsctl %s", version);
    expect(RUN("--version"), 0, line, NULL);
    free(version);
}
END_TEST

static void clean(void)
{
    program_fini(&last);
}

static TCase *tcase(Suite *suite, const char *name, double seconds)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, seconds);
    tcase_add_checked_fixture(tc, NULL, clean);
    suite_add_tcase(suite, tc);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("wsctl");
    last = (struct program){.in = -1, .out = -1, .err = -1};
    TCase *tc = tcase(suite, "commands", 60);
    tcase_add_test(tc, ping);
    tcase_add_test(tc, info);
    tcase_add_test(tc, no_worker);
    tcase_add_test(tc, own_tree);
    tcase_add_test(tc, send_argument);
    tcase_add_test(tc, send_stdin_and_file);
    tcase_add_test(tc, send_large);
    tcase_add_test(tc, send_to_nobody);
    tcase_add_test(tc, send_again_and_again);
    tcase_add_test(tc, send_with_receipt);
    tcase_add_test(tc, receipt_with_failures);
    tcase_add_test(tc, send_until_ponged);
    tcase_add_test(tc, receipt_that_is_short);
    tcase_add_test(tc, send_dry);
    tcase_add_test(tc, lines_past_a_stuck_client);
    tcase_add_test(tc, lines_to_a_worker_that_stops);
    tcase_add_test(tc, lines_with_receipts);
    tcase_add_test(tc, inbox);
    tcase_add_test(tc, a_closed_client);
    tcase_add_test(tc, interrupted_wait);
    tcase_add_test(tc, broken_pipe);
    tcase_add_test(tc, full_disk);
    tcase_add_test(tc, worker_comes_back);
    tcase_add_test(tc, worker_dies_on_us);
    tcase_add_test(tc, list);
    tcase_add_test(tc, presence);
    tcase_add_test(tc, list_in_order);
    tcase_add_test(tc, close_clients);
    tcase_add_test(tc, terminal_is_not_driven);
    tcase_add_test(tc, error_replies);
    tcase_add_test(tc, no_permission);
    tcase_add_test(tc, bad_names);
    tcase_add_test(tc, usage);
    tcase_add_test(tc, help);
    tc = tcase(suite, "console", 60);
    tcase_add_test(tc, console_conversation);
    tcase_add_test(tc, console_to_the_channel);
    tcase_add_test(tc, console_json);
    tcase_add_test(tc, console_stays);
    tc = tcase(suite, "lines", 170);
    tcase_add_test(tc, lines_are_messages);
    tcase_add_test(tc, lines_as_they_come);
    tcase_add_test(tc, line_that_is_refused);
    tcase_add_loop_test(tc, lines_to_a_hundred, 1, 3);
    tcase_add_test(tc, lines_to_three);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
