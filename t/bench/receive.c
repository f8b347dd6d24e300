/*
 * How fast bytes of clients become messages: our websocket_feed beside a plain event context of wslay, fed
 * with the same bytes in the same process, each from a copy, as if a kernel had written it there. A line for
 * each kind of message: ours, wslay's, and the ratio, medians of rounds that take turns. Both look at every
 * message's length; neither does anything with it.
 *
 * Usage: receive [ROUNDS]
 */
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <wslay/wslay.h>

#include "../unit/wire/frames.h"

enum { CHUNK = 64 << 10, STREAM = 64 << 20, LIMIT = 1 << 20, ROUNDS_MAX = 101 };

struct kind {
    const char *name;
    enum websocket_opcode opcode;
    size_t len;
    bool ascii;
};

static const struct kind kinds[] = {
    {"text, 128 B of ASCII", WEBSOCKET_TEXT, 128, true},
    {"text, 128 B of UTF-8", WEBSOCKET_TEXT, 128, false},
    {"binary, 128 B", WEBSOCKET_BINARY, 128, true},
    {"text, 64 KiB of ASCII", WEBSOCKET_TEXT, 64 << 10, true},
    {"text, 64 KiB of UTF-8", WEBSOCKET_TEXT, 64 << 10, false},
    {"binary, 64 KiB", WEBSOCKET_BINARY, 64 << 10, true},
};

/* Of the processor's time, so that what else runs on the machine counts little. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make_stream(const struct kind *kind, struct buf *stream)
{
    static uint8_t payload[64 << 10];
    memset(payload, 'a', sizeof payload);
    while (stream->len < STREAM / (kind->len < 1000 ? 4 : 1)) {
        if (!kind->ascii)
            fill_text(payload, kind->len);
        add_frame(stream, FIN | (unsigned)kind->opcode, payload, kind->len);
    }
}

/* ---- ours ---- */

static int count_message(void *arg, enum websocket_opcode opcode, const uint8_t *payload, size_t len)
{
    size_t *messages = arg;
    (void)opcode;
    (void)payload;
    *messages += len > 0;
    return 0;
}

static size_t run_ours(const struct buf *stream)
{
    static const struct websocket_events events = {.on_message = count_message};
    static uint8_t chunk[CHUNK];
    struct websocket *ws = websocket_new();
    struct websocket_partial *partial = NULL;
    size_t messages = 0;
    for (size_t at = 0; at < stream->len; at += CHUNK) {
        size_t n = stream->len - at < CHUNK ? stream->len - at : CHUNK;
        memcpy(chunk, stream->data + at, n);
        if (websocket_feed(ws, &partial, chunk, n, &(struct websocket_rules){.limit = LIMIT}, &events,
                           &messages))
            abort();
    }
    websocket_partial_free(partial);
    websocket_free(ws);
    return messages;
}

/* ---- wslay's ---- */

struct other {
    const uint8_t *at;
    size_t left; /* of the chunk */
    size_t messages;
};

static ssize_t give(wslay_event_context_ptr context, uint8_t *to, size_t len, int flags, void *user)
{
    struct other *o = user;
    (void)flags;
    if (o->left == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    len = len < o->left ? len : o->left;
    memcpy(to, o->at, len);
    o->at += len;
    o->left -= len;
    return (ssize_t)len;
}

static void take(wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
    struct other *o = user;
    (void)context;
    o->messages += arg->msg_length > 0;
}

static size_t run_wslay(const struct buf *stream)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = give,
                                                           .on_msg_recv_callback = take};
    struct other o = {.at = stream->data};
    wslay_event_context_ptr context;
    if (wslay_event_context_server_init(&context, &callbacks, &o))
        abort();
    wslay_event_config_set_max_recv_msg_length(context, LIMIT);
    for (size_t at = 0; at < stream->len; at += CHUNK) {
        o.left = stream->len - at < CHUNK ? stream->len - at : CHUNK;
        while (o.left > 0)
            if (wslay_event_recv(context))
                abort();
    }
    wslay_event_context_free(context);
    return o.messages;
}

/* ---- both ---- */

static double seconds_of(size_t (*run)(const struct buf *), const struct buf *stream, size_t messages)
{
    double began = now();
    if (run(stream) != messages)
        abort();
    return now() - began;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_size);
    return values[n / 2];
}

static void compare(const struct kind *kind, int rounds)
{
    double ours[ROUNDS_MAX], others[ROUNDS_MAX], ratios[ROUNDS_MAX];
    struct buf stream = {0};
    make_stream(kind, &stream);
    size_t messages = run_wslay(&stream);
    for (int i = 0; i < rounds; i++) {
        ours[i] = seconds_of(run_ours, &stream, messages);
        others[i] = seconds_of(run_wslay, &stream, messages);
        ratios[i] = others[i] / ours[i];
    }
    bool small = kind->len < 1000;
    double amount = (double)messages * (small ? 1 : (double)kind->len) / 1e6, ratio = median(ratios, rounds);
    printf("receive %-22s ours %8.2f %s, wslay %8.2f, ratio %.2f (%.2f to %.2f)\n", kind->name,
           amount / median(ours, rounds), small ? "M messages/s" : "MB/s", amount / median(others, rounds),
           ratio, ratios[0], ratios[rounds - 1]);
    buf_fini(&stream);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 9;
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: receive [ROUNDS, 1 to %d]\n", ROUNDS_MAX);
        return 2;
    }
    random_start(1);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        compare(&kinds[i], rounds);
    return 0;
}
