/*
 * What befell others, tried on this worker where no other test does: floods of descriptors, sockets that are
 * open to all for a moment, one protocol spoken into another's socket, replies and log lines that are forged,
 * chosen names, slow handshakes by the thousand, compressed bytes that do damage behind themselves.
 */
#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>
#include <zlib.h>

#include "crowd.h"
#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KEY      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define ASKS                                                                                                 \
    "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" KEY

static struct site *site;
static struct resp *control;

static void begin(struct site_options options)
{
    site = site_start(&options);
    control = resp_open(site_control(site));
    ck_assert_ptr_nonnull(control);
}

static void begin_alone(const char *config)
{
    begin((struct site_options){.config = config, .no_nginx = true, .no_responder = true});
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

/* Somebody is let in and hears what is published. */
static void expect_service(void)
{
    struct wsclient *c = wsclient_open(site_ws(site), "/service");
    resp_expect(control, "PUBLISH service on", "1");
    wsclient_expect_text(c, "on");
    wsclient_close(c);
}

/* How often the worker's log has this. */
static int times_logged(const char *text)
{
    int n = 0;
    char *log = site_log(site, SITE_WORKER);
    for (const char *p = log; (p = strstr(p, text)); p++)
        n++;
    free(log);
    return n;
}

/* ---- sockets ---- */

/* Open descriptors of a daemon and its children. */
static int descriptors_of_all(enum site_program program)
{
    pid_t children[16];
    char path[64];
    int sum = site_descriptors(site, program);
    size_t n = site_children(site_pid(site, program), children, 16);
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "/proc/%d/fd", (int)children[i]);
        DIR *d = opendir(path);
        while (d && readdir(d))
            sum++;
        closedir(d);
    }
    return sum;
}

/* 10,000 descriptors to each socket, on connections that stay: nobody keeps any. */
START_TEST(floods_of_descriptors)
{
    enum { TIMES = 40, AT_ONCE = 250 };
    static const enum site_program served_by[] = {SITE_WORKER, SITE_WORKER, SITE_RESPONDER};
    begin((struct site_options){.no_nginx = true});
    site_wait_log(site, SITE_RESPONDER, "ready", 5000);
    resp_expect(control, "PING", "PONG"); /* that one is counted */
    const char *const addresses[] = {site_ws(site), site_control(site), site_fcgi(site)};
    for (size_t a = 0; a < COUNT(addresses); a++) {
        int before = descriptors_of_all(served_by[a]);
        struct http_conn *c = http_open(addresses[a]);
        ck_assert_ptr_nonnull(c);
        for (int i = 0; i < TIMES; i++)
            ck_assert_int_eq(http_send_descriptors(c->fd, a == 2 ? '\1' : 'x', AT_ONCE), 0);
        http_fill(c, 200);
        ck_assert_int_le(descriptors_of_all(served_by[a]), before + 1);
        http_close(c);
    }
    expect_service();
    end();
}
END_TEST

/* A socket that listens has its mode already, whatever the umask. */
START_TEST(no_moment_without_a_mode)
{
    static const mode_t umasks[] = {0, 077, 0777};
    setenv("WSPUSH_SHIM_LISTEN", "1", 1);
    setenv("LD_PRELOAD", site_program("t/system/shim.so"), 1);
    for (size_t i = 0; i < COUNT(umasks); i++) {
        site = site_start(&(struct site_options){.no_nginx = true, .no_responder = true, .no_worker = true});
        mode_t before = umask(umasks[i]);
        site_write_file(site, "placeholder", "");
        umask(umasks[i] & 0777 & ~0600u); /* the log is to be readable */
        site_begin(site, SITE_WORKER);
        umask(before);
        ck_assert_int_eq(times_logged("shim: listen 660 "), 2);
        ck_assert_int_eq(times_logged("shim: listen "), 2);
        site_stop(site);
    }
    unsetenv("LD_PRELOAD");
    unsetenv("WSPUSH_SHIM_LISTEN");
}
END_TEST

