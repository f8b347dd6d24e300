#include "program.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { WAIT_MS = 30000, FINISH_MS = 120000, SIGNALLED = 128 };

static void become(const char *variable, const char *const *argv, int in, int out, int err)
{
    char *copy = variable ? strdup(variable) : NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    if (copy)
        putenv(copy);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* `in` is its stdin, and closed here. */
static void start(struct program *p, const char *variable, const char *const *argv, int in)
{
    int out[2];
    int err[2];
    ck_assert_int_eq(pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
    p->pid = fork();
    ck_assert_int_ge(p->pid, 0);
    if (p->pid == 0)
        become(variable, argv, in, out[1], err[1]);
    close(in);
    close(out[1]);
    close(err[1]);
    p->out = out[0];
    p->err = err[0];
}

void program_start(struct program *p, const char *variable, const char *const *argv)
{
    *p = (struct program){.in = -1};
    start(p, variable, argv, open("/dev/null", O_RDONLY | O_CLOEXEC));
}

void program_start_fed(struct program *p, const char *variable, const char *const *argv)
{
    int in[2];
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    *p = (struct program){.in = in[1]};
    start(p, variable, argv, in[0]);
}

static void take(int *fd, struct buf *to)
{
    uint8_t *at = buf_reserve(to, 65536);
    ssize_t n = read(*fd, at, 65536);
    if (n > 0) {
        to->len += (size_t)n;
        return;
    }
    close(*fd);
    *fd = -1;
}

bool program_listen(struct program *p, int ms)
{
    struct pollfd fds[2] = {{.fd = p->out, .events = POLLIN}, {.fd = p->err, .events = POLLIN}};
    poll(fds, 2, ms);
    if (fds[0].revents)
        take(&p->out, &p->said);
    if (fds[1].revents)
        take(&p->err, &p->complained);
    return p->out >= 0 || p->err >= 0;
}

void program_feed(struct program *p, const char *input, size_t len)
{
    fcntl(p->in, F_SETFL, O_NONBLOCK);
    signal(SIGPIPE, SIG_IGN);
    while (len) {
        struct pollfd fds[] = {{.fd = p->in, .events = POLLOUT}};
        poll(fds, 1, 20);
        ssize_t n = write(p->in, input, len);
        if (n < 0 && errno != EAGAIN)
            return;
        input += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
        program_listen(p, 0);
    }
}

static void expect(struct program *p, struct buf *stream, const char *text)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    while (!strstr(buf_str(stream), text))
        if (!program_listen(p, 50) || clock_mono_ms() > until)
            ck_abort_msg("'%s' was not said, but '%s' and on stderr '%s'", text, buf_str(&p->said),
                         buf_str(&p->complained));
}

void program_expect(struct program *p, const char *text)
{
    expect(p, &p->said, text);
}

void program_expect_complaint(struct program *p, const char *text)
{
    expect(p, &p->complained, text);
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int program_finish(struct program *p)
{
    int status;
    int64_t until = clock_mono_ms() + FINISH_MS;
    close_one(&p->in);
    while (program_listen(p, 100))
        ck_assert_msg(clock_mono_ms() < until, "the program does not end; it said '%s' and '%s'",
                      buf_str(&p->said), buf_str(&p->complained));
    ck_assert_int_eq(waitpid(p->pid, &status, 0), p->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNALLED + WTERMSIG(status);
}

int program_end(struct program *p)
{
    kill(p->pid, SIGTERM);
    return program_finish(p);
}

void program_fini(struct program *p)
{
    close_one(&p->in);
    close_one(&p->out);
    close_one(&p->err);
    buf_fini(&p->said);
    buf_fini(&p->complained);
}
