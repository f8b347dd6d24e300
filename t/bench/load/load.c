/*
 * The load client of the bench: many WebSocket clients and one publisher against any server.
 *
 *     load MODE --server ADDRESS --control ADDRESS --pids N,N --clients N ...
 *
 * Measures one thing once (modes.h), CPU and memory of the server's processes included, and prints one JSON
 * object. bench.py calls it for each figure.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modes.h"
#include "../must.h"
#include "../net.h"

static const struct {
    const char *name;
    void (*run)(const struct options *o);
} modes[] = {{"closed", mode_closed},   {"paced", mode_paced}, {"publish", mode_publish}, {"idle", mode_idle},
             {"connect", mode_connect}, {"echo", mode_echo},   {"hold", mode_hold}};

static const struct option names[] = {{"server", required_argument, NULL, 's'},
                                      {"path", required_argument, NULL, 'p'},
                                      {"control", required_argument, NULL, 'c'},
                                      {"channel", required_argument, NULL, 'C'},
                                      {"post", no_argument, NULL, 'P'},
                                      {"publishers", required_argument, NULL, 'k'},
                                      {"pids", required_argument, NULL, 'i'},
                                      {"clients", required_argument, NULL, 'n'},
                                      {"at-a-time", required_argument, NULL, 'a'},
                                      {"channels", required_argument, NULL, 'S'},
                                      {"first", required_argument, NULL, 'f'},
                                      {"say", no_argument, NULL, 'y'},
                                      {"size", required_argument, NULL, 'b'},
                                      {"window", required_argument, NULL, 'w'},
                                      {"rate", required_argument, NULL, 'r'},
                                      {"seconds", required_argument, NULL, 't'},
                                      {NULL, 0, NULL, 0}};

static double number(const char *text)
{
    char *end;
    double n = strtod(text, &end);
    if (end == text || *end || n <= 0 || n > 1e9)
        die("not a number above zero: %s", text);
    return n;
}

static void take_option(struct options *o, int option)
{
    switch (option) {
    case 's': o->server = optarg; break;
    case 'p': o->path = optarg; break;
    case 'c': o->control = optarg; break;
    case 'C': o->channel = optarg; break;
    case 'P': o->publisher = PUBLISHER_HTTP; break;
    case 'k': o->publishers = (size_t)number(optarg); break;
    case 'i': o->processes = usage_parse(optarg); break;
    case 'n': o->clients = (size_t)number(optarg); break;
    case 'a': o->at_a_time = (size_t)number(optarg); break;
    case 'S': o->channels = (size_t)number(optarg); break;
    case 'f': o->first = (size_t)number(optarg); break;
    case 'y': o->say = true; break;
    case 'b': o->size = (size_t)number(optarg); break;
    case 'w': o->window = (size_t)number(optarg); break;
    case 'r': o->rate = number(optarg); break;
    case 't': o->seconds = number(optarg); break;
    default: die("what it takes is at the head of t/bench/load.c");
    }
}

int main(int argc, char **argv)
{
    struct options o = {.server = "",
                        .path = "/bench",
                        .control = "",
                        .channel = "bench",
                        .publishers = 1,
                        .clients = 1,
                        .at_a_time = 128,
                        .size = 128,
                        .window = 1,
                        .rate = 20,
                        .seconds = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        take_option(&o, option);
    if (o.publishers > PUBLISHER_CONNECTIONS)
        die("at most %d connections publish", PUBLISHER_CONNECTIONS);
    net_all_descriptors();
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (optind == argc - 1 && strcmp(argv[optind], modes[i].name) == 0) {
            modes[i].run(&o);
            return 0;
        }
    }
    die("one of: closed paced publish idle connect echo hold");
}
