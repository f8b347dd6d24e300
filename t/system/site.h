/*
 * A whole site for one test: real nginx, wspushd and wspush-fcgi in a temporary directory of their own, on
 * Unix sockets and free ports, with conf/nginx of the tree. Programs come from $WSPUSH_BUILD (default
 * "build"), the current directory is the tree's top.
 *
 *     struct site *s = site_start(&(struct site_options){.threads = 2, .config = "post = off\n"});
 *     struct wsclient *c = wsclient_open(site_http(s), "/test/");
 *     ...
 *     site_stop(s);
 *
 * Whatever goes wrong fails the test with a line that says what. When a test ends without site_stop (it
 * failed, or was killed) every process of the site ends with it, and the tails of their logs are printed;
 * only then is the directory kept. Give the test case time: tcase_set_timeout(tc, 20), Check's default is 4
 * s.
 */
#ifndef WSPUSH_T_SITE_H
#define WSPUSH_T_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct site;

enum site_program { SITE_NGINX, SITE_WORKER, SITE_RESPONDER, SITE_PROGRAMS };

/* Zeroed is: all three, one thread, the configuration of `make run`. In the texts, @DIR@ stands for the
 * directory, @PORT@ for nginx's port. */
struct site_options {
    int threads;        /* of the worker; 0: one */
    const char *config; /* lines for wspush.conf; a key of ours (listen, control, fcgi_listen, post, threads,
                           drain_time) that is set here is not set by us */
    bool tcp;           /* the worker listens on a TCP port too: site_tcp */
    const char *server; /* text for the server block; its paths are all wspush-page already, so give longer
                           prefixes */
    const char *http;   /* text for the http block: other servers, upstreams, zones */
    const char *stock; /* run a copy of Debian's /etc/nginx with this as its only site instead of `make run`'s
                          config. It listens on 127.0.0.1:@PORT@; conf.d and snippets of the tree are there */
    bool no_nginx, no_worker, no_responder; /* not started; site_begin starts them later */
};

/* Starts, and returns when all that was asked for answers. NULL stands for zeroed options. */
struct site *site_start(const struct site_options *options);
/* Ends all (SIGTERM, SIGKILL after 15 s), removes the directory and frees. The test fails if one of our
 * daemons had ended by itself, ends with another status than 0, needs SIGKILL, or has a sanitizer's report in
 * its log. */
void site_stop(struct site *take_s);

/* ---- where things are; the texts are the site's ---- */
const char *site_http(const struct site *s);    /* nginx: "127.0.0.1:PORT" */
int site_port(const struct site *s);            /* the same as a number */
const char *site_tcp(const struct site *s);     /* the worker's own TCP listener */
const char *site_ws(const struct site *s);      /* "unix:/.../ws.sock" */
const char *site_fcgi(const struct site *s);    /* "unix:/.../fcgi.sock" */
const char *site_control(const struct site *s); /* "unix:/.../control.sock" */
const char *site_dir(const struct site *s);
/* DIR/name; the text is valid for the next eight calls. */
const char *site_path(const struct site *s, const char *name);
/* The path of a program of ours, $WSPUSH_BUILD/name. */
const char *site_program(const char *name);

/* ---- the processes ---- */
/* 0 if it is not running. */
pid_t site_pid(const struct site *s, enum site_program program);
/* Starts one that does not run, and waits until it answers. */
void site_begin(struct site *s, enum site_program program);
/* Sends SIGTERM and waits for the end; as strict as site_stop. */
void site_end(struct site *s, enum site_program program);
/* SIGKILL; any end is fine. The sockets stay behind. */
void site_kill(struct site *s, enum site_program program);
/* Sends any signal and goes on. */
void site_signal(const struct site *s, enum site_program program, int signal);
/* Waits until it ends by itself: its wait status; the test fails after timeout_ms. The end counts as wanted.
 */
int site_wait_end(struct site *s, enum site_program program, int timeout_ms);
/* Open descriptors, and resident bytes, of a running one. */
int site_descriptors(const struct site *s, enum site_program program);
/* Waits until it has so many open descriptors: who stands in a backlog is not seen otherwise. The test fails
 * after 5 s. */
void site_wait_descriptors(const struct site *s, enum site_program program, int count);
long long site_memory(const struct site *s, enum site_program program);
/* The children of any process: their ids go to `out`, at most `max`. Returns how many. */
size_t site_children(pid_t parent, pid_t *out, size_t max);

/* ---- logs and waiting ---- */
/* What it has logged since it was first started; malloc'd. */
char *site_log(const struct site *s, enum site_program program);
/* Waits until its log has `text`; the test fails after timeout_ms. */
void site_wait_log(const struct site *s, enum site_program program, const char *text, int timeout_ms);
/* Waits until condition(arg) is true, looking every few milliseconds; false after timeout_ms. */
bool site_until(bool (*condition)(void *arg), void *arg, int timeout_ms);
/* Reads a whole file; malloc'd with a NUL behind it, NULL if it can't be read. len may be NULL. */
char *site_read_file(const char *path, size_t *len);
/* Writes DIR/name, making its folder. */
void site_write_file(const struct site *s, const char *name, const char *text);
/* Runs a program to its end with a deadline; argv ends with NULL. Its stdout and stderr together go to
 * *output (malloc'd) if that is not NULL. input: NULL or what it gets on stdin. Returns its exit status, 128
 * + signal, or -1 if it had to be killed at the deadline. */
int site_run(const char *const *argv, const char *input, char **output, int timeout_ms);

#endif
