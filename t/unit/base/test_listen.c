/* Listening sockets: stale ones are replaced, live ones refused, modes are right, and what is no address. */
#include "base/listen.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const struct listen_options plain = {.mode = 0660, .backlog = 8};
static char directory[32];
static char path[64];
static char address[72];
static char why[512];

static void make_directory(void)
{
    strcpy(directory, "/tmp/wspush-listen-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/s", directory);
    snprintf(address, sizeof address, "unix:%s", path);
    why[0] = '\0';
}

static void remove_directory(void)
{
    char lock[72];
    snprintf(lock, sizeof lock, "%s.lock", path);
    unlink(lock);
    unlink(path);
    rmdir(directory);
}

static struct listen_socket open_one(const struct listen_options *options)
{
    struct listen_socket l;
    ck_assert_msg(listen_open(&l, address, options, why, sizeof why) == 0, "%s", why);
    return l;
}

static void expect_refused(const struct listen_options *options, const char *words)
{
    struct listen_socket l;
    ck_assert_int_eq(listen_open(&l, address, options, why, sizeof why), -1);
    ck_assert_int_eq(l.fd, -1);
    ck_assert_int_eq(l.lock_fd, -1);
    ck_assert_msg(strstr(why, words) && strstr(why, path) && !strchr(why, '\n'), "%s", why);
}

static int connect_to(const char *to)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(name.sun_path, to);
    ck_assert_int_ge(fd, 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof name) == 0)
        return fd;
    close(fd);
    return -1;
}

static mode_t mode_of(const char *file)
{
    struct stat st;
    ck_assert_int_eq(lstat(file, &st), 0);
    return st.st_mode & 07777;
}

