/*
 * What stays of who was there: 100,000 connections of ten kinds, one kind after the other, straight to the
 * worker's own sockets. Afterwards its descriptors are as many as before, and its heap is at most 64 KiB
 * more. The heap is what malloc has given out and not got back (mallinfo2's uordblks and hblkhd, INFO's
 * used_memory), with the threads' caches off, so that what was freed counts as free.
 *
 * WSPUSH_ROUNDS is how many of each kind, 10,000 by default. Ends with "N passed, N failed".
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../system/figures.h"
#include "../system/http.h"
#include "../system/resp.h"
#include "../system/wsclient.h"
#include "attacks.h"

enum { KINDS = 10, RUSH = 3000, HEAP_MAX = 64 * 1024, ANSWER_MS = 10000 };
enum { FIN = 0x80, RSV1 = 0x40, TEXT = 1, CLOSE = 8, PING = 9 };

static struct site *site;
static struct resp *control;
static struct force force;
static int passed, failed;

/* ---- the kinds: what connection number i does; it is closed afterwards ---- */

static void send_plain(int fd, const void *bytes, size_t len)
{
    force.sent = 0; /* no budget here */
    force_send(&force, fd, bytes, len);
}

/* Reads to the end. */
static void read_out(int fd)
{
    char block[4096];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (poll(&ready, 1, ANSWER_MS) == 1 && recv(fd, block, sizeof block, 0) > 0)
        continue;
}

static int come(const char *headers)
{
    force.sent = 0;
    int fd = force_enter(&force, "/echo", headers);
    ck_assert_msg(fd >= 0, "not let in");
    return fd;
}

static void cut_in_the_handshake(int i)
{
    char request[512];
    size_t len = force_request(request, sizeof request, "/echo", NULL);
    send_plain(force_connect(&force, site_ws(site)), request, (size_t)i % (len + 1));
}

static size_t add_frame(unsigned char *out, unsigned first, const char *payload, size_t len)
{
    size_t n = force_header(out, first, len);
    memcpy(out + n, payload, len);
    return n + len;
}

static size_t some_frames(unsigned char *out)
{
    size_t n = add_frame(out, FIN | TEXT, "one", 3);
    n += add_frame(out + n, TEXT, "tw", 2);
    n += add_frame(out + n, FIN | PING, "between", 7);
    n += add_frame(out + n, FIN, "o", 1);
    n += add_frame(out + n, FIN | TEXT, "\xf0\x9f\x98\x80", 4);
    return n + add_frame(out + n, FIN | CLOSE,
                         "\x0f\xa0"
                         "done",
                         6);
}

static void cut_in_a_frame(int i)
{
    unsigned char bytes[256];
    size_t len = some_frames(bytes);
    send_plain(come(NULL), bytes, (size_t)i % (len + 1));
}

static void reset(int i)
{
    unsigned char bytes[256];
    size_t len = some_frames(bytes);
    struct wsclient *c = wsclient_open(site_tcp(site), "/echo");
    wsclient_send_raw(c, bytes, (size_t)i % len);
    wsclient_reset(c);
}

static void half_closed(int i)
{
    unsigned char bytes[256];
    size_t len = some_frames(bytes);
    int fd = come(NULL);
    send_plain(fd, bytes, (size_t)i % len);
    shutdown(fd, SHUT_WR);
    read_out(fd);
}

static void closed_well(int i)
{
    unsigned char bytes[256];
    int fd = come(NULL);
    (void)i;
    send_plain(fd, bytes, some_frames(bytes));
    read_out(fd);
}

static void refused(int i)
{
    static const char *const headers[] = {"Origin: http://evil.example\r\n", "Host: b\r\n",
                                          "Sec-WebSocket-Version: 7\r\n", "X: \x01\r\n",
                                          "X-Wspush-Channel: @all\r\n"};
    char request[512];
    size_t len = force_request(request, sizeof request, "/echo", headers[i % 5]);
    int fd = force_connect(&force, site_ws(site));
    send_plain(fd, request, len);
    if (i % 2)
        read_out(fd);
}

static void violating(int i)
{
    static const char *const bytes[] = {"\x83\x80", "\xc1\x80", "\x81\x01x",
                                        "\x80\x80", "\x88\x81", "\x89\xfe"};
    int fd = come(NULL);
    send_plain(fd, bytes[i % 6], 2);
    if (i % 2)
        read_out(fd);
}

/* Compressed, also what cannot be expanded, and gone while the echo is on its way. */
static void compressed(int i)
{
    unsigned char bytes[64];
    size_t n = add_frame(bytes, FIN | RSV1 | TEXT, "\xf2\x48\xcd\xc9\xc9\x07\x00", (size_t)(7 - i % 2));
    send_plain(come("Sec-WebSocket-Extensions: permessage-deflate\r\n"), bytes, n);
}

