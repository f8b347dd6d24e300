/*
 * The responder's life: peers that are stuck, malformed or hostile, a worker that is slow, children that die,
 * and the end. What one peer does costs that peer, and at most one child.
 */
#include <check.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "false_worker.h"
#include "http.h"
#include "records.h"
#include "site.h"

enum { CHILDREN_MAX = 16, QUICK_MS = 1000 };

/* A sanitizer's allocator keeps what is freed for a while (LeakSanitizer looks at the end of each child), and
 * it reports what libfcgi does, rightly. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

static struct site *site;
static struct false_worker *worker;

static void begin(const char *config)
{
    struct site_options options = {.config = config, .no_worker = true, .no_nginx = true};
    site = site_start(&options);
    worker = false_worker_new(site_control(site));
}

static void end(void)
{
    false_worker_free(worker);
    site_stop(site);
}

static int get_status(void)
{
    struct http_reply *r = records_ask(site_fcgi(site), "GET", "/test/", NULL, NULL, 0);
    int status = r->status;
    http_reply_free(r);
    return status;
}

static int post_status(void)
{
    struct http_reply *r = records_ask(site_fcgi(site), "POST", "/test/", NULL, "m", 1);
    int status = r->status;
    http_reply_free(r);
    return status;
}

/* The page comes, and soon. */
static void expect_quick(void)
{
    long long begun = http_now();
    ck_assert_int_eq(get_status(), 200);
    long long took = http_now() - begun;
    ck_assert_msg(took < QUICK_MS, "the page took %lld ms", took);
}

static struct http_conn *connect_and_say(const void *bytes, size_t len)
{
    struct http_conn *c = http_open(site_fcgi(site));
    ck_assert_ptr_nonnull(c);
    http_write(c, bytes, len);
    return c;
}

/* The peer is sent away without a reply. */
static void expect_end(struct http_conn *take_conn)
{
    enum http_end how = http_rest(take_conn, 10000);
    ck_assert_msg(how != HTTP_TIMEOUT, "the connection stays open");
    ck_assert_uint_eq(take_conn->len, 0);
    http_close(take_conn);
}

/* ---- children ---- */

static size_t children(pid_t *out)
{
    return site_children(site_pid(site, SITE_RESPONDER), out, CHILDREN_MAX);
}

/* Whether there are two, who then stand in the array. */
static bool has_two(void *pids)
{
    return children(pids) == 2;
}

static bool has_two_others(void *arg)
{
    pid_t now[CHILDREN_MAX];
    const pid_t *old = arg;
    size_t n = children(now);
    for (size_t i = 0; i < n; i++)
        if (now[i] == *old)
            return false;
    return n == 2;
}

static long long memory_of_children(void)
{
    pid_t pids[CHILDREN_MAX];
    long long total = 0;
    for (size_t n = children(pids); n-- > 0;) {
        char path[64];
        long long size, resident, shared;
        snprintf(path, sizeof path, "/proc/%d/statm", (int)pids[n]);
        char *text = site_read_file(path, NULL);
        ck_assert(text && sscanf(text, "%lld %lld %lld", &size, &resident, &shared) == 3);
        free(text);
        total += (resident - shared) * sysconf(_SC_PAGESIZE);
    }
    return total;
}

START_TEST(a_killed_child_comes_back)
{
    pid_t pids[CHILDREN_MAX];
    begin("");
    for (int i = 0; i < 100; i++) {
        ck_assert(site_until(has_two, pids, 5000));
        kill(pids[i % 2], SIGKILL);
        ck_assert(site_until(has_two_others, &pids[i % 2], 5000));
        ck_assert_int_eq(get_status(), 200);
    }
    site_wait_log(site, SITE_RESPONDER, "was ended by signal 9 (Killed); another takes its place", 1000);
    ck_assert_int_eq(post_status(), 200);
    end();
}
END_TEST

/* ---- stuck and malformed peers ---- */

