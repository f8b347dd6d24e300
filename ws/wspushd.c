/*
 * wspushd, the worker: browsers on one side, operators on the other. This file is its life as a list of
 * calls; the work is done in the rooms. Thread 0 has the hub, the control socket and shard 0; every further
 * thread has a shard.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/config.h"
#include "base/listen.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/service.h"
#include "control/control.h"
#include "engine/memory.h"
#include "loop/acceptor.h"
#include "loop/watchdog.h"
#include "push/hub.h"
#include "push/refusals.h"
#include "push/shard.h"

enum { EXIT_USAGE = 2, EXIT_SYSTEM = 1 };
enum { LISTENERS_MAX = 16, BACKLOG = 4096, SPARE_DESCRIPTORS = 64, GRACE_MS = 3000, DRAIN_LOOK_MS = 20 };

static const char default_config[] = "/etc/wspush/wspush.conf";

/* A thread: its loop and its shard. */
struct worker {
    struct loop loop;
    pthread_t thread;
    struct shard shard;
};

/* A WebSocket listener. */
struct entrance {
    struct listen_socket socket;
    struct acceptor acceptor;
    struct daemon *daemon;
};

struct daemon {
    const char *config_path; /* NULL: none was named */
    struct config *config;   /* in force; one hold */
    struct config *started;  /* what it was started with; one hold */
    const char *reloads_for; /* who had the configuration read last */
    struct worker *workers;
    struct mailbox **mail;
    struct shard **shards;
    uint32_t count;
    uint32_t next; /* shard for the next client */
    struct world world;
    struct hub hub;
    struct control control;
    struct listen_socket control_socket;
    struct entrance entrances[LISTENERS_MAX];
    size_t entrance_count;
    struct io signals;
    struct watchdog watchdog;
    struct timer drain_timer;
    int64_t drain_until; /* 0: not going away */
};

/* ---- command line ---- */

static const char usage[] =
    "usage: wspushd [--config FILE] [--check-config] [--options] [--help] [--version]\n"
    "\n"
    "The worker of wspush: takes WebSockets from nginx and pushes to them what operators send over the "
    "control socket.\n"
    "\n"
    "  --config FILE    read FILE; without it /etc/wspush/wspush.conf where that exists, else the defaults\n"
    "  --check-config   read the configuration, say what is wrong with it, and exit\n"
    "  --options        print a configuration with every option, its meaning and its default\n"
    "  --help           this text\n"
    "  --version        the version\n"
    "\n"
    "SIGTERM and SIGINT ask the clients to leave and end the worker; a second one ends it at once.\n"
    "SIGHUP reads the configuration anew; whoever is connected stays connected.\n"
    "Exit codes: 0 done, 1 the system refused something, 2 usage or configuration.\n";

struct arguments {
    const char *config;
    bool check;
};

static void parse_arguments(int argc, char **argv, struct arguments *out)
{
    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'}, {"check-config", no_argument, NULL, 'k'},
        {"options", no_argument, NULL, 'o'},      {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "c:hv", long_options, NULL)) != -1) {
        switch (c) {
        case 'c': out->config = optarg; break;
        case 'k': out->check = true; break;
        case 'o': config_print_sample(stdout); exit(0);
        case 'h': fputs(usage, stdout); exit(0);
        case 'v': printf("wspushd %s\n", WSPUSH_VERSION); exit(0);
        default: fputs("try: wspushd --help\n", stderr); exit(EXIT_USAGE);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "wspushd: '%s' is one argument too many; try: wspushd --help\n", argv[optind]);
        exit(EXIT_USAGE);
    }
}

/* The file to read, or NULL for the defaults. */
static const char *config_path(const char *named)
{
    return named || access(default_config, F_OK) != 0 ? named : default_config;
}

static struct config *read_config(const struct arguments *arguments)
{
    char why[512];
    const char *path = config_path(arguments->config);
    struct config *config = config_load(path, why, sizeof why);
    if (!config) {
        fprintf(stderr, "wspushd: %s\n", why);
        exit(EXIT_USAGE);
    }
    if (arguments->check) {
        printf("%s: good\n", path ? path : "the defaults");
        config_unref(config);
        exit(0);
    }
    return config;
}

/* ---- start ---- */

static void fail(const char *why)
{
    log_error("%s", why);
    exit(EXIT_SYSTEM);
}

static size_t raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

static size_t client_room(const struct config *config, size_t threads)
{
    size_t descriptors = raise_descriptor_limit();
    size_t reserved =
        SPARE_DESCRIPTORS + threads * 4 + (config->max_operators < 200 ? config->max_operators : 200);
    size_t room = descriptors > reserved * 2 ? descriptors - reserved : descriptors / 2;
    return config->max_clients && config->max_clients < room ? config->max_clients : room;
}

