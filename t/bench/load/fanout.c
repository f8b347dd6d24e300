/*
 * The modes in which messages are published to all clients. A message is 16 hex digits of its number, 16 of
 * its time, and dots; each client expects the numbers one after the other.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "histogram.h"
#include "modes.h"
#include "../must.h"

/* Fewer messages than MESSAGES_MIN say little, however long they take. */
enum { STAMP = 32, IN_FLIGHT_MAX = 1 << 16, STALLED_S = 20, MESSAGES_MIN = 10, LOOK_NS = 50000000 };
static const double warm_up_s = 0.3;

struct fanout {
    const struct options *o;
    struct clients *clients;
    struct publisher *publisher;
    uint64_t published, completed; /* messages */
    uint64_t *next;                /* the number that each client expects */
    uint64_t *ahead;               /* which of those that follow it has already: bit 0 is next + 0 */
    uint32_t *reached;             /* how many clients have a message, a ring by its number */
    char *payload;
    struct histogram latency;
};

/* ---- numbers and stamps ---- */

static void put_hex(char *out, uint64_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; i--, n >>= 4)
        out[i] = digits[n & 15];
}

static uint64_t get_hex(const char *p)
{
    uint64_t n = 0;
    for (int i = 0; i < 16; i++)
        n = n << 4 | (uint64_t)(p[i] <= '9' ? p[i] - '0' : p[i] - 'a' + 10);
    return n;
}

/* ---- both ways ---- */

static void publish(struct fanout *f, uint64_t stamp)
{
    if (f->published - f->completed == IN_FLIGHT_MAX)
        die("the server is %d messages behind", IN_FLIGHT_MAX);
    f->reached[f->published % IN_FLIGHT_MAX] = 0;
    put_hex(f->payload, f->published++);
    put_hex(f->payload + 16, stamp);
    publisher_add(f->publisher, f->payload);
}

/* Whether client i was to get this message now. What one connection publishes keeps its order; what several
 * publish comes once, within 64 messages of the one that is due. */
static bool is_due(struct fanout *f, size_t i, uint64_t number)
{
    uint64_t off = number - f->next[i];
    if (off >= (f->o->publishers > 1 ? 64 : 1) || f->ahead[i] >> off & 1)
        return false;
    f->ahead[i] |= 1ull << off;
    for (; f->ahead[i] & 1; f->ahead[i] >>= 1)
        f->next[i]++;
    return true;
}

static void on_message(void *arg, size_t i, const char *payload, size_t len, uint64_t now)
{
    struct fanout *f = arg;
    bool whole = len == f->o->size && memcmp(payload + STAMP, f->payload + STAMP, len - STAMP) == 0;
    uint64_t number = whole ? get_hex(payload) : 0;
    if (!whole || number >= f->published || !is_due(f, i, number))
        die("client %zu got \"%.*s\" instead of message %llu", i, len < 40 ? (int)len : 40, payload,
            (unsigned long long)f->next[i]);
    histogram_add(&f->latency, now - get_hex(payload + 16));
    f->reached[number % IN_FLIGHT_MAX]++;
    while (f->completed < f->published && f->reached[f->completed % IN_FLIGHT_MAX] == f->o->clients)
        f->completed++;
}

static void drain(struct fanout *f)
{
    uint64_t deadline = now_ns() + STALLED_S * 1000000000ull;
    while (f->completed < f->published) {
        if (now_ns() > deadline)
            die("%llu messages have not reached all clients after %d s",
                (unsigned long long)(f->published - f->completed), STALLED_S);
        clients_turn(f->clients, deadline);
    }
    while (publisher_answers(f->publisher) < f->published)
        publisher_wait(f->publisher);
}

static void run_closed(struct fanout *f, double seconds)
{
    uint64_t now = now_ns(), end = now + (uint64_t)(seconds * 1e9), enough = f->published + MESSAGES_MIN;
    uint64_t progress = now, seen = f->completed;
    for (; now < end || f->published < enough; now = now_ns()) {
        if (f->published - f->completed < f->o->window) {
            while (f->published - f->completed < f->o->window)
                publish(f, now);
            publisher_flush(f->publisher);
        }
        clients_turn(f->clients, now + LOOK_NS);
        if (f->completed != seen)
            progress = now;
        seen = f->completed;
        if (now - progress > STALLED_S * 1000000000ull)
            die("no message has reached all clients for %d s", STALLED_S);
    }
    drain(f);
}

static void run_paced(struct fanout *f, double seconds)
{
    uint64_t start = now_ns(), step = (uint64_t)(1e9 / f->o->rate), count = (uint64_t)(seconds * f->o->rate);
    for (uint64_t k = 0; k < count;) {
        clients_turn(f->clients, start + k * step);
        uint64_t now = now_ns(), before = k;
        for (; k < count && start + k * step <= now; k++)
            publish(f, start + k * step);
        if (k > before)
            publisher_flush(f->publisher);
    }
    drain(f);
}

static void print_latencies(const struct histogram *h)
{
    static const struct {
        const char *name;
        double share;
    } marks[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
    printf("\"latency_ms\": {");
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        printf("%s\"%s\": %.4f", i ? ", " : "", marks[i].name, (double)histogram_at(h, marks[i].share) / 1e6);
    printf("}");
}

static void measure(const struct options *o, const char *mode, void run(struct fanout *, double))
{
    struct section section;
    struct fanout f = {.o = o};
    if (o->size < STAMP)
        die("a message has at least %d bytes", STAMP);
    f.next = must_alloc(o->clients, sizeof *f.next);
    f.ahead = must_alloc(o->clients, sizeof *f.ahead);
    f.reached = must_alloc(IN_FLIGHT_MAX, sizeof *f.reached);
    f.payload = must_alloc(1, o->size);
    memset(f.payload, '.', o->size);
    f.clients = clients_new(o->server, o->path, o->clients, on_message, &f);
    clients_open(f.clients, o->clients, o->at_a_time);
    f.publisher = publisher_open(o->publisher, o->control, o->channel, o->size, o->publishers);
    run(&f, warm_up_s);

    uint64_t messages = f.published;
    memset(&f.latency, 0, sizeof f.latency);
    section_begin(&section, &o->processes);
    run(&f, o->seconds);
    section_end(&section);
    messages = f.published - messages;
    printf("{\"mode\": \"%s\", \"clients\": %zu, \"window\": %zu, \"messages\": %llu, ", mode, o->clients,
           o->window, (unsigned long long)messages);
    section_print(&section, (double)messages * (double)o->clients);
    printf(", ");
    print_latencies(&f.latency);
    printf("}\n");

    publisher_free(f.publisher);
    clients_free(f.clients);
    free(f.next);
    free(f.ahead);
    free(f.reached);
    free(f.payload);
}

void mode_closed(const struct options *o)
{
    measure(o, "closed", run_closed);
}

void mode_paced(const struct options *o)
{
    measure(o, "paced", run_paced);
}