START_TEST(stuck_peers_hold_nobody_up)
{
    enum { EACH = 10 };
    static const char half_params[] = "\1\4\0\1\1\0\0\0\x0eREQUEST";
    struct http_conn *stuck[4 * EACH];
    struct records begun = {0}, half_body = {0};
    begin("");
    records_begin(&begun, 1, 0);
    records_begin(&half_body, 1, 0);
    records_params(&half_body, "REQUEST_METHOD=POST\nREQUEST_URI=/test/\nCONTENT_LENGTH=100\n");
    records_add(&half_body, "\1\5\0\1\0\x64\0\0half", 12);
    records_add(&begun, half_params, sizeof half_params - 1);
    for (int i = 0; i < EACH; i++) {
        stuck[4 * i] = connect_and_say("", 0);
        stuck[4 * i + 1] = connect_and_say(begun.data, 3);
        stuck[4 * i + 2] = connect_and_say(begun.data, begun.len);
        stuck[4 * i + 3] = connect_and_say(half_body.data, half_body.len);
    }
    for (int i = 0; i < 100; i++)
        expect_quick();
    /* those without a head are sent away by a timer, those without a body get what they deserve */
    for (int i = 0; i < EACH; i++) {
        expect_end(stuck[4 * i]);
        expect_end(stuck[4 * i + 1]);
        expect_end(stuck[4 * i + 2]);
        struct http_reply *r = records_reply(stuck[4 * i + 3], 15000);
        ck_assert_msg(r->status == 400 || r->status == 503, "%d", r->status);
        http_reply_free(r);
        http_close(stuck[4 * i + 3]);
    }
    ck_assert_int_eq(post_status(), 200);
    ck_assert_int_eq(false_worker_count(worker), 1);
    records_free(&begun);
    records_free(&half_body);
    end();
}
END_TEST

START_TEST(a_request_may_come_byte_by_byte)
{
    struct records r = {0};
    begin("");
    records_request(&r, "POST", "/t", "REQUEST_SCHEME\nHTTP_HOST\nREMOTE_ADDR\n", "hello", 5);
    struct http_conn *c = http_open(site_fcgi(site));
    for (size_t i = 0; i < r.len; i++)
        ck_assert_int_eq(http_write(c, r.data + i, 1), 0);
    struct http_reply *reply = records_reply(c, 5000);
    ck_assert_int_eq(reply->status, 200);
    ck_assert_str_eq(false_worker_argument(worker, 2, NULL), "hello");
    http_reply_free(reply);
    http_close(c);
    records_free(&r);
    end();
}
END_TEST

START_TEST(a_request_cut_anywhere_publishes_nothing)
{
    struct records r = {0};
    begin("");
    records_request(&r, "POST", "/test/", NULL, "hello", 5);
    for (size_t i = 0; i < r.len; i++) {
        struct http_conn *c = connect_and_say(r.data, i);
        shutdown(c->fd, SHUT_WR);
        http_close(c);
    }
    expect_quick();
    ck_assert_int_eq(false_worker_count(worker), 0);
    records_free(&r);
    end();
}
END_TEST

static void add_lengths(struct records *r, const char *bytes, size_t len)
{
    records_begin(r, 1, 0);
    records_record(r, RECORD_PARAMS, 1, bytes, len, false);
    records_record(r, RECORD_PARAMS, 1, "", 0, false);
    records_body(r, "", 0);
}

static void add_get_values(struct records *r)
{
    struct records names = {0};
    for (int i = 0; i < 40; i++)
        records_add(&names, "\x0e\0FCGI_MAX_CONNS", 16);
    records_record(r, RECORD_GET_VALUES, 0, names.data, names.len, false);
    records_free(&names);
}

enum { MALFORMED = 22 };

