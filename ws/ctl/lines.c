/*
 * send --lines: a stream of messages that paces itself. Lines go out in batches as they can be read,
 * pipelined. When 64 KiB have gone since the last look, the last line of the batch waits until it was handed
 * to every client: that is far below what a client's queue holds, so no client falls behind by our doing, and
 * a slow one slows us. One that is stuck does so for a few seconds: each look that it spoils halves the time
 * of the next, until its queue is so full that the worker closes it. When the worker goes away and comes
 * back, lines that surely did not go out go again.
 */
#include "ctl/send.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "ctl/print.h"
#include "ctl/receipt.h"

enum {
    READ_CHUNK = 64 * 1024,
    BATCH_BYTES = 64 * 1024,
    BATCH_LINES = 4096,
    LINE_OVERHEAD = 16, /* a frame's head and what a queue keeps of it */
    LINE_MAX_BYTES = 64 * 1024 * 1024,
    HANDED_WITHIN_MS = 3000, /* of a line that waits only for pace */
    HANDED_WITHIN_MIN_MS = 50,
    ANSWER_WITHIN_MS = 30000,
};

/* A line of the batch; its bytes are those of lines.in. */
struct line {
    const uint8_t *bytes;
    size_t len;
    struct wspush_send_options options;
};

struct lines {
    struct ctl *ctl;
    const struct send_plan *plan;
    struct buf in;
    struct buf batch; /* of struct line: queued and not yet flushed */
    struct ctl_absence absence;
    int64_t start;
    int64_t patience_ms;
    uint64_t queued;      /* lines given to the library */
    uint64_t flushed;     /* of these, before the batch that is under way */
    uint64_t left_over;   /* of the batch: surely not sent, because the worker is gone */
    size_t unpaced_bytes; /* since a line waited to be handed */
    size_t unpaced_lines;

    uint64_t sent, unreached, failed, unknown, unsent;
    int64_t fewest, most; /* recipients */
    char id[WSPUSH_ID_MAX + 1];
    uint64_t bad_line;     /* the first that was refused, from 1 */
    uint64_t unknown_line; /* the first of the unknown */
    int status;
};

static void give_up(struct lines *l, uint64_t line, enum wspush_result result)
{
    l->bad_line = line;
    print_flush();
    fprintf(stderr, "At line %llu: ", (unsigned long long)line);
    l->status = ctl_fail(l->ctl, l->ctl->handle, result);
}

/* How long the next look may take, after one with this receipt. */
static int64_t next_patience(const struct lines *l, const struct wspush_sent *sent)
{
    for (size_t i = 0; i < sent->outcome_count; i++)
        if (strcmp(sent->outcomes[i].name, "timeout") == 0 && sent->outcomes[i].count > 0)
            return l->patience_ms / 2 > HANDED_WITHIN_MIN_MS ? l->patience_ms / 2 : HANDED_WITHIN_MIN_MS;
    return sent->outcome_count ? HANDED_WITHIN_MS : l->patience_ms;
}

/* What came of a line that --wait waited for. */
static void note_receipt(struct lines *l, uint64_t line, const struct wspush_sent *sent)
{
    if (!receipt_failed(l->plan->options.wait_for, sent))
        return;
    l->failed++;
    if (l->ctl->verbose && !l->ctl->json && !l->ctl->quiet)
        receipt_print_failures(l->ctl, sent, line);
}

static void note(void *arg, size_t number, enum wspush_result result, const struct wspush_sent *sent)
{
    struct lines *l = arg;
    if (result == WSPUSH_NOWORKER && sent->published == WSPUSH_NOT_PUBLISHED && !l->bad_line) {
        l->left_over++;
        return;
    }
    if (sent->published == WSPUSH_PUBLISH_UNKNOWN && l->unknown++ == 0)
        l->unknown_line = l->flushed + number + 1;
    l->unsent += sent->published == WSPUSH_NOT_PUBLISHED;
    if (sent->published != WSPUSH_PUBLISHED) {
        if (!l->bad_line)
            give_up(l, l->flushed + number + 1, result);
        return;
    }
    if (l->sent == 0 || sent->recipients < l->fewest)
        l->fewest = sent->recipients;
    if (l->sent == 0 || sent->recipients > l->most)
        l->most = sent->recipients;
    l->sent++;
    l->patience_ms = next_patience(l, sent);
    l->unreached += sent->recipients == 0;
    note_receipt(l, l->flushed + number + 1, sent);
    memcpy(l->id, sent->id, sizeof l->id);
}