/* ---- one protocol in another's socket ---- */

/* An nginx that someone points at the control socket by mistake: nothing is executed, each request is one
 * line in the log. */
START_TEST(http_into_the_control_socket)
{
    static const char body[] = "PUBLISH test forged\r\n*3\r\n$7\r\nPUBLISH\r\n$4\r\ntest\r\n$1\r\nx\r\n";
    begin((struct site_options){
        .no_responder = true,
        .server =
            "location /wrong/ { proxy_pass http://unix:@DIR@/control.sock:/; proxy_buffering off; }\n"
            "location /worse/ { proxy_pass http://unix:@DIR@/control.sock:/; proxy_method PUBLISH; }\n"});
    static const char *const methods[] = {"GET", "POST", "PUT", "OPTIONS"};
    static const char *const paths[] = {"/wrong/PUBLISH", "/worse/test", "/wrong/test%20forged"};
    int requests = 0;
    for (size_t m = 0; m < COUNT(methods); m++)
        for (size_t p = 0; p < COUNT(paths); p++, requests++) {
            struct http_reply *r = http_request(site_http(site), methods[m], paths[p], NULL, m ? body : NULL,
                                                m ? sizeof body - 1 : 0);
            ck_assert_msg(r->status >= 400 || r->status == 0, "%s %s: %d", methods[m], paths[p], r->status);
            http_reply_free(r);
        }
    ck_assert_int_eq(info_get(control, "published"), 0);
    ck_assert_int_eq(info_get(control, "protocol_faults"), requests);
    ck_assert_int_eq(times_logged("does not speak RESP"), requests);
    end();
}
END_TEST

/* RESP, TLS, FastCGI and HTTP/2 into the clients' socket: 400, and the end. */
START_TEST(others_into_the_clients_socket)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
#define BYTES(text) {text, sizeof(text) - 1}
        BYTES("*1\r\n$4\r\nPING\r\n\r\n"),
        BYTES("PING\r\n\r\n"),
        BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        BYTES("\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\r\n\r\n"),
        BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        BYTES("\x81\x85\x00\x00\x00\x00hello\r\n\r\n"),
        BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET /test HTTP/1.1\r\n" ASKS "\r\n"),
    };
    begin_alone(NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct http_conn *c = http_open(site_ws(site));
        ck_assert(c && http_write(c, rows[i].bytes, rows[i].len) == 0);
        struct http_reply *r = http_next(c, false, 5000);
        ck_assert_msg(r->status >= 400 && r->status <= 505, "row %zu: %d", i, r->status);
        http_reply_free(r);
        ck_assert_int_ne(http_rest(c, 5000), HTTP_TIMEOUT);
        http_close(c);
    }
    ck_assert_int_eq(info_get(control, "clients_total"), 0);
    expect_service();
    end();
}
END_TEST

/* ---- requests that two parsers read differently ---- */

/* Two lengths, two encodings, sizes that overflow: refused, and what comes behind is no request. nginx takes
 * a body off a handshake by itself; what comes behind is then a client's bytes, and no frame. */
