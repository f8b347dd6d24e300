/*
 * What goes wrong around the worker: descriptors and memory used up, an nginx that is killed, peers that
 * vanish, read nothing or drip, thousands that come and break off, a clock that steps, a process that stands
 * still. After each it serves, its figures tell what was, and nothing is left behind: descriptors, heap.
 *
 * The heap is INFO's used_memory, with malloc's caches off (as in test_idle), so that free counts as free.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

enum { HEAP_MAX = 64 * 1024 };

static struct site *site;
static struct resp *control;

/* What there was before the fault. */
static int descriptors;
static long long heap, clients_before, closed_before;

static void look(void)
{
    info_until(control, "connections", 0);
    descriptors = site_descriptors(site, SITE_WORKER);
    heap = info_get(control, "used_memory");
    clients_before = info_get(control, "clients_total");
    closed_before = info_get(control, "closed_total");
}

/* Somebody came, spoke and heard, went: what is made once is there. */
static void use(const char *address)
{
    struct wsclient *c = wsclient_open(address, "/echo");
    ck_assert_int_eq(wsclient_send_text(c, "hello"), 0);
    wsclient_expect_text(c, "hello");
    resp_expect(control, "PUBLISH echo \"you too\"", "1");
    wsclient_expect_text(c, "you too");
    wsclient_close(c);
}

static void begin(struct site_options options)
{
    char config[1024];
    snprintf(config, sizeof config, "%schannel \"echo\" { inbound = echo }\n",
             options.config ? options.config : "");
    options.config = config;
    options.no_responder = true;
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
    site = site_start(&options);
    unsetenv("GLIBC_TUNABLES");
    control = resp_open(site_control(site));
    ck_assert_ptr_nonnull(control);
    for (int i = 0; i < 4; i++)
        use(site_ws(site));
    look();
}

static void begin_alone(const char *config)
{
    begin((struct site_options){.config = config, .no_nginx = true, .tcp = true});
}

/* It serves, by nginx too where there is one, and is as it was. */
static void end_as_before(void)
{
    use(site_ws(site));
    if (site_pid(site, SITE_NGINX))
        use(site_http(site));
    info_until(control, "connections", 0);
    site_wait_descriptors(site, SITE_WORKER, descriptors);
    long long more = info_get(control, "used_memory") - heap;
    ck_assert_msg(more <= HEAP_MAX, "%lld bytes of heap are left behind", more);
    resp_free(control);
    site_stop(site);
}

/* The clients that were opened since, and all that were opened are gone. */
static void expect_counted(long long clients)
{
    info_until(control, "connections", 0);
    ck_assert_int_eq(info_get(control, "clients_total") - clients_before, clients);
    ck_assert_int_eq(info_get(control, "closed_total") - closed_before, clients);
}

/* ---- nothing left ---- */

/* Seconds of CPU that the worker has used. */
static double cpu_seconds(void)
{
    char path[64];
    unsigned long user, system;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)site_pid(site, SITE_WORKER));
    char *text = site_read_file(path, NULL);
    ck_assert_ptr_nonnull(text);
    const char *p = strrchr(text, ')');
    ck_assert_int_eq(sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system), 2);
    free(text);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* The number that the worker's next descriptor would get. */
static rlim_t first_free_descriptor(void)
{
    char path[64], ignored[8];
    rlim_t fd = 0;
    do
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)site_pid(site, SITE_WORKER), (int)fd++);
    while (readlink(path, ignored, sizeof ignored) >= 0);
    return fd - 1;
}