START_TEST(a_unix_socket_accepts_and_goes)
{
    struct listen_socket l = open_one(&plain);
    ck_assert(l.is_unix);
    ck_assert_str_eq(l.path, path);
    ck_assert_int_eq(fcntl(l.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    ck_assert_int_eq(fcntl(l.fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(l.lock_fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(accept(l.fd, NULL, NULL), -1);
    int fd = connect_to(path);
    ck_assert_int_ge(fd, 0);
    int peer = accept(l.fd, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    close(fd);
    close(peer);
    listen_close(&l);
    ck_assert_int_eq(l.fd, -1);
    ck_assert_int_eq(access(path, F_OK), -1);
    listen_close(&l);
}
END_TEST

START_TEST(modes_do_not_depend_on_the_umask)
{
    static const mode_t umasks[] = {0, 022, 077, 0777};
    static const mode_t modes[] = {0660, 0600, 0666};
    mode_t old = umask(0);
    for (size_t u = 0; u < 4; u++) {
        for (size_t m = 0; m < 3; m++) {
            struct listen_options options = {.mode = modes[m], .backlog = 8};
            umask(umasks[u]);
            struct listen_socket l = open_one(&options);
            mode_t found = mode_of(path);
            listen_close(&l);
            umask(old);
            ck_assert_uint_eq(found, modes[m]);
        }
    }
}
END_TEST

START_TEST(a_live_one_is_refused_and_keeps_working)
{
    struct listen_socket l = open_one(&plain);
    expect_refused(&plain, "in use");
    int fd = connect_to(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    listen_close(&l);
    l = open_one(&plain);
    listen_close(&l);
}
END_TEST

/* Of a program that takes no lock; full backlogs are alive too. */
START_TEST(somebody_elses_live_one_is_refused)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(name.sun_path, path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    expect_refused(&plain, "in use");
    expect_refused(&plain, "in use"); /* the first question fills the backlog */
    close(fd);
    struct listen_socket l = open_one(&plain);
    listen_close(&l);
}
END_TEST

/* What a killed process leaves behind: the socket without a listener, the lock file without a lock. */
START_TEST(a_stale_one_is_replaced)
{
    struct listen_socket l = open_one(&plain);
    close(l.fd);
    close(l.lock_fd);
    ck_assert_int_eq(connect_to(path), -1);
    ck_assert_int_eq(access(path, F_OK), 0);
    l = open_one(&plain);
    int fd = connect_to(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    listen_close(&l);
}
END_TEST

START_TEST(what_is_no_socket_is_left_alone)
{
    FILE *f = fopen(path, "we");
    fputs("precious", f);
    fclose(f);
    expect_refused(&plain, "not a socket");
    ck_assert_int_eq(access(path, F_OK), 0);
    unlink(path);
    ck_assert_int_eq(symlink("/nowhere", path), 0);
    expect_refused(&plain, "not a socket");
}
END_TEST

/* A lock file is never followed to somewhere else. */
START_TEST(the_lock_is_no_link)
{
    char lock[72];
    char target[72];
    snprintf(lock, sizeof lock, "%s.lock", path);
    snprintf(target, sizeof target, "%s.target", path);
    ck_assert_int_eq(symlink(target, lock), 0);
    expect_refused(&plain, "cannot create");
    ck_assert_int_eq(access(target, F_OK), -1);
}
END_TEST

START_TEST(groups)
{
    struct listen_options options = {.mode = 0660, .group = "no-such-group-here", .backlog = 8};
    expect_refused(&options, "no-such-group-here");
    unlink(path);
    options.group_may_fail = true;
    struct listen_socket l = open_one(&options);
    listen_close(&l);
    char own[20];
    snprintf(own, sizeof own, "%u", (unsigned)getegid());
    options = (struct listen_options){.mode = 0660, .group = own, .backlog = 8};
    l = open_one(&options);
    listen_close(&l);
    options.group = "";
    l = open_one(&options);
    listen_close(&l);
}
END_TEST

START_TEST(no_descriptor_is_lost)
{
    int next = dup(0);
    close(next);
    struct listen_options options = {.mode = 0660, .group = "no-such-group-here", .backlog = 8};
    for (int i = 0; i < 5; i++) {
        struct listen_socket l = open_one(&plain);
        expect_refused(&plain, "in use");
        listen_close(&l);
        expect_refused(&options, "no such group");
    }
    int now = dup(0);
    close(now);
    ck_assert_int_eq(now, next);
}
END_TEST

START_TEST(tcp)
{
    static const char *const loopback[] = {"127.0.0.1:0", "[::1]:0", "localhost:0"};
    for (size_t i = 0; i < 3; i++) {
        struct listen_socket l;
        int r = listen_open(&l, loopback[i], &plain, why, sizeof why);
        if (r < 0 && i == 1 && strstr(why, "Cannot assign")) /* a machine without IPv6 */
            continue;
        ck_assert_msg(r == 0, "%s", why);
        struct sockaddr_storage name;
        socklen_t len = sizeof name;
        ck_assert(!l.is_unix);
        ck_assert_int_eq(l.lock_fd, -1);
        ck_assert_int_eq(getsockname(l.fd, (struct sockaddr *)&name, &len), 0);
        int fd = socket(name.ss_family, SOCK_STREAM, 0);
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, len), 0);
        if (name.ss_family == AF_INET) {
            char taken[40];
            struct listen_socket second;
            snprintf(taken, sizeof taken, "127.0.0.1:%d", ntohs(((struct sockaddr_in *)&name)->sin_port));
            ck_assert_int_eq(listen_open(&second, taken, &plain, why, sizeof why), -1);
            ck_assert_ptr_nonnull(strstr(why, taken));
        }
        close(fd);
        listen_close(&l);
    }
    struct listen_socket l;
    ck_assert_int_eq(listen_open(&l, "nonsense", &plain, why, sizeof why), -1);
    ck_assert_ptr_nonnull(strstr(why, "HOST:PORT"));
}
END_TEST

START_TEST(addresses)
{
    static const char *const good[] = {"unix:/a",     "unix:a",      "127.0.0.1:80",
                                       "[::1]:65535", "localhost:0", "a.b:1"};
    static const char *const bad[] = {"",      "unix:", "/a",     "80",    ":80",  "a:",   "a:65536", "a:x",
                                      "::1:1", "[::1]", "[::1]1", "a:1:2", "a:-1", "a: 1", "[]:1",    "a:1 "};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(!listen_address_fault(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(listen_address_fault(bad[i]) != NULL, "%s", bad[i]);
    char longest[120] = "unix:";
    memset(longest + 5, 'x', 107);
    ck_assert_ptr_null(listen_address_fault(longest));
    strcat(longest, "x");
    ck_assert_ptr_nonnull(strstr(listen_address_fault(longest), "107"));
    struct listen_socket l;
    ck_assert_int_eq(listen_open(&l, longest, &plain, why, sizeof why), -1);
    ck_assert_ptr_nonnull(strstr(why, "107"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("listen");
    TCase *tc = tcase_create("listen");
    tcase_add_checked_fixture(tc, make_directory, remove_directory);
    tcase_add_test(tc, a_unix_socket_accepts_and_goes);
    tcase_add_test(tc, modes_do_not_depend_on_the_umask);
    tcase_add_test(tc, a_live_one_is_refused_and_keeps_working);
    tcase_add_test(tc, somebody_elses_live_one_is_refused);
    tcase_add_test(tc, a_stale_one_is_replaced);
    tcase_add_test(tc, what_is_no_socket_is_left_alone);
    tcase_add_test(tc, the_lock_is_no_link);
    tcase_add_test(tc, groups);
    tcase_add_test(tc, no_descriptor_is_lost);
    tcase_add_test(tc, tcp);
    tcase_add_test(tc, addresses);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
