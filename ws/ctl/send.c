/* send: one message from the command line, stdin or a file, once or at an interval. */
#include "ctl/send.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/units.h"
#include "ctl/print.h"
#include "ctl/receipt.h"
#include "ctl/verbs.h"

enum { READ_CHUNK = 64 * 1024, MESSAGE_MAX = 1 << 30, KEY_BYTES = 200 };

void send_pace(const struct send_plan *plan, int64_t start, uint64_t number)
{
    int64_t left = start + (int64_t)number * plan->interval_ms - clock_mono_ms();
    if (plan->interval_ms <= 0 || left <= 0)
        return;
    print_flush();
    struct timespec t = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

/* ---- what is sent ---- */

static int read_whole(struct ctl *ctl, int fd, struct buf *message)
{
    for (;;) {
        uint8_t *to = buf_reserve(message, READ_CHUNK);
        ssize_t n = to ? read(fd, to, READ_CHUNK) : -1;
        if (n < 0 && to && errno == EINTR)
            continue;
        if (n < 0)
            return ctl_usage(ctl, "can't read the message: %s", strerror(to ? errno : ENOMEM));
        if (n == 0)
            return CTL_DONE;
        message->len += (size_t)n;
        if (message->len > MESSAGE_MAX)
            return ctl_usage(ctl, "a message of more than 1 GiB; --lines sends each line by itself");
    }
}

/* Opens what --file, or stdin in its place, gives; -1 after saying what is wrong. */
static int open_source(const struct ctl *ctl)
{
    const char *file = ctl_value(ctl, "file");
    if (file && strcmp(file, "-") != 0) {
        int fd = open(file, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            ctl_usage(ctl, "can't open %s: %s", file, strerror(errno));
        return fd;
    }
    if (isatty(STDIN_FILENO) && !ctl->quiet)
        fprintf(stderr, "Type the message; Ctrl-D on a line of its own ends it.\n");
    return STDIN_FILENO;
}

/* `pattern` with every {i} replaced. */
static void number_message(struct buf *out, const struct buf *pattern, uint64_t i)
{
    const char *p = (const char *)pattern->data;
    const char *end = p + pattern->len;
    buf_clear(out);
    while (p < end) {
        const char *mark = memmem(p, (size_t)(end - p), "{i}", 3);
        buf_add(out, p, (size_t)((mark ? mark : end) - p));
        if (!mark)
            return;
        buf_addu(out, i);
        p = mark + 3;
    }
}

/* ---- what came of it ---- */

static void print_sent_json(const struct wspush_sent *sent, bool receipt, int64_t took)
{
    struct buf line = {0};
    buf_addf(&line, "{\"recipients\":%lld,\"id\":", (long long)sent->recipients);
    if (sent->id[0])
        json_add_string(&line, sent->id, strlen(sent->id));
    else
        buf_adds(&line, "null");
    if (receipt)
        receipt_add_json(&line, sent, took);
    buf_addc(&line, '}');
    print_line(stdout, &line);
}

static void print_sent(const struct ctl *ctl, const struct send_plan *plan, const struct wspush_sent *sent,
                       int64_t took)
{
    bool receipt = plan->options.wait_for != WSPUSH_WAIT_NONE;
    if (ctl->json)
        print_sent_json(sent, receipt, took);
    else if (ctl->quiet)
        return;
    else if (receipt)
        receipt_print(ctl, plan->options.wait_for, sent, took);
    else
        printf("reached %lld client%s%s%s\n", (long long)sent->recipients, sent->recipients == 1 ? "" : "s",
               sent->id[0] ? ", id " : "", sent->id);
}

/* ---- the run ---- */

/* What surely did not go out goes again when the worker is back soon. */
static enum wspush_result send_one(const struct ctl *ctl, const struct send_plan *plan,
                                   const struct buf *payload, struct ctl_absence *absence,
                                   struct wspush_sent *sent)
{
    enum wspush_result result;
    do
        result = wspush_send(ctl->handle, plan->target, payload->data, payload->len, &plan->options, sent);
    while (result == WSPUSH_NOWORKER && sent->published == WSPUSH_NOT_PUBLISHED &&
           ctl_wait_return(ctl, absence, plan->target, CTL_AWAY_MS));
    if (result == WSPUSH_OK)
        ctl_met(ctl, absence);
    return result;
}

static int send_failed(const struct ctl *ctl, const struct send_plan *plan, uint64_t number,
                       enum wspush_result result, const struct wspush_sent *sent)
{
    print_flush();
    if (plan->count)
        fprintf(stderr, "At message %llu of %llu: ", (unsigned long long)number,
                (unsigned long long)plan->count);
    int status = ctl_fail(ctl, ctl->handle, result);
    if (sent->published == WSPUSH_PUBLISH_UNKNOWN)
        fprintf(stderr, "It may have been published all the same; it was not sent again.\n");
    return status;
}

/* The worker's answer is the same where the key was used before. */
static void say_nobody(struct ctl *ctl, const struct send_plan *plan)
{
    size_t rows = 0;
    bool somebody = plan->options.key && wspush_list(ctl->handle, plan->target, &rows) == WSPUSH_OK && rows;
    if (!somebody)
        ctl_say_nobody(ctl, plan->target);
    else if (!ctl->quiet)
        fprintf(stderr, "not sent: a message with this key was, less than five minutes ago\n");
}

static int send_all(struct ctl *ctl, const struct send_plan *plan, const struct buf *message)
{
    struct ctl_absence absence = {0};
    struct buf numbered = {0};
    bool told = false;
    int status = CTL_DONE;
    int64_t start = clock_mono_ms();
    uint64_t times = plan->count ? plan->count : 1;
    for (uint64_t i = 1; i <= times; i++) {
        struct wspush_sent sent;
        const struct buf *payload = message;
        send_pace(plan, start, i - 1);
        if (plan->count) {
            number_message(&numbered, message, i);
            payload = &numbered;
        }
        int64_t began = clock_mono_ms();
        enum wspush_result result = send_one(ctl, plan, payload, &absence, &sent);
        if (result != WSPUSH_OK) {
            status = send_failed(ctl, plan, i, result, &sent);
            break;
        }
        print_sent(ctl, plan, &sent, clock_mono_ms() - began);
        if (receipt_failed(plan->options.wait_for, &sent) ||
            (sent.recipients == 0 && ctl_given(ctl, "strict")))
            status = CTL_NOTHING;
        if (sent.recipients == 0 && !told) {
            print_flush();
            say_nobody(ctl, plan);
            told = true;
        }
    }
    buf_fini(&numbered);
    return status;
}

static int read_wait(const struct ctl *ctl, struct send_plan *plan)
{
    const char *word = ctl_value(ctl, "wait");
    if (word && receipt_parse(word, &plan->options.wait_for) < 0)
        return ctl_usage(ctl, "--wait=%s is not one of " RECEIPT_WORDS, word);
    return CTL_DONE;
}

static int read_key(const struct ctl *ctl, struct send_plan *plan)
{
    const char *key = ctl_value(ctl, "key");
    plan->options.key = key;
    if (!key)
        return CTL_DONE;
    if (ctl_given(ctl, "count") || ctl_given(ctl, "lines"))
        return ctl_usage(ctl, "--key is for one message; --%s sends many",
                         ctl_given(ctl, "count") ? "count" : "lines");
    if (plan->target[0] == '@')
        return ctl_usage(ctl, "--key is for a channel; %s is none", plan->target);
    if (strlen(key) < 1 || strlen(key) > KEY_BYTES)
        return ctl_usage(ctl, "--key takes 1 to %d bytes", KEY_BYTES);
    return CTL_DONE;
}

static int read_ttl(const struct ctl *ctl, struct send_plan *plan)
{
    if (ctl_duration(ctl, "ttl", 0, &plan->options.ttl_ms) != CTL_DONE)
        return CTL_USAGE;
    if (ctl_given(ctl, "ttl") && plan->options.ttl_ms == 0)
        return ctl_usage(ctl, "--ttl 0 leaves no time to get it");
    return CTL_DONE;
}

static int read_plan(struct ctl *ctl, struct send_plan *plan)
{
    int64_t timeout;
    const char *count = ctl_value(ctl, "count");
    plan->options.binary = ctl_given(ctl, "binary");
    if (read_wait(ctl, plan) != CTL_DONE || read_key(ctl, plan) != CTL_DONE ||
        read_ttl(ctl, plan) != CTL_DONE || ctl_duration(ctl, "interval", 0, &plan->interval_ms) != CTL_DONE ||
        ctl_duration(ctl, "timeout", 0, &timeout) != CTL_DONE)
        return CTL_USAGE;
    if (count && (units_number(count, strlen(count), &plan->count) < 0 || plan->count == 0))
        return ctl_usage(ctl, "--count '%s' is not a number of messages", count);
    if (count && ctl_given(ctl, "lines"))
        return ctl_usage(ctl, "--count and --lines don't go together");
    if (ctl_given(ctl, "interval") && !count && !ctl_given(ctl, "lines"))
        return ctl_usage(ctl, "--interval is for --count or --lines");
    if (ctl_given(ctl, "timeout") && timeout == 0)
        return ctl_usage(ctl, "--timeout 0 leaves no time for an answer");
    plan->options.timeout_ms = timeout;
    if (timeout > 0 && plan->options.wait_for == WSPUSH_WAIT_NONE)
        wspush_set_deadline(ctl->handle, timeout);
    return CTL_DONE;
}

/* The message, where it is an argument: one other than "-". Else NULL: it comes from --file or stdin. */
static int read_text(struct ctl *ctl, const char **text)
{
    bool literal = ctl->literal_from <= 0;
    *text = ctl_next(ctl);
    if (*text && !literal && strcmp(*text, "-") == 0)
        *text = NULL;
    if (ctl_no_more(ctl) != CTL_DONE)
        return CTL_USAGE;
    if (*text && (ctl_given(ctl, "file") || ctl_given(ctl, "lines")))
        return ctl_usage(ctl, "a MESSAGE and --%s don't go together",
                         ctl_given(ctl, "file") ? "file" : "lines");
    return CTL_DONE;
}

static int run_source(struct ctl *ctl, const struct send_plan *plan, const char *text)
{
    struct buf message = {0};
    int fd = text ? STDIN_FILENO : open_source(ctl);
    if (fd < 0)
        return CTL_USAGE;
    int status;
    if (ctl_given(ctl, "lines")) {
        status = lines_send(ctl, plan, fd);
    } else {
        if (text)
            buf_adds(&message, text);
        status = text ? CTL_DONE : read_whole(ctl, fd, &message);
        if (status == CTL_DONE)
            status = send_all(ctl, plan, &message);
    }
    if (fd != STDIN_FILENO)
        close(fd);
    buf_fini(&message);
    print_flush();
    return status;
}

/* Who would get it. The message is not looked at; but a file that is to be sent must be there. */
static int run_dry(struct ctl *ctl, const struct send_plan *plan)
{
    size_t rows;
    int fd = ctl_given(ctl, "file") ? open_source(ctl) : STDIN_FILENO;
    if (fd < 0)
        return CTL_USAGE;
    if (fd != STDIN_FILENO)
        close(fd);
    int status = ctl_list(ctl, plan->target, CTL_LIST_ALL, &rows);
    if (status != CTL_DONE)
        return status;
    if (!ctl->json && !ctl->quiet)
        printf("would reach %zu client%s; nothing was sent\n", rows, rows == 1 ? "" : "s");
    return rows == 0 && ctl_given(ctl, "strict") ? CTL_NOTHING : CTL_DONE;
}

/* `--wait ponged test`: who writes that means no channel "ponged". */
static int check_word(const struct ctl *ctl, const struct send_plan *plan, bool literal)
{
    enum wspush_wait_for wait_for;
    const char *word = ctl_value(ctl, "wait");
    if (!word || *word || literal || receipt_parse(plan->target, &wait_for) < 0)
        return CTL_DONE;
    return ctl_usage(ctl, "write --wait=%s; or put -- before a channel of that name", plan->target);
}

static int run_send(struct ctl *ctl)
{
    bool literal = ctl->literal_from <= 0;
    const char *text;
    struct send_plan plan = {.target = ctl_target(ctl)};
    if (!plan.target || check_word(ctl, &plan, literal) != CTL_DONE || read_plan(ctl, &plan) != CTL_DONE ||
        read_text(ctl, &text) != CTL_DONE)
        return CTL_USAGE;
    return ctl_given(ctl, "dry-run") ? run_dry(ctl, &plan) : run_source(ctl, &plan, text);
}

static const struct ctl_option options[] = {
    {"lines", 0, CTL_FLAG, NULL, "each line of stdin, or of the file, is a message"},
    {"file", 'f', CTL_VALUE, "F", "the message is the content of F"},
    {"binary", 'b', CTL_FLAG, NULL, "send as binary; else text, which must be UTF-8"},
    {"count", 'n', CTL_VALUE, "N", "send N times; {i} in the message is 1, 2 ... N"},
    {"interval", 'i', CTL_VALUE, "TIME", "with --count or --lines: wait so long between two"},
    {"wait", 'w', CTL_MAYBE, RECEIPT_WORDS, "wait until every client has it, and say who has not"},
    {"timeout", 't', CTL_VALUE, "TIME", "wait no longer for that (default 5), or for the worker"},
    {"ttl", 0, CTL_VALUE, "TIME", "who has not got it by then does not get it"},
    {"key", 'k', CTL_VALUE, "KEY", "send it once: not if this key was used in the last five minutes"},
    {"dry-run", 0, CTL_FLAG, NULL, "send nothing; list who would get it"},
    CTL_OPTION_CLIENT,
    CTL_OPTION_ALL,
    CTL_OPTION_STRICT,
    {0},
};

const struct ctl_verb verb_send = {
    .name = "send",
    .args = "TARGET [MESSAGE]",
    .help = "push a message to every client of a target",
    .more =
        "Without MESSAGE, or with -, stdin is the message, to the byte: its last newline too. Prints how "
        "many\n"
        "clients it was sent to and its id. With nobody there it still exits 0 (--strict: 1) and says where\n"
        "clients are.\n"
        "\n"
        "--lines sends every line without its newline, as fast as the slowest client takes them. Empty "
        "lines\n"
        "are messages; a carriage return or NUL stays in its message; a last line without newline counts.\n"
        "\n"
        "A client that takes nothing for 3 s holds the others up no longer: --lines goes on, and the worker\n"
        "closes that one when too much is queued for it.\n"
        "\n"
        "--wait, or --wait=handed: until each client's connection has taken it (behind nginx that proves no\n"
        "more). --wait=ponged: until each browser has answered a ping that follows it, as all do by\n"
        "themselves. --wait=acked: until the page's script has said so, where its protocol can. Prints\n"
        "\"delivered 41 of 43 in 12 ms, 1 closed, 1 timed out\"; -v names the two. Exits 1 if any failed.\n"
        "\n"
        "--key makes it safe to send again what may have gone out: of two messages to a channel with one "
        "key\n"
        "the second reaches nobody, and the id that is printed is the first one's.\n"
        "\n"
        "A worker that goes away between two messages is looked for 5 s. Nothing is sent twice: where it is\n"
        "not known whether a message went out, wsctl says which, and exits 3.\n"
        "Put -- before a MESSAGE that begins with '-'.\n",
    .example = "wsctl send --wait=ponged test \"hello\"",
    .options = options,
    .run = run_send,
};
