#include "ctl/each_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { KILL_AFTER_MS = 2000, GRACE_MS = 200, READ_CHUNK = 64 * 1024 };

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- start ---- */

/* Its signals are as if a shell had started it, whatever ours are. */
static void set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t ours;
    sigemptyset(&none);
    sigemptyset(&ours);
    sigaddset(&ours, SIGPIPE);
    posix_spawnattr_init(attributes);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &ours);
    posix_spawnattr_setflags(attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int spawn(struct run *r, const char *path, char *const *argv, int in, int out)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    set_attributes(&attributes);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    int error = posix_spawn(&r->pid, path, &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (error)
        r->pid = 0;
    return error;
}

int run_start(struct run *r, const char *path, char *const *argv, int64_t timeout_ms)
{
    int in[2];
    int out[2] = {-1, -1};
    r->in = r->out = -1;
    if (pipe2(in, O_CLOEXEC) < 0)
        return errno;
    int error = pipe2(out, O_CLOEXEC) < 0 ? errno : spawn(r, path, argv, in[0], out[1]);
    close(in[0]);
    close_fd(&out[1]);
    r->in = in[1];
    r->out = out[0];
    if (error) {
        close_fd(&r->in);
        close_fd(&r->out);
        return error;
    }
    fcntl(r->in, F_SETFL, O_NONBLOCK);
    fcntl(r->out, F_SETFL, O_NONBLOCK);
    if (r->payload.len == 0)
        close_fd(&r->in);
    r->deadline = clock_mono_ms() + timeout_ms;
    return 0;
}

/* ---- while it runs ---- */

void run_polled(const struct run *r, struct pollfd p[2])
{
    p[0] = (struct pollfd){.fd = r->in, .events = POLLOUT};
    p[1] = (struct pollfd){.fd = r->out, .events = POLLIN};
}

static void feed(struct run *r)
{
    ssize_t n = write(r->in, r->payload.data, r->payload.len);
    if (n > 0)
        buf_consume(&r->payload, (size_t)n);
    /* one that does not read all of it is free not to */
    if (r->payload.len == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_fd(&r->in);
}

static void listen_to(struct run *r)
{
    uint8_t *to = buf_reserve(&r->output, READ_CHUNK);
    ssize_t n = to ? read(r->out, to, READ_CHUNK) : 0;
    if (n > 0)
        r->output.len += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        close_fd(&r->out);
    if (r->output.len > RUN_OUTPUT_MAX) {
        run_end(r, "had more than 1 MiB to say");
        close_fd(&r->out);
    }
}

/* Sees its end and leaves it to be reaped: until then its number, and its group's, is nobody else's. */
static void look_for_end(struct run *r)
{
    siginfo_t end = {0};
    if (r->exited || waitid(P_PID, (id_t)r->pid, &end, WEXITED | WNOHANG | WNOWAIT) < 0 || end.si_pid == 0)
        return;
    r->exited = true;
    /* what it said is all in the pipe; whoever still holds the other end may have a word, but is no command
     */
    if (!r->failure)
        r->deadline = clock_mono_ms() + GRACE_MS;
    r->wait_status = end.si_code == CLD_EXITED ? end.si_status << 8 : end.si_status;
}

void run_end(struct run *r, const char *why)
{
    if (r->failure)
        return;
    r->failure = why;
    r->deadline = clock_mono_ms() + KILL_AFTER_MS;
    kill(-r->pid, SIGTERM);
}

static void kill_group(struct run *r)
{
    kill(-r->pid, SIGKILL);
    r->killed = true;
    /* whoever still holds the other end has left the group, and is not waited for */
    close_fd(&r->out);
    close_fd(&r->in);
}

void run_turn(struct run *r, const struct pollfd p[2])
{
    if (r->in >= 0 && p[0].revents)
        feed(r);
    if (r->out >= 0 && p[1].revents)
        listen_to(r);
    look_for_end(r);
    if (run_over(r) || r->killed || clock_mono_ms() < r->deadline)
        return;
    if (r->failure)
        kill_group(r);
    else if (r->exited)
        close_fd(&r->out);
    else
        run_end(r, "took too long");
}

bool run_over(const struct run *r)
{
    return r->exited && r->out < 0;
}

void run_free(struct run *take_r)
{
    if (!take_r)
        return;
    if (take_r->pid) {
        /* what a command that went well has left in the background may go on */
        if (take_r->failure || !take_r->exited)
            kill(-take_r->pid, SIGKILL);
        waitpid(take_r->pid, NULL, 0);
        close_fd(&take_r->in);
        close_fd(&take_r->out);
    }
    buf_fini(&take_r->payload);
    buf_fini(&take_r->output);
    free(take_r);
}
