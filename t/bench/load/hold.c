/* Connections that are there while somebody else looks at the server. */
#include <poll.h>
#include <stdio.h>

#include "clients.h"
#include "modes.h"
#include "../must.h"

enum { LOOK_NS = 20000000 };

/* What is published to them is read and not looked at. */
static void on_message(void *arg, size_t i, const char *payload, size_t len, uint64_t now)
{
    (void)arg;
    (void)i;
    (void)payload;
    (void)len;
    (void)now;
}

static void say_a_word(struct clients *c, size_t count)
{
    static const char frame[] = {(char)0x81, (char)0x81, 0, 0, 0, 0, 'x'}; /* masked with zeros */
    for (size_t i = 0; i < count; i++)
        clients_send(c, i, frame, sizeof frame);
}

void mode_hold(const struct options *o)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    struct clients *c = clients_new(o->server, o->path, o->clients, on_message, NULL);
    clients_spread(c, o->channels, o->first);
    clients_open(c, o->clients, o->at_a_time);
    if (o->say)
        say_a_word(c, o->clients);
    printf("{\"mode\": \"hold\", \"clients\": %zu}\n", o->clients);
    fflush(stdout);
    while (poll(&input, 1, 0) == 0)
        clients_turn(c, now_ns() + LOOK_NS);
    clients_free(c);
}
