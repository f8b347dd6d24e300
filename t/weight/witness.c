#include "witness.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../system/http.h"
#include "../system/resp.h"
#include "../system/wsclient.h"

enum { INTERVAL_US = 1000000 / WITNESS_RATE, SAMPLES_MAX = 1 << 18, LATE_MS = 3000 };

struct witness {
    pthread_t thread;
    struct wsclient *clients[WITNESSES];
    struct resp *control;
    atomic_bool stop;
    atomic_bool ended; /* a client or the operator was turned out */
    pthread_mutex_t lock;
    /* under the lock */
    long long published;
    long long heard;
    size_t samples;
    double late_ms[SAMPLES_MAX];
};

static long long now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void note(struct witness *w, double late_ms)
{
    pthread_mutex_lock(&w->lock);
    w->heard++;
    if (w->samples < SAMPLES_MAX)
        w->late_ms[w->samples++] = late_ms;
    pthread_mutex_unlock(&w->lock);
}

static void listen_to(struct witness *w, struct wsclient *c)
{
    struct wsclient_received got;
    enum wsclient_result r;
    while ((r = wsclient_recv_message(c, &got, 0)) == WSCLIENT_GOT && got.opcode == WSCLIENT_TEXT)
        note(w, (double)(now_us() - atoll(got.payload)) / 1000);
    if (r != WSCLIENT_TIMEOUT)
        atomic_store(&w->ended, true);
}

static void publish(struct witness *w, long long due)
{
    char text[64];
    int n = snprintf(text, sizeof text, "PUBLISH witness %lld\r\n", due);
    pthread_mutex_lock(&w->lock);
    w->published++;
    pthread_mutex_unlock(&w->lock);
    if (resp_send_raw(w->control, text, (size_t)n) < 0)
        atomic_store(&w->ended, true);
}

/* Nothing in here may assert: Check's own notes of where a test is are not for two threads. */
static void *run(void *arg)
{
    struct witness *w = arg;
    struct pollfd fds[WITNESSES + 1];
    for (int i = 0; i < WITNESSES; i++)
        fds[i] = (struct pollfd){.fd = wsclient_fd(w->clients[i]), .events = POLLIN};
    fds[WITNESSES] = (struct pollfd){.fd = resp_fd(w->control), .events = POLLIN};
    long long due = now_us();
    while (!atomic_load(&w->stop) && !atomic_load(&w->ended)) {
        long long wait = due - now_us();
        if (wait <= 0) {
            publish(w, due);
            due += INTERVAL_US;
            continue;
        }
        poll(fds, WITNESSES + 1, (int)(wait / 1000) + 1);
        for (int i = 0; i < WITNESSES; i++)
            if (fds[i].revents)
                listen_to(w, w->clients[i]);
        if (fds[WITNESSES].revents)
            resp_value_free(resp_read(w->control, 0));
    }
    return NULL;
}

struct witness *witness_new(const struct site *s)
{
    struct witness *w = calloc(1, sizeof *w);
    ck_assert(w != NULL);
    pthread_mutex_init(&w->lock, NULL);
    w->control = resp_open(site_control(s));
    ck_assert(w->control != NULL);
    for (int i = 0; i < WITNESSES; i++)
        w->clients[i] = wsclient_open(site_ws(s), "/witness");
    ck_assert_int_eq(pthread_create(&w->thread, NULL, run, w), 0);
    return w;
}

void witness_begin(struct witness *w)
{
    pthread_mutex_lock(&w->lock);
    w->samples = 0;
    pthread_mutex_unlock(&w->lock);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Whether every client has had all that was published. */
static bool has_all(void *arg)
{
    struct witness *w = arg;
    pthread_mutex_lock(&w->lock);
    bool all = w->heard == w->published * WITNESSES;
    pthread_mutex_unlock(&w->lock);
    return all || atomic_load(&w->ended);
}

struct testimony witness_end(struct witness *w)
{
    struct testimony t = {0};
    bool whole = site_until(has_all, w, LATE_MS) && !atomic_load(&w->ended);
    pthread_mutex_lock(&w->lock);
    if (!whole)
        t.lost = w->published * WITNESSES - w->heard;
    qsort(w->late_ms, w->samples, sizeof *w->late_ms, by_size);
    if (w->samples) {
        t.p99_ms = w->late_ms[w->samples * 99 / 100];
        t.worst_ms = w->late_ms[w->samples - 1];
    }
    t.heard = (long long)w->samples;
    pthread_mutex_unlock(&w->lock);
    return t;
}

void witness_free(struct witness *take_w)
{
    atomic_store(&take_w->stop, true);
    pthread_join(take_w->thread, NULL);
    bool ended = atomic_load(&take_w->ended);
    for (int i = 0; i < WITNESSES; i++)
        wsclient_free(take_w->clients[i]);
    resp_free(take_w->control);
    free(take_w);
    ck_assert_msg(!ended, "a witness was turned out");
}