START_TEST(ambiguous_bodies)
{
    static const char *const rows[] = {
        "POST /test/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST /test/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
        "identity\r\n\r\n"
        "0\r\n\r\n",
        "POST /test/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
        "POST /test/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
        "chunked\r\n\r\nffffffffffffffff1\r\nbody\r\n",
        "POST /test/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nbody\r\n",
        "GET /test/ HTTP/1.1\r\n" ASKS "Content-Length: 4\r\n\r\nbody",
        "GET /test/ HTTP/1.1\r\n" ASKS "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "GET /test/ HTTP/1.1\r\n" ASKS "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /test/ HTTP/1.1\r\n" ASKS "Content-Length: 0\r\nContent-Length: 4\r\n\r\nbody",
        "GET /test/ HTTP/1.1\r\n" ASKS "Content-Length: 18446744073709551617\r\n\r\nb",
    };
    static const char behind[] = "GET /test/ HTTP/1.1\r\n" ASKS "\r\n";
    begin((struct site_options){0});
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int through = 0; through < 2; through++) {
            struct http_conn *c = http_open(through ? site_http(site) : site_ws(site));
            ck_assert(c && http_write(c, rows[i], strlen(rows[i])) == 0);
            http_write(c, behind, sizeof behind - 1);
            struct http_reply *r = http_next(c, false, 5000);
            bool bare = through && rows[i][0] == 'G' && r->status == 101;
            ck_assert_msg(bare || (r->status >= 400 && r->status <= 413), "row %zu, %d: %d", i, through,
                          r->status);
            http_reply_free(r);
            ck_assert_int_ne(http_rest(c, 5000), HTTP_TIMEOUT);
            ck_assert_msg(!c->len || !memmem(c->in, c->len, "HTTP/1.1 101", 12), "row %zu: a second request",
                          i);
            http_close(c);
        }
    ck_assert_int_eq(info_get(control, "published"), 0);
    ck_assert_int_eq(info_get(control, "messages_in"), 0);
    expect_service();
    end();
}
END_TEST

/* What a rule refuses, it refuses to everybody who comes to the channel: WebSocket, event stream, POST. */
START_TEST(rules_hold_on_every_route)
{
    static const struct {
        const char *path, *headers;
        int verdict;
    } rows[] = {
        {"/test/", "Origin: http://evil.example\r\n", 403},
        {"/test/", "Origin: null\r\n", 403},
        {"/other/", NULL, 404},
        {"/other/", "Origin: http://evil.example\r\n", 404},
        {"/test/%0a", NULL, 400},
        {"/@all", NULL, 400},
        {"/%40all", NULL, 400},
        {"/test/%2e%2e/x", NULL, 400},
    };
    begin((struct site_options){.config = "unlisted = refuse\nchannel \"test\" { }\n"});
    struct wsclient *witness = wsclient_open(site_http(site), "/test/");
    for (size_t i = 0; i < COUNT(rows); i++) {
        char headers[256];
        const char *more = rows[i].headers ? rows[i].headers : "";
        struct wsclient *c = wsclient_connect(site_http(site), rows[i].path, rows[i].headers);
        struct http_reply *post =
            http_request(site_http(site), "POST", rows[i].path, rows[i].headers, "x", 1);
        snprintf(headers, sizeof headers, "Accept: text/event-stream\r\n%s", more);
        int stream = http_status(site_http(site), "GET", rows[i].path, headers);
        ck_assert_msg(wsclient_status(c) == rows[i].verdict, "%s: WebSocket %d", rows[i].path,
                      wsclient_status(c));
        ck_assert_msg(post->status == rows[i].verdict, "%s: POST %d", rows[i].path, post->status);
        ck_assert_msg(stream >= 400, "%s: event stream %d", rows[i].path, stream);
        wsclient_free(c);
        http_reply_free(post);
    }
    ck_assert_int_eq(info_get(control, "published"), 0);
    wsclient_expect_silence(witness, 0);
    wsclient_free(witness);
    end();
}
END_TEST

/* ---- forged replies and lines ---- */

#define FORGED "\r\n+OK\r\n-ERR forged"

/* Commands that end, hold or change the connection. */
static bool is_left_out(const char *name)
{
    static const char *const out[] = {"quit", "multi", "exec", "discard", "reset", "monitor", "shutdown"};
    for (size_t i = 0; i < COUNT(out); i++)
        if (strcmp(name, out[i]) == 0)
            return true;
    return false;
}

