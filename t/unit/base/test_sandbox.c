/* What is denied is denied, what is allowed works. Each body runs in a child, since nobody comes out again.
 */
#include "base/sandbox.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_ABI = 0, ANY_ABI = 1, ABI_TRUNCATE = 3, ABI_NET = 4, ABI_SCOPE = 6 };

static char dir[64];       /* with ours/ and theirs/, a file `text` in each */
static struct sandbox box; /* of the child */

/* In a child: leaves with the line that was not as expected. */
#define EXPECT(what)                                                                                         \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #what, strerror(errno));         \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)
#define EXPECT_ERROR(what, error)                                                                            \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        EXPECT((what) < 0 && errno == (error));                                                              \
    } while (0)

/* Runs it in a child; where the kernel is older than what is tested, there is nothing to test. */
static void in_child(int needed_abi, void (*body)(void))
{
    struct sandbox asked;
    sandbox_init(&asked);
    for (size_t i = 0; i < asked.count; i++)
        close(asked.rules[i].fd);
    if (asked.abi < needed_abi) {
        fprintf(stderr, "test_sandbox: this kernel has Landlock %d, %d is needed\n", asked.abi, needed_abi);
        return;
    }
    int status;
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        alarm(20);
        body();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with status %#x", status);
}

static const char *path(const char *name)
{
    static char text[8][128];
    static unsigned next;
    char *p = text[next++ % 8];
    snprintf(p, sizeof text[0], "%s/%s", dir, name);
    return p;
}

static void write_file(const char *name)
{
    FILE *f = fopen(path(name), "w");
    ck_assert_ptr_nonnull(f);
    fputs("text", f);
    fclose(f);
}

