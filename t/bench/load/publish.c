/* The cost of a message that nobody hears: what parsing, numbering and answering take. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modes.h"
#include "../must.h"

enum { BATCH = 256 };
static const double warm_up_s = 0.2;

/* Returns how many were sent. All are answered at the end. */
static uint64_t run(struct publisher *p, const struct options *o, const char *payload, double seconds)
{
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9), sent = 0, answered = publisher_answers(p);
    size_t batch = o->window < BATCH ? o->window : BATCH;
    while (now_ns() < end) {
        for (size_t i = 0; i < batch; i++)
            publisher_add(p, payload);
        sent += batch;
        publisher_flush(p);
        while (answered + sent - publisher_answers(p) > o->window)
            publisher_wait(p);
    }
    while (answered + sent > publisher_answers(p))
        publisher_wait(p);
    return sent;
}

void mode_publish(const struct options *o)
{
    struct section section;
    char *payload = must_alloc(1, o->size);
    memset(payload, '.', o->size);
    struct publisher *p = publisher_open(o->publisher, o->control, o->channel, o->size, o->publishers);
    if (o->channels)
        publisher_spread(p, o->channel, o->channels);
    run(p, o, payload, warm_up_s);
    section_begin(&section, &o->processes);
    uint64_t sent = run(p, o, payload, o->seconds);
    section_end(&section);
    printf("{\"mode\": \"publish\", \"messages\": %llu, ", (unsigned long long)sent);
    section_print(&section, (double)sent);
    printf("}\n");
    publisher_free(p);
    free(payload);
}