static void close_sockets(struct daemon *d)
{
    for (size_t i = 0; i < d->entrance_count; i++)
        listen_close(&d->entrances[i].socket);
    listen_close(&d->control_socket);
}

static void open_sockets(struct daemon *d)
{
    const struct config *config = d->config;
    char why[512];
    struct listen_options control = {
        .mode = (mode_t)config->socket_mode,
        .group = *config->control_group ? config->control_group : "wspush",
        .group_may_fail = !*config->control_group,
        .backlog = BACKLOG,
    };
    struct listen_options clients = control;
    clients.group = *config->socket_group ? config->socket_group : "www-data";
    clients.group_may_fail = !*config->socket_group;
    if (listen_open(&d->control_socket, config->control, &control, why, sizeof why) < 0)
        fail(why);
    for (size_t i = 0; i < config->listen.count; i++) {
        snprintf(why, sizeof why, "listen has more than %d addresses", LISTENERS_MAX);
        if (i == LISTENERS_MAX ||
            listen_open(&d->entrances[i].socket, config->listen.items[i], &clients, why, sizeof why) < 0) {
            close_sockets(d);
            fail(why);
        }
        d->entrance_count++;
    }
    char left[128];
    if (service_socket_left(left, sizeof left)) {
        snprintf(why, sizeof why,
                 "the service manager has opened %s, which is neither 'listen' nor 'control' in the "
                 "configuration: "
                 "make the two agree (systemctl edit wspushd.socket, or wspush.conf)",
                 left);
        close_sockets(d);
        log_error("%s", why);
        exit(EXIT_USAGE);
    }
}

static void on_mail(void *arg, const void *letter)
{
    struct shard *shard = arg;
    shard_on_mail(shard, letter);
}

static void on_turn(void *arg)
{
    struct shard *shard = arg;
    shard_receipts_report(shard);
}

/* Thread 0 has two who get letters. */
static void on_mail_0(void *arg, const void *letter)
{
    struct daemon *d = arg;
    const struct mail *mail = letter;
    if (mail->kind < MAIL_REGISTER)
        shard_on_mail(&d->workers[0].shard, mail);
    else
        hub_on_mail(&d->hub, mail);
}

static void on_turn_0(void *arg)
{
    struct daemon *d = arg;
    shard_receipts_report(&d->workers[0].shard);
    hub_tell_lists(&d->hub);
    hub_measure(&d->hub);
}

static void *allocate(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p)
        fail("out of memory");
    return p;
}

static void make_workers(struct daemon *d)
{
    d->count = (uint32_t)d->config->threads;
    d->workers = aligned_alloc(_Alignof(struct worker), d->count * sizeof *d->workers);
    if (!d->workers)
        fail("out of memory");
    memset(d->workers, 0, d->count * sizeof *d->workers);
    d->mail = allocate(d->count, sizeof(struct mailbox *));
    d->shards = allocate(d->count, sizeof(struct shard *));
    for (uint32_t i = 0; i < d->count; i++) {
        struct worker *w = &d->workers[i];
        if (loop_init(&w->loop, sizeof(struct mail)) < 0)
            fail("cannot create an event loop: are there descriptors left?");
        shard_init(&w->shard, i, &d->world, d->config, &w->loop);
        w->loop.on_mail = i ? on_mail : on_mail_0;
        w->loop.on_turn = i ? on_turn : on_turn_0;
        w->loop.arg = i ? (void *)&w->shard : (void *)d;
        d->mail[i] = &w->loop.mail;
        d->shards[i] = &w->shard;
    }
    d->world.hub_mail = &d->workers[0].loop.mail;
}

/* Clients go to the shards in turn. */
static void on_accept(void *arg, int fd)
{
    struct entrance *e = arg;
    struct daemon *d = e->daemon;
    struct mail mail = {.kind = MAIL_ADOPT, .conn.fd = fd, .value = e->socket.is_unix};
    atomic_fetch_add(&d->world.clients, 1);
    loop_post(&d->workers[0].loop, d->mail[d->next++ % d->count], &mail);
}

static void open_entrances(struct daemon *d)
{
    for (size_t i = 0; i < d->entrance_count; i++) {
        struct entrance *e = &d->entrances[i];
        e->daemon = d;
        e->acceptor = (struct acceptor){.what = "a client", .on_accept = on_accept, .arg = e};
        if (acceptor_start(&e->acceptor, &d->workers[0].loop, e->socket.fd) < 0)
            fail("cannot watch a listening socket");
    }
}

/* ---- what the service manager hears ---- */

