/*
 * wsctl each: a command for every message, through the real nginx. The commands are shell lines; they and
 * wsctl run in the site's directory, and what wsctl says is in its file each.out.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "site.h"
#include "wsclient.h"

enum { WAIT_MS = 15000, ARGS_MAX = 24 };

static struct site *site;
static pid_t each_pid;
static rlim_t files_max; /* of wsctl; 0: as many as we */

static void begin(const struct site_options *options)
{
    site = site_start(options);
    setenv("WSPUSH_SOCKET", site_control(site) + strlen("unix:"), 1);
    unlink(site_path(site, "each.out"));
}

static void end(void)
{
    site_stop(site);
}

static struct wsclient *visit(const char *path)
{
    return wsclient_open(site_http(site), path);
}

static void say(struct wsclient *c, const char *text)
{
    ck_assert_int_eq(wsclient_send_text(c, text), 0);
}

/* ---- running it ---- */

static void child_runs(const char *program, const char *const *args)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int out = open(site_path(site, "each.out"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    if (files_max)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){files_max, files_max});
    if (chdir(site_dir(site)) == 0)
        execv(program, (char *const *)(uintptr_t)args);
    _exit(127);
}

/* START("--count", "2", "test", "--", "cat") */
#define START(...) start((const char *const[]){"wsctl", "each", __VA_ARGS__, NULL})

static void start(const char *const *args)
{
    char program[PATH_MAX];
    ck_assert_ptr_nonnull(realpath(site_program("wsctl"), program));
    fflush(NULL);
    each_pid = fork();
    if (each_pid == 0)
        child_runs(program, args);
    ck_assert_int_gt(each_pid, 0);
}

/* What it has said so far; free it. */
static char *said(void)
{
    char *text = site_read_file(site_path(site, "each.out"), NULL);
    return text ? text : strdup("");
}

static bool has_said(void *text)
{
    char *all = said();
    bool found = strstr(all, text) != NULL;
    free(all);
    return found;
}

static void expect_said(const char *text)
{
    if (!site_until(has_said, (void *)(uintptr_t)text, WAIT_MS))
        ck_abort_msg("wsctl did not say '%s', but: %s", text, said());
}

static bool exists(void *name)
{
    return access(site_path(site, name), F_OK) == 0;
}

static void expect_file(const char *name)
{
    if (!site_until(exists, (void *)(uintptr_t)name, WAIT_MS))
        ck_abort_msg("there is no %s; wsctl said: %s", name, said());
}

static bool has_ended(void *status)
{
    return waitpid(each_pid, status, WNOHANG) == each_pid;
}

/* It ends with this status, having said just this (NULL: anything). */
static void expect_end(int status, const char *text)
{
    int how = 0;
    if (!site_until(has_ended, &how, WAIT_MS)) {
        kill(each_pid, SIGKILL);
        ck_abort_msg("wsctl each does not end; it said: %s", said());
    }
    char *all = said();
    ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == status, "status %#x: %s", (unsigned)how, all);
    if (text)
        ck_assert_str_eq(all, text);
    free(all);
}

/* Runs wsctl to its end; its output has to be this. */
static void expect_wsctl(const char *output, const char *verb, const char *arg)
{
    char *text = NULL;
    site_run((const char *[]){site_program("wsctl"), verb, arg, NULL}, NULL, &text, WAIT_MS);
    ck_assert_str_eq(text, output);
    free(text);
}

/* ---- messages and answers ---- */