static void make_directory(void)
{
    snprintf(dir, sizeof dir, "/tmp/wspush-sandbox-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(mkdir(path("ours"), 0700), 0);
    ck_assert_int_eq(mkdir(path("theirs"), 0700), 0);
    write_file("ours/text");
    write_file("theirs/text");
}

static void remove_directory(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

/* 0, or -1 with errno. */
static int try_open(const char *name, int flags)
{
    int fd = open(path(name), flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static int try_socket(const char *name, int (*call)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", dir, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = call(fd, (const struct sockaddr *)&address, sizeof address);
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}

static bool enter(void)
{
    return strncmp(sandbox_enter(&box), "confined", 8) == 0;
}

/* ---- files ---- */

static void read_only_body(void)
{
    int before = open(path("theirs/text"), O_RDWR | O_CLOEXEC);
    sandbox_init(&box);
    sandbox_allow(&box, path("ours"), SANDBOX_READ);
    EXPECT(enter());
    EXPECT(try_open("ours/text", O_RDONLY) == 0);
    EXPECT(try_open("ours", O_RDONLY | O_DIRECTORY) == 0);
    EXPECT_ERROR(try_open("ours/text", O_WRONLY), EACCES);
    EXPECT_ERROR(try_open("ours/new", O_WRONLY | O_CREAT), EACCES);
    EXPECT_ERROR(unlink(path("ours/text")), EACCES);
    EXPECT_ERROR(mkdir(path("ours/new"), 0700), EACCES);
    EXPECT_ERROR(symlink("text", path("ours/link")), EACCES);
    EXPECT_ERROR(rename(path("ours/text"), path("ours/other")), EACCES);
    EXPECT_ERROR(try_socket("ours/socket", bind), EACCES);
    EXPECT_ERROR(try_open("theirs/text", O_RDONLY), EACCES);
    EXPECT_ERROR(try_open("ours/../theirs/text", O_RDONLY), EACCES);
    EXPECT_ERROR(try_open("", O_RDONLY | O_DIRECTORY), EACCES);
    EXPECT_ERROR(open("/etc/passwd", O_RDONLY), EACCES);
    EXPECT(pwrite(before, "TEXT", 4, 0) == 4); /* what was open stays open */
}

START_TEST(what_is_not_allowed_is_denied)
{
    in_child(ANY_ABI, read_only_body);
}
END_TEST

static void remove_body(void)
{
    EXPECT(try_socket("ours/socket", bind) == 0);
    EXPECT(try_socket("theirs/socket", bind) == 0);
    sandbox_init(&box);
    sandbox_allow(&box, path("ours"), SANDBOX_REMOVE);
    EXPECT(enter());
    EXPECT(unlink(path("ours/socket")) == 0);
    EXPECT(unlink(path("ours/text")) == 0);
    EXPECT_ERROR(unlink(path("theirs/socket")), EACCES);
    EXPECT_ERROR(try_socket("ours/socket", bind), EACCES);
    EXPECT_ERROR(try_open("ours/new", O_WRONLY | O_CREAT), EACCES);
}

START_TEST(who_may_remove_may_not_make)
{
    in_child(ANY_ABI, remove_body);
}
END_TEST

static void both_rights_body(void)
{
    sandbox_init(&box);
    sandbox_allow(&box, path("ours"), SANDBOX_READ);
    sandbox_allow(&box, path("theirs/../ours"), SANDBOX_REMOVE);
    sandbox_allow(&box, path("not-there"), SANDBOX_READ);
    sandbox_allow(&box, path("ours/text/not-there"), SANDBOX_READ);
    EXPECT(enter());
    EXPECT(try_open("ours/text", O_RDONLY) == 0);
    EXPECT(unlink(path("ours/text")) == 0);
}

START_TEST(rights_for_one_path_add_up)
{
    in_child(ANY_ABI, both_rights_body);
}
END_TEST

static void single_file_body(void)
{
    write_file("ours/other");
    sandbox_init(&box);
    sandbox_allow(&box, path("ours/text"), SANDBOX_READ | SANDBOX_REMOVE);
    sandbox_allow(&box, path("ours/other"), SANDBOX_REMOVE); /* nothing */
    EXPECT(enter());
    EXPECT(try_open("ours/text", O_RDONLY) == 0);
    EXPECT_ERROR(try_open("ours/other", O_RDONLY), EACCES);
    EXPECT_ERROR(unlink(path("ours/text")), EACCES); /* that is the directory's */
}

START_TEST(a_single_file)
{
    in_child(ANY_ABI, single_file_body);
}
END_TEST

/* A configuration as editors and container volumes have it: replaced, and behind a link. */
static void beside_body(void)
{
    int theirs = open(path("theirs"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    EXPECT(symlink("../ours/text", path("theirs/link")) == 0);
    sandbox_init(&box);
    sandbox_allow_beside(&box, path("theirs/link"), SANDBOX_READ);
    pid_t pid = fork();
    if (pid == 0) {
        EXPECT(enter());
        EXPECT(try_open("theirs/link", O_RDONLY) == 0);
        EXPECT(try_open("theirs/text", O_RDONLY) == 0);
        _exit(0);
    }
    int status;
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    write_file("ours/new");
    EXPECT(rename(path("ours/new"), path("ours/text")) == 0);
    EXPECT(enter());
    EXPECT(try_open("theirs/link", O_RDONLY) == 0);
    EXPECT(openat(theirs, "text", O_RDONLY) >= 0);
}

START_TEST(a_file_may_be_replaced_and_be_a_link)
{
    in_child(ANY_ABI, beside_body);
}
END_TEST

static void relative_body(void)
{
    EXPECT(chdir(path("ours")) == 0);
    sandbox_init(&box);
    sandbox_allow_beside(&box, "text", SANDBOX_READ);
    EXPECT(enter());
    EXPECT(try_open("ours/text", O_RDONLY) == 0);
    EXPECT_ERROR(try_open("theirs/text", O_RDONLY), EACCES);
}

START_TEST(a_relative_name_is_in_the_working_directory)
{
    in_child(ANY_ABI, relative_body);
}
END_TEST

static void truncate_body(void)
{
    sandbox_init(&box);
    sandbox_allow(&box, path("ours"), SANDBOX_READ);
    EXPECT(enter());
    EXPECT_ERROR(truncate(path("ours/text"), 0), EACCES);
}

START_TEST(nothing_is_truncated)
{
    in_child(ABI_TRUNCATE, truncate_body);
}
END_TEST

/* ---- programs ---- */

/* Whether /bin/true can be executed. */
static int try_execute(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(errno);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    errno = WEXITSTATUS(status);
    return errno ? -1 : 0;
}

static void no_program_body(void)
{
    sandbox_init(&box);
    sandbox_allow(&box, "/", SANDBOX_READ);
    EXPECT(enter());
    EXPECT_ERROR(try_execute(), EACCES);
}

static void program_body(void)
{
    sandbox_init(&box);
    sandbox_allow_program(&box, SANDBOX_EXECUTE);
    sandbox_allow_beside(&box, "/bin/true", SANDBOX_EXECUTE);
    EXPECT(enter());
    EXPECT(try_execute() == 0); /* its C library and its loader are ours */
    EXPECT(open("/proc/self/exe", O_RDONLY) >= 0);
    EXPECT_ERROR(open("/etc/passwd", O_RDONLY), EACCES);
    EXPECT_ERROR(try_open("ours/text", O_RDONLY), EACCES);
}

START_TEST(programs)
{
    in_child(ANY_ABI, no_program_body);
    in_child(ANY_ABI, program_body);
}
END_TEST

/* ---- sockets and signals ---- */

static int tcp_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void tcp_body(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof here;
    int listener = tcp_socket();
    int client = tcp_socket();
    EXPECT(bind(listener, (struct sockaddr *)&here, len) == 0 && listen(listener, 4) == 0);
    EXPECT(getsockname(listener, (struct sockaddr *)&here, &len) == 0);
    EXPECT(connect(client, (struct sockaddr *)&here, len) == 0);
    sandbox_init(&box);
    EXPECT(enter());
    int accepted = accept(listener, NULL, NULL);
    EXPECT(accepted >= 0 && write(accepted, "hello", 5) == 5);
    EXPECT_ERROR(connect(tcp_socket(), (struct sockaddr *)&here, len), EACCES);
    here.sin_port = 0;
    EXPECT_ERROR(bind(tcp_socket(), (struct sockaddr *)&here, len), EACCES);
}

START_TEST(tcp_listeners_go_on_and_no_others_come)
{
    in_child(ABI_NET, tcp_body);
}
END_TEST

static void unix_body(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path("ours/socket"));
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 4) == 0);
    sandbox_init(&box);
    EXPECT(enter());
    EXPECT(try_socket("ours/socket", connect) == 0);
    EXPECT(accept(listener, NULL, NULL) >= 0);
}

START_TEST(unix_sockets_can_be_reached)
{
    in_child(ANY_ABI, unix_body);
}
END_TEST

static void signal_body(void)
{
    sandbox_init(&box);
    EXPECT(enter());
    EXPECT_ERROR(kill(getppid(), 0), EPERM);
    EXPECT(kill(getpid(), 0) == 0);
    int status;
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    EXPECT(pid > 0 && kill(pid, SIGKILL) == 0);
    EXPECT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}

START_TEST(signals_reach_children_only)
{
    in_child(ABI_SCOPE, signal_body);
}
END_TEST

static struct sockaddr_un abstract; /* of a listener outside */
static socklen_t abstract_len;

static int connect_abstract(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (struct sockaddr *)&abstract, abstract_len);
}

static void abstract_body(void)
{
    EXPECT(connect_abstract() == 0);
    sandbox_init(&box);
    EXPECT(enter());
    EXPECT_ERROR(connect_abstract(), EPERM);
}

static void abstract_manager_body(void)
{
    setenv("NOTIFY_SOCKET", "@manager", 1);
    sandbox_init(&box);
    EXPECT(enter());
    EXPECT(connect_abstract() == 0);
    EXPECT_ERROR(kill(getppid(), 0), EPERM);
}

START_TEST(abstract_sockets_are_the_managers_only)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    abstract.sun_family = AF_UNIX;
    int n = snprintf(abstract.sun_path + 1, sizeof abstract.sun_path - 1, "%s", dir);
    abstract_len = (socklen_t)(sizeof abstract.sun_family + 1 + (size_t)n);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&abstract, abstract_len), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    in_child(ABI_SCOPE, abstract_body);
    in_child(ABI_SCOPE, abstract_manager_body);
    close(fd);
}
END_TEST