/* Each argument has a reply where the name may be watched: arrays and errors, up to the answer to RESET. */
static void expect_subscription(int argc, const char *const *argv, const size_t *lens)
{
    ck_assert_int_eq(resp_send_argv(control, argc, argv, lens), 0);
    ck_assert_int_eq(resp_send(control, "RESET", NULL), 0);
    for (char type = 0; type != '+';) {
        struct resp_value *v = resp_read(control, RESP_WAIT);
        ck_assert_msg(v != NULL, "%s with %d arguments: %s", argv[0], argc - 1, resp_fault(control));
        type = v->type;
        ck_assert_msg(type == '*' || (type == '-' && !strpbrk(v->text, "\r\n")) ||
                          strcmp(v->text, "RESET") == 0,
                      "%s: %c", argv[0], type);
        resp_value_free(v);
    }
    ck_assert_uint_eq(resp_pending(control), 0);
}

/* Whatever an argument says, a strict reader sees one reply, and the next is the next command's. */
static void expect_one_reply(int argc, const char *const *argv)
{
    size_t lens[8];
    for (int i = 0; i < argc; i++)
        lens[i] = strlen(argv[i]);
    if (strstr(argv[0], "subscribe")) {
        expect_subscription(argc, argv, lens);
        return;
    }
    ck_assert_int_eq(resp_send_argv(control, argc, argv, lens), 0);
    struct resp_value *v = resp_read(control, RESP_WAIT);
    ck_assert_msg(v != NULL, "%s with %d arguments: %s", argv[0], argc - 1, resp_fault(control));
    ck_assert_msg(!v->text || v->type != '-' || !strpbrk(v->text, "\r\n"), "%s: %s", argv[0], v->text);
    resp_value_free(v);
    ck_assert_uint_eq(resp_pending(control), 0);
    resp_expect(control, "ECHO next", "\"next\"");
}

START_TEST(no_reply_is_forged)
{
    begin_alone(NULL);
    struct resp_value *all = resp_call(control, "COMMAND", NULL);
    ck_assert_uint_gt(all->count, 20);
    for (size_t i = 0; i < all->count; i++) {
        const char *name = all->items[i]->items[0]->text;
        if (is_left_out(name))
            continue;
        for (int argc = 1; argc <= 6; argc++)
            for (int plain = 0; plain < 3; plain++) { /* so many arguments before it are in order */
                const char *argv[8] = {name, "test", "test"};
                for (int k = 1 + plain; k < argc; k++)
                    argv[k] = FORGED;
                bool would_wait = strcmp(name, "ws.wait") == 0 && argc < plain + 2;
                bool would_drain = strcmp(name, "ws.drain") == 0 && argc == 1;
                if (would_wait || would_drain)
                    continue;
                expect_one_reply(argc, argv);
            }
    }
    resp_value_free(all);
    expect_service();
    end();
}
END_TEST

#define LINE "2026-01-01T00:00:00.000Z error wspushd: forged"

static const char *const canaries[] = {"\x1b[2J\x1b]0;x\x07", "\r\n" LINE, "\n" LINE, "\xc2\x9b" LINE,
                                       "\xe2\x80\xa8" LINE,   "\x7f",      "%s%n%s"};

/* The request with the canary where it has an asterisk. */
static void ask_with(const char *request, const char *canary)
{
    char text[1024];
    const char *star = strchr(request, '*');
    int n = snprintf(text, sizeof text, "%.*s%s%s", (int)(star - request), request, canary, star + 1);
    http_reply_free(http_raw(site_ws(site), text, (size_t)n, 2000));
}

