/*
 * wspush-fcgi, the FastCGI responder: nginx passes it what is neither a WebSocket nor an event stream. It
 * answers GET with the page and POST by publishing.
 *
 * The reading order: record.c (what a request looks like), gate.c (who waits), queue.c (who is next), serve.c
 * (one request), route.c and publish.c (its answer); child.c, generation.c and parent.c are the processes
 * around that.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/listen.h"
#include "base/log.h"
#include "base/service.h"
#include "parent.h"
#include "peer.h"
#include "settings.h"

enum { EXIT_USAGE = 2, BACKLOG = 511 };

struct arguments {
    const char *config; /* NULL: none was named */
    bool check;
};

static void print_help(void)
{
    puts(
        "usage: wspush-fcgi [--config FILE] [--check-config]\n"
        "\n"
        "Answers nginx's FastCGI requests: GET with the page, POST by publishing.\n"
        "\n"
        "  --config FILE    the configuration; default " SETTINGS_FILE ", if it is there\n"
        "  --check-config   say whether the configuration is good, and end\n"
        "  --help           this text\n"
        "  --version        the version\n"
        "\n"
        "It stays in the foreground and logs to stderr. SIGTERM and SIGINT end it, after what it has begun.\n"
        "SIGHUP reads the configuration anew; no request is lost.\n"
        "Exit status: 0 ended as told, 1 the system refused something, 2 wrong usage or configuration.");
}

/* Exits where there is nothing to serve. */
static void read_arguments(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    *out = (struct arguments){0};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'c': out->config = optarg; break;
        case 'k': out->check = true; break;
        case 'h': print_help(); exit(0);
        case 'v': puts("wspush-fcgi " WSPUSH_VERSION); exit(0);
        default: fputs("wspush-fcgi: see wspush-fcgi --help\n", stderr); exit(EXIT_USAGE);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "wspush-fcgi: '%s' is one argument too many; see wspush-fcgi --help\n", argv[optind]);
        exit(EXIT_USAGE);
    }
}

/* nginx would wait for ever for an answer there. */
static int refuse_other_socket(const struct config *config)
{
    char left[128];
    if (!service_socket_left(left, sizeof left))
        return 0;
    log_error(
        "the service manager has opened %s, but fcgi_listen in the configuration is %s: make the two agree "
        "(systemctl edit wspush-fcgi.socket, or fcgi_listen in wspush.conf)",
        left, config->fcgi_listen);
    return -1;
}

static int serve(struct config *config, const char *named)
{
    char why[512];
    struct listen_socket listener;
    bool own_group = *config->socket_group != '\0';
    struct listen_options options = {.mode = (mode_t)config->socket_mode,
                                     .group = own_group ? config->socket_group : "www-data",
                                     .group_may_fail = !own_group,
                                     .backlog = BACKLOG};
    parent_hold_signals();
    peer_find_users();
    if (listen_open(&listener, config->fcgi_listen, &options, why, sizeof why) < 0) {
        log_error("%s", why);
        return EXIT_FAILURE;
    }
    if (refuse_other_socket(config) < 0) {
        listen_close(&listener);
        return EXIT_USAGE;
    }
    return parent_run(config, named, &listener);
}

int main(int argc, char **argv)
{
    char why[1024];
    struct arguments arguments;
    log_init("wspush-fcgi", LOG_LEVEL_INFO);
    read_arguments(argc, argv, &arguments);
    const char *path = settings_path(arguments.config);
    struct config *config = config_load(path, why, sizeof why);
    if (!config) {
        log_error("%s", why);
        return EXIT_USAGE;
    }
    log_set_level((enum log_level)config->log_level);
    int status = EXIT_SUCCESS;
    if (arguments.check)
        printf("%s: good\n", path ? path : "the defaults");
    else
        status = serve(config, arguments.config);
    config_unref(config);
    return status;
}