/* The next message is a text of these bytes. */
static void expect_bytes(struct wsclient *c, const void *bytes, size_t len)
{
    struct wsclient_received got;
    ck_assert_int_eq(wsclient_recv_message(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
    ck_assert_uint_eq(got.opcode, WSCLIENT_TEXT);
    ck_assert_uint_eq(got.len, len);
    ck_assert_mem_eq(got.payload, bytes, len);
}

START_TEST(answers)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    say(a, "h\303\244llo from a");
    START("--count", "3", "test", "--", "tr", "a-z", "A-Z");
    wsclient_expect_text(a, "H\303\244LLO FROM A");
    say(b, "from b\n");
    wsclient_expect_text(b, "FROM B");
    say(a, "again");
    wsclient_expect_text(a, "AGAIN");
    expect_end(0, "");
    wsclient_expect_silence(b, 0);
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

START_TEST(environment)
{
    begin(&(struct site_options){.server = "location ^~ /as/ {\n  set $wspush_user $arg_user;\n"
                                           "  include snippets/wspush-page.conf;\n}\n"});
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/as/\346\210\277/?user=alice");
    START("--count", "4", "test", "--", "sh", "-c",
          "cat; echo \" $WSPUSH_CLIENT $WSPUSH_CHANNEL [$WSPUSH_USER] $WSPUSH_TYPE\"");
    say(a, "hi");
    wsclient_expect_text(a, "hi c1 test [] text");
    ck_assert_int_eq(wsclient_send_binary(a, "\0", 1), 0);
    expect_bytes(a, "\0 c1 test [] binary", 19);
    kill(each_pid, SIGTERM);
    expect_end(0, "");
    START("--count", "1", "--client", "c2", "--", "sh", "-c",
          "echo \"$WSPUSH_CLIENT $WSPUSH_CHANNEL $WSPUSH_USER\"; cat >message");
    say(b, "x");
    wsclient_expect_text(b, "c2 as/\346\210\277 alice");
    expect_end(0, "");
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

/* A command may ask and answer by itself, with a wsctl that needs no --socket. */
START_TEST(wsctl_within)
{
    char command[PATH_MAX + 100];
    char program[PATH_MAX];
    char socket[200];
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    ck_assert_ptr_nonnull(realpath(site_program("wsctl"), program));
    snprintf(socket, sizeof socket, "%s", getenv("WSPUSH_SOCKET"));
    setenv("WSPUSH_SOCKET", "/nowhere", 1);
    snprintf(command, sizeof command, "%s -q send test -", program);
    START("--socket", socket, "--count", "1", "test", "--", "sh", "-c", command);
    say(a, "to all");
    wsclient_expect_text(a, "to all");
    wsclient_expect_text(b, "to all");
    expect_end(0, "");
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

START_TEST(what_is_an_answer)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    START("test", "--", "sh", "-c", "eval \"$(cat)\"");
    say(c, "true");
    say(c, "echo");
    say(c, "printf 'no newline'");
    wsclient_expect_text(c, "no newline");
    say(c, "printf 'two\\n\\n'");
    wsclient_expect_text(c, "two\n");
    say(c, "printf 'a\\000b'");
    expect_bytes(c, "a\0b", 3);
    say(c, "printf '\\377\\n'");
    wsclient_expect_binary(c, "\377\n", 2);
    say(c, "echo to the log >&2");
    expect_said("to the log\n");
    wsclient_expect_silence(c, 0);
    kill(each_pid, SIGINT);
    expect_end(0, "to the log\n");
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(large_messages)
{
    static char text[900001];
    begin(NULL);
    struct wsclient *c = visit("/test/");
    memset(text, 'x', sizeof text - 1);
    START("--count", "2", "test", "--", "sh", "-c", "[ -e second ] && exec cat; touch second");
    say(c, text); /* it is not read */
    expect_file("second");
    say(c, text); /* the inbox has room for one at a time */
    wsclient_expect_text(c, text);
    expect_end(0, "");
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(empty_messages)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    START("--count", "1", "test", "--", "wc", "-c");
    say(a, "");
    wsclient_expect_text(a, "0");
    expect_end(0, "");
    START("--close-on-empty", "--count", "3", "test", "--", "sh", "-c", "sleep 0.2; cat");
    say(a, "last words");
    say(a, "");
    wsclient_expect_text(a, "last words");
    wsclient_expect_close(a, 1000);
    say(b, "still here");
    wsclient_expect_text(b, "still here");
    expect_end(0, "");
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

/* ---- how many at a time ---- */

/* Two clients' commands meet, and one client's never do. */
START_TEST(parallel)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    START("--count", "2", "--parallel", "2", "test", "--", "sh", "-c",
          "touch $WSPUSH_CLIENT; until [ -e c1 ] && [ -e c2 ]; do sleep 0.01; done; echo met");
    say(a, "x");
    say(b, "x");
    wsclient_expect_text(a, "met");
    wsclient_expect_text(b, "met");
    expect_end(0, "");
    START("--count", "4", "--parallel", "1", "test", "--", "sh", "-c",
          "mkdir busy || exit 9; sleep 0.05; rmdir busy; echo alone");
    for (int i = 0; i < 2; i++) {
        say(a, "x");
        say(b, "x");
    }
    for (int i = 0; i < 2; i++) {
        wsclient_expect_text(a, "alone");
        wsclient_expect_text(b, "alone");
    }
    expect_end(0, "");
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

/* The first of a client's commands take the longest, and their answers come first. */
START_TEST(order_within_a_client)
{
    enum { MESSAGES = 90 };
    char text[32];
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(text, sizeof text, "%d", i);
        say(a, text);
    }
    START("--count", "91", "--parallel", "8", "test", "--", "sh", "-c",
          "mkdir $WSPUSH_CLIENT || exit 9; read n; [ $n -gt 3 ] || sleep 0.1; rmdir $WSPUSH_CLIENT; echo $n");
    say(b, "0");
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(text, sizeof text, "%d", i);
        wsclient_expect_text(a, text);
    }
    wsclient_expect_text(b, "0");
    expect_end(0, "");
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

/* ---- commands that go wrong ---- */

START_TEST(exit_codes)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    START("--count", "3", "test", "--", "sh", "-c", "eval \"$(cat)\"");
    say(c, "echo sent all the same; exit 3");
    wsclient_expect_text(c, "sent all the same");
    say(c, "echo not sent; kill -SEGV $$");
    say(c, "echo end");
    wsclient_expect_text(c, "end");
    expect_end(0, "wsctl: c1: sh exited with 3\n"
                  "wsctl: c1: sh was ended by signal 11 (Segmentation fault); nothing was sent\n");
    wsclient_free(c);
    end();
}
END_TEST

static bool is_gone(void *pid)
{
    return kill(*(pid_t *)pid, 0) < 0 && errno == ESRCH;
}

/* The whole group goes, also one that ignores SIGTERM; another client's command is not held up. */
START_TEST(timeouts)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    START("--count", "3", "--timeout", "0.3", "test", "--", "sh", "-c", "eval \"$(cat)\"");
    say(a, "trap '' TERM; echo not sent; (sleep 100 & echo $! >pid.new; mv pid.new pid; wait); sleep 100");
    say(b, "echo quick");
    wsclient_expect_text(b, "quick");
    expect_file("pid");
    char *text = site_read_file(site_path(site, "pid"), NULL);
    pid_t grandchild = (pid_t)strtol(text, NULL, 10);
    free(text);
    say(a, "echo next");
    wsclient_expect_text(a, "next");
    ck_assert(site_until(is_gone, &grandchild, WAIT_MS));
    expect_end(0, "wsctl: c1: sh took too long and was ended; nothing was sent\n");
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

static pid_t read_pid(const char *name)
{
    char *text = site_read_file(site_path(site, name), NULL);
    pid_t pid = (pid_t)strtol(text, NULL, 10);
    free(text);
    return pid;
}

/* A process in the background that holds the output open is not waited for, and may go on. */
START_TEST(output_held_open)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    START("--count", "2", "--timeout", "100", "test", "--", "sh", "-c", "eval \"$(cat)\"");
    say(c, "sleep 100 & echo $! >pid; echo started");
    wsclient_expect_text(c, "started");
    say(c, "(sleep 0.5; touch later) >/dev/null 2>&1 & echo detached");
    wsclient_expect_text(c, "detached");
    expect_end(0, "");
    expect_file("later");
    ck_assert_int_eq(kill(read_pid("pid"), SIGKILL), 0);
    wsclient_free(c);
    end();
}
END_TEST

static bool has_waiting(void *count)
{
    char *text = NULL;
    site_run((const char *[]){site_program("wsctl"), "count", "test", NULL}, NULL, &text, WAIT_MS);
    bool equal = strcmp(text, count) == 0;
    free(text);
    return equal;
}

/* While the command can't be started nothing is lost: what was taken is held, the rest stays in the inbox. */
START_TEST(command_is_replaced)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    site_write_file(site, "bot", "#!/bin/sh\nexec cat\n");
    ck_assert_int_eq(chmod(site_path(site, "bot"), 0700), 0);
    START("test", "--", "./bot");
    say(a, "before");
    wsclient_expect_text(a, "before");
    ck_assert_int_eq(rename(site_path(site, "bot"), site_path(site, "away")), 0);
    say(a, "one");
    expect_said("wsctl: c1: can't run ./bot: No such file or directory; it is tried again");
    say(a, "two");
    say(b, "three");
    ck_assert(site_until(has_waiting, (void *)(uintptr_t) "2\n", WAIT_MS));
    ck_assert_int_eq(rename(site_path(site, "away"), site_path(site, "bot")), 0);
    wsclient_expect_text(a, "one");
    wsclient_expect_text(a, "two");
    wsclient_expect_text(b, "three");
    kill(each_pid, SIGTERM);
    expect_end(0, "wsctl: c1: can't run ./bot: No such file or directory; it is tried again, and no more is "
                  "taken meanwhile\n");
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

/* Of twelve clients fewer are served at a time than were asked for, and all of them in the end. */
START_TEST(too_few_files)
{
    enum { CLIENTS = 12 };
    struct wsclient *clients[CLIENTS];
    begin(NULL);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = visit("/test/");
        say(clients[i], "hi");
    }
    ck_assert(site_until(has_waiting, (void *)(uintptr_t) "12\n", WAIT_MS));
    files_max = 14;
    START("--count", "12", "--parallel", "16", "test", "--", "sh", "-c", "sleep 0.2; cat");
    for (int i = 0; i < CLIENTS; i++)
        wsclient_expect_text(clients[i], "hi");
    expect_said("can't run sh: Too many open files; it is tried again");
    expect_end(0, NULL);
    for (int i = 0; i < CLIENTS; i++)
        wsclient_free(clients[i]);
    end();
}
END_TEST

START_TEST(inbox_was_full)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    for (int i = 0; i < 102; i++)
        say(c, "x");
    ck_assert(site_until(has_waiting, (void *)(uintptr_t) "100\n", WAIT_MS));
    START("--count", "1", "test", "--", "cat");
    wsclient_expect_text(c, "x");
    expect_end(0, "wsctl: c1: 2 before this one were dropped, the inbox of test was full\n");
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(too_much_output)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    START("--count", "2", "test", "--", "sh", "-c", "eval \"$(cat)\"");
    say(c, "yes");
    say(c, "head -c 1048576 /dev/zero | tr '\\0' x");
    static char most[1048577];
    memset(most, 'x', sizeof most - 1);
    wsclient_expect_text(c, most);
    expect_end(0, "wsctl: c1: sh had more than 1 MiB to say and was ended; nothing was sent\n");
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(client_gone)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    START("--count", "2", "test", "--", "sh", "-c",
          "touch $WSPUSH_CLIENT; until [ -e go ]; do sleep 0.01; done; cat");
    say(a, "x");
    expect_file("c1");
    wsclient_close(a);
    say(b, "y");
    expect_file("c2");
    expect_wsctl("c2\n", "list", "-q");
    site_write_file(site, "go", "");
    wsclient_expect_text(b, "y");
    expect_end(0, "wsctl: c1: has closed its connection; the answer was not sent\n");
    wsclient_free(b);
    end();
}
END_TEST