/* What peers say is in the log as printable text; no line is theirs. */
START_TEST(no_line_is_forged)
{
    static const char *const requests[] = {"GET /* HTTP/1.1\r\n" ASKS "\r\n",
                                           "GET /test HTTP/1.1\r\n" ASKS "Origin: *\r\n\r\n",
                                           "GET /test HTTP/1.1\r\n" ASKS
                                           "X-Real-IP: *\r\nOrigin: http://evil.example\r\n\r\n",
                                           "GET /test HTTP/1.1\r\n" ASKS "X-Wspush-Channel: *\r\n\r\n",
                                           "* /test HTTP/1.1\r\n" ASKS "\r\n",
                                           "*\r\n\r\n"};
    const char *canary = canaries[_i];
    begin_alone("log_level = debug\n");
    for (size_t i = 0; i < COUNT(requests); i++)
        ask_with(requests[i], canary);
    struct resp *r = resp_open(site_control(site));
    ck_assert_ptr_nonnull(r);
    resp_send(r, "CLIENT", "SETNAME", canary, NULL);
    resp_send_raw(r, canary, strlen(canary));
    resp_send_raw(r, "\n*1\r\n$99999999999\r\n", 20);
    info_until(control, "protocol_faults", 1);
    resp_free(r);
    expect_service();
    char *log = site_log(site, SITE_WORKER);
    for (const char *p = log; *p; p++)
        ck_assert_msg(*p == '\n' || !iscntrl((unsigned char)*p), "the byte %02x is in the log",
                      (unsigned char)*p);
    ck_assert_ptr_null(strstr(log, "\xc2\x9b"));
    ck_assert_ptr_null(strstr(log, "\n" LINE));
    free(log);
    ck_assert_int_ge(times_logged("refused "), 3);
    ck_assert_int_eq(times_logged("left out"), 0);
    end();
}
END_TEST

/* The line about an end names the channel, and not a byte more of what lies behind it in memory. */
START_TEST(names_end_where_they_end)
{
    enum { LONGEST = 16 };
    char path[32], line[64];
    begin_alone(NULL);
    for (int len = 1; len <= LONGEST; len++) {
        snprintf(path, sizeof path, "/%.*s", len, "abcdefghijklmnop");
        snprintf(line, sizeof line, ", channel %s)\n", path + 1);
        struct wsclient *c = wsclient_open(site_ws(site), path);
        wsclient_send_raw(c, "\x83\x80", 2);
        wsclient_expect_close(c, 1002);
        wsclient_free(c);
        ck_assert_msg(times_logged(line) == 1, "not in the log: %s", line);
    }
    end();
}
END_TEST

/* What goes into a header of ours is refused where it is written: in the configuration. */
START_TEST(no_header_from_the_configuration)
{
    static const char *const lines[] = {"subprotocols = {\"a\\r\\nX-Forged: 1\"}\n",
                                        "subprotocols = {\"a\r\nX-Forged: 1\"}\n",
                                        "subprotocols = {\"a b\"}\n", "page = \"/a\\r\\nX-Forged: 1\"\n",
                                        "channel \"test\" { subprotocols = {\"a\\nb\"} }\n"};
    site = site_start(&(struct site_options){.no_nginx = true, .no_responder = true, .no_worker = true});
    for (size_t i = 0; i < COUNT(lines); i++) {
        char *said;
        site_write_file(site, "bad.conf", lines[i]);
        const char *const argv[] = {site_program("wspushd"), "--check-config", "--config",
                                    site_path(site, "bad.conf"), NULL};
        int status = site_run(argv, NULL, &said, 10000);
        ck_assert_msg(status == 2, "%s: %d %s", lines[i], status, said);
        free(said);
    }
    site_stop(site);
}
END_TEST

/* ---- time and memory ---- */

/* Handshakes by the thousand that come byte by byte: pushes are as quick as before, and the time of each is
 * up when it is. */
