/* INFO: what the worker is and does, in Redis's form, so that `redis-cli --stat` and monitoring read it. */
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/dispatch.h"
#include "push/memory_kinds.h"

static uint64_t sum(const struct hub *h, enum stat which)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < h->shard_count; i++)
        n += stats_get(&h->shards[i]->stats, which);
    /* two that are counted at the hub */
    return which == STAT_published ? h->published : which == STAT_inbox_dropped ? h->inbox_dropped : n;
}

static void add_server(struct buf *out, const struct control *c)
{
    int64_t up = (clock_mono_ms() - c->started) / 1000;
    buf_addf(
        out,
        "# Server\r\nredis_version:7.0.0\r\nwspush_version:%s\r\nprocess_id:%d\r\nuptime_in_seconds:%lld\r\n"
        "uptime_in_days:%lld\r\nthreads:%u\r\nengine:%s\r\nloading:0\r\n",
        WSPUSH_VERSION, (int)getpid(), (long long)up, (long long)(up / 86400), c->hub->shard_count,
        c->hub->engine_ops->name);
}

static void add_clients(struct buf *out, const struct control *c)
{
    const struct hub *h = c->hub;
    buf_addf(out,
             "# Clients\r\nconnected_clients:%u\r\nconnections:%zu\r\nmax_clients:%zu\r\n"
             "channels:%u\r\nusers:%u\r\noperators:%llu\r\nmax_operators:%llu\r\ndraining:%d\r\n",
             h->client_count, atomic_load(&h->world->clients), atomic_load(&h->world->max_clients),
             HASH_COUNT(h->channels), HASH_COUNT(h->users), (unsigned long long)c->session_count,
             (unsigned long long)h->config->max_operators, atomic_load(&h->world->draining));
}

static void add_memory(struct buf *out, const struct control *c)
{
    const struct hub *h = c->hub;
    struct mallinfo2 heap = mallinfo2();
    size_t queued = 0;
    for (uint32_t i = 0; i < h->shard_count; i++)
        queued += atomic_load(&h->shards[i]->out_bytes);
    buf_addf(
        out,
        "# Memory\r\nused_memory:%zu\r\nqueued_bytes:%zu\r\nqueued_bytes_limit:%llu\r\ninbox_bytes:%llu\r\n"
        "watched_bytes:%llu\r\ncongested:%d\r\n",
        heap.uordblks + heap.hblkhd, queued, (unsigned long long)h->config->out_total,
        (unsigned long long)h->inbox_bytes, (unsigned long long)c->watch.unread,
        atomic_load(&h->world->congested));
#define TALLY(name, help) buf_addf(out, "memory_" #name ":%zu\r\n", memory_kind(h, TALLY_##name));
#include "base/tally.def"
#undef TALLY
    buf_addf(out, "memory_per_client:%zu\r\n", memory_per_client(h));
}

static void add_history(struct buf *out, const struct control *c)
{
    const struct hub *h = c->hub;
    struct engine_figures f;
    h->engine_ops->figures(h->engine, &f);
    buf_addf(out,
             "# History\r\nhistory_messages:%llu\r\nhistory_bytes:%llu\r\nhistory_bytes_limit:%llu\r\n"
             "history_channels:%llu\r\nhistory_trimmed:%llu\r\n",
             (unsigned long long)f.messages, (unsigned long long)f.bytes,
             (unsigned long long)h->config->history_total, (unsigned long long)f.channels,
             (unsigned long long)f.trimmed);
}

static void add_stats(struct buf *out, const struct control *c)
{
    buf_addf(out,
             "# "
             "Stats\r\ntotal_connections_received:%llu\r\ntotal_commands_processed:%llu\r\nprotocol_faults:%"
             "llu\r\naccepts_put_off:%llu\r\n",
             (unsigned long long)c->sessions_total, (unsigned long long)c->commands_total,
             (unsigned long long)c->faults_total, (unsigned long long)c->loop->accepts_put_off);
#define STAT(name, help) buf_addf(out, #name ":%llu\r\n", (unsigned long long)sum(c->hub, STAT_##name));
#include "push/stats.def"
#undef STAT
    buf_addf(out, "pubsub_channels:%u\r\npubsub_patterns:%u\r\nwatchers_dropped:%llu\r\n",
             watch_names(&c->watch), watch_patterns(&c->watch), (unsigned long long)c->watch.dropped);
}

static void add_cpu(struct buf *out, const struct control *c)
{
    struct rusage u;
    (void)c;
    getrusage(RUSAGE_SELF, &u);
    buf_addf(out, "# CPU\r\nused_cpu_sys:%lld.%06ld\r\nused_cpu_user:%lld.%06ld\r\n",
             (long long)u.ru_stime.tv_sec, (long)u.ru_stime.tv_usec, (long long)u.ru_utime.tv_sec,
             (long)u.ru_utime.tv_usec);
}

static const struct {
    const char *name;
    void (*add)(struct buf *out, const struct control *c);
} sections[] = {
    {"server", add_server},   {"clients", add_clients}, {"memory", add_memory},
    {"history", add_history}, {"stats", add_stats},     {"cpu", add_cpu},
};

static bool is_wanted(const struct resp_request *r, const char *section)
{
    bool all = r->argc == 1;
    for (int i = 1; i < r->argc; i++)
        all |= arg_is(&r->argv[i], section) || arg_is(&r->argv[i], "all") || arg_is(&r->argv[i], "default") ||
               arg_is(&r->argv[i], "everything");
    return all;
}

static void run_info(struct session *s, const struct resp_request *r)
{
    struct buf text = {0};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (!is_wanted(r, sections[i].name))
            continue;
        if (text.len)
            buf_adds(&text, "\r\n");
        sections[i].add(&text, s->control);
    }
    resp_add_bulk(session_reply(s), text.data, text.len);
    buf_fini(&text);
}

const struct command commands_info[] = {
    {"info", 1, RESP_ARGS_MAX, "INFO [server|clients|memory|history|stats|cpu ...]", run_info, 0},
    {0},
};