/* STATUS is what `systemctl status` shows. */
static void notify(const struct daemon *d, const char *what)
{
    char state[128];
    snprintf(state, sizeof state, "%s\nSTATUS=%zu connections", what, atomic_load(&d->world.clients));
    service_notify(state);
}

static void on_alive(void *arg)
{
    notify(arg, "WATCHDOG=1");
}

static void start_watchdog(struct daemon *d)
{
    struct loop *loops[SHARDS_MAX];
    int64_t every = service_watchdog_ms();
    for (uint32_t i = 0; i < d->count; i++)
        loops[i] = &d->workers[i].loop;
    if (every)
        watchdog_start(&d->watchdog, loops, d->count, every, on_alive, d);
}

/* ---- the configuration, read anew: for SIGHUP and WS.RELOAD ---- */

static void on_configured(void *arg)
{
    struct daemon *d = arg;
    const char *path = config_path(d->config_path);
    log_info("%s: from now on %s holds", d->reloads_for, path ? path : "what the defaults say");
    notify(d, "READY=1");
    control_reloaded(&d->control);
}

static void take_config(struct daemon *d, struct config *take_config)
{
    log_set_level((enum log_level)take_config->log_level);
    atomic_store(&d->world.max_clients, client_room(take_config, d->count));
    hub_configure(&d->hub, take_config, on_configured, d);
    control_configure(&d->control);
    config_unref(d->config);
    d->config = take_config;
}

/* A file that is not good changes nothing. `changes` may be NULL. */
static int reload(struct daemon *d, const char *who, struct changes *changes, char *why, size_t why_cap)
{
    const char *path = config_path(d->config_path);
    service_notify_reloading();
    struct config *config = config_load(path, why, why_cap);
    if (!config) {
        log_error("%s: %s; the configuration stays as it was", who, why);
        notify(d, "READY=1");
        return -1;
    }
    if (changes)
        changes_find(changes, d->started, d->config, config);
    config_log_held_back(d->started, config, path ? path : "the defaults", changes_at_start);
    d->reloads_for = who;
    take_config(d, config);
    return 0;
}

static int look_at_config(const struct daemon *d, struct changes *changes, char *why, size_t why_cap)
{
    struct config *config = config_load(config_path(d->config_path), why, why_cap);
    if (!config)
        return -1;
    changes_find(changes, d->started, d->config, config);
    config_unref(config);
    return 0;
}

static int reload_for_operator(void *arg, bool dry, struct changes *changes, char *why, size_t why_cap)
{
    struct daemon *d = arg;
    if (dry)
        return look_at_config(d, changes, why, why_cap);
    if (!d->drain_until)
        return reload(d, "WS.RELOAD", changes, why, why_cap);
    snprintf(why, why_cap, "too late, this is going away");
    return -1;
}

static void on_hangup(struct daemon *d)
{
    char why[512];
    if (d->drain_until)
        log_info("SIGHUP: too late, this is going away");
    else
        reload(d, "SIGHUP", NULL, why, sizeof why);
}

/* ---- end ---- */

static void stop_all(struct daemon *d)
{
    for (uint32_t i = 0; i < d->count; i++)
        loop_stop(&d->workers[i].loop);
}

static void look_at_drain(struct timer *t)
{
    struct daemon *d = LIST_ENTRY(t, struct daemon, drain_timer);
    struct loop *loop = &d->workers[0].loop;
    if (atomic_load(&d->world.clients) == 0 || loop->now >= d->drain_until)
        stop_all(d);
    else
        timer_set(&loop->timers, t, loop->now + DRAIN_LOOK_MS);
}

static void begin_drain(struct daemon *d)
{
    struct loop *loop = &d->workers[0].loop;
    log_info("going away: %zu clients are asked to leave", atomic_load(&d->world.clients));
    service_notify_stopping(d->config->drain_time + GRACE_MS);
    for (size_t i = 0; i < d->entrance_count; i++) {
        acceptor_stop(&d->entrances[i].acceptor, loop);
        listen_close(&d->entrances[i].socket);
    }
    hub_drain(&d->hub, d->config->drain_time, true, (struct asker){.fd = -1});
    d->drain_until = loop->now + d->config->drain_time + GRACE_MS;
    timer_set(&loop->timers, &d->drain_timer, loop->now + 1);
}