/* The `which`-th of the requests that are none. */
static void malformed(struct records *r, int which)
{
    switch (which) {
    case 0: add_lengths(r, "\xff\xff\xff\xff\xff\xff\xff\xff", 8); break; /* CVE-2025-23016 */
    case 1:
        add_lengths(r,
                    "\xff\xff\xff\xff\xff\xff\xff\xfe"
                    "AAAAAAAA",
                    16);
        break;
    case 2: add_lengths(r, "\x80\0\0\1\xff\xff\xff\xffX", 9); break;
    case 3: add_lengths(r, "\x7f\x7f", 2); break;
    case 4: add_lengths(r, "\xff", 1); break;
    case 5: add_lengths(r, "\1\x80", 2); break;
    case 6: add_lengths(r, "\0\1x", 3); break;
    case 7: add_lengths(r, "\1\2A\0B", 5); break;
    case 8: add_lengths(r, "\3\1A=BC", 6); break;
    case 9: add_get_values(r); break;
    case 10:
        records_begin(r, 1, 0);
        add_get_values(r);
        break;
    case 11:
        records_request(r, "POST", "/test/", NULL, "x", 1);
        r->len -= 8; /* before the body's end */
        add_get_values(r);
        break;
    case 12: records_add(r, "GET / HTTP/1.1\r\n\r\n", 18); break;
    case 13: records_add(r, "\2\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0", 16); break; /* version 2 */
    case 14: records_record(r, RECORD_BEGIN, 0, "\0\1\0\0\0\0\0\0", 8, false); break;
    case 15: records_record(r, RECORD_BEGIN, 1, "\0\1\0", 3, false); break;
    case 16: records_begin(r, 2, 0); break; /* authorizer */
    case 17: records_begin(r, 3, 0); break;
    case 18: records_begin(r, 257, 0); break;
    case 19:
        records_begin(r, 1, 0);
        records_begin(r, 1, 0);
        break;
    case 20:
        records_begin(r, 1, 0);
        records_record(r, RECORD_PARAMS, 2, "\1\1AB", 4, false);
        break;
    case 21:
        records_begin(r, 1, 0);
        records_record(r, RECORD_STDIN, 1, "", 0, false);
        break;
    default: ck_abort();
    }
}

START_TEST(malformed_requests_end_one_peer_and_no_child)
{
    pid_t before[CHILDREN_MAX], after[CHILDREN_MAX];
    begin("");
    ck_assert(site_until(has_two, before, 5000));
    for (int i = 0; i < MALFORMED; i++) {
        struct records r = {0};
        malformed(&r, i);
        expect_end(connect_and_say(r.data, r.len));
        records_free(&r);
    }
    expect_quick();
    ck_assert_uint_eq(children(after), 2);
    ck_assert_mem_eq(before, after, 2 * sizeof *before);
    ck_assert_int_eq(false_worker_count(worker), 0);
    site_wait_log(site, SITE_RESPONDER, "a FastCGI peer is sent away: parameters that are longer", 1000);
    end();
}
END_TEST

START_TEST(too_many_parameters_are_refused)
{
    static char lines[70000];
    struct records r = {0};
    begin("");
    memset(lines, 'x', 60000);
    memcpy(lines, "X=", 2);
    struct http_reply *reply = records_ask(site_fcgi(site), "GET", "/test/", lines, NULL, 0);
    ck_assert_int_eq(reply->status, 200);
    http_reply_free(reply);
    memset(lines + 2, 'x', sizeof lines - 3);
    records_request(&r, "GET", "/test/", lines, NULL, 0);
    expect_end(connect_and_say(r.data, r.len));
    records_free(&r);
    expect_quick();
    end();
}
END_TEST

/* Behind what the gate looks at: libfcgi writes over its stack, or says that its end does. */
START_TEST(what_brings_libfcgi_down_costs_one_child)
{
    static char body[120000];
    if (sanitized)
        return;
    begin("");
    for (int i = 0; i < 10; i++) {
        struct records r = {0};
        const char *lines = "CONTENT_TYPE=application/octet-stream\nCONTENT_LENGTH=130000\n";
        records_request(&r, "POST", "/test/", lines, body, sizeof body);
        r.len -= 8; /* before the body's end */
        add_get_values(&r);
        records_body(&r, body, 10000);
        struct http_conn *c = connect_and_say(r.data, r.len);
        http_rest(c, 10000);
        http_close(c);
        ck_assert_int_eq(get_status(), 200);
        ck_assert_int_eq(post_status(), 200);
        records_free(&r);
    }
    site_wait_log(site, SITE_RESPONDER, "another takes its place", 1000);
    ck_assert_int_eq(false_worker_count(worker), 10);
    end();
}
END_TEST

