/*
 * What the load client can do: a mode measures one thing, once, and prints what it saw as one JSON object. A
 * gap, a double, a wrong order or a connection that ends is the end of the program with exit 1.
 */
#ifndef WSPUSH_T_BENCH_MODES_H
#define WSPUSH_T_BENCH_MODES_H

#include <stdbool.h>
#include <stddef.h>

#include "publisher.h"
#include "usage.h"

struct options {
    const char *server;  /* where clients connect to */
    const char *path;    /* of the WebSocket */
    const char *control; /* where messages are published */
    const char *channel; /* for PUBLISH, or the path that is posted to */
    enum publisher_kind publisher;
    size_t publishers;         /* their connections */
    struct usage_of processes; /* of the server */
    size_t clients;
    size_t at_a_time; /* that connect */
    size_t channels;  /* over which clients, or messages, are spread; 0: all on one */
    size_t first;     /* number of the first of them, for clients */
    bool say;         /* each client says a word */
    size_t size;      /* of a message */
    size_t window;    /* messages in flight */
    double rate;      /* messages a second */
    double seconds;
};

/* Publishes, `window` in flight: the next when an earlier one has reached all clients. */
void mode_closed(const struct options *o);
/* Publishes `rate` messages a second, each stamped with the time at which it was due. */
void mode_paced(const struct options *o);
/* Publishes to a channel without subscribers, `window` unanswered. */
void mode_publish(const struct options *o);
/* Holds connections until its input ends, and tells when they are there. */
void mode_hold(const struct options *o);
/* Holds connections and answers pings. */
void mode_idle(const struct options *o);
/* Connects, `at_a_time` on their way. */
void mode_connect(const struct options *o);
/* Each client sends a message and waits for it to come back. */
void mode_echo(const struct options *o);

#endif
