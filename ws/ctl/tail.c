/*
 * tail: what goes by, in the order in which the worker shows it. Subscriptions take a handle of their own;
 * ctl->handle asks which worker it is: one that is still the same, but has ended the connection, has dropped
 * us, and what was missed is said by an end with an exit status.
 */
#include "ctl/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/glob.h"
#include "base/units.h"
#include "ctl/print.h"
#include "ctl/tail_line.h"

enum { GOING_ON = -1 }; /* else an exit status */
enum { NAMES = 3, SAME_START_MS = 2000 };

/* A name or a pattern that is subscribed to. */
struct topic {
    bool pattern;
    char *name;
};

struct tail {
    struct ctl *ctl;
    struct wspush *watcher;
    struct topic *topics;
    size_t topic_count;
    bool counted;
    uint64_t left; /* lines, if counted */
    int64_t until; /* monotonic ms, -1: for ever */
    struct ctl_absence absence;
    long long process; /* of the worker, 0: not known yet */
    int64_t started;   /* monotonic ms, about */
};

static int64_t time_left(const struct tail *t)
{
    int64_t now = clock_mono_ms();
    return t->until < 0 ? -1 : t->until > now ? t->until - now : 0;
}

/* ---- what is watched ---- */

static bool add_topic(struct tail *t, const char *prefix, const char *target)
{
    struct topic topic = {.pattern = strpbrk(target, "*?[")};
    topic.name = malloc(strlen(prefix) + strlen(target) + 1);
    if (!topic.name)
        return false;
    strcpy(topic.name, prefix);
    strcat(topic.name, target);
    t->topics[t->topic_count++] = topic;
    return true;
}

/* A channel or a glob means all three; one that begins with @ says what it means. */
static bool add_target(struct tail *t, const char *target)
{
    static const char *const prefixes[NAMES] = {"", "@in:", "@events:"};
    if (target[0] == '@')
        return add_topic(t, "", target);
    for (int i = 0; i < NAMES; i++)
        if (!add_topic(t, prefixes[i], target))
            return false;
    return true;
}

static bool add_targets(struct tail *t)
{
    struct ctl *ctl = t->ctl;
    t->topics = calloc(NAMES * ((size_t)ctl->arg_count + 1), sizeof *t->topics);
    if (!t->topics)
        return false;
    if (ctl->arg_count == 0)
        return add_target(t, "**");
    for (const char *target; (target = ctl_next(ctl)) != NULL;)
        if (!add_target(t, target))
            return false;
    return true;
}

static bool matches(const struct topic *topic, const char *name)
{
    if (!topic->pattern)
        return strcmp(topic->name, name) == 0;
    return (topic->name[0] == '@') == (name[0] == '@') &&
           glob_match(topic->name, strlen(topic->name), name, strlen(name));
}

/* The worker shows an event once for each topic that it is about; we show it once. */
static bool is_repeated(const struct tail *t, const struct wspush_event *e)
{
    const struct topic *first = t->topics;
    while (first < t->topics + t->topic_count && !matches(first, e->name))
        first++;
    return first < t->topics + t->topic_count &&
           (first->pattern != !!e->pattern || strcmp(first->name, e->pattern ? e->pattern : e->name) != 0);
}

/* ---- the worker ---- */

static long long field(const char *info, const char *name)
{
    const char *line = strstr(info, name);
    return line ? strtoll(line + strlen(name), NULL, 10) : 0;
}

/* Which worker it is: a process id alone is the same after each start in a container. *same: the one that
 * was asked last time. */
static enum wspush_result identify(struct tail *t, bool *same)
{
    const char *info = NULL;
    size_t len;
    enum wspush_result result = wspush_info(t->ctl->handle, "server", &info, &len);
    if (result != WSPUSH_OK)
        return result;
    long long process = field(info, "process_id:");
    int64_t started = clock_mono_ms() - field(info, "uptime_in_seconds:") * 1000;
    int64_t moved = started > t->started ? started - t->started : t->started - started;
    *same = t->process && process == t->process && moved < SAME_START_MS;
    t->process = process;
    t->started = started;
    return WSPUSH_OK;
}

static int fail(const struct tail *t, const struct wspush *h, enum wspush_result result)
{
    print_flush();
    return ctl_fail(t->ctl, h, result);
}

static int dropped(void)
{
    print_flush();
    fprintf(stderr,
            "wsctl: the worker has ended this connection, as it does with one that reads too slowly: what "
            "came since\nis not shown. Watch less, or let what reads wsctl's output read faster.\n");
    return CTL_ERROR;
}

