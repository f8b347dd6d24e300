/* history: what a channel keeps of what was sent to it. */
#include "ctl/verbs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/units.h"
#include "ctl/print.h"

static const char digits[] = "0123456789";

enum { REPLY_MAX = 1 << 30 };

static void print_json(const struct wspush_past *m)
{
    struct buf line = {0};
    buf_adds(&line, "{\"id\":");
    json_add_string(&line, m->id, strlen(m->id));
    buf_addf(&line, ",\"type\":\"%s\",\"%s\":", m->binary ? "binary" : "text", m->binary ? "b64" : "data");
    if (m->binary)
        json_add_base64(&line, m->payload, m->len);
    else
        json_add_string(&line, m->payload, m->len);
    buf_addf(&line, ",\"time\":%lld}", (long long)m->time);
    print_line(stdout, &line);
}

static void print_place(const struct ctl *ctl, const struct wspush_past *m)
{
    char day[32];
    time_t seconds = m->time / 1000;
    struct tm t;
    localtime_r(&seconds, &t);
    strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &t);
    print_styled(ctl, stdout, PRINT_DIM, m->id);
    printf("  %s  ", day);
    if (ctl->verbose)
        printf("%zu bytes of %s  ", m->len, m->binary ? "binary" : "text");
}

static void print_past(const struct ctl *ctl, const struct wspush_past *m)
{
    if (ctl->json) {
        print_json(m);
        return;
    }
    if (!ctl->quiet)
        print_place(ctl, m);
    if (ctl->quiet && !ctl->terminal)
        fwrite(m->payload, 1, m->len, stdout);
    else
        print_escaped(stdout, m->payload, m->len);
    putchar('\n');
}

/* Nothing was read: because nothing is there, or because nothing ever is. */
static int say_nothing(const struct ctl *ctl, const char *channel, const char *since)
{
    struct wspush_limits limits;
    if (ctl->quiet)
        return CTL_NOTHING;
    enum wspush_result result = wspush_history_limits(ctl->handle, channel, &limits);
    if (result != WSPUSH_OK)
        return ctl_fail(ctl, ctl->handle, result);
    fprintf(stderr, "wsctl: '");
    print_escaped(stderr, channel, strlen(channel));
    if (limits.messages == 0)
        fprintf(stderr, "' keeps no messages: the option history_size is 0 there (wspush.conf)\n");
    else if (since)
        fprintf(stderr, "' has got nothing since then\n");
    else
        fprintf(stderr, "' keeps up to %lld messages, and there is none now\n", (long long)limits.messages);
    return CTL_NOTHING;
}

static int read_since(const struct ctl *ctl, const char **since)
{
    *since = ctl_value(ctl, "since");
    if (!*since)
        return CTL_DONE;
    size_t gen = strspn(*since, digits);
    const char *seq = *since + gen + 1;
    bool good = gen && (*since)[gen] == '-' && *seq && strspn(seq, digits) == strlen(seq);
    return good ? CTL_DONE : ctl_usage(ctl, "--since '%s' is no id; such are 1795412345678-17", *since);
}

static int read_count(const struct ctl *ctl, uint64_t *count)
{
    const char *text = ctl_value(ctl, "count");
    *count = 0;
    if (text && (units_number(text, strlen(text), count) < 0 || *count == 0 || *count > INT32_MAX))
        return ctl_usage(ctl, "--count '%s' is not a number of messages", text);
    return CTL_DONE;
}

static int run_history(struct ctl *ctl)
{
    size_t messages = 0;
    uint64_t count;
    const char *since;
    struct wspush_past m;
    const char *channel = ctl_next(ctl);
    if (!channel)
        return ctl_usage(ctl, "a channel is missing, such as test");
    if (channel[0] == '@')
        return ctl_usage(ctl, "a history belongs to a channel; %s is none", channel);
    if (ctl_no_more(ctl) != CTL_DONE || read_since(ctl, &since) != CTL_DONE ||
        read_count(ctl, &count) != CTL_DONE)
        return CTL_USAGE;
    wspush_set_reply_limit(ctl->handle, REPLY_MAX);
    enum wspush_result result = wspush_history(ctl->handle, channel, since, (int64_t)count, &messages);
    if (result == WSPUSH_OK && messages == 0)
        return say_nothing(ctl, channel, since);
    for (size_t i = 0; wspush_history_get(ctl->handle, i, &m); i++)
        print_past(ctl, &m);
    if (result == WSPUSH_OK)
        return CTL_DONE;
    int status = ctl_fail(ctl, ctl->handle, result);
    if (result == WSPUSH_NOPOS && !ctl->quiet)
        fprintf(stderr, "Without --since it prints what is kept.\n");
    return status;
}

static const struct ctl_option options[] = {
    {"count", 'n', CTL_VALUE, "N", "the newest N; with --since, the first N behind it"},
    {"since", 0, CTL_VALUE, "ID", "what came behind the message with this id"},
    {0},
};

const struct ctl_verb verb_history = {
    .name = "history",
    .args = "CHANNEL",
    .help = "print the messages that a channel keeps",
    .more = "The oldest first: id, time, and payload with control bytes as \\xNN. With -q the payloads "
            "alone, as\n"
            "they are where stdout is a pipe or a file. How many a channel keeps, and for how long, say the\n"
            "options history_size, history_bytes and history_ttl; the default is none.\n"
            "\n"
            "Exit status 1: there is none, or, with --since, messages behind that one are kept no more.\n",
    .example = "wsctl history --count 3 room",
    .options = options,
    .run = run_history,
};
