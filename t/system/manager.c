#include "manager.h"

#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SOCKETS_MAX = 4, FIRST_FD = 3, HIGH_FD = 100 };

struct manager {
    const struct site *site;
    struct manager_options options;
    int sockets[SOCKETS_MAX];
    int socket_count;
    int notes;
    char notify_path[108];
    char log_path[200];
    char note[1024];
    pid_t pid;
};

static struct sockaddr_un name_of(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    ck_assert_uint_lt(strlen(path), sizeof name.sun_path);
    strcpy(name.sun_path, path);
    return name;
}

static int bound_socket(int type, const char *path)
{
    struct sockaddr_un name = name_of(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static int local_socket(const char *path)
{
    int fd = bound_socket(SOCK_STREAM, path);
    ck_assert_int_eq(listen(fd, 64), 0);
    return fd;
}

static int tcp_socket(const char *address)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    name.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    ck_assert_int_eq(listen(fd, 64), 0);
    return fd;
}

struct manager *manager_new(const struct site *site, const struct manager_options *options)
{
    struct manager *m = calloc(1, sizeof *m);
    ck_assert_ptr_nonnull(m);
    m->site = site;
    m->options = *options;
    snprintf(m->notify_path, sizeof m->notify_path, "%s/notify", site_dir(site));
    snprintf(m->log_path, sizeof m->log_path, "%s/managed.log", site_dir(site));
    m->notes = bound_socket(SOCK_DGRAM, m->notify_path);
    for (const char *const *s = options->sockets; *s; s++) {
        ck_assert_int_lt(m->socket_count, SOCKETS_MAX);
        m->sockets[m->socket_count++] = **s == '/' ? local_socket(*s) : tcp_socket(*s);
    }
    return m;
}

/* Descriptors above 2 in the order of the sockets; they are moved up first, so that none is in another's
 * place. */
static void pass_sockets(const struct manager *m)
{
    char text[32];
    for (int i = 0; i < m->socket_count; i++)
        dup2(m->sockets[i], HIGH_FD + i);
    for (int i = 0; i < m->socket_count; i++)
        dup2(HIGH_FD + i, FIRST_FD + i);
    closefrom(FIRST_FD + m->socket_count);
    snprintf(text, sizeof text, "%d", m->socket_count);
    setenv("LISTEN_FDS", text, 1);
    snprintf(text, sizeof text, "%d", (int)getpid());
    setenv("LISTEN_PID", text, 1);
}

static void become(const struct manager *m, pid_t parent)
{
    char text[32];
    sigset_t none;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(open(m->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
    setenv("NOTIFY_SOCKET", m->notify_path, 1);
    if (m->options.watchdog_ms) {
        snprintf(text, sizeof text, "%d000", m->options.watchdog_ms);
        setenv("WATCHDOG_USEC", text, 1);
    }
    pass_sockets(m);
    execl(site_program(m->options.program), m->options.program, "--config", site_path(m->site, "wspush.conf"),
          NULL);
    _exit(127);
}

void manager_begin(struct manager *m)
{
    pid_t parent = getpid();
    ck_assert_int_eq(m->pid, 0);
    m->pid = fork();
    ck_assert_int_ge(m->pid, 0);
    if (m->pid == 0)
        become(m, parent);
}

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static bool has_line(const char *note, const char *line)
{
    size_t len = strlen(line);
    for (const char *p = note; (p = strstr(p, line)); p += len)
        if ((p == note || p[-1] == '\n') && (p[len] == '\n' || p[len] == '\0'))
            return true;
    return false;
}

bool manager_hears(struct manager *m, const char *line, int timeout_ms)
{
    long long until = now_ms() + timeout_ms;
    for (long long left = timeout_ms; left >= 0; left = until - now_ms()) {
        struct pollfd p = {.fd = m->notes, .events = POLLIN};
        if (poll(&p, 1, (int)left) <= 0)
            break;
        ssize_t n = recv(m->notes, m->note, sizeof m->note - 1, MSG_DONTWAIT);
        ck_assert_int_gt(n, 0);
        m->note[n] = '\0';
        if (has_line(m->note, line))
            return true;
    }
    return false;
}

const char *manager_hear(struct manager *m, const char *line)
{
    if (!manager_hears(m, line, MANAGER_WAIT))
        ck_abort_msg("%s did not say %s; its log:\n%s", m->options.program, line, manager_log(m));
    return m->note;
}

void manager_signal(const struct manager *m, int signal)
{
    ck_assert_int_gt(m->pid, 0);
    ck_assert_int_eq(kill(m->pid, signal), 0);
}

pid_t manager_pid(const struct manager *m)
{
    return m->pid;
}

struct ended {
    struct manager *m;
    int status;
};

static bool has_ended(void *arg)
{
    struct ended *e = arg;
    return waitpid(e->m->pid, &e->status, WNOHANG) == e->m->pid;
}

int manager_wait(struct manager *m)
{
    struct ended e = {m, 0};
    ck_assert_msg(site_until(has_ended, &e, 15000), "%s does not end; its log:\n%s", m->options.program,
                  manager_log(m));
    m->pid = 0;
    return e.status;
}

void manager_end(struct manager *m)
{
    manager_signal(m, SIGTERM);
    int status = manager_wait(m);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s ended with wait status %d; its log:\n%s",
                  m->options.program, status, manager_log(m));
}

char *manager_log(const struct manager *m)
{
    char *text = site_read_file(m->log_path, NULL);
    return text ? text : calloc(1, 1);
}

void manager_free(struct manager *take_m)
{
    ck_assert_int_eq(take_m->pid, 0);
    for (int i = 0; i < take_m->socket_count; i++)
        close(take_m->sockets[i]);
    close(take_m->notes);
    free(take_m);
}
