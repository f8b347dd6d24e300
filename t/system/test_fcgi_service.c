/*
 * The responder under a service manager: a socket that was opened for it, what it says to the manager, the
 * watchdog; children that hang; and SIGHUP, which replaces them under traffic.
 */
#include <check.h>
#include <dirent.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "false_worker.h"
#include "http.h"
#include "manager.h"
#include "records.h"
#include "site.h"

enum { CHILDREN_MAX = 64, PROCESSES = 2, GENERATIONS_MAX = 3 };

static struct site *site;
static struct manager *manager;
static char *first_config;

static void make_site(const char *config)
{
    struct site_options options = {
        .config = config, .no_worker = true, .no_responder = true, .no_nginx = true};
    site = site_start(&options);
    first_config = site_read_file(site_path(site, "wspush.conf"), NULL);
}

static void begin_with_socket(const char *config, const char *socket, int watchdog_ms)
{
    make_site(config);
    const char *sockets[] = {site_path(site, socket), NULL};
    manager = manager_new(site, &(struct manager_options){"wspush-fcgi", sockets, watchdog_ms});
    manager_begin(manager);
}

static void begin(const char *config, int watchdog_ms)
{
    begin_with_socket(config, "fcgi.sock", watchdog_ms);
    manager_hear(manager, "READY=1");
}

static void forget(void)
{
    manager_free(manager);
    free(first_config);
    site_stop(site);
}

static void end(void)
{
    manager_end(manager);
    forget();
}

static int page_status(void)
{
    struct http_reply *r = records_ask(site_fcgi(site), "GET", "/test/", NULL, NULL, 0);
    int status = r->status;
    http_reply_free(r);
    return status;
}

static struct http_conn *ask(const char *method, const char *body)
{
    struct records r = {0};
    struct http_conn *c = http_open(site_fcgi(site));
    ck_assert_ptr_nonnull(c);
    records_request(&r, method, "/test/", NULL, body, strlen(body));
    http_write(c, r.data, r.len);
    records_free(&r);
    return c;
}

static void expect_reply(struct http_conn *take_conn, int status)
{
    struct http_reply *r = records_reply(take_conn, 15000);
    ck_assert_int_eq(r->status, status);
    http_reply_free(r);
    http_close(take_conn);
}

static bool log_has(const char *text)
{
    char *log = manager_log(manager);
    bool found = strstr(log, text) != NULL;
    free(log);
    return found;
}

static bool log_has_it(void *text)
{
    return log_has(text);
}

static void expect_log(const char *text, int timeout_ms)
{
    char copy[200];
    snprintf(copy, sizeof copy, "%s", text);
    ck_assert_msg(site_until(log_has_it, copy, timeout_ms), "the log lacks '%s':\n%s", text,
                  manager_log(manager));
}

/* ---- children ---- */

static size_t children(pid_t *out)
{
    return site_children(manager_pid(manager), out, CHILDREN_MAX);
}

static void two_children(pid_t *out)
{
    ck_assert_uint_eq(children(out), 2);
}

static bool there_are(void *count)
{
    pid_t pids[CHILDREN_MAX];
    return children(pids) == *(size_t *)count;
}

static void expect_children(size_t count)
{
    ck_assert_msg(site_until(there_are, &count, 10000), "there are not %zu children", count);
}

static size_t threads_of(pid_t pid)
{
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static bool has_gone(void *pid)
{
    return kill(*(pid_t *)pid, 0) < 0;
}

/* ---- the socket ---- */

START_TEST(the_socket_outlives_the_responder)
{
    struct stat before, after;
    begin("", 0);
    ck_assert_int_eq(page_status(), 200);
    ck_assert_int_eq(stat(site_path(site, "fcgi.sock"), &before), 0);
    for (int i = 0; i < 3; i++) {
        manager_end(manager);
        ck_assert_int_eq(stat(site_path(site, "fcgi.sock"), &after), 0);
        ck_assert_uint_eq(before.st_ino, after.st_ino);
        /* Who comes while nobody is there waits, and is served by the next. */
        struct http_conn *early = ask("GET", "");
        manager_begin(manager);
        manager_hear(manager, "READY=1");
        expect_reply(early, 200);
    }
    ck_assert_int_ne(access(site_path(site, "fcgi.sock.lock"), F_OK), 0);
    end();
}
END_TEST

START_TEST(who_comes_while_it_ends_is_served_by_the_next)
{
    enum { EACH = 40 };
    struct http_conn *waiting[EACH];
    begin("", 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < EACH; i++) {
            waiting[i] = ask("GET", "");
            if (i == EACH / 2)
                manager_signal(manager, SIGTERM);
        }
        ck_assert_int_eq(manager_wait(manager), 0);
        manager_begin(manager);
        for (int i = 0; i < EACH; i++)
            expect_reply(waiting[i], 200);
        manager_hear(manager, "READY=1");
    }
    end();
}
END_TEST