/* ---- threads, children, kernels ---- */

static void *in_thread(void *arg)
{
    EXPECT_ERROR(try_open("theirs/text", O_RDONLY), EACCES);
    return arg;
}

static void thread_body(void)
{
    pthread_t thread;
    sandbox_init(&box);
    sandbox_allow(&box, path("ours"), SANDBOX_READ);
    EXPECT(enter());
    EXPECT(pthread_create(&thread, NULL, in_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        EXPECT(try_open("ours/text", O_RDONLY) == 0);
        EXPECT_ERROR(try_open("theirs/text", O_RDONLY), EACCES);
        _exit(0);
    }
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
}

START_TEST(threads_and_children_are_bound)
{
    in_child(ANY_ABI, thread_body);
}
END_TEST

static void old_kernel_body(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sandbox_init(&box);
    sandbox_allow(&box, path("ours"), SANDBOX_READ | SANDBOX_REMOVE);
    box.abi = 1;
    EXPECT(strcmp(sandbox_enter(&box), "confined by Landlock 1: files") == 0);
    EXPECT(try_open("ours/text", O_RDONLY) == 0);
    EXPECT_ERROR(try_open("theirs/text", O_RDONLY), EACCES);
    EXPECT(bind(tcp_socket(), (struct sockaddr *)&here, sizeof here) == 0);
    EXPECT(kill(getppid(), 0) == 0);
}

START_TEST(an_old_kernel_does_what_it_can)
{
    in_child(ANY_ABI, old_kernel_body);
}
END_TEST

static int refusal; /* what landlock_create_ruleset(2) answers */

/* A kernel without Landlock, or a container that refuses the calls. */
static void refuse_landlock(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)refusal),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
}