START_TEST(slow_handshakes)
{
    enum { TIMEOUT_MS = 1200, STEP_MS = 200 };
    static const char head[] = "GET /test HTTP/1.1\r\nHost: localhost\r\nX-Long: xxxxxxxxxxxxxxxxxxxxxxx";
    size_t many = 2 * crowd_size();
    struct http_conn **slow = calloc(many, sizeof(struct http_conn *));
    char text[32];
    begin_alone("handshake_timeout = 1200ms\n");
    struct wsclient *witness = wsclient_open(site_ws(site), "/witness");
    long long before = info_get(control, "used_memory"), worst = 0, began = http_now();
    for (size_t i = 0; i < many; i++)
        ck_assert_ptr_nonnull(slow[i] = http_open(site_ws(site)));
    info_until(control, "connections", (long long)many + 1);
    for (size_t byte = 0; byte < sizeof head && info_get(control, "connections") > 1; byte++) {
        for (size_t i = 0; i < many; i++)
            http_write(slow[i], head + byte, 1);
        long long sent = http_now();
        snprintf(text, sizeof text, "%zu", byte);
        resp_value_free(resp_call(control, "PUBLISH", "witness", text, NULL));
        wsclient_expect_text(witness, text);
        worst = http_now() - sent > worst ? http_now() - sent : worst;
        poll(NULL, 0, STEP_MS);
    }
    ck_assert_msg(http_now() - began >= TIMEOUT_MS, "they were not given their time");
    info_until(control, "connections", 1);
    ck_assert_int_eq(info_get(control, "refused_total"), (long long)many);
    ck_assert_msg(worst < 250 || sanitized, "a push took %lld ms", worst);
    for (size_t i = 0; i < many; i++)
        http_close(slow[i]);
    free(slow);
    long long more = info_get(control, "used_memory") - before;
    ck_assert_msg(more < 512 * 1024 || sanitized, "%lld bytes are left", more); /* tables have grown */
    wsclient_close(witness);
    end();
}
END_TEST

/* Names that meet in one bucket of a table which hashes them as uthash does by itself. */
static void choose_names(char (*names)[24], size_t count, unsigned bits)
{
    unsigned wanted = 0;
    size_t found = 0;
    for (unsigned long i = 0; found < count; i++) {
        unsigned hash;
        size_t len = (size_t)snprintf(names[found], sizeof names[0], "room/%lu", i);
        HASH_JEN(names[found], len, hash);
        if (i == 0)
            wanted = hash & ((1u << bits) - 1);
        found += (hash & ((1u << bits) - 1)) == wanted;
    }
}

static double worker_seconds(void)
{
    struct resp_value *v = resp_call(control, "INFO", "cpu", NULL);
    double system, user;
    const char *p = strstr(v->text, "used_cpu_sys:");
    ck_assert(p && sscanf(p, "used_cpu_sys:%lf used_cpu_user:%lf", &system, &user) == 2);
    resp_value_free(v);
    return system + user;
}

enum { NAMES = 6000 };

/* Seconds of CPU that a worker, which knows no other names, takes for publishing to these again and again. */
static double cost_of(char (*names)[24])
{
    enum { TIMES = 3 };
    begin_alone(NULL);
    double before = worker_seconds();
    for (int t = 0; t < TIMES; t++) {
        for (int i = 0; i < NAMES; i++)
            ck_assert_int_eq(resp_send(control, "PUBLISH", names[i], "x", NULL), 0);
        for (int i = 0; i < NAMES; i++)
            resp_value_free(resp_read(control, RESP_WAIT));
    }
    double seconds = worker_seconds() - before;
    end();
    return seconds;
}

/* Chosen names cost at most twice what others do: the best of three, as machines are busy. */
START_TEST(chosen_names)
{
    static char ordinary[NAMES][24], chosen[NAMES][24];
    double best = 1e9;
    choose_names(chosen, NAMES, 10);
    for (int i = 0; i < NAMES; i++)
        snprintf(ordinary[i], sizeof ordinary[i], "room/%d", i * 1000);
    for (int run = 0; run < 3 && best > 2; run++) {
        double ratio = cost_of(chosen) / cost_of(ordinary);
        best = ratio < best ? ratio : best;
    }
    ck_assert_msg(best <= 2 || sanitized, "chosen names cost %.1f times as much", best);
}
END_TEST

/* ---- compressed ---- */

static size_t pack(const void *plain, size_t len, unsigned char *out, size_t cap)
{
    z_stream z = {0};
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)plain;
    z.avail_in = (unsigned)len;
    z.next_out = out;
    z.avail_out = (unsigned)cap;
    ck_assert_int_eq(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    deflateEnd(&z);
    return cap - z.avail_out - 4;
}

