/*
 * See site.h. A site is a directory with everything in it: configuration made from the tree's, sockets, logs.
 * nginx runs with that directory as its prefix and its working directory, so that every path in its
 * configuration is relative.
 *
 * Two things see to it that nothing outlives a test. Each process is signalled by the kernel when the test's
 * process ends. And a keeper, a child in a session of its own, waits for that end on a pipe: if site_stop has
 * not told it that all went well, it prints the logs' tails. (A failing test ends by _exit; nothing in its
 * own process could do that.)
 *
 * A port is reserved by a bound socket that never listens: with SO_REUSEADDR on both sides a server can still
 * take it, while the kernel gives it to nobody else.
 */
#include "site.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

enum { START_MS = 15000, END_MS = 15000 };

struct site {
    char dir[64];
    char http[32], tcp[32], ws[96], fcgi[96], control[96];
    int port, port_fd, tcp_fd; /* the descriptors reserve the ports */
    bool stock;
    pid_t pids[SITE_PROGRAMS]; /* 0: not running */
    pid_t keeper;
    int keeper_fd;
};

static const char *const names[SITE_PROGRAMS] = {"nginx", "wspushd", "wspush-fcgi"};

static void *must(void *p)
{
    if (!p)
        ck_abort_msg("%s", strerror(errno));
    return p;
}

/* ---- files ---- */

char *site_read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "re"), *out;
    char *text, block[16384];
    size_t size, n;
    if (!f)
        return NULL;
    out = must(open_memstream(&text, &size));
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        fwrite(block, 1, n, out);
    fclose(f);
    fclose(out);
    if (len)
        *len = size;
    return text;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    if (!f)
        ck_abort_msg("%s: %s", path, strerror(errno));
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

const char *site_path(const struct site *s, const char *name)
{
    static char ring[8][512];
    static unsigned next;
    char *out = ring[next++ % 8];
    snprintf(out, sizeof ring[0], "%s/%s", s->dir, name);
    return out;
}