static void limit_descriptors(rlim_t most)
{
    struct rlimit limit;
    ck_assert_int_eq(prlimit(site_pid(site, SITE_WORKER), RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = most;
    ck_assert_int_eq(prlimit(site_pid(site, SITE_WORKER), RLIMIT_NOFILE, &limit, NULL), 0);
}

/* Who comes waits, straight and behind nginx, and costs no time; who is in is served; with room again all
 * come in. */
START_TEST(no_descriptor_left)
{
    enum { WAITING = 20, QUIET_MS = 1000 };
    static const char request[] = "GET /test HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct http_conn *waiting[WAITING];
    begin((struct site_options){.threads = _i + 1});
    struct crowd *in = crowd_open(site_ws(site), "/test", 5);
    limit_descriptors(first_free_descriptor());
    for (int i = 0; i < WAITING; i++) {
        waiting[i] = http_open(i % 2 ? site_http(site) : site_ws(site));
        ck_assert(waiting[i] && http_write(waiting[i], request, sizeof request - 1) == 0);
    }
    site_wait_log(site, SITE_WORKER, "cannot accept a client: Too many open files", 5000);
    double cpu = cpu_seconds();
    crowd_expect_silence(in, QUIET_MS);
    cpu = cpu_seconds() - cpu;
    ck_assert_msg(cpu < 0.1 * QUIET_MS / 1000 || sanitized, "%.3f s of CPU in a second of waiting", cpu);
    resp_expect(control, "PUBLISH test 0", "5");
    crowd_receive(in, 1, 5000);
    ck_assert_int_gt(info_get(control, "accepts_put_off"), 0);
    limit_descriptors(1000);
    for (int i = 0; i < WAITING; i++)
        ck_assert_msg(http_until(waiting[i], "HTTP/1.1 101 ", 5000), "number %d is not let in", i);
    resp_expect(control, "PUBLISH test 1", "25");
    for (int i = 0; i < WAITING; i++)
        http_close(waiting[i]);
    crowd_free(in);
    expect_counted(5 + WAITING);
    end_as_before();
}
END_TEST

/* The worker's address space may grow by so much from now on; 0: as it likes. */
static void limit_memory(size_t more)
{
    char path[64];
    unsigned long pages;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)site_pid(site, SITE_WORKER));
    char *text = site_read_file(path, NULL);
    ck_assert(text && sscanf(text, "%lu", &pages) == 1);
    free(text);
    rlim_t most = more ? (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more : RLIM_INFINITY;
    struct rlimit limit = {most, RLIM_INFINITY};
    ck_assert_int_eq(prlimit(site_pid(site, SITE_WORKER), RLIMIT_AS, &limit, NULL), 0);
}

/* A message for which there is no memory ends whoever sent it, with 1011, or is refused to the operator; all
 * else goes on; later there is memory. */
START_TEST(no_memory_for_a_message)
{
    enum { LARGE = 32 << 20, ROOM = 8 << 20 };
    char *text = malloc(LARGE + 1);
    memset(text, 'x', LARGE);
    text[LARGE] = '\0';
    begin_alone("message_limit = 64m\nout_limit = 128m\n");
    struct wsclient *other = wsclient_open(site_ws(site), "/echo");
    limit_memory(ROOM);
    for (int i = 0; i < 3; i++) {
        struct wsclient *c = wsclient_open(site_ws(site), "/echo");
        wsclient_send_text(c, text); /* it may be cut off within it */
        wsclient_expect_close(c, 1011);
        wsclient_free(c);
        ck_assert_int_eq(wsclient_send_text(other, "meanwhile"), 0);
        wsclient_expect_text(other, "meanwhile");
    }
    struct resp *operator= resp_open(site_control(site));
    ck_assert_ptr_nonnull(operator);
    struct resp_value *v = NULL;
    if (resp_send(operator, "PUBLISH", "echo", text, NULL) == 0)
        v = resp_read(operator, RESP_WAIT);
    ck_assert_msg(!v || v->type == '-', "published: %s", v->text);
    resp_value_free(v);
    resp_free(operator);
    ck_assert_int_eq(wsclient_send_text(other, "still"), 0);
    wsclient_expect_text(other, "still");
    limit_memory(0);
    ck_assert_int_eq(wsclient_send_text(other, text), 0);
    wsclient_expect_text(other, text);
    wsclient_close(other);
    free(text);
    site_wait_log(site, SITE_WORKER, "with 1011: out of memory", 1000);
    ck_assert_int_eq(info_get(control, "no_memory"), 3);
    expect_counted(4);
    end_as_before();
}
END_TEST

/* ---- the other end ---- */

static void kill_nginx(void)
{
    pid_t children[64];
    size_t n = site_children(site_pid(site, SITE_NGINX), children, 64);
    site_kill(site, SITE_NGINX);
    for (size_t i = 0; i < n; i++)
        kill(children[i], SIGKILL);
}

/* In the middle of a stream of messages, and of one that comes in. */
START_TEST(nginx_is_killed)
{
    enum { CLIENTS = 100, MESSAGES = 200 };
    char text[16];
    begin((struct site_options){.threads = _i + 1});
    struct crowd *crowd = crowd_open(site_http(site), "/test", CLIENTS);
    struct wsclient *half = wsclient_open(site_http(site), "/test");
    wsclient_send_frame(half, &(struct wsclient_frame){.opcode = WSCLIENT_TEXT, .payload = "half", .len = 4});
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(text, sizeof text, "%d", i);
        ck_assert_int_eq(resp_send(control, "PUBLISH", "test", text, NULL), 0);
        if (i == MESSAGES / 2)
            kill_nginx();
    }
    for (int i = 0; i < MESSAGES; i++)
        resp_value_free(resp_read(control, RESP_WAIT));
    crowd_expect_close(crowd, 0, 5000);
    crowd_free(crowd);
    wsclient_free(half);
    info_until(control, "connections", 0);
    site_begin(site, SITE_NGINX);
    expect_counted(CLIENTS + 1);
    end_as_before();
}
END_TEST