static void no_landlock_body(void)
{
    refuse_landlock();
    sandbox_init(&box);
    sandbox_allow(&box, path("ours"), SANDBOX_READ);
    const char *note = sandbox_enter(&box);
    EXPECT(strncmp(note, "not confined", 12) == 0);
    EXPECT(strstr(note, strerror(refusal)));
    EXPECT(try_open("theirs/text", O_RDWR) == 0);
}

START_TEST(a_kernel_without_it_is_no_error)
{
    static const int errors[] = {ENOSYS, EOPNOTSUPP, EPERM};
    refusal = errors[_i];
    in_child(NO_ABI, no_landlock_body);
}
END_TEST

static void no_new_privileges_body(void)
{
    sandbox_init(&box);
    sandbox_enter(&box);
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

START_TEST(no_privilege_is_gained)
{
    in_child(NO_ABI, no_new_privileges_body);
}
END_TEST

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Rather none than one that is too narrow to work in. */
static void too_many_body(void)
{
    char name[32];
    sandbox_init(&box);
    for (int i = 0; i <= SANDBOX_RULES_MAX; i++) {
        snprintf(name, sizeof name, "ours/%d", i);
        EXPECT(mkdir(path(name), 0700) == 0);
        sandbox_allow(&box, path(name), SANDBOX_READ);
    }
    int before = open_descriptors();
    EXPECT(strstr(sandbox_enter(&box), "not confined by Landlock: more than"));
    EXPECT(open_descriptors() == before - SANDBOX_RULES_MAX);
    EXPECT(try_open("theirs/text", O_RDWR) == 0);
}

START_TEST(too_many_paths)
{
    in_child(ANY_ABI, too_many_body);
}
END_TEST

static void descriptors_body(void)
{
    int before = open_descriptors();
    sandbox_init(&box);
    sandbox_allow(&box, path("ours"), SANDBOX_READ);
    sandbox_allow(&box, path("ours"), SANDBOX_READ);
    sandbox_allow_program(&box, SANDBOX_READ);
    sandbox_enter(&box);
    EXPECT(open_descriptors() == before);
}

START_TEST(no_descriptor_is_lost)
{
    in_child(NO_ABI, descriptors_body);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sandbox");
    TCase *tc = tcase_create("sandbox");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, make_directory, remove_directory);
    tcase_add_test(tc, what_is_not_allowed_is_denied);
    tcase_add_test(tc, who_may_remove_may_not_make);
    tcase_add_test(tc, rights_for_one_path_add_up);
    tcase_add_test(tc, a_single_file);
    tcase_add_test(tc, a_file_may_be_replaced_and_be_a_link);
    tcase_add_test(tc, a_relative_name_is_in_the_working_directory);
    tcase_add_test(tc, nothing_is_truncated);
    tcase_add_test(tc, programs);
    tcase_add_test(tc, tcp_listeners_go_on_and_no_others_come);
    tcase_add_test(tc, unix_sockets_can_be_reached);
    tcase_add_test(tc, signals_reach_children_only);
    tcase_add_test(tc, abstract_sockets_are_the_managers_only);
    tcase_add_test(tc, threads_and_children_are_bound);
    tcase_add_test(tc, an_old_kernel_does_what_it_can);
    tcase_add_loop_test(tc, a_kernel_without_it_is_no_error, 0, 3);
    tcase_add_test(tc, no_privilege_is_gained);
    tcase_add_test(tc, too_many_paths);
    tcase_add_test(tc, no_descriptor_is_lost);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