/* Queues the last `count` lines of the batch once more. */
static enum wspush_result queue_again(struct lines *l, size_t count)
{
    const struct line *line = (const void *)(l->batch.data + l->batch.len);
    enum wspush_result result = WSPUSH_OK;
    for (line -= count; count && result == WSPUSH_OK; count--, line++)
        result = wspush_send_queue(l->ctl->handle, l->plan->target, line->bytes, line->len, &line->options);
    return result;
}

static int flush(struct lines *l)
{
    enum wspush_result result;
    do {
        l->left_over = 0;
        result = wspush_send_flush(l->ctl->handle, note, l);
        l->flushed = l->queued - l->left_over;
        if (result == WSPUSH_OK && l->batch.len)
            ctl_met(l->ctl, &l->absence);
    } while (l->left_over && !buf_failed(&l->batch) &&
             ctl_wait_return(l->ctl, &l->absence, l->plan->target, CTL_AWAY_MS) &&
             (result = queue_again(l, l->left_over)) == WSPUSH_OK);
    if (l->left_over)
        give_up(l, l->flushed + 1, result);
    l->unsent += l->left_over;
    buf_clear(&l->batch);
    return l->status;
}

/* Whether so much went out that the next line has to wait for its receipt. */
static bool must_pace(struct lines *l, size_t len)
{
    l->unpaced_bytes += len + LINE_OVERHEAD;
    l->unpaced_lines++;
    if (l->unpaced_bytes < BATCH_BYTES && l->unpaced_lines < BATCH_LINES)
        return false;
    l->unpaced_bytes = l->unpaced_lines = 0;
    return true;
}

static int send_line(struct lines *l, const uint8_t *line, size_t len)
{
    struct wspush_send_options options = l->plan->options;
    bool pace = must_pace(l, len);
    if (pace && options.wait_for == WSPUSH_WAIT_NONE) {
        options.wait_for = WSPUSH_WAIT_HANDED;
        options.timeout_ms = l->patience_ms;
    }
    if (l->plan->interval_ms > 0)
        send_pace(l->plan, l->start, l->queued);
    enum wspush_result result = wspush_send_queue(l->ctl->handle, l->plan->target, line, len, &options);
    if (result != WSPUSH_OK) {
        /* the lines before it go out; this one and those behind it don't */
        char text[128];
        snprintf(text, sizeof text, "%s", wspush_error(l->ctl->handle));
        if (flush(l) != CTL_DONE)
            return l->status;
        fprintf(stderr, "wsctl: line %llu: %s\n", (unsigned long long)l->queued + 1, text);
        if (result == WSPUSH_BADUTF8)
            fprintf(stderr, "--binary sends any bytes.\n");
        l->unsent++;
        return l->status = ctl_status(result);
    }
    l->queued++;
    buf_add(&l->batch, &(struct line){line, len, options}, sizeof(struct line));
    return pace || l->plan->interval_ms > 0 ? flush(l) : CTL_DONE;
}

/* Sends the whole lines that have been read, looking for newlines from `looked` on. */
static int send_whole_lines(struct lines *l, size_t looked)
{
    size_t begin = 0;
    const uint8_t *end;
    while (l->in.len > looked && (end = memchr(l->in.data + looked, '\n', l->in.len - looked)) != NULL) {
        size_t at = (size_t)(end - l->in.data);
        if (send_line(l, l->in.data + begin, at - begin) != CTL_DONE)
            return l->status;
        begin = looked = at + 1;
    }
    flush(l);
    buf_consume(&l->in, begin);
    return l->status;
}

