/* Connections at rest: what they cost in memory, and what keeping them alive costs in CPU. */
#include <stdio.h>

#include "clients.h"
#include "modes.h"
#include "../must.h"

/* Those who come first make the server get what it needs anyway; they are not counted. */
enum { FIRST = 1000 };

static void hold(struct clients *c, double seconds)
{
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < end)
        clients_turn(c, end);
}

void mode_idle(const struct options *o)
{
    struct section section;
    if (o->clients <= FIRST)
        die("more than %d clients, please", FIRST);
    struct clients *c = clients_new(o->server, o->path, o->clients, NULL, NULL);
    clients_open(c, FIRST, o->at_a_time);
    struct usage some = usage_read(&o->processes);
    clients_open(c, o->clients, o->at_a_time);
    section_begin(&section, &o->processes);
    hold(c, o->seconds);
    section_end(&section);
    printf("{\"mode\": \"idle\", \"clients\": %zu, \"pings\": %llu, \"refused\": %llu, ", o->clients,
           (unsigned long long)clients_pinged(c), (unsigned long long)clients_refused(c));
    printf("\"core_percent\": %.4f, \"bytes_per_client\": %.1f, ", section.cpu_s / section.seconds * 100,
           (section.after.anonymous_kib - some.anonymous_kib) * 1024 / (double)(o->clients - FIRST));
    section_print(&section, (double)o->clients);
    printf("}\n");
    clients_free(c);
}