START_TEST(one_client_closes)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    START("--client", "c1", "--", "cat");
    say(c, "x");
    wsclient_expect_text(c, "x");
    wsclient_close(c);
    expect_end(5, "@client:c1 is closed\n");
    end();
}
END_TEST

/* ---- start and end ---- */

START_TEST(usage)
{
    begin(NULL);
    START("test", "--", "no-such-program");
    expect_end(2, "wsctl each: there is no program 'no-such-program' to run\n(wsctl help each tells more)\n");
    START("test", "--", "./each.out");
    expect_said("there is no program './each.out' to run");
    expect_end(2, NULL);
    START("test");
    expect_said("a command is missing: wsctl each test -- CMD ...");
    expect_end(2, NULL);
    START("test", "--parallel", "0", "--", "cat");
    expect_said("--parallel '0' is not a number from 1 to 256");
    expect_end(2, NULL);
    START("test", "--timeout", "soon", "--", "cat");
    expect_said("--timeout 'soon' is not a time");
    expect_end(2, NULL);
    START("test", "--timeout", "0", "--", "cat");
    expect_said("--timeout 0 leaves a command no time");
    expect_end(2, NULL);
    START("test", "tr", "-d", "h");
    expect_said("there is no option -d; put -- before the command");
    expect_end(2, NULL);
    START("--", "cat", "foo");
    expect_said("an INBOX is missing before --: wsctl each INBOX -- cat ...");
    expect_end(2, NULL);
    START("@all", "--", "cat");
    expect_said("@all has no inbox");
    expect_end(2, NULL);
    START("--client", "c9", "--", "cat");
    expect_end(1, NULL);
    site_kill(site, SITE_WORKER);
    START("test", "--", "cat");
    expect_said("no worker on");
    expect_end(3, NULL);
    end();
}
END_TEST