START_TEST(children_end_with_their_parent_and_the_socket_stays)
{
    pid_t pids[CHILDREN_MAX];
    begin("", 0);
    two_children(pids);
    manager_signal(manager, SIGKILL);
    manager_wait(manager);
    for (int i = 0; i < 2; i++)
        ck_assert(site_until(has_gone, &pids[i], 5000));
    struct http_conn *early = ask("GET", "");
    manager_begin(manager);
    manager_hear(manager, "READY=1");
    expect_reply(early, 200);
    end();
}
END_TEST

/* Nobody would ever answer on it. */
START_TEST(a_socket_that_the_configuration_does_not_name)
{
    begin_with_socket("", "other.sock", 0);
    int status = manager_wait(manager);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 2);
    ck_assert(log_has("/other.sock, but fcgi_listen in the configuration is unix:"));
    ck_assert(log_has("/fcgi.sock: make the two agree (systemctl edit wspush-fcgi.socket, or"));
    ck_assert_int_ne(access(site_path(site, "fcgi.sock"), F_OK), 0);
    ck_assert_int_eq(access(site_path(site, "other.sock"), F_OK), 0);
    forget();
}
END_TEST

/* Asks for the page as another user. */
static int status_as(uid_t uid, gid_t gid)
{
    int status;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (setgroups(0, NULL) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
            _exit(99);
        _exit(page_status() / 10);
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status) * 10;
}

/* The group that counts is the socket's own, whoever gave it. */
START_TEST(only_nginx_may_speak_on_it)
{
    enum { STRANGER = 54321, GROUP = 12345 };
    if (geteuid() != 0)
        return;
    make_site("");
    const char *sockets[] = {site_path(site, "fcgi.sock"), NULL};
    manager = manager_new(site, &(struct manager_options){"wspush-fcgi", sockets, 0});
    ck_assert_int_eq(chmod(site_dir(site), 0755), 0);
    ck_assert_int_eq(chmod(sockets[0], 0666), 0);
    ck_assert_int_eq(chown(sockets[0], 0, GROUP), 0);
    manager_begin(manager);
    manager_hear(manager, "READY=1");
    ck_assert_int_eq(status_as(STRANGER, GROUP), 200);
    ck_assert_int_eq(status_as(33, 33), 200); /* www-data */
    ck_assert_int_eq(status_as(STRANGER, STRANGER), 0);
    expect_log("uid 54321 (pid ", 1000);
    end();
}
END_TEST

/* ---- what it says ---- */

START_TEST(ready_means_that_all_children_accept)
{
    enum { MANY = 8, THREADS = 32 };
    pid_t pids[CHILDREN_MAX];
    begin_with_socket("fcgi_processes = 8\nfcgi_threads = 32\n", "fcgi.sock", 0);
    const char *note = manager_hear(manager, "READY=1");
    ck_assert_msg(strstr(note, "STATUS=8 processes, 32 threads in each"), "%s", note);
    ck_assert_uint_eq(children(pids), MANY);
    for (int i = 0; i < MANY; i++)
        ck_assert_uint_ge(threads_of(pids[i]), THREADS + 1);
    ck_assert(log_has("ready: FastCGI on unix:"));
    manager_signal(manager, SIGTERM);
    manager_hear(manager, "STOPPING=1");
    ck_assert_int_eq(manager_wait(manager), 0);
    forget();
}
END_TEST