static int send_stream(struct lines *l, int fd)
{
    for (;;) {
        size_t before = l->in.len;
        uint8_t *to = before <= LINE_MAX_BYTES ? buf_reserve(&l->in, READ_CHUNK) : NULL;
        if (!to)
            return ctl_usage(l->ctl, "line %llu is longer than 64 MiB", (unsigned long long)l->queued + 1);
        ssize_t n = read(fd, to, READ_CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ctl_usage(l->ctl, "can't read lines: %s", strerror(errno));
        if (n == 0)
            break;
        l->in.len += (size_t)n;
        if (send_whole_lines(l, before) != CTL_DONE)
            return l->status;
    }
    if (l->in.len && send_line(l, l->in.data, l->in.len) != CTL_DONE)
        return l->status;
    return flush(l);
}

static void report_json(const struct lines *l)
{
    struct buf line = {0};
    buf_addf(
        &line,
        "{\"lines\":%llu,\"fewest\":%lld,\"most\":%lld,\"unreached\":%llu,\"unsent\":%llu,\"unknown\":%llu",
        (unsigned long long)l->sent, (long long)l->fewest, (long long)l->most,
        (unsigned long long)l->unreached, (unsigned long long)l->unsent, (unsigned long long)l->unknown);
    if (l->plan->options.wait_for != WSPUSH_WAIT_NONE)
        buf_addf(&line, ",\"failed\":%llu", (unsigned long long)l->failed);
    buf_adds(&line, ",\"id\":");
    if (l->id[0])
        json_add_string(&line, l->id, strlen(l->id));
    else
        buf_adds(&line, "null");
    buf_addc(&line, '}');
    print_line(stdout, &line);
}

static void report(const struct lines *l)
{
    printf("%llu line%s sent", (unsigned long long)l->sent, l->sent == 1 ? "" : "s");
    if (l->sent && l->fewest == l->most)
        printf(", %sto %lld client%s", l->sent == 1 ? "" : "each ", (long long)l->most,
               l->most == 1 ? "" : "s");
    else if (l->sent)
        printf(", each to between %lld and %lld clients", (long long)l->fewest, (long long)l->most);
    printf("%s%s\n", l->id[0] ? ", last id " : "", l->id);
    print_flush();
    if (l->unsent)
        fprintf(stderr, "%llu more %s read and surely not sent.\n", (unsigned long long)l->unsent,
                l->unsent == 1 ? "was" : "were");
    if (l->failed)
        fprintf(stderr, "%llu did not come through to every client.\n", (unsigned long long)l->failed);
}

int lines_send(struct ctl *ctl, const struct send_plan *plan, int fd)
{
    struct lines l = {.ctl = ctl, .plan = plan, .start = clock_mono_ms(), .patience_ms = HANDED_WITHIN_MS};
    /* a false worker shows at once; a true one may hold us back for a while when it is full */
    enum wspush_result result = wspush_ping(ctl->handle);
    if (result != WSPUSH_OK)
        return ctl_fail(ctl, ctl->handle, result);
    ctl_met(ctl, &l.absence);
    bool told = plan->options.wait_for == WSPUSH_WAIT_NONE && plan->options.timeout_ms > 0;
    wspush_set_deadline(ctl->handle, told ? plan->options.timeout_ms : ANSWER_WITHIN_MS);
    int status = send_stream(&l, fd);
    buf_fini(&l.in);
    buf_fini(&l.batch);
    if (ctl->json)
        report_json(&l);
    else if (!ctl->quiet)
        report(&l);
    if (l.unknown)
        fprintf(
            stderr,
            "%llu more, from line %llu on, may have been published all the same; nothing was sent again.\n",
            (unsigned long long)l.unknown, (unsigned long long)l.unknown_line);
    if (l.unreached && !ctl->quiet && status != CTL_NOWORKER) {
        print_flush();
        if (l.unreached < l.sent)
            fprintf(stderr, "%llu of %llu lines reached nobody: ", (unsigned long long)l.unreached,
                    (unsigned long long)l.sent);
        ctl_say_nobody(ctl, plan->target);
    }
    if (status == CTL_DONE && (l.failed || (l.unreached && ctl_given(ctl, "strict"))))
        status = CTL_NOTHING;
    return status;
}