/* Whether no signal is waiting for it to be seen. */
static bool has_taken_signals(void *unused)
{
    char path[64];
    (void)unused;
    snprintf(path, sizeof path, "/proc/%d/status", (int)each_pid);
    char *text = site_read_file(path, NULL);
    bool none = strstr(text, "ShdPnd:\t0000000000000000") != NULL;
    free(text);
    return none;
}

/* Asked to end, it lets the command finish. What comes then stays, though it had asked for more. */
START_TEST(stops_kindly)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    struct wsclient *b = visit("/test/");
    START("test", "--", "sh", "-c", "touch began; until [ -e go ]; do sleep 0.01; done; cat");
    say(a, "one");
    expect_file("began");
    kill(each_pid, SIGTERM);
    ck_assert(site_until(has_taken_signals, NULL, WAIT_MS));
    say(b, "two");
    site_write_file(site, "go", "");
    wsclient_expect_text(a, "one");
    expect_end(0, "");
    expect_wsctl("two\n", "read", "test");
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

START_TEST(stops_at_once)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    START("test", "--", "sh", "-c", "touch began; exec sleep 100");
    say(c, "one");
    expect_file("began");
    kill(each_pid, SIGINT);
    expect_wsctl("0\n", "count", "test");
    kill(each_pid, SIGINT);
    expect_end(0, "wsctl: c1: sh was still running when wsctl was to end and was ended; nothing was sent\n");
    wsclient_free(c);
    end();
}
END_TEST

