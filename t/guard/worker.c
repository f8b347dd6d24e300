#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include "control/control.h"
#include "control/session.h"
#include "engine/memory.h"
#include "push/hub.h"
#include "push/shard.h"

enum { HEARD_MAX = 256 * 1024 };

static struct config *config;
static struct world world;
static struct loop loop;
static struct mailbox *mail = &loop.mail;
static struct shard shard;
static struct shard *shards = &shard;
static struct hub hub;
static struct control control;

/* ---- what the machine would decide ---- */

/* Both stand in for libc's. */
int clock_gettime(clockid_t id, struct timespec *out)
{
    (void)id;
    *out = (struct timespec){.tv_sec = 1795412345, .tv_nsec = 678000000};
    return 0;
}

ssize_t getrandom(void *to, size_t len, unsigned flags)
{
    (void)flags;
    memset(to, 0x5a, len);
    return (ssize_t)len;
}

/* ---- the worker ---- */

void fail(const char *what)
{
    fprintf(stderr, "guard: %s (%s)\n", what, strerror(errno));
    exit(1);
}

static void on_mail(void *arg, const void *letter)
{
    const struct mail *m = letter;
    (void)arg;
    if (m->kind < MAIL_REGISTER)
        shard_on_mail(&shard, m);
    else
        hub_on_mail(&hub, m);
}

static void on_turn(void *arg)
{
    (void)arg;
    shard_receipts_report(&shard);
    hub_measure(&hub);
    atomic_store(&loop.stop, true);
}

struct config *worker_start(void)
{
    char why[512];
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    config = config_load(NULL, why, sizeof why);
    if (!config || loop_init(&loop, sizeof(struct mail)) < 0)
        fail("cannot start a worker");
    world.hub_mail = mail;
    world.max_clients = 100000;
    loop.on_mail = on_mail;
    loop.on_turn = on_turn;
    shard_init(&shard, 0, &world, config, &loop);
    struct hub_up up = control_up(&control);
    hub_init(&hub, &world, config, &loop, &mail, &shards, 1, &engine_memory, &up);
    static const struct control_host nobody = {0}; /* no scenario reloads */
    int never = eventfd(0, EFD_NONBLOCK);          /* in the place of a listening socket */
    if (never < 0 || control_init(&control, &loop, &hub, &nobody, never) < 0)
        fail("cannot make a control socket");
    return config;
}

/* The worker's end does not block. */
static int connected(int *ours)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        fail("no socketpair");
    *ours = pair[0];
    return pair[1];
}

int worker_operator(void)
{
    int ours;
    int other = connected(&ours);
    session_adopt(&control, ours);
    return other;
}

int worker_connection(void)
{
    int ours;
    int other = connected(&ours);
    struct mail adopt = {.kind = MAIL_ADOPT, .conn.fd = ours, .value = 1};
    atomic_fetch_add(&world.clients, 1);
    mailbox_post(mail, &adopt);
    return other;
}

void worker_turn(void)
{
    atomic_store(&loop.stop, false);
    loop_run(&loop);
}

/* Not to be inlined or made one with the function above. */
__attribute__((noinline, no_icf)) void measured_turn(void)
{
    worker_turn();
}

void measure_from_here(void)
{
    CALLGRIND_START_INSTRUMENTATION;
}

/* ---- the other ends ---- */

void other_end_says(int fd, const void *bytes, size_t len)
{
    if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        fail("the socket does not take it all");
}

void other_end_hears_some(int fd, size_t least)
{
    static char heard[HEARD_MAX];
    if (recv(fd, heard, sizeof heard, 0) < (ssize_t)least)
        fail("fewer bytes came than were expected");
}

const char *other_end_hears(int fd, size_t len)
{
    static char heard[HEARD_MAX];
    ssize_t n = recv(fd, heard, sizeof heard, 0);
    if (n != (ssize_t)len)
        fail("not as many bytes came as were expected");
    return heard;
}