START_TEST(keep_conn_gets_its_answer_and_the_end)
{
    struct records r = {0};
    begin("");
    records_begin(&r, 1, 1);
    records_params(&r, "REQUEST_METHOD=GET\nREQUEST_URI=/test/\n");
    records_body(&r, "", 0);
    struct http_conn *c = connect_and_say(r.data, r.len);
    struct http_reply *reply = records_reply(c, 5000);
    ck_assert_int_eq(reply->status, 200);
    http_reply_free(reply);
    expect_end(c);
    records_free(&r);
    end();
}
END_TEST

/* ---- a slow worker ---- */

/* Sends POSTs and leaves them. */
static void send_posts(struct http_conn **out, int count)
{
    struct records r = {0};
    records_request(&r, "POST", "/test/", NULL, "x", 1);
    for (int i = 0; i < count; i++)
        out[i] = connect_and_say(r.data, r.len);
    records_free(&r);
}

START_TEST(a_slow_worker_does_not_hold_up_the_page)
{
    enum { POSTS = 60 };
    struct http_conn *waiting[POSTS];
    begin("");
    false_worker_answer(worker, NULL);
    long long begun = http_now();
    send_posts(waiting, POSTS);
    for (int i = 0; i < 100; i++)
        expect_quick();
    for (int i = 0; i < POSTS; i++) {
        struct http_reply *r = records_reply(waiting[i], 10000);
        ck_assert_int_eq(r->status, 503);
        ck_assert_ptr_nonnull(http_header(r, "Retry-After"));
        http_reply_free(r);
        http_close(waiting[i]);
    }
    long long took = http_now() - begun;
    ck_assert_msg(took < 8000, "the last answer took %lld ms", took);
    false_worker_answer(worker, "*2\r\n:1\r\n$3\r\n1-1\r\n");
    ck_assert_int_eq(post_status(), 200);
    end();
}
END_TEST

/* ---- descriptors and memory ---- */

START_TEST(no_descriptor_left_is_not_the_end)
{
    struct http_conn *many[100];
    pid_t pids[CHILDREN_MAX];
    begin("");
    ck_assert_int_eq(post_status(), 200);
    size_t n = children(pids);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(prlimit(pids[i], RLIMIT_NOFILE, &(struct rlimit){30, 30}, NULL), 0);
    for (int i = 0; i < 100; i++)
        many[i] = connect_and_say("", 0);
    site_wait_log(site, SITE_RESPONDER, "can't accept for a moment: Too many open files", 5000);
    for (int i = 0; i < 100; i++)
        http_close(many[i]);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(get_status(), 200);
    ck_assert_int_eq(post_status(), 200);
    end();
}
END_TEST

START_TEST(nothing_leaks)
{
    begin("");
    for (int i = 0; i < 2000; i++)
        ck_assert_int_eq(i % 4 ? get_status() : post_status(), 200);
    long long before = memory_of_children();
    for (int i = 0; i < 10000; i++)
        ck_assert_int_eq(i % 4 ? get_status() : post_status(), 200);
    long long grown = memory_of_children() - before;
    ck_assert_msg(sanitized || grown < 512 * 1024, "10,000 requests left %lld bytes", grown);
    end();
}
END_TEST

/* ---- the end ---- */

