/*
 * The floor: what epoll and send cost when a program does nothing else. It takes WebSockets, and writes each
 * message that is published to every one of them; no channels, no queues, no limits, no deadlines. What
 * wspushd costs is told as a multiple of it.
 *
 *     floor --listen ADDRESS [--listen ADDRESS] --control ADDRESS [--at-once N] [--echo] [--ping SECONDS]
 *
 * --at-once N   holds messages back until there are N, or nothing happens any more, and writes them to each
 *               client in one send
 * --echo        sends back what clients say
 * --ping S      pings all every S seconds
 *
 * The control socket takes PUBLISH and answers how many clients it went to; with no clients that is a server
 * that parses and answers and does nothing else.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "../must.h"
#include "../net.h"
#include "reflect.h"
#include "upgrade.h"

enum { EVENTS = 512, READ_SIZE = 256 * 1024, REQUEST_MAX = 4096, DESCRIPTORS = 1 << 17, HOLD_MS = 20 };

/* What a descriptor is. */
enum kind { NOTHING, LISTENER, CONTROL_LISTENER, CONTROL, OPENING, CLIENT };

static unsigned char kinds[DESCRIPTORS];
static struct reflect *reflections; /* by descriptor; NULL without --echo */
static int clients[DESCRIPTORS];    /* the descriptors of all clients, dense */
static int place[DESCRIPTORS];      /* of a descriptor in it */
static size_t client_count;
static int epoll_fd;
static unsigned long at_once = 1;
static int ping_ms = -1;

static char frames[READ_SIZE * 2]; /* published, not yet written */
static size_t frames_len;
static unsigned long frames_count;

static void watch(int fd, enum kind kind)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= DESCRIPTORS || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("cannot watch a descriptor: %s", strerror(errno));
    kinds[fd] = (unsigned char)kind;
}

static void forget(int fd)
{
    if (kinds[fd] == CLIENT) {
        int last = clients[--client_count];
        clients[place[fd]] = last;
        place[last] = place[fd];
    }
    if (reflections) {
        free(reflections[fd].bytes);
        reflections[fd] = (struct reflect){.len = 0};
    }
    kinds[fd] = NOTHING;
    close(fd);
}

/* ---- out ---- */

static void write_to_all(const void *bytes, size_t len)
{
    for (size_t i = 0; i < client_count; i++)
        net_send_all(clients[i], bytes, len); /* one that has gone is seen when it is read from */
}

static void add_frame(const char *payload, size_t len)
{
    if (len > 65535 || frames_len + len + 4 > sizeof frames)
        die("too much to publish");
    char *p = frames + frames_len;
    *p++ = (char)0x81;
    if (len < 126) {
        *p++ = (char)len;
    } else {
        *p++ = 126;
        *p++ = (char)(len >> 8);
        *p++ = (char)len;
    }
    memcpy(p, payload, len);
    frames_len = (size_t)(p + len - frames);
    frames_count++;
}

static void write_frames(void)
{
    write_to_all(frames, frames_len);
    frames_len = 0;
    frames_count = 0;
}

static void publish(const char *payload, size_t len)
{
    if (client_count == 0)
        return;
    add_frame(payload, len);
    if (frames_count >= at_once)
        write_frames();
}

/* Writes `:N` and the line's end; returns its length. */
static size_t add_count(char *to, size_t n)
{
    char digits[20];
    size_t left = sizeof digits;
    do
        digits[--left] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    size_t len = sizeof digits - left;
    to[0] = ':';
    memcpy(to + 1, digits + left, len);
    memcpy(to + 1 + len, "\r\n", 2);
    return len + 3;
}

static void read_control(int fd)
{
    static char in[READ_SIZE], out[READ_SIZE];
    static size_t in_len; /* one publisher at a time */
    size_t done = 0, taken, out_len = 0, len;
    const char *payload;
    ssize_t n = recv(fd, in + in_len, sizeof in - in_len, 0);
    if (n <= 0) {
        in_len = 0;
        forget(fd);
        return;
    }
    in_len += (size_t)n;
    while ((taken = command_take(in + done, in_len - done, &payload, &len)) > 0) {
        publish(payload, len);
        out_len += add_count(out + out_len, client_count);
        done += taken;
    }
    in_len -= done;
    memmove(in, in + done, in_len);
    if (!net_send_all(fd, out, out_len))
        forget(fd);
}

/* ---- in ---- */

static void accept_all(int listener, enum kind kind)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        net_no_delay(fd);
        watch(fd, kind);
    }
}

/* A request comes whole or waits in the socket until it has. */
static void open_client(int fd)
{
    char request[REQUEST_MAX], answer[UPGRADE_ANSWER];
    ssize_t n = recv(fd, request, sizeof request, MSG_PEEK);
    size_t len = n > 0 ? upgrade_answer(request, (size_t)n, answer) : 0;
    if (n <= 0) {
        forget(fd);
    } else if (len > 0 && recv(fd, request, (size_t)n, 0) == n && net_send_all(fd, answer, len)) {
        kinds[fd] = CLIENT;
        place[fd] = (int)client_count;
        clients[client_count++] = fd;
    }
}

static void read_client(int fd)
{
    static char pongs[READ_SIZE];
    bool lives = true;
    if (reflections) {
        lives = reflect_read(&reflections[fd], fd);
    } else {
        ssize_t n = recv(fd, pongs, sizeof pongs, 0);
        lives = n > 0 || (n < 0 && errno == EAGAIN);
    }
    if (!lives)
        forget(fd);
}

static void on_event(int fd)
{
    switch ((enum kind)kinds[fd]) {
    case LISTENER: accept_all(fd, OPENING); break;
    case CONTROL_LISTENER: accept_all(fd, CONTROL); break;
    case CONTROL: read_control(fd); break;
    case OPENING: open_client(fd); break;
    case CLIENT: read_client(fd); break;
    case NOTHING: break;
    }
}

/* ---- the program ---- */

static void run(void)
{
    static const char ping[2] = {(char)0x89, 0};
    struct epoll_event events[EVENTS];
    uint64_t next_ping = now_ns() + (uint64_t)ping_ms * 1000000u;
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, frames_count > 0 ? HOLD_MS : ping_ms);
        if (n == 0 && frames_count > 0)
            write_frames();
        for (int i = 0; i < n; i++)
            on_event(events[i].data.fd);
        if (ping_ms > 0 && now_ns() >= next_ping) {
            write_to_all(ping, sizeof ping);
            next_ping += (uint64_t)ping_ms * 1000000u;
        }
    }
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"listen", required_argument, NULL, 'l'},  {"control", required_argument, NULL, 'c'},
        {"at-once", required_argument, NULL, 'n'}, {"ping", required_argument, NULL, 'p'},
        {"echo", no_argument, NULL, 'e'},          {NULL, 0, NULL, 0}};
    int option;
    net_all_descriptors();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'l': watch(net_listen(optarg), LISTENER); break;
        case 'c': watch(net_listen(optarg), CONTROL_LISTENER); break;
        case 'n': at_once = strtoul(optarg, NULL, 10); break;
        case 'p': ping_ms = atoi(optarg) * 1000; break;
        case 'e': reflections = must_alloc(DESCRIPTORS, sizeof *reflections); break;
        default: die("what it takes is at the head of t/bench/floor.c");
        }
    }
    signal(SIGPIPE, SIG_IGN);
    run();
}