/* It waits for a worker that goes. The next worker's c1 is somebody else, who gets no answer of the first's.
 */
START_TEST(worker_comes_back)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    START("--count", "2", "test", "--", "sh", "-c", "touch began; until [ -e go ]; do sleep 0.01; done; cat");
    say(a, "for the first c1");
    expect_file("began");
    site_kill(site, SITE_WORKER);
    expect_said("The worker is gone; looking for it on");
    site_begin(site, SITE_WORKER);
    expect_said("The worker is back on");
    struct wsclient *b = visit("/test/");
    site_write_file(site, "go", "");
    expect_said("wsctl: c1: its worker has gone; the answer was not sent\n");
    say(b, "for the second c1");
    wsclient_expect_text(b, "for the second c1");
    expect_end(0, NULL);
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

/* The same where nothing was asked for meanwhile: all commands that may run do. */
START_TEST(worker_comes_back_unseen)
{
    begin(NULL);
    struct wsclient *a = visit("/test/");
    START("--parallel", "1", "--count", "2", "test", "--", "sh", "-c",
          "touch began; until [ -e go ]; do sleep 0.01; done; cat");
    say(a, "for the first c1");
    expect_file("began");
    site_kill(site, SITE_WORKER);
    site_begin(site, SITE_WORKER);
    struct wsclient *b = visit("/test/");
    site_write_file(site, "go", "");
    expect_said("wsctl: c1: its worker has gone; the answer was not sent\n");
    say(b, "for the second c1");
    wsclient_expect_text(b, "for the second c1");
    expect_end(0, NULL);
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("each");
    TCase *tc = tcase_create("each");
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, answers);
    tcase_add_test(tc, environment);
    tcase_add_test(tc, wsctl_within);
    tcase_add_test(tc, what_is_an_answer);
    tcase_add_test(tc, large_messages);
    tcase_add_test(tc, empty_messages);
    tcase_add_test(tc, parallel);
    tcase_add_test(tc, order_within_a_client);
    tcase_add_test(tc, exit_codes);
    tcase_add_test(tc, timeouts);
    tcase_add_test(tc, output_held_open);
    tcase_add_test(tc, command_is_replaced);
    tcase_add_test(tc, too_few_files);
    tcase_add_test(tc, inbox_was_full);
    tcase_add_test(tc, too_much_output);
    tcase_add_test(tc, client_gone);
    tcase_add_test(tc, one_client_closes);
    tcase_add_test(tc, usage);
    tcase_add_test(tc, stops_kindly);
    tcase_add_test(tc, stops_at_once);
    tcase_add_test(tc, worker_comes_back);
    tcase_add_test(tc, worker_comes_back_unseen);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