START_TEST(sigterm_finishes_what_was_begun)
{
    enum { POSTS = 20 };
    struct http_conn *waiting[POSTS];
    begin("");
    false_worker_answer(worker, NULL);
    send_posts(waiting, POSTS);
    while (false_worker_count(worker) < 3)
        usleep(1000);
    site_signal(site, SITE_RESPONDER, SIGTERM);
    for (int i = 0; i < POSTS; i++) {
        struct http_reply *r = records_reply(waiting[i], 10000);
        ck_assert_int_eq(r->status, 503);
        http_reply_free(r);
        http_close(waiting[i]);
    }
    int status = site_wait_end(site, SITE_RESPONDER, 12000);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert(access(site_path(site, "fcgi.sock"), F_OK) != 0);
    end();
}
END_TEST

START_TEST(sigterm_is_quick_when_idle)
{
    begin("");
    for (int i = 0; i < 5; i++) {
        struct http_conn *idle = connect_and_say("", 0);
        long long begun = http_now();
        site_end(site, SITE_RESPONDER);
        ck_assert_int_lt(http_now() - begun, 3000);
        http_close(idle);
        site_begin(site, SITE_RESPONDER);
    }
    site_signal(site, SITE_RESPONDER, SIGINT);
    int status = site_wait_end(site, SITE_RESPONDER, 3000);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    end();
}
END_TEST

static bool nobody_listens(void *address)
{
    struct http_conn *c = http_open(address);
    http_close(c);
    return !c;
}

START_TEST(children_end_with_their_parent)
{
    char address[200];
    begin("");
    snprintf(address, sizeof address, "%s", site_fcgi(site));
    for (int i = 0; i < 5; i++) {
        site_kill(site, SITE_RESPONDER);
        ck_assert(site_until(nobody_listens, address, 5000));
        /* the socket is there still, stale */
        ck_assert(access(site_path(site, "fcgi.sock"), F_OK) == 0);
        site_begin(site, SITE_RESPONDER);
        ck_assert_int_eq(get_status(), 200);
    }
    end();
}
END_TEST

/* ---- start ---- */

static void expect_run(const char *const *argv, int status, const char *text)
{
    char *output;
    int got = site_run(argv, NULL, &output, 10000);
    ck_assert_msg(got == status && strstr(output, text), "expected %d and '%s', got %d: %s", status, text,
                  got, output);
    free(output);
}

START_TEST(a_second_one_is_refused)
{
    begin("");
    const char *const argv[] = {site_program("wspush-fcgi"), "--config", site_path(site, "wspush.conf"),
                                NULL};
    expect_run(argv, 1, "fcgi.sock is in use: a process serves it already");
    ck_assert_int_eq(get_status(), 200);
    end();
}
END_TEST

START_TEST(wrong_usage_is_2)
{
    const char *p = site_program("wspush-fcgi");
    expect_run((const char *const[]){p, "--help", NULL}, 0, "usage: wspush-fcgi");
    expect_run((const char *const[]){p, "--version", NULL}, 0, "wspush-fcgi 0");
    expect_run((const char *const[]){p, "--nonsense", NULL}, 2, "--help");
    expect_run((const char *const[]){p, "more", NULL}, 2, "'more'");
    expect_run((const char *const[]){p, "--config", NULL}, 2, "--help");
    expect_run((const char *const[]){p, "--config", "/nowhere", NULL}, 2, "/nowhere");
}
END_TEST

START_TEST(a_configuration_can_be_checked)
{
    begin("");
    const char *p = site_program("wspush-fcgi");
    expect_run((const char *const[]){p, "--check-config", "--config", site_path(site, "wspush.conf"), NULL},
               0, "good");
    site_write_file(site, "bad.conf", "post = open\nfcgi_threads = 0\n");
    const char *bad = site_path(site, "bad.conf");
    expect_run((const char *const[]){p, "--check-config", "--config", bad, NULL}, 2, "bad.conf:2:");
    expect_run((const char *const[]){p, "--config", bad, NULL}, 2, "from 1 to 64");
    site_write_file(site, "dir.conf", "fcgi_listen = \"unix:/nowhere/fcgi.sock\"\n");
    expect_run((const char *const[]){p, "--config", site_path(site, "dir.conf"), NULL}, 1,
               "/nowhere/fcgi.sock");
    end();
}
END_TEST