void site_write_file(const struct site *s, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s", site_path(s, name));
    for (char *slash = strchr(path + strlen(s->dir) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    write_file(path, text);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- configuration ---- */

/* Every `from` in take_text becomes `to`; malloc'd. */
static char *replace(char *take_text, const char *from, const char *to)
{
    char *text, *p = take_text;
    size_t len;
    FILE *f = must(open_memstream(&text, &len));
    for (char *hit; (hit = strstr(p, from)); p = hit + strlen(from))
        fprintf(f, "%.*s%s", (int)(hit - p), p, to);
    fputs(p, f);
    fclose(f);
    free(take_text);
    return text;
}

/* What a text of ours or of a test may hold. */
static char *fill_in(const struct site *s, char *take_text)
{
    char port[16], files[16];
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    snprintf(port, sizeof port, "%d", s->port);
    snprintf(files, sizeof files, "%d", limit.rlim_cur > 65536 ? 65536 : (int)limit.rlim_cur);
    take_text = replace(take_text, "@PORT@", port);
    take_text = replace(take_text, "@DIR@", s->dir);
    take_text = replace(take_text, "@USER@", getuid() == 0 ? "user root;" : "");
    take_text = replace(take_text, "@FILES@", files);
    take_text = replace(take_text, "/run/wspush/", "");
    return replace(take_text, "/usr/share/wspush/static", "static");
}

static void install_text(const struct site *s, const char *name, const char *text)
{
    char *filled = fill_in(s, must(strdup(text)));
    site_write_file(s, name, filled);
    free(filled);
}

static void install_file(const struct site *s, const char *from, const char *name)
{
    char *text = site_read_file(from, NULL);
    if (!text)
        ck_abort_msg("%s: %s (tests run at the top of the tree)", from, strerror(errno));
    install_text(s, name, text);
    free(text);
}

/* All files of a folder of conf/nginx. */
static void install_folder(const struct site *s, const char *from, const char *to)
{
    struct dirent **list;
    char source[512], target[512];
    int n = scandir(from, &list, NULL, alphasort);
    ck_assert_msg(n >= 0, "%s: %s (tests run at the top of the tree)", from, strerror(errno));
    for (int i = 0; i < n; i++) {
        snprintf(source, sizeof source, "%s/%s", from, list[i]->d_name);
        snprintf(target, sizeof target, "%s/%s", to, list[i]->d_name);
        if (list[i]->d_name[0] != '.')
            install_file(s, source, target);
        free(list[i]);
    }
    free(list);
}

/* Debian's folder, with what needs root or belongs to the machine turned to the site's directory. */
static void install_stock(const struct site *s, const char *site_text)
{
    const char *const copy[] = {"cp", "-r", "/etc/nginx", site_path(s, "etc"), NULL};
    ck_assert_int_eq(site_run(copy, NULL, NULL, 5000), 0);
    char *text = must(site_read_file(site_path(s, "etc/nginx.conf"), NULL));
    text = replace(text, "user www-data;", getuid() == 0 ? "user root;" : "");
    text = replace(text, "pid /run/nginx.pid;", "pid nginx.pid;");
    text = replace(text, "error_log /var/log/nginx/error.log;", "error_log stderr;");
    text = replace(text, "/var/log/nginx/", "");
    text = replace(text, "include /etc/nginx/", "include ");
    site_write_file(s, "etc/nginx.conf", text);
    free(text);
    remove(site_path(s, "etc/sites-enabled/default"));
    remove_tree(site_path(s, "etc/modules-enabled"));
    install_text(
        s, "etc/conf.d/test-temp.conf",
        "client_body_temp_path temp/body;\nproxy_temp_path temp/proxy;\nfastcgi_temp_path temp/fastcgi;\n"
        "uwsgi_temp_path temp/uwsgi;\nscgi_temp_path temp/scgi;\n");
    install_text(s, "etc/sites-enabled/site", site_text);
}

static void install_nginx(const struct site *s, const struct site_options *o)
{
    char here[512], target[600];
    ck_assert(getcwd(here, sizeof here) != NULL);
    snprintf(target, sizeof target, "%s/static", here);
    ck_assert(symlink(target, site_path(s, "static")) == 0);
    ck_assert(mkdir(site_path(s, "temp"), 0755) == 0);
    if (o->stock)
        install_stock(s, o->stock);
    else
        install_file(s, "conf/nginx/run.conf.in", "etc/nginx.conf");
    install_folder(s, "conf/nginx/conf.d", "etc/conf.d");
    install_folder(s, "conf/nginx/snippets", "etc/snippets");
    install_text(s, "etc/conf.d/zz-test.conf", o->http ? o->http : "");
    install_text(s, "etc/server.d/test.conf", o->server ? o->server : "");
}

/* Whether a line of the text sets this key. */
static bool sets(const char *text, const char *key)
{
    size_t n = strlen(key);
    for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        p += strspn(p, " \t");
        if (strncmp(p, key, n) == 0 && p[n + strspn(p + n, " \t")] == '=')
            return true;
    }
    return false;
}

static void install_config(const struct site *s, const struct site_options *o)
{
    const char *extra = o->config ? o->config : "";
    char listen[96], threads[16], *text;
    size_t len;
    snprintf(listen, sizeof listen, o->tcp ? "{\"unix:ws.sock\", \"%s\"}" : "{\"unix:ws.sock\"}", s->tcp);
    snprintf(threads, sizeof threads, "%d", o->threads ? o->threads : 1);
    const char *const rows[][2] = {{"listen", listen},
                                   {"control", "\"unix:control.sock\""},
                                   {"fcgi_listen", "\"unix:fcgi.sock\""},
                                   {"post", "open"},
                                   {"threads", threads},
                                   {"drain_time", "200ms"}};
    FILE *f = must(open_memstream(&text, &len));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!sets(extra, rows[i][0]))
            fprintf(f, "%s = %s\n", rows[i][0], rows[i][1]);
    fputs(extra, f);
    fclose(f);
    install_text(s, "wspush.conf", text);
    free(text);
}

/* ---- the keeper ---- */

static void print_tail(const char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s.log", dir, name);
    char *text = site_read_file(path, NULL);
    if (!text || !*text) {
        free(text);
        return;
    }
    char *p = text + strlen(text);
    for (int lines = 0; p > text && lines <= 40; p--)
        lines += p[-1] == '\n';
    fprintf(stderr, "---- %s\n%s", path, p > text ? p + 1 : p);
    free(text);
}

static void keep_watch(const struct site *s, int fd)
{
    char byte = 0;
    /* Nothing of the test's may be held open by this process. */
    dup2(fd, 3);
    close_range(4, ~0u, 0);
    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    while (read(3, &byte, 1) < 0 && errno == EINTR)
        continue;
    if (byte != 'g') {
        for (int i = 0; i < SITE_PROGRAMS; i++)
            print_tail(s->dir, names[i]);
        fprintf(stderr, "---- this site's files are kept in %s\n", s->dir);
    }
    _exit(0);
}

static void start_keeper(struct site *s)
{
    int ends[2];
    ck_assert(pipe2(ends, O_CLOEXEC) == 0);
    fflush(NULL);
    s->keeper = fork();
    ck_assert(s->keeper >= 0);
    if (s->keeper == 0) {
        close(ends[1]);
        keep_watch(s, ends[0]);
    }
    close(ends[0]);
    s->keeper_fd = ends[1];
}

static void dismiss_keeper(struct site *s)
{
    ck_assert(write(s->keeper_fd, "g", 1) == 1);
    close(s->keeper_fd);
    waitpid(s->keeper, NULL, 0);
}

/* ---- processes ---- */

static const char *log_path(const struct site *s, enum site_program program)
{
    char name[32];
    snprintf(name, sizeof name, "%s.log", names[program]);
    return site_path(s, name);
}

const char *site_program(const char *name)
{
    static char ring[4][512];
    static unsigned next;
    char *out = ring[next++ % 4];
    char here[256];
    const char *build = getenv("WSPUSH_BUILD");
    build = build ? build : "build";
    ck_assert(getcwd(here, sizeof here) != NULL);
    snprintf(out, sizeof ring[0], "%s%s%s/%s", build[0] == '/' ? "" : here, build[0] == '/' ? "" : "/", build,
             name);
    return out;
}

/* In a new child: tied to the test's life, stdin empty, out and err to a file or descriptor. */
static void become(const char *const *argv, pid_t parent, int death_signal, const char *dir, int in, int out)
{
    prctl(PR_SET_PDEATHSIG, death_signal);
    if (getppid() != parent)
        _exit(127);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || (dir && chdir(dir) < 0))
        _exit(127);
    execvp(argv[0], (char *const *)argv);
    dprintf(2, "can't run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static pid_t spawn(const struct site *s, const char *const *argv, const char *log, int death_signal)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    ck_assert(null >= 0 && out >= 0);
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    ck_assert(pid >= 0);
    if (pid == 0)
        become(argv, parent, death_signal, s->dir, null, out);
    close(null);
    close(out);
    return pid;
}

bool site_until(bool (*condition)(void *), void *arg, int timeout_ms)
{
    long long deadline = http_now() + timeout_ms;
    while (!condition(arg)) {
        if (http_now() >= deadline)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
    return true;
}

/* A process that has been started and is to answer. */
struct coming {
    struct site *s;
    enum site_program program;
    size_t log_from; /* how long its log was before */
    int status;      /* of its end, if it ended */
};

static bool nginx_is_up(const struct site *s)
{
    char *text = site_read_file(site_path(s, "nginx.pid"), NULL);
    bool up = text && atoi(text) == s->pids[SITE_NGINX];
    free(text);
    return up;
}

static bool worker_is_up(const struct site *s, size_t log_from)
{
    size_t len;
    char *text = site_read_file(log_path(s, SITE_WORKER), &len);
    bool up = text && len > log_from && strstr(text + log_from, "ready");
    free(text);
    return up;
}

static bool answers(const char *address)
{
    struct http_conn *c = http_open(address);
    http_close(c);
    return c != NULL;
}

static bool is_up_or_gone(void *arg)
{
    struct coming *c = arg;
    pid_t *pid = &c->s->pids[c->program];
    if (waitpid(*pid, &c->status, WNOHANG) == *pid) {
        *pid = 0;
        return true;
    }
    return c->program == SITE_NGINX    ? nginx_is_up(c->s)
           : c->program == SITE_WORKER ? worker_is_up(c->s, c->log_from)
                                       : answers(c->s->fcgi);
}

static pid_t launch(const struct site *s, enum site_program program)
{
    const char *log = log_path(s, program);
    if (program == SITE_NGINX) {
        const char *binary = access("/usr/sbin/nginx", X_OK) == 0 ? "/usr/sbin/nginx" : "nginx";
        const char *const argv[] = {binary,           "-p", site_path(s, ""), "-e", "stderr", "-c",
                                    "etc/nginx.conf", "-g", "daemon off;",    NULL};
        return spawn(s, argv, log, SIGTERM);
    }
    const char *const argv[] = {site_program(names[program]), "--config", site_path(s, "wspush.conf"), NULL};
    return spawn(s, argv, log, program == SITE_WORKER ? SIGKILL : SIGTERM);
}

void site_begin(struct site *s, enum site_program program)
{
    pid_t *pid = &s->pids[program];
    struct stat st;
    struct coming c = {.s = s, .program = program};
    ck_assert_msg(*pid == 0, "%s runs already", names[program]);
    c.log_from = stat(log_path(s, program), &st) == 0 ? (size_t)st.st_size : 0;
    *pid = launch(s, program);
    bool came = site_until(is_up_or_gone, &c, START_MS);
    if (*pid == 0)
        ck_abort_msg("%s ended at start (status %#x)", names[program], (unsigned)c.status);
    ck_assert_msg(came, "%s does not answer %d ms after its start", names[program], START_MS);
}

/* An end to wait for. */
struct going {
    pid_t pid;
    int status;
};

static bool is_gone(void *arg)
{
    struct going *g = arg;
    return waitpid(g->pid, &g->status, WNOHANG) != 0;
}

/* Waits for a program's end and forgets it; false if it did not come. */
static bool reap(struct site *s, enum site_program program, int timeout_ms, int *status)
{
    struct going g = {.pid = s->pids[program]};
    if (!site_until(is_gone, &g, timeout_ms))
        return false;
    s->pids[program] = 0;
    *status = g.status;
    return true;
}

static void expect_clean_log(const struct site *s, enum site_program program)
{
    char *text = site_read_file(log_path(s, program), NULL);
    bool dirty = text && (strstr(text, "Sanitizer:") || strstr(text, "runtime error:"));
    free(text);
    ck_assert_msg(!dirty, "a sanitizer's report in the log of %s", names[program]);
}

static void expect_good_end(const struct site *s, enum site_program program, int status)
{
    expect_clean_log(s, program);
    if (WIFSIGNALED(status))
        ck_abort_msg("%s was ended by signal %d (%s)", names[program], WTERMSIG(status),
                     strsignal(WTERMSIG(status)));
    ck_assert_msg(WEXITSTATUS(status) == 0, "%s ended with status %d", names[program], WEXITSTATUS(status));
}

void site_end(struct site *s, enum site_program program)
{
    int status;
    pid_t pid = s->pids[program];
    ck_assert_msg(pid != 0, "%s does not run", names[program]);
    if (waitpid(pid, &status, WNOHANG) == pid) {
        s->pids[program] = 0;
        expect_good_end(s, program, status);
        ck_abort_msg("%s had ended by itself", names[program]);
    }
    kill(pid, SIGTERM);
    bool ended = reap(s, program, END_MS / 2, &status);
    if (!ended && program == SITE_NGINX) /* which may miss one that comes right at its start */
        kill(pid, SIGTERM);
    if (!ended && !reap(s, program, END_MS / 2, &status)) {
        kill(pid, SIGKILL);
        reap(s, program, END_MS, &status);
        ck_abort_msg("%s does not end %d ms after SIGTERM", names[program], END_MS);
    }
    expect_good_end(s, program, status);
}

void site_kill(struct site *s, enum site_program program)
{
    int status;
    ck_assert_msg(s->pids[program] != 0, "%s does not run", names[program]);
    kill(s->pids[program], SIGKILL);
    ck_assert(reap(s, program, END_MS, &status));
    expect_clean_log(s, program);
}

void site_signal(const struct site *s, enum site_program program, int signal)
{
    ck_assert_msg(s->pids[program] != 0, "%s does not run", names[program]);
    kill(s->pids[program], signal);
}

int site_wait_end(struct site *s, enum site_program program, int timeout_ms)
{
    int status;
    ck_assert_msg(s->pids[program] != 0, "%s does not run", names[program]);
    ck_assert_msg(reap(s, program, timeout_ms, &status), "%s has not ended after %d ms", names[program],
                  timeout_ms);
    expect_clean_log(s, program);
    return status;
}

/* ---- start and stop ---- */

/* A socket that keeps a free port for a server to come. */
static int reserve_port(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    ck_assert(bind(fd, (struct sockaddr *)&at, len) == 0);
    ck_assert(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static struct site *site_new(void)
{
    struct site *s = must(calloc(1, sizeof *s));
    int tcp_port;
    strcpy(s->dir, "/tmp/wspush-XXXXXX");
    must(mkdtemp(s->dir));
    s->port_fd = reserve_port(&s->port);
    s->tcp_fd = reserve_port(&tcp_port);
    snprintf(s->http, sizeof s->http, "127.0.0.1:%d", s->port);
    snprintf(s->tcp, sizeof s->tcp, "127.0.0.1:%d", tcp_port);
    snprintf(s->ws, sizeof s->ws, "unix:%s/ws.sock", s->dir);
    snprintf(s->fcgi, sizeof s->fcgi, "unix:%s/fcgi.sock", s->dir);
    snprintf(s->control, sizeof s->control, "unix:%s/control.sock", s->dir);
    return s;
}

struct site *site_start(const struct site_options *options)
{
    static const struct site_options none;
    const struct site_options *o = options ? options : &none;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that outlives its runner would keep the site alive */
    raise_descriptor_limit();
    signal(SIGPIPE, SIG_IGN);
    struct site *s = site_new();
    start_keeper(s);
    install_config(s, o);
    install_nginx(s, o);
    if (!o->no_worker)
        site_begin(s, SITE_WORKER);
    if (!o->no_responder)
        site_begin(s, SITE_RESPONDER);
    if (!o->no_nginx)
        site_begin(s, SITE_NGINX);
    return s;
}

void site_stop(struct site *take_s)
{
    static const enum site_program order[] = {SITE_WORKER, SITE_RESPONDER, SITE_NGINX};
    for (int i = 0; i < SITE_PROGRAMS; i++)
        if (take_s->pids[order[i]] != 0)
            site_end(take_s, order[i]);
    dismiss_keeper(take_s);
    close(take_s->port_fd);
    close(take_s->tcp_fd);
    remove_tree(take_s->dir);
    free(take_s);
}

/* ---- asking ---- */

const char *site_http(const struct site *s)
{
    return s->http;
}

int site_port(const struct site *s)
{
    return s->port;
}

const char *site_tcp(const struct site *s)
{
    return s->tcp;
}

const char *site_ws(const struct site *s)
{
    return s->ws;
}

const char *site_fcgi(const struct site *s)
{
    return s->fcgi;
}

const char *site_control(const struct site *s)
{
    return s->control;
}

const char *site_dir(const struct site *s)
{
    return s->dir;
}

pid_t site_pid(const struct site *s, enum site_program program)
{
    return s->pids[program];
}

int site_descriptors(const struct site *s, enum site_program program)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)s->pids[program]);
    DIR *d = opendir(path);
    int n = -2; /* . and .. */
    ck_assert_msg(d != NULL, "%s does not run", names[program]);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

void site_wait_descriptors(const struct site *s, enum site_program program, int count)
{
    long long until = http_now() + 5000;
    int is;
    while ((is = site_descriptors(s, program)) != count) {
        ck_assert_msg(http_now() < until, "%d descriptors are open, not %d", is, count);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
}

long long site_memory(const struct site *s, enum site_program program)
{
    char path[64];
    long long total, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)s->pids[program]);
    char *text = must(site_read_file(path, NULL));
    ck_assert(sscanf(text, "%lld %lld", &total, &resident) == 2);
    free(text);
    return resident * sysconf(_SC_PAGESIZE);
}

size_t site_children(pid_t parent, pid_t *out, size_t max)
{
    char path[80];
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    char *text = site_read_file(path, NULL);
    for (char *at = text; at && n < max && *at; at += strspn(at, " \n"))
        out[n++] = (pid_t)strtol(at, &at, 10);
    free(text);
    return n;
}

char *site_log(const struct site *s, enum site_program program)
{
    char *text = site_read_file(log_path(s, program), NULL);
    return text ? text : must(calloc(1, 1));
}

struct log_search {
    const struct site *s;
    enum site_program program;
    const char *text;
};

static bool log_has(void *arg)
{
    struct log_search *l = arg;
    char *log = site_log(l->s, l->program);
    bool found = strstr(log, l->text) != NULL;
    free(log);
    return found;
}

void site_wait_log(const struct site *s, enum site_program program, const char *text, int timeout_ms)
{
    struct log_search l = {s, program, text};
    ck_assert_msg(site_until(log_has, &l, timeout_ms), "the log of %s does not say \"%s\"", names[program],
                  text);
}

/* ---- other programs ---- */

/* Moves bytes both ways until the program's output ends; false at the deadline. */
static bool converse(int *in, int out, const char *input, FILE *to, long long deadline)
{
    char block[16384];
    for (size_t left = input ? strlen(input) : 0;;) {
        if (left == 0 && *in >= 0) {
            close(*in);
            *in = -1;
        }
        struct pollfd p[2] = {{.fd = out, .events = POLLIN}, {.fd = *in, .events = POLLOUT}};
        long long wait = deadline - http_now();
        if (wait <= 0 || poll(p, 2, (int)wait) == 0)
            return false;
        if (p[1].revents) {
            ssize_t n = write(*in, input, left);
            left = n < 0 ? 0 : left - (size_t)n;
            input += n < 0 ? 0 : n;
        }
        if (p[0].revents) {
            ssize_t n = read(out, block, sizeof block);
            if (n <= 0)
                return true;
            fwrite(block, 1, (size_t)n, to);
        }
    }
}

int site_run(const char *const *argv, const char *input, char **output, int timeout_ms)
{
    int in[2], out[2];
    struct going g = {0};
    char *text;
    size_t len;
    long long deadline = http_now() + timeout_ms;
    ck_assert(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    signal(SIGPIPE, SIG_IGN);
    pid_t parent = getpid();
    fflush(NULL);
    g.pid = fork();
    ck_assert(g.pid >= 0);
    if (g.pid == 0)
        become(argv, parent, SIGKILL, NULL, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    FILE *to = must(open_memstream(&text, &len));
    bool ended = converse(&in[1], out[0], input, to, deadline);
    ended = ended && site_until(is_gone, &g, (int)(deadline - http_now()));
    if (!ended) {
        kill(g.pid, SIGKILL);
        waitpid(g.pid, &g.status, 0);
    }
    if (in[1] >= 0)
        close(in[1]);
    close(out[0]);
    fclose(to);
    if (output)
        *output = text;
    else
        free(text);
    return !ended ? -1 : WIFSIGNALED(g.status) ? 128 + WTERMSIG(g.status) : WEXITSTATUS(g.status);
}
