/* A listening socket in a loop: whoever comes is taken, and when no descriptor is left nothing spins and
 * nothing dies. */
#include "loop/acceptor.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static int64_t now;
static unsigned tries;

/* In place of libc's, to be counted. */
int accept4(int fd, struct sockaddr *peer, socklen_t *len, int flags)
{
    tries++;
    return (int)syscall(SYS_accept4, fd, peer, len, flags);
}

/* A turn takes 60 ms here, so that nobody has to wait. */
int64_t clock_mono_ms(void)
{
    return now += 60;
}

int64_t clock_wall_ms(void)
{
    return 0;
}

static struct loop loop;
static struct acceptor acceptor;
static struct sockaddr_un address;
static socklen_t address_len;
static int listener;
static unsigned accepted;
static unsigned wanted;
static struct rlimit limit;
static unsigned turns;

static void on_accept(void *arg, int fd)
{
    ck_assert_ptr_eq(arg, &acceptor);
    accepted++;
    close(fd);
}

static void stop_when_all_came(void *arg)
{
    (void)arg;
    turns++;
    if (accepted == wanted)
        loop_stop(&loop);
}

static void start(void)
{
    log_init("test", LOG_LEVEL_ERROR);
    turns = accepted = tries = 0;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    address_len = sizeof address;
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    /* the kernel chooses a name */
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address.sun_family), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &address_len), 0);
    ck_assert_int_eq(listen(listener, 1000), 0);
    ck_assert_int_eq(loop_init(&loop, 8), 0);
    loop.on_turn = stop_when_all_came;
    acceptor = (struct acceptor){.what = "a client", .on_accept = on_accept, .arg = &acceptor};
    ck_assert_int_eq(acceptor_start(&acceptor, &loop, listener), 0);
}

static void finish(void)
{
    acceptor_stop(&acceptor, &loop);
    loop_fini(&loop);
    close(listener);
}

static int come(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, address_len), 0);
    return fd;
}

START_TEST(many_come_at_once)
{
    int fds[400];
    for (int i = 0; i < 400; i++)
        fds[i] = come();
    wanted = 400;
    loop_run(&loop);
    ck_assert_uint_ge(turns, 2); /* a crowd at the door does not own the loop */
    for (int i = 0; i < 400; i++)
        close(fds[i]);
}
END_TEST

/* As many descriptors as are open now. */
static void leave_no_descriptor(void)
{
    int next = dup(0);
    close(next);
    getrlimit(RLIMIT_NOFILE, &limit);
    struct rlimit none = {(rlim_t)next, limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static void give_back_soon(void *arg)
{
    if (turns == 10) {
        setrlimit(RLIMIT_NOFILE, &limit);
        ck_assert_uint_eq(accepted, 0);
        ck_assert_uint_ge(tries, 2); /* it has not given up */
        ck_assert_uint_le(tries, 4); /* nor does it spin: 600 ms, and one try in 200 */
    }
    stop_when_all_came(arg);
}

START_TEST(no_descriptor_is_left)
{
    int one = come();
    int two = come();
    wanted = 2;
    loop.on_turn = give_back_soon;
    leave_no_descriptor();
    loop_run(&loop);
    ck_assert_uint_eq(accepted, 2);
    ck_assert_uint_gt(turns, 10);
    ck_assert_uint_lt(turns, 20);
    close(one);
    close(two);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("acceptor");
    TCase *tc = tcase_create("acceptor");
    tcase_add_checked_fixture(tc, start, finish);
    tcase_add_test(tc, many_come_at_once);
    tcase_add_test(tc, no_descriptor_is_left);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