/* ---- who may speak ---- */

/* Asks for the page as another user; the status, 0 without a reply, -1 if it can't connect. */
static int get_as(uid_t uid, gid_t gid)
{
    int status;
    pid_t pid = fork();
    ck_assert(pid >= 0);
    if (pid == 0) {
        if (setgroups(0, NULL) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
            _exit(99);
        struct http_conn *c = http_open(site_fcgi(site));
        if (!c)
            _exit(98);
        http_close(c);
        _exit(get_status() / 10);
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status) == 98 ? -1 : WEXITSTATUS(status) * 10;
}

START_TEST(only_nginx_may_speak)
{
    enum { STRANGER = 54321 };
    struct stat st;
    if (geteuid() != 0)
        return;
    begin("socket_mode = 0666\nsocket_group = 12345\n");
    ck_assert_int_eq(chmod(site_dir(site), 0755), 0);
    ck_assert_int_eq(stat(site_path(site, "fcgi.sock"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0666);
    ck_assert_uint_eq(st.st_gid, 12345);
    ck_assert_int_eq(get_as(STRANGER, STRANGER), 0);
    ck_assert_int_eq(get_as(STRANGER, 12345), 200);
    ck_assert_int_eq(get_as(33, 33), 200); /* www-data */
    ck_assert_int_eq(get_as(65534, 65534), 0);
    site_wait_log(site, SITE_RESPONDER, "uid 54321 (pid ", 1000);
    end();
    begin("socket_group = 12345\n");
    ck_assert_int_eq(chmod(site_dir(site), 0755), 0);
    ck_assert_int_eq(get_as(STRANGER, STRANGER), -1);
    end();
}
END_TEST

START_TEST(tcp_is_for_loopback)
{
    char config[80];
    begin("");
    snprintf(config, sizeof config, "fcgi_listen = \"%s\"\ncontrol = \"unix:control.sock\"\n",
             site_tcp(site));
    site_write_file(site, "tcp.conf", config);
    const char *const argv[] = {site_program("wspush-fcgi"), "--config", site_path(site, "tcp.conf"), NULL};
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(126);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    char address[64];
    snprintf(address, sizeof address, "%s", site_tcp(site));
    for (int i = 0; i < 1000 && nobody_listens(address); i++)
        usleep(5000);
    struct http_reply *r = records_ask(address, "GET", "/test/", NULL, NULL, 0);
    ck_assert_int_eq(r->status, 200);
    http_reply_free(r);
    int status;
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fcgi_life");
    TCase *tc = tcase_create("life");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_killed_child_comes_back);
    tcase_add_test(tc, stuck_peers_hold_nobody_up);
    tcase_add_test(tc, a_request_may_come_byte_by_byte);
    tcase_add_test(tc, a_request_cut_anywhere_publishes_nothing);
    tcase_add_test(tc, malformed_requests_end_one_peer_and_no_child);
    tcase_add_test(tc, too_many_parameters_are_refused);
    tcase_add_test(tc, what_brings_libfcgi_down_costs_one_child);
    tcase_add_test(tc, keep_conn_gets_its_answer_and_the_end);
    tcase_add_test(tc, a_slow_worker_does_not_hold_up_the_page);
    tcase_add_test(tc, no_descriptor_left_is_not_the_end);
    tcase_add_test(tc, nothing_leaks);
    tcase_add_test(tc, sigterm_finishes_what_was_begun);
    tcase_add_test(tc, sigterm_is_quick_when_idle);
    tcase_add_test(tc, children_end_with_their_parent);
    tcase_add_test(tc, a_second_one_is_refused);
    tcase_add_test(tc, wrong_usage_is_2);
    tcase_add_test(tc, a_configuration_can_be_checked);
    tcase_add_test(tc, only_nginx_may_speak);
    tcase_add_test(tc, tcp_is_for_loopback);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