/* Descriptors for the parent and for nobody else. */
START_TEST(children_that_cannot_start_are_the_end)
{
    char script[700];
    char *output;
    make_site("");
    snprintf(script, sizeof script, "ulimit -n 8 && exec %s --config %s", site_program("wspush-fcgi"),
             site_path(site, "wspush.conf"));
    const char *const argv[] = {"sh", "-c", script, NULL};
    int status = site_run(argv, NULL, &output, 10000);
    ck_assert_msg(status == 1 && strstr(output, "a child can't start: Too many open files") &&
                      strstr(output, "the children can't start") && !strstr(output, "ready"),
                  "%d: %s", status, output);
    ck_assert_int_ne(access(site_path(site, "fcgi.sock"), F_OK), 0);
    free(output);
    free(first_config);
    site_stop(site);
}
END_TEST

/* ---- who hangs ---- */

static void pass_over(const char *line)
{
    while (manager_hears(manager, line, 300))
        ;
}

START_TEST(the_watchdog_hears_of_turns_only)
{
    pid_t pids[CHILDREN_MAX];
    begin("", 600);
    for (int i = 0; i < 3; i++)
        manager_hear(manager, "WATCHDOG=1");
    two_children(pids);
    kill(pids[0], SIGSTOP);
    pass_over("WATCHDOG=1 of before");
    for (int i = 0; i < 3; i++) /* one still serves */
        manager_hear(manager, "WATCHDOG=1");
    kill(pids[1], SIGSTOP);
    for (int said = 0; manager_hears(manager, "WATCHDOG=1", 1000); said++)
        ck_assert_int_lt(said, 2);
    kill(pids[0], SIGCONT);
    kill(pids[1], SIGCONT);
    manager_hear(manager, "WATCHDOG=1");
    ck_assert_int_eq(page_status(), 200);
    end();
}
END_TEST

START_TEST(a_child_that_hangs_is_replaced)
{
    char line[80];
    pid_t pids[CHILDREN_MAX];
    begin("", 0);
    two_children(pids);
    kill(pids[0], SIGSTOP);
    snprintf(line, sizeof line, "child %d makes no turns for 10 s and is killed", (int)pids[0]);
    expect_log(line, 20000);
    expect_log("was ended by signal 9 (Killed); another takes its place", 5000);
    ck_assert(site_until(has_gone, &pids[0], 5000));
    expect_children(2);
    ck_assert_int_eq(page_status(), 200);
    end();
}
END_TEST

/* As a suspended machine or a paused container does: nobody is to blame afterwards. */
START_TEST(all_may_stand_still_together)
{
    enum { STILL_MS = 12000 };
    pid_t before[CHILDREN_MAX], after[CHILDREN_MAX];
    begin("", 600);
    two_children(before);
    for (int i = 0; i < 2; i++) /* before the parent, and up after it: that is the worst for them */
        kill(before[i], SIGSTOP);
    pass_over("WATCHDOG=1");
    manager_signal(manager, SIGSTOP);
    ck_assert(!manager_hears(manager, "WATCHDOG=1", STILL_MS));
    manager_signal(manager, SIGCONT);
    ck_assert(!manager_hears(manager, "WATCHDOG=1", 500));
    for (int i = 0; i < 2; i++)
        kill(before[i], SIGCONT);
    for (int i = 0; i < 4; i++)
        manager_hear(manager, "WATCHDOG=1");
    two_children(after);
    ck_assert_mem_eq(before, after, 2 * sizeof *before);
    ck_assert(!log_has("makes no turns"));
    end();
}
END_TEST

/* ---- SIGHUP ---- */

