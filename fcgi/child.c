#include "child.h"

#include <errno.h>
#include <fcgiapp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gate.h"
#include "serve.h"

/* libfcgi selects on its descriptors. */
enum { DESCRIPTORS = FD_SETSIZE, TICK_MS = 200, DRAIN_TICK_MS = 20, LAST_HEADS_MS = 1000, DRAIN_MS = 8000 };

struct child {
    const struct config *config;
    const struct listen_socket *listener;
    struct pulse *pulse;
    struct peer_rule peers;
    struct queue queue;
    struct gate *gate;
    struct hand *hands;
    size_t hand_count; /* whose threads run */
    int signal_fd;
};

static void limit_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > DESCRIPTORS) {
        limit.rlim_cur = DESCRIPTORS;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int start_hands(struct child *c)
{
    size_t count = c->config->fcgi_threads;
    c->hands = calloc(count, sizeof *c->hands);
    for (size_t i = 0; c->hands && i < count; i++) {
        struct hand *h = &c->hands[i];
        int error =
            hand_init(h, c->config, &c->queue) < 0 ? ENOMEM : pthread_create(&h->thread, NULL, hand_run, h);
        if (error) {
            hand_fini(h);
            errno = error;
            return -1;
        }
        c->hand_count++;
    }
    return c->hands ? 0 : -1;
}

static int start(struct child *c)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    limit_descriptors();
    queue_init(&c->queue, c->config->fcgi_threads);
    peer_rule_make(&c->peers, c->listener, c->config);
    c->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (c->signal_fd < 0 || FCGX_Init() != 0)
        return -1;
    c->gate = gate_new(c->listener->fd, c->signal_fd, &c->peers, &c->queue);
    return c->gate ? start_hands(c) : -1;
}

static void tick(struct child *c)
{
    int64_t now = clock_mono_ms();
    pulse_beat(c->pulse);
    queue_tick(&c->queue, now);
    for (size_t i = 0; i < c->hand_count; i++)
        watch_tick(&c->hands[i].watch, now);
}

/* Finishes what has begun; false when that takes too long. */
static bool drain(struct child *c)
{
    struct signalfd_siginfo taken;
    int64_t until = clock_mono_ms() + DRAIN_MS;
    bool last = !c->listener->inherited && !atomic_load(&c->pulse->others);
    gate_close(c->gate, last, LAST_HEADS_MS);
    pulse_set_gate(c->pulse, PULSE_GATE_CLOSED);
    while (!gate_empty(c->gate) || queue_busy(&c->queue)) {
        while (read(c->signal_fd, &taken, sizeof taken) > 0)
            ; /* or it would wake us at once */
        if (clock_mono_ms() > until)
            return false;
        for (size_t i = 0; i < c->hand_count; i++)
            watch_hurry(&c->hands[i].watch, until - DRAIN_MS / 4);
        gate_turn(c->gate, DRAIN_TICK_MS);
        tick(c);
    }
    return true;
}

static void stop(struct child *c)
{
    queue_close(&c->queue);
    for (size_t i = 0; i < c->hand_count; i++) {
        pthread_join(c->hands[i].thread, NULL);
        hand_fini(&c->hands[i]);
    }
    free(c->hands);
    gate_free(c->gate);
    queue_fini(&c->queue);
    close(c->signal_fd);
}

int child_run(const struct config *config, const struct listen_socket *listener, struct pulse *pulse)
{
    struct child c = {.config = config, .listener = listener, .pulse = pulse};
    if (start(&c) < 0) {
        log_error("a child can't start: %s", strerror(errno));
        return 1;
    }
    pulse_set_gate(c.pulse, PULSE_GATE_OPEN);
    while (!gate_turn(c.gate, TICK_MS))
        tick(&c);
    if (!drain(&c)) {
        log_warn("requests that took too long are cut");
        _exit(0);
    }
    stop(&c);
    return 0;
}