static enum wspush_result subscribe_all(const struct tail *t)
{
    enum wspush_result result = WSPUSH_OK;
    for (size_t i = 0; i < t->topic_count && result == WSPUSH_OK; i++)
        result = (t->topics[i].pattern ? wspush_psubscribe : wspush_subscribe)(t->watcher, t->topics[i].name);
    return result;
}

/* Connects, and looks for a worker that was there before as long as is left. */
static int begin(struct tail *t)
{
    for (;;) {
        bool same = false;
        const struct wspush *h = t->ctl->handle;
        enum wspush_result result = identify(t, &same);
        if (result == WSPUSH_OK && same)
            return dropped();
        if (result == WSPUSH_OK) {
            h = t->watcher;
            result = subscribe_all(t);
        }
        if (result == WSPUSH_OK) {
            ctl_met(t->ctl, &t->absence);
            return GOING_ON;
        }
        print_flush();
        if (result != WSPUSH_NOWORKER || !ctl_may_return(t->ctl, &t->absence, "", time_left(t)))
            return fail(t, h, result);
    }
}

/* ---- what comes ---- */

static int show(struct tail *t, const struct wspush_event *e)
{
    if (is_repeated(t, e))
        return GOING_ON;
    tail_line(t->ctl, e);
    if (ferror(stdout))
        return CTL_ERROR;
    return t->counted && --t->left == 0 ? CTL_DONE : GOING_ON;
}

/* Lines are written when nothing more is there to be shown. */
static int listen_once(struct tail *t)
{
    struct wspush_event e;
    enum wspush_result result = wspush_event(t->watcher, 0, &e);
    if (result == WSPUSH_TIMEOUT) {
        if (!print_flush())
            return CTL_ERROR; /* wsctl's end says why */
        result = wspush_event(t->watcher, time_left(t), &e);
    }
    switch (result) {
    case WSPUSH_OK: return show(t, &e);
    case WSPUSH_TIMEOUT: return CTL_DONE;
    case WSPUSH_NOWORKER: return begin(t);
    default: return fail(t, t->watcher, result);
    }
}

static int get_limits(struct tail *t)
{
    const char *count = ctl_value(t->ctl, "count");
    int64_t duration;
    t->counted = count;
    if (count && (units_number(count, strlen(count), &t->left) < 0 || t->left == 0))
        return ctl_usage(t->ctl, "--count '%s' is not a number from 1 on", count);
    if (ctl_duration(t->ctl, "for", -1, &duration) != CTL_DONE)
        return CTL_USAGE;
    t->until = duration < 0 ? -1 : clock_mono_ms() + duration;
    return CTL_DONE;
}

static int run_tail(struct ctl *ctl)
{
    struct tail t = {.ctl = ctl};
    int status = get_limits(&t);
    if (status != CTL_DONE)
        return status;
    t.watcher = ctl_open_another(ctl);
    if (t.watcher && add_targets(&t))
        status = begin(&t);
    else
        status = CTL_ERROR;
    while (status == GOING_ON)
        status = listen_once(&t);
    for (size_t i = 0; i < t.topic_count; i++)
        free(t.topics[i].name);
    free(t.topics);
    wspush_free(t.watcher);
    return status;
}

static const struct ctl_option options[] = {
    {"count", 'n', CTL_VALUE, "N", "end after N lines"},
    {"for", 0, CTL_VALUE, "TIME", "end after this time"},
    {0},
};

const struct ctl_verb verb_tail = {
    .name = "tail",
    .args = "[CHANNEL ...]",
    .help = "print what goes by: pushed, sent by browsers, who comes and goes",
    .more =
        "Without CHANNEL all channels are shown. @in:test is only what browsers send there, @events:test "
        "only\n"
        "who comes and goes.\n\n"
        "A line has the time, -> for what is pushed, <- for what a browser sent, + and - for one that "
        "came and\n"
        "left, * for a user whose first client came or whose last one went, the channel, the client and "
        "its\n"
        "user, and the message or the close code. It is cut to the width of a terminal. What does not go "
        "to a\n"
        "channel is not shown: to @all, @user:, @match: and single clients. Inboxes keep what they have.\n\n"
        "A worker that goes is looked for. One that drops wsctl, because its output is read too slowly, "
        "ends\n"
        "it: wsctl says so and exits 7.\n",
    .example = "wsctl tail --for 2 test 'chat/*'",
    .options = options,
    .run = run_tail,
};