static struct wsclient *open_deflate(void)
{
    struct wsclient *c =
        wsclient_connect(site_ws(site), "/echo", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    ck_assert(wsclient_accepted(c));
    return c;
}

/* A compressed message, and right behind it in the packet a plain one: the bytes behind do not change, bent
 * as the first may be. */
static void send_with_guard(struct wsclient *c, const void *packed, size_t len, const char *guard)
{
    unsigned char packet[4096];
    struct wsclient_frame first = {
        .fin = true, .rsv = 4, .opcode = WSCLIENT_TEXT, .payload = packed, .len = len};
    struct wsclient_frame second = {
        .fin = true, .opcode = WSCLIENT_TEXT, .payload = guard, .len = strlen(guard)};
    size_t n = wsclient_encode(&first, packet, sizeof packet);
    n += wsclient_encode(&second, packet + n, sizeof packet - n);
    ck_assert_int_eq(wsclient_send_raw(c, packet, n), 0);
}

/* The plain message comes back as it was, behind whatever the first became; or the connection ends with a
 * code that fits. */
static void expect_guard(struct wsclient *c, const char *guard)
{
    struct wsclient_received got;
    ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
    if (got.opcode == WSCLIENT_TEXT) {
        ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        ck_assert_uint_eq(got.opcode, WSCLIENT_TEXT);
        ck_assert_msg(got.rsv == 0 && strcmp(got.payload, guard) == 0, "the next message became \"%s\"",
                      got.payload);
    } else {
        ck_assert_uint_eq(got.opcode, WSCLIENT_CLOSE);
        ck_assert_msg(got.code == 1007 || got.code == 1009, "code %u", got.code);
    }
    wsclient_free(c);
}

START_TEST(bytes_behind_a_compressed_message)
{
    static const struct {
        const char *packed;
        size_t len;
    } odd[] = {
        BYTES("\x00"),                                         /* the empty message */
        BYTES("\x01\x00\x00\xff\xff\x00"),                     /* a final block without bytes */
        BYTES("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), /* a stored block */
        BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),             /* a final block, and more */
        BYTES(""),                                             /* nothing at all */
        BYTES("\x02\x00\x00\x00\xff\xff\x02\x00\x00\x00\xff\xff\x00"),
    };
    static const char guard[] = "guard guard guard guard guard guard guard";
    char text[300];
    unsigned char packed[400];
    begin_alone("channel \"echo\" { inbound = echo }\n");
    for (size_t i = 0; i < COUNT(odd); i++) {
        struct wsclient *c = open_deflate();
        send_with_guard(c, odd[i].packed, odd[i].len, guard);
        expect_guard(c, guard);
    }
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 7);
    size_t len = pack(text, sizeof text, packed, sizeof packed);
    for (size_t at = 0; at < len; at++) {
        for (int bit = 0; bit < 8; bit += 3) {
            struct wsclient *c = open_deflate();
            packed[at] ^= (unsigned char)(1 << bit);
            send_with_guard(c, packed, len, guard);
            expect_guard(c, guard);
            packed[at] ^= (unsigned char)(1 << bit);
        }
    }
    expect_service();
    end();
}
END_TEST

/* The most that the worker has held at a time since it was last asked to forget, in KiB. */
static long long peak_kib(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)site_pid(site, SITE_WORKER));
    char *text = site_read_file(path, NULL);
    const char *p = strstr(text, "VmHWM:");
    ck_assert_ptr_nonnull(p);
    long long kib = atoll(p + 6);
    free(text);
    return kib;
}

enum { LIMIT = 1 << 20, GROWTH_MAX_KIB = 16 * 1024 };

/* A frame of a kilobyte that becomes the largest message. Returns its length. */
static size_t thousandfold(unsigned char *frame, size_t cap)
{
    static unsigned char packed[4096];
    char *plain = calloc(1, LIMIT);
    ck_assert_ptr_nonnull(plain);
    size_t len = pack(plain, LIMIT, packed, sizeof packed);
    free(plain);
    struct wsclient_frame f = {
        .fin = true, .rsv = 4, .opcode = WSCLIENT_BINARY, .payload = packed, .len = len};
    return wsclient_encode(&f, frame, cap);
}