/* Whether one of the lines sets what this line sets. */
static bool is_set_by(const char *lines, const char *line)
{
    size_t key = strcspn(line, " ") + 1;
    for (const char *p = lines; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
        if (strncmp(p, line, key) == 0)
            return true;
    return false;
}

/* The first configuration, but for what these lines set. It is there at once: half a file is a configuration,
 * too. */
static void write_config(const char *lines)
{
    char text[4096];
    size_t len = (size_t)snprintf(text, sizeof text, "%s", lines);
    for (const char *p = first_config; *p; p += strcspn(p, "\n") + 1)
        if (!is_set_by(lines, p))
            len += (size_t)snprintf(text + len, sizeof text - len, "%.*s\n", (int)strcspn(p, "\n"), p);
    site_write_file(site, "wspush.conf.new", text);
    ck_assert_int_eq(rename(site_path(site, "wspush.conf.new"), site_path(site, "wspush.conf")), 0);
}

/* The first configuration, changed by these lines, holds when this returns. */
static void reload_with(const char *lines)
{
    write_config(lines);
    manager_signal(manager, SIGHUP);
    manager_hear(manager, "RELOADING=1");
    manager_hear(manager, "READY=1");
}

static void expect_page(const char *uri)
{
    struct http_reply *r = records_ask(site_fcgi(site), "GET", "/test/", NULL, NULL, 0);
    const char *to = http_header(r, "X-Accel-Redirect");
    ck_assert_msg(to && strcmp(to, uri) == 0, "expected %s, got %s", uri, to ? to : r->head);
    http_reply_free(r);
}

START_TEST(what_comes_after_ready_goes_by_the_new_configuration)
{
    pid_t pids[CHILDREN_MAX];
    begin("", 0);
    for (int i = 0; i < 10; i++) {
        char lines[100], uri[20];
        snprintf(uri, sizeof uri, "/page%d", i);
        snprintf(lines, sizeof lines, "page = \"%s\"\nfcgi_processes = %d\nfcgi_threads = %d\n", uri,
                 i % 3 + 1, i % 4 + 1);
        reload_with(lines);
        for (int k = 0; k < 50; k++)
            expect_page(uri);
        expect_children((size_t)i % 3 + 1);
    }
    reload_with("fcgi_processes = 1\nfcgi_threads = 7\n");
    expect_children(1);
    children(pids);
    ck_assert_uint_ge(threads_of(pids[0]), 8);
    ck_assert(log_has("SIGHUP: from now on /"));
    end();
}
END_TEST

START_TEST(another_worker_may_be_named)
{
    char second[200];
    begin("", 0);
    struct false_worker *one = false_worker_new(site_control(site));
    snprintf(second, sizeof second, "unix:%s", site_path(site, "second.sock"));
    struct false_worker *two = false_worker_new(second);
    expect_reply(ask("POST", "one"), 200);
    ck_assert_str_eq(false_worker_argument(one, 2, NULL), "one");
    reload_with("control = \"unix:second.sock\"\n");
    expect_reply(ask("POST", "two"), 200);
    ck_assert_str_eq(false_worker_argument(two, 2, NULL), "two");
    ck_assert_int_eq(false_worker_count(one), 1);
    reload_with("post = off\n");
    expect_reply(ask("POST", "three"), 403);
    false_worker_free(one);
    false_worker_free(two);
    end();
}
END_TEST

START_TEST(a_bad_file_changes_nothing)
{
    pid_t before[CHILDREN_MAX], after[CHILDREN_MAX];
    begin("page = \"/first\"\n", 0);
    two_children(before);
    site_write_file(site, "wspush.conf", "page = \"/second\"\nfcgi_threads = 0\n");
    manager_signal(manager, SIGHUP);
    manager_hear(manager, "RELOADING=1");
    manager_hear(manager, "READY=1");
    ck_assert(log_has("wspush.conf:2: fcgi_threads"));
    ck_assert(log_has("; the configuration stays as it was"));
    ck_assert(!log_has("from now on"));
    two_children(after);
    ck_assert_mem_eq(before, after, 2 * sizeof *before);
    expect_page("/first");
    unlink(site_path(site, "wspush.conf"));
    manager_signal(manager, SIGHUP);
    manager_hear(manager, "READY=1");
    expect_page("/first");
    reload_with("page = \"/third\"\n");
    expect_page("/third");
    end();
}
END_TEST

/* The descriptor that the parent opened last, but for those of a moment: its eventfd. */
static rlim_t last_descriptor(pid_t pid)
{
    char path[64], link[64];
    for (rlim_t fd = 3; fd < 100; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, (int)fd);
        ssize_t n = readlink(path, link, sizeof link - 1);
        link[n > 0 ? n : 0] = '\0';
        if (strstr(link, "[eventfd]"))
            return fd;
    }
    ck_abort_msg("no eventfd");
}

