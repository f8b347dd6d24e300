/* The way in: messages of clients that the server sends back as they are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "modes.h"
#include "../must.h"

static const double warm_up_s = 0.2;
static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};

struct echo {
    const struct options *o;
    struct clients *clients;
    char *payload;
    unsigned char *frame; /* the same, masked, with its head */
    size_t frame_len;
    bool ending;
    uint64_t messages;
    size_t waiting; /* clients that wait for theirs */
};

/* A masked text frame (RFC 6455 section 5.2). */
static void make_frame(struct echo *e)
{
    size_t size = e->o->size, more = size < 126 ? 0 : size < 65536 ? 2 : 8;
    unsigned char *p = e->frame = must_alloc(1, 14 + size);
    *p++ = 0x81;
    *p++ = (unsigned char)(0x80 | (more == 0 ? size : more == 2 ? 126 : 127));
    for (size_t i = more; i-- > 0;)
        *p++ = (unsigned char)((uint64_t)size >> 8 * i);
    memcpy(p, mask, sizeof mask);
    p += sizeof mask;
    for (size_t i = 0; i < size; i++)
        *p++ = (unsigned char)e->payload[i] ^ mask[i & 3];
    e->frame_len = (size_t)(p - e->frame);
}

static void say(struct echo *e, size_t i)
{
    clients_send(e->clients, i, e->frame, e->frame_len);
    e->waiting++;
}

static void on_message(void *arg, size_t i, const char *payload, size_t len, uint64_t now)
{
    struct echo *e = arg;
    (void)now;
    if (len != e->o->size || memcmp(payload, e->payload, len) != 0)
        die("client %zu got %zu bytes back that are not what it said", i, len);
    e->messages++;
    e->waiting--;
    if (!e->ending)
        say(e, i);
}

static void run(struct echo *e, double seconds)
{
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    e->ending = false;
    e->messages = 0;
    for (size_t i = 0; i < e->o->clients; i++)
        say(e, i);
    while (now_ns() < end)
        clients_turn(e->clients, end);
    e->ending = true;
    for (uint64_t deadline = end + 20000000000ull; e->waiting > 0;) {
        if (now_ns() > deadline)
            die("%zu messages have not come back", e->waiting);
        clients_turn(e->clients, deadline);
    }
}

void mode_echo(const struct options *o)
{
    struct section section;
    struct echo e = {.o = o, .payload = must_alloc(1, o->size)};
    for (size_t i = 0; i < o->size; i++)
        e.payload[i] = (char)('a' + i % 26);
    make_frame(&e);
    e.clients = clients_new(o->server, o->path, o->clients, on_message, &e);
    clients_open(e.clients, o->clients, o->at_a_time);
    run(&e, warm_up_s);
    section_begin(&section, &o->processes);
    run(&e, o->seconds);
    section_end(&section);
    printf("{\"mode\": \"echo\", \"clients\": %zu, \"size\": %zu, \"messages\": %llu, ", o->clients, o->size,
           (unsigned long long)e.messages);
    section_print(&section, (double)e.messages);
    printf("}\n");
    clients_free(e.clients);
    free(e.payload);
    free(e.frame);
}