/* Descriptors that nobody asked for, in the middle of what may be a request. */
static void with_descriptors(int i)
{
    int fd = force_connect(&force, i % 2 ? site_ws(site) : site_control(site));
    http_send_descriptors(fd, 'P', 100);
    if (i % 4 < 2)
        http_send_descriptors(fd, 'I', 100);
}

static void operators(int i)
{
    static const char *const texts[] = {"PING\r\n",
                                        "*2147483647\r\n",
                                        "POST / HTTP/1.1\r\n",
                                        "*3\r\n$7\r\nPUBLISH\r\n$",
                                        "MULTI\r\nPUBLISH echo x\r\n",
                                        "WS.WAIT nobody\r\n",
                                        "SUBSCRIBE\r\n",
                                        "WS.SEND @all x WAIT handed TIMEOUT 1000\r\n"};
    int fd = force_connect(&force, site_control(site));
    send_plain(fd, texts[i % 8], strlen(texts[i % 8]));
}

static const struct {
    const char *name;
    void (*visit)(int i);
} kinds[KINDS] = {
    {"cut in the handshake, at each byte", cut_in_the_handshake},
    {"cut in a frame, at each byte", cut_in_a_frame},
    {"reset, over TCP", reset},
    {"half-closed", half_closed},
    {"closed well", closed_well},
    {"refused", refused},
    {"closed for a violation", violating},
    {"compressed, and gone", compressed},
    {"floods of descriptors", with_descriptors},
    {"operators of all kinds", operators},
};

/* ---- counting ---- */

static void all_are_gone(void)
{
    info_until(control, "connections", 0);
    info_until(control, "operators", 1);
}

static void visit(size_t kind, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        kinds[kind].visit(i);
        force_disband(&force);
    }
    all_are_gone();
}

/* Many at once, while the worker stands still: its tables and mailboxes have then the size that they keep. */
static void rush(void)
{
    char request[512];
    size_t len = force_request(request, sizeof request, "/echo", NULL);
    site_signal(site, SITE_WORKER, SIGSTOP);
    for (int i = 0; i < RUSH; i++)
        send_plain(force_connect(&force, site_ws(site)), request, len);
    site_signal(site, SITE_WORKER, SIGCONT);
    info_until(control, "connected_clients", RUSH);
    site_signal(site, SITE_WORKER, SIGSTOP);
    force_disband(&force);
    site_signal(site, SITE_WORKER, SIGCONT);
    all_are_gone();
}

static void judge(const char *name, int rounds, double seconds, int descriptors, long long heap)
{
    bool good = descriptors == 0 && heap <= HEAP_MAX;
    printf("%-36s %9d %8.1f %12d %10lld%s\n", name, rounds, seconds, descriptors, heap,
           good ? "" : "  <- too much");
    fflush(stdout);
    *(good ? &passed : &failed) += 1;
}

static void weigh_all(int rounds)
{
    int descriptors = site_descriptors(site, SITE_WORKER);
    long long heap = info_get(control, "used_memory"), all_began = http_now();
    printf("%-36s %9s %8s %12s %10s\n", "connections", "number", "seconds", "descriptors", "heap");
    for (size_t k = 0; k < KINDS; k++) {
        long long began = http_now(), before = info_get(control, "used_memory");
        visit(k, rounds);
        judge(kinds[k].name, rounds, (double)(http_now() - began) / 1000,
              site_descriptors(site, SITE_WORKER) - descriptors, info_get(control, "used_memory") - before);
    }
    judge("all of them", rounds * KINDS, (double)(http_now() - all_began) / 1000,
          site_descriptors(site, SITE_WORKER) - descriptors, info_get(control, "used_memory") - heap);
}

START_TEST(leakcheck)
{
    const char *text = getenv("WSPUSH_ROUNDS");
    int rounds = text ? atoi(text) : 10000;
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
    site = site_start(&(struct site_options){.config = "channel \"echo\" { inbound = echo }\n",
                                             .threads = 2,
                                             .tcp = true,
                                             .no_nginx = true,
                                             .no_responder = true});
    unsetenv("GLIBC_TUNABLES");
    force.site = site;
    control = resp_open(site_control(site));
    ck_assert(control != NULL);
    for (int i = 0; i < 3; i++)
        rush();
    for (size_t k = 0; k < KINDS; k++)
        visit(k, 200);
    weigh_all(rounds);
    resp_free(control);
    site_stop(site);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("leakcheck");
    TCase *tc = tcase_create("leakcheck");
    tcase_add_test(tc, leakcheck);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);
    int broken = srunner_ntests_failed(runner);
    if (broken)
        srunner_print(runner, CK_NORMAL);
    srunner_free(runner);
    failed += broken;
    printf("%d passed, %d failed\n", passed, failed);
    return failed || !passed;
}