/* The limit leaves the parent one descriptor more than it has. */
static void limit_descriptors(pid_t pid)
{
    struct rlimit limit = {last_descriptor(pid) + 2, 1024};
    ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

START_TEST(new_children_that_cannot_start_change_nothing)
{
    pid_t before[CHILDREN_MAX], after[CHILDREN_MAX];
    struct rlimit plenty = {1024, 1024};
    begin("page = \"/first\"\n", 0);
    two_children(before);
    limit_descriptors(manager_pid(manager));
    reload_with("page = \"/second\"\nfcgi_processes = 3\n");
    ck_assert(log_has("SIGHUP: the new children can't start; the configuration stays as it was"));
    ck_assert(!log_has("from now on"));
    expect_children(2);
    two_children(after);
    ck_assert_mem_eq(before, after, 2 * sizeof *before);
    expect_page("/first");
    ck_assert_int_eq(prlimit(manager_pid(manager), RLIMIT_NOFILE, &plenty, NULL), 0);
    reload_with("page = \"/second\"\nfcgi_processes = 3\n");
    expect_page("/second");
    end();
}
END_TEST

START_TEST(the_log_level_changes_too)
{
    static const char nonsense[] = "GET / HTTP/1.1\r\n\r\n";
    begin("", 0);
    for (int i = 0; i < 3; i++) {
        reload_with(i % 2 ? "log_level = error\n" : "log_level = info\n");
        char *before = manager_log(manager);
        struct http_conn *c = http_open(site_fcgi(site));
        http_write(c, nonsense, strlen(nonsense));
        ck_assert_int_ne(http_rest(c, 10000), HTTP_TIMEOUT);
        http_close(c);
        char *after = manager_log(manager);
        ck_assert_int_eq(strstr(after + strlen(before), "a FastCGI peer is sent away") != NULL, i % 2 == 0);
        free(before);
        free(after);
    }
    end();
}
END_TEST

/* `make run`'s way: the socket is its own. */
START_TEST(what_holds_from_the_next_start_is_said)
{
    static const char *const names[] = {"fcgi_listen", "socket_mode", "socket_group"};
    static const char fcgi_line[] = "fcgi_listen = \"unix:other.sock\"\n";
    site = site_start(&(struct site_options){.no_worker = true, .no_nginx = true});
    first_config = site_read_file(site_path(site, "wspush.conf"), NULL);
    site_wait_log(site, SITE_RESPONDER, "ready", 10000);
    write_config("fcgi_threads = 2\n");
    site_signal(site, SITE_RESPONDER, SIGHUP);
    site_wait_log(site, SITE_RESPONDER, "SIGHUP: from now on /", 10000);
    char *log = site_log(site, SITE_RESPONDER);
    ck_assert_ptr_null(strstr(log, "has changed"));
    free(log);
    char lines[200];
    snprintf(lines, sizeof lines, "%ssocket_mode = 0666\nsocket_group = 12345\n", fcgi_line);
    write_config(lines);
    site_signal(site, SITE_RESPONDER, SIGHUP);
    for (int i = 0; i < 3; i++) {
        char line[200];
        snprintf(line, sizeof line, "%s has changed in %s and holds from the next start", names[i],
                 site_path(site, "wspush.conf"));
        site_wait_log(site, SITE_RESPONDER, line, 10000);
    }
    ck_assert_int_eq(page_status(), 200);
    free(first_config);
    site_stop(site);
}
END_TEST

/* Requests that wait for the worker hold the old children; still there are never too many generations. */
START_TEST(many_signals_are_few_generations)
{
    enum { SIGNALS = 300, POSTS = 6 };
    struct http_conn *waiting[POSTS];
    pid_t pids[CHILDREN_MAX];
    size_t most = 0;
    begin("", 0);
    struct false_worker *worker = false_worker_new(site_control(site));
    false_worker_answer(worker, NULL);
    for (int i = 0; i < SIGNALS; i++) {
        char lines[40];
        if (i % (SIGNALS / POSTS) == 0)
            waiting[i / (SIGNALS / POSTS)] = ask("POST", "x");
        snprintf(lines, sizeof lines, "page = \"/page%d\"\n", i);
        write_config(lines);
        manager_signal(manager, SIGHUP);
        usleep(2000); /* so that they are not all one for the kernel */
        size_t now = children(pids);
        most = now > most ? now : most;
    }
    ck_assert_uint_gt(most, PROCESSES);
    ck_assert_uint_le(most, (size_t)GENERATIONS_MAX * PROCESSES);
    for (int i = 0; i < POSTS; i++)
        expect_reply(waiting[i], 503);
    manager_hear(manager, "READY=1");
    expect_page("/page299");
    expect_children(PROCESSES);
    false_worker_free(worker);
    end();
}
END_TEST

/* ---- under traffic ---- */

enum { CLIENTS = 8, RELOADS = 30, REQUESTS_BETWEEN = 40 };

struct client {
    pthread_t thread;
    bool posts;
    int failed;
    int last_status;
};

static atomic_bool over;
static atomic_int done;

static void *run_client(void *arg)
{
    static char body[200000];
    struct client *c = arg;
    while (!atomic_load(&over)) {
        struct http_reply *r = http_request(site_http(site), c->posts ? "POST" : "GET", "/test/", NULL,
                                            c->posts ? body : NULL, sizeof body);
        atomic_fetch_add(&done, 1);
        if (r->status != 200 || !r->whole) {
            c->failed++;
            c->last_status = r->status;
        }
        http_reply_free(r);
    }
    return NULL;
}

static bool has_reloaded(void *times)
{
    int n = 0;
    char *log = site_log(site, SITE_RESPONDER);
    for (const char *p = log; (p = strstr(p, "SIGHUP: from now on")); p++)
        n++;
    free(log);
    return n >= *(int *)times;
}

static bool so_many_are_done(void *count)
{
    return atomic_load(&done) >= *(int *)count;
}

START_TEST(no_request_is_lost_by_reloads)
{
    struct client clients[CLIENTS] = {0};
    site = site_start(NULL);
    first_config = site_read_file(site_path(site, "wspush.conf"), NULL);
    atomic_store(&over, false);
    atomic_store(&done, 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].posts = i % 2;
        ck_assert_int_eq(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
    }
    for (int i = 1; i <= RELOADS; i++) {
        char lines[100];
        snprintf(lines, sizeof lines, "fcgi_processes = %d\nfcgi_threads = %d\n", i % 4 + 1, i % 3 + 2);
        write_config(lines);
        site_signal(site, SITE_RESPONDER, SIGHUP);
        ck_assert_msg(site_until(has_reloaded, &i, 15000), "reload %d does not come to its end", i);
        int more = atomic_load(&done) + REQUESTS_BETWEEN;
        ck_assert_msg(site_until(so_many_are_done, &more, 15000), "nothing is served after reload %d", i);
    }
    atomic_store(&over, true);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        ck_assert_msg(clients[i].failed == 0, "%d requests failed, the last with %d", clients[i].failed,
                      clients[i].last_status);
    }
    char *log = site_log(site, SITE_NGINX);
    ck_assert_msg(!strstr(log, "[error]"), "%s", log);
    free(log);
    free(first_config);
    site_stop(site);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fcgi_service");
    TCase *tc = tcase_create("service");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_socket_outlives_the_responder);
    tcase_add_test(tc, who_comes_while_it_ends_is_served_by_the_next);
    tcase_add_test(tc, children_end_with_their_parent_and_the_socket_stays);
    tcase_add_test(tc, a_socket_that_the_configuration_does_not_name);
    tcase_add_test(tc, only_nginx_may_speak_on_it);
    tcase_add_test(tc, ready_means_that_all_children_accept);
    tcase_add_test(tc, children_that_cannot_start_are_the_end);
    tcase_add_test(tc, the_watchdog_hears_of_turns_only);
    tcase_add_test(tc, a_child_that_hangs_is_replaced);
    tcase_add_test(tc, all_may_stand_still_together);
    tcase_add_test(tc, what_comes_after_ready_goes_by_the_new_configuration);
    tcase_add_test(tc, another_worker_may_be_named);
    tcase_add_test(tc, a_bad_file_changes_nothing);
    tcase_add_test(tc, new_children_that_cannot_start_change_nothing);
    tcase_add_test(tc, the_log_level_changes_too);
    tcase_add_test(tc, what_holds_from_the_next_start_is_said);
    tcase_add_test(tc, many_signals_are_few_generations);
    tcase_add_test(tc, no_request_is_lost_by_reloads);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