static void on_signal(struct loop *loop, struct io *io, uint32_t events)
{
    struct daemon *d = LIST_ENTRY(io, struct daemon, signals);
    struct signalfd_siginfo info;
    (void)loop;
    (void)events;
    while (read(io->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            on_hangup(d);
        else if (d->drain_until)
            stop_all(d);
        else
            begin_drain(d);
    }
}

static sigset_t our_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

/* Before anybody can reach us; every thread has them blocked. */
static void hold_signals(void)
{
    sigset_t set = our_signals();
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Signals become events of loop 0. */
static void watch_signals(struct daemon *d)
{
    static const struct io_ops ops = {.on_event = on_signal};
    sigset_t set = our_signals();
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0 || loop_add(&d->workers[0].loop, &d->signals, fd, EPOLLIN, &ops) < 0)
        fail("cannot watch signals");
}

/* Alone now: what is still in the mailboxes, and what it causes, is worked off, so that every message finds
 * its end. */
static void settle_mail(struct daemon *d)
{
    bool more = true;
    while (more) {
        more = false;
        for (uint32_t i = 0; i < d->count; i++) {
            const void *letters;
            size_t count = mailbox_take(d->mail[i], &letters);
            for (size_t k = 0; k < count; k++)
                d->workers[i].loop.on_mail(d->workers[i].loop.arg, (const struct mail *)letters + k);
            more |= count > 0;
        }
    }
}

static void tear_down(struct daemon *d)
{
    control_fini(&d->control);
    settle_mail(d);
    for (uint32_t i = 0; i < d->count; i++)
        shard_close_all(&d->workers[i].shard);
    settle_mail(d);
    hub_fini(&d->hub);
    for (uint32_t i = 0; i < d->count; i++) {
        shard_fini(&d->workers[i].shard);
        loop_fini(&d->workers[i].loop);
    }
    close_sockets(d);
    close(d->signals.fd);
    watchdog_fini(&d->watchdog);
    free(d->workers);
    free(d->mail);
    free(d->shards);
    addresses_free(d->world.addresses);
    refusals_free(d->world.refusals);
    config_unref(d->config);
    config_unref(d->started);
}

/* ---- the whole ---- */

static void *run_worker(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void run(struct daemon *d)
{
    for (uint32_t i = 1; i < d->count; i++)
        if (pthread_create(&d->workers[i].thread, NULL, run_worker, &d->workers[i].loop) != 0)
            fail("cannot start a thread");
    log_info("ready: wspushd %s, %u thread%s, room for %zu clients, control socket %s", WSPUSH_VERSION,
             d->count, d->count == 1 ? "" : "s", atomic_load(&d->world.max_clients), d->control_socket.path);
    notify(d, "READY=1");
    loop_run(&d->workers[0].loop);
    for (uint32_t i = 1; i < d->count; i++)
        pthread_join(d->workers[i].thread, NULL);
}

static void allow_closing(struct sandbox *s, const struct listen_socket *l)
{
    if (l->is_unix && !l->inherited)
        sandbox_allow_beside(s, l->path, SANDBOX_REMOVE);
}

/* Everything is open. What is left to do with files is to read the configuration anew, and to remove the
 * sockets. */
static void confine(const struct daemon *d)
{
    struct sandbox sandbox;
    sandbox_init(&sandbox);
    sandbox_allow_program(&sandbox, SANDBOX_READ);
    sandbox_allow_beside(&sandbox, d->config_path ? d->config_path : default_config, SANDBOX_READ);
    allow_closing(&sandbox, &d->control_socket);
    for (size_t i = 0; i < d->entrance_count; i++)
        allow_closing(&sandbox, &d->entrances[i].socket);
    log_info("%s", sandbox_enter(&sandbox));
}

int main(int argc, char **argv)
{
    static struct daemon d;
    struct arguments arguments = {0};
    parse_arguments(argc, argv, &arguments);
    log_init("wspushd", LOG_LEVEL_INFO);
    d.config_path = arguments.config;
    d.config = read_config(&arguments);
    d.started = config_ref(d.config);
    log_set_level((enum log_level)d.config->log_level);
    atomic_store(&d.world.max_clients, client_room(d.config, d.config->threads));
    d.world.addresses = addresses_new();
    d.world.refusals = refusals_new();
    hold_signals();
    open_sockets(&d);
    make_workers(&d);
    watch_signals(&d);
    timer_init(&d.drain_timer, look_at_drain);
    struct hub_up up = control_up(&d.control);
    hub_init(&d.hub, &d.world, d.config, &d.workers[0].loop, d.mail, d.shards, d.count, &engine_memory, &up);
    struct control_host host = {&d, reload_for_operator};
    if (control_init(&d.control, &d.workers[0].loop, &d.hub, &host, d.control_socket.fd) < 0)
        fail("cannot watch the control socket");
    open_entrances(&d);
    start_watchdog(&d);
    confine(&d);
    run(&d);
    tear_down(&d);
    log_info("done");
    return 0;
}