/* A client in a process of its own, which is stopped as soon as it is open. */
static pid_t stopped_client(const char *address)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct wsclient *c = wsclient_connect(address, "/peers", NULL);
        if (!wsclient_accepted(c))
            _exit(1);
        raise(SIGSTOP);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
    ck_assert(WIFSTOPPED(status));
    return pid;
}

/* Gone without a word: not even a FIN or a RST is sent, as when a cable is cut (tcp(7), TCP_REPAIR). False:
 * this is not allowed here. */
static bool vanish(struct wsclient *c)
{
    enum { REPAIR = 19 };
    int on = 1;
    bool may = setsockopt(wsclient_fd(c), IPPROTO_TCP, REPAIR, &on, sizeof on) == 0;
    wsclient_free(c);
    return may;
}

/* Peers whose line is dead while nothing says so: they are pinged, given up, and nobody waits for them. */
START_TEST(half_open_peers)
{
    pid_t stopped[4];
    begin((struct site_options){.tcp = true,
                                .threads = _i + 1,
                                .config =
                                    "ping_interval = 200ms\npong_timeout = 300ms\nclose_timeout = 200ms\n"});
    const char *const addresses[] = {site_ws(site), site_tcp(site), site_http(site), site_http(site)};
    for (int i = 0; i < 4; i++)
        stopped[i] = stopped_client(addresses[i]);
    struct wsclient *gone = wsclient_open(site_tcp(site), "/peers");
    struct wsclient *well = wsclient_open(site_http(site), "/well");
    info_until(control, "connected_clients", 6);
    if (!vanish(gone))
        puts("half_open_peers: the cut cable is a FIN: no CAP_NET_ADMIN here");
    long long began = http_now();
    while (info_get(control, "connections") > 1) {
        ck_assert_msg(http_now() - began < 3000, "they are kept");
        wsclient_expect_silence(well, 20); /* which answers pings */
    }
    resp_expect(control, "PUBLISH peers anybody", "0");
    resp_expect(control, "PUBLISH well you", "1");
    wsclient_expect_text(well, "you");
    wsclient_close(well);
    for (int i = 0; i < 4; i++) {
        kill(stopped[i], SIGKILL);
        waitpid(stopped[i], NULL, 0);
    }
    expect_counted(6);
    end_as_before();
}
END_TEST