/* So many messages came, and the worker has not grown over it; others are served. */
static void expect_no_growth(long long before, long long messages)
{
    info_until(control, "messages_in", messages);
    ck_assert_msg(peak_kib() - before < GROWTH_MAX_KIB || sanitized, "%lld KiB more", peak_kib() - before);
    expect_service();
}

/* Right behind the requests, many on each connection, and all there when the worker begins. */
START_TEST(a_thousandfold_behind_requests)
{
    enum { CONNECTIONS = 8, EACH = 16 };
    static const char request[] =
        "GET /test HTTP/1.1\r\n" ASKS "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    static unsigned char packet[EACH * 4096];
    struct http_conn *conns[CONNECTIONS];
    size_t n = sizeof request - 1;
    memcpy(packet, request, n);
    for (int i = 0; i < EACH; i++)
        n += thousandfold(packet + n, sizeof packet - n);
    begin((struct site_options){.threads = _i + 1, .no_nginx = true, .no_responder = true});
    long long before = peak_kib();
    site_signal(site, SITE_WORKER, SIGSTOP);
    for (int i = 0; i < CONNECTIONS; i++) {
        conns[i] = http_open(site_ws(site));
        ck_assert(conns[i] && http_write(conns[i], packet, n) == 0);
    }
    site_signal(site, SITE_WORKER, SIGCONT);
    expect_no_growth(before, CONNECTIONS * EACH);
    for (int i = 0; i < CONNECTIONS; i++)
        http_close(conns[i]);
    end();
}
END_TEST

/* One on each of many connections, all at once. */
START_TEST(a_thousandfold_from_many)
{
    enum { CONNECTIONS = 150 };
    static unsigned char frame[4096];
    struct wsclient *clients[CONNECTIONS];
    size_t n = thousandfold(frame, sizeof frame);
    begin((struct site_options){.threads = _i + 1, .no_nginx = true, .no_responder = true});
    for (int i = 0; i < CONNECTIONS; i++)
        clients[i] = open_deflate();
    long long before = peak_kib();
    site_signal(site, SITE_WORKER, SIGSTOP);
    for (int i = 0; i < CONNECTIONS; i++)
        ck_assert_int_eq(wsclient_send_raw(clients[i], frame, n), 0);
    site_signal(site, SITE_WORKER, SIGCONT);
    expect_no_growth(before, CONNECTIONS);
    for (int i = 0; i < CONNECTIONS; i++)
        wsclient_free(clients[i]);
    end();
}
END_TEST

static TCase *tcase(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("attacks");
    TCase *tc = tcase(suite, "sockets");
    tcase_add_test(tc, floods_of_descriptors);
    if (!sanitized) /* which want to be loaded first */
        tcase_add_test(tc, no_moment_without_a_mode);
    tcase_add_test(tc, http_into_the_control_socket);
    tcase_add_test(tc, others_into_the_clients_socket);
    tc = tcase(suite, "requests");
    tcase_add_test(tc, ambiguous_bodies);
    tcase_add_test(tc, rules_hold_on_every_route);
    tc = tcase(suite, "forgery");
    tcase_add_test(tc, no_reply_is_forged);
    tcase_add_loop_test(tc, no_line_is_forged, 0, COUNT(canaries));
    tcase_add_test(tc, names_end_where_they_end);
    tcase_add_test(tc, no_header_from_the_configuration);
    tc = tcase(suite, "time and memory");
    tcase_add_test(tc, slow_handshakes);
    tcase_add_test(tc, chosen_names);
    tcase_add_test(tc, bytes_behind_a_compressed_message);
    tcase_add_loop_test(tc, a_thousandfold_behind_requests, 0, 2);
    tcase_add_loop_test(tc, a_thousandfold_from_many, 0, 2);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