static void make_deaf(const struct wsclient *c)
{
    int small = 4096;
    ck_assert_int_eq(setsockopt(wsclient_fd(c), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
}

/* A client that never reads is closed for being slow and counted; who reads misses nothing, and publishers
 * are not held up. */
START_TEST(one_that_never_reads)
{
    enum { MESSAGES = 400, SIZE = 20000 };
    char *text = malloc(SIZE + 1);
    ck_assert_ptr_nonnull(text);
    begin((struct site_options){.config = "out_limit = 1m\nclose_timeout = 200ms\n", .threads = _i + 1});
    struct wsclient *deaf = wsclient_open(site_ws(site), "/test");
    struct wsclient *deaf_behind = wsclient_open(site_http(site), "/test");
    make_deaf(deaf);
    make_deaf(deaf_behind);
    struct crowd *crowd = crowd_open(site_http(site), "/test", 5);
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    for (int i = 0; i < MESSAGES; i++) {
        text[snprintf(text, 16, "%d", i)] = ' ';
        resp_value_free(resp_call(control, "PUBLISH", "test", text, NULL));
        crowd_receive(crowd, (uint64_t)i + 1, 5000);
    }
    free(text);
    info_until(control, "slow_closed", 2);
    info_until(control, "connections", 5); /* though neither has read a word */
    wsclient_free(deaf);
    wsclient_free(deaf_behind);
    crowd_free(crowd);
    expect_counted(7);
    end_as_before();
}
END_TEST

/* A byte now and then, in the request, in a header, in a message: each has its time, and others theirs. */
START_TEST(bytes_that_drip)
{
    enum { EVERY_MS = 50 };
    static const char head[] = "GET /test HTTP/1.1\r\nHost: localhost\r\nX-Long: "
                               "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    struct wsclient_received got;
    begin_alone("handshake_timeout = 600ms\nframe_timeout = 600ms\nclose_timeout = 200ms\n");
    struct http_conn *request = http_open(site_ws(site));
    struct wsclient *message = wsclient_open(site_ws(site), "/test");
    struct wsclient *well = wsclient_open(site_ws(site), "/echo");
    ck_assert_int_eq(wsclient_send_raw(message, "\x82\xff", 2), 0);
    long long began = http_now();
    for (size_t i = 0; info_get(control, "connections") > 1; i++) {
        ck_assert_msg(http_now() - began < 3000, "they drip for ever");
        http_write(request, head + i % (sizeof head - 1), 1);
        wsclient_send_raw(message,
                          "\0\0\0\0\0\1\0\0\0\0\0\0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" + (i < 40 ? i : 40), 1);
        ck_assert_int_eq(wsclient_send_text(well, "well"), 0);
        wsclient_expect_text(well, "well");
        wsclient_expect_silence(well, EVERY_MS);
    }
    ck_assert_int_ge(http_now() - began, 600);
    ck_assert(http_until(request, "HTTP/1.1 408 ", 1000));
    http_close(request);
    ck_assert_int_eq(wsclient_recv(message, &got, 1000), WSCLIENT_GOT);
    ck_assert_uint_eq(got.code, 1008);
    wsclient_free(message);
    wsclient_close(well);
    ck_assert_int_eq(info_get(control, "refused_total"), 1);
    expect_counted(2);
    end_as_before();
}
END_TEST

/* Ten thousand that come and break off, one after the other, and some of them behind nginx. */
START_TEST(connects_and_resets)
{
    const int rounds = sanitized ? 1000 : 10000, behind = rounds / 20;
    begin((struct site_options){.tcp = true, .threads = _i + 1});
    struct wsclient *witness = wsclient_open(site_ws(site), "/witness");
    for (int i = 0; i < rounds; i++) {
        struct wsclient *c = wsclient_open(i < behind ? site_http(site) : site_tcp(site), "/test");
        if (i % 3)
            wsclient_send_raw(c, "\x81\xfe\x01", (size_t)(i % 3));
        wsclient_reset(c);
        if (i % 1000 == 0) {
            resp_expect(control, "PUBLISH witness on", "1");
            wsclient_expect_text(witness, "on");
        }
    }
    wsclient_close(witness);
    expect_counted(rounds + 1);
    end_as_before();
}
END_TEST

/* ---- time ---- */

/* What the preloaded library adds to the worker's wall clock, in seconds. */
static volatile int64_t *clock_step;

static void begin_with_clock(const char *config)
{
    char path[] = "/tmp/wspush-clock-XXXXXX";
    int fd = mkstemp(path);
    ck_assert(fd >= 0 && ftruncate(fd, sizeof *clock_step) == 0);
    clock_step = mmap(NULL, sizeof *clock_step, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne((void *)(uintptr_t)clock_step, MAP_FAILED);
    close(fd);
    setenv("WSPUSH_SHIM_CLOCK", path, 1);
    setenv("LD_PRELOAD", site_program("t/system/shim.so"), 1);
    begin_alone(config);
    unsetenv("LD_PRELOAD");
    unlink(path);
}

/* The moment that the worker takes a message for having come, Unix seconds. */
static long long time_of_a_word(struct wsclient *c)
{
    ck_assert_int_eq(wsclient_send_text(c, "what time is it?"), 0);
    struct resp_value *v = resp_call(control, "WS.WAIT", "clock", "TIMEOUT", "5000", NULL);
    ck_assert_msg(v->count >= 5, "no message");
    long long ms = atoll(v->items[4]->text);
    resp_value_free(v);
    return ms / 1000;
}

/* How long this operator has been there, as the worker says it; seconds. */
static long long age_of_operator(void)
{
    struct resp_value *v = resp_call(control, "CLIENT", "INFO", NULL);
    const char *p = v->text ? strstr(v->text, " age=") : NULL;
    ck_assert_ptr_nonnull(p);
    long long age = atoll(p + 5);
    resp_value_free(v);
    return age < 0 ? -age : age;
}

/* The clock goes an hour on, a day back, and to the year 2100: no timer notices. Pings come as before, nobody
 * is closed, a wait takes as long as it says; only what tells the time of day tells the new one. */
START_TEST(the_clock_steps)
{
    static const int64_t steps[] = {3600, -86400, 2300000000, -1500000000, 0};
    begin_with_clock("ping_interval = 150ms\npong_timeout = 500ms\nframe_timeout = 1s\nidle_timeout = 5s\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/clock");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        wsclient_send_frame(c, &(struct wsclient_frame){.opcode = WSCLIENT_TEXT});
        *clock_step = steps[i];
        long long began = http_now(), pings = 0;
        resp_expect(control, "WS.WAIT nobody TIMEOUT 400", "[\"timeout\"]");
        long long took = http_now() - began;
        ck_assert_msg(took >= 390 && took < 1500, "a wait of 400 ms takes %lld ms", took);
        struct wsclient_received got;
        while (wsclient_recv(c, &got, 0) == WSCLIENT_GOT) {
            ck_assert_uint_eq(got.opcode, WSCLIENT_PING);
            wsclient_send_frame(c, &(struct wsclient_frame){.fin = true, .opcode = WSCLIENT_PONG});
            pings++;
        }
        ck_assert_int_eq(pings, 1); /* and no other before this one is answered */
        wsclient_send_frame(c, &(struct wsclient_frame){.fin = true, .payload = "x", .len = 1});
        resp_expect(control, "WS.WAIT clock TIMEOUT 5000", "[\"c5\", *");
        long long off = time_of_a_word(c) - (long long)time(NULL) - steps[i];
        ck_assert_msg(off >= -2 && off <= 2, "the step of %lld s is not seen", (long long)steps[i]);
        ck_assert_msg(age_of_operator() < 30, "an operator's age is %lld s", age_of_operator());
    }
    wsclient_close(c);
    expect_counted(1);
    end_as_before();
}
END_TEST

static bool has_pinged(void *before)
{
    return info_get(control, "bytes_out") - *(long long *)before >= (long long)(2 * crowd_size());
}

/* The worker stands still (a machine that sleeps, or moves) for longer than an answer to a ping may take. The
 * answers have come in the meantime: nobody is given up. */
START_TEST(a_standstill)
{
    begin((struct site_options){.config = "ping_interval = 300ms\npong_timeout = 700ms\nframe_timeout = 1s\n",
                                .no_nginx = true,
                                .threads = _i + 1});
    struct crowd *crowd = crowd_open(site_ws(site), "/test", crowd_size());
    long long before = info_get(control, "bytes_out");
    ck_assert(site_until(has_pinged, &before, 5000));
    site_signal(site, SITE_WORKER, SIGSTOP);
    crowd_expect_silence(crowd, 900); /* they answer */
    site_signal(site, SITE_WORKER, SIGCONT);
    crowd_expect_silence(crowd, 200);
    char expected[32];
    snprintf(expected, sizeof expected, "%zu", crowd_size());
    resp_expect(control, "PUBLISH test 0", expected);
    crowd_receive(crowd, 1, 5000);
    crowd_free(crowd);
    expect_counted((long long)crowd_size());
    use(site_ws(site));
    resp_free(control);
    site_stop(site); /* its tables have grown */
}
END_TEST

/* Nor is who had asked, or sent a whole message, before it. */
START_TEST(a_standstill_with_requests)
{
    enum { ASKING = 20, SIZE = 30000 };
    static const char request[] = "GET /test HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static unsigned char text[SIZE];
    struct http_conn *asking[ASKING];
    begin((struct site_options){
        .config = "handshake_timeout = 1s\nframe_timeout = 1s\n", .no_nginx = true, .threads = _i + 1});
    for (uint32_t i = 0, x = 1; i < SIZE; i++) /* what does not compress comes back as it is */
        text[i] = (unsigned char)((x = x * 1664525 + 1013904223) >> 24);
    struct wsclient *c =
        wsclient_connect(site_ws(site), "/echo", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    ck_assert(wsclient_accepted(c));
    for (int i = 0; i < ASKING; i++)
        ck_assert((asking[i] = http_open(site_ws(site))) && http_write(asking[i], request, 20) == 0);
    info_until(control, "connections", ASKING + 1);
    site_signal(site, SITE_WORKER, SIGSTOP);
    for (int i = 0; i < ASKING; i++)
        ck_assert(http_write(asking[i], request + 20, sizeof request - 1 - 20) == 0);
    ck_assert_int_eq(wsclient_send_binary(c, text, SIZE), 0);
    poll(NULL, 0, 1300); /* what is tested is that it lasts */
    site_signal(site, SITE_WORKER, SIGCONT);
    for (int i = 0; i < ASKING; i++)
        ck_assert_msg(http_until(asking[i], "HTTP/1.1 101 ", 5000), "number %d is not let in", i);
    wsclient_expect_binary(c, text, SIZE);
    for (int i = 0; i < ASKING; i++)
        http_close(asking[i]);
    wsclient_close(c);
    resp_free(control);
    site_stop(site);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("faults");
    TCase *tc = tcase_create("faults");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, no_descriptor_left, 0, 2);
    if (!sanitized) /* whose allocators need address space, and abort */
        tcase_add_test(tc, no_memory_for_a_message);
    tcase_add_loop_test(tc, nginx_is_killed, 0, 2);
    tcase_add_loop_test(tc, half_open_peers, 0, 2);
    tcase_add_loop_test(tc, one_that_never_reads, 0, 2);
    tcase_add_test(tc, bytes_that_drip);
    tcase_add_loop_test(tc, connects_and_resets, 0, 1);
    if (!sanitized) /* which want to be loaded first */
        tcase_add_test(tc, the_clock_steps);
    tcase_add_loop_test(tc, a_standstill, 0, 2);
    tcase_add_loop_test(tc, a_standstill_with_requests, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
