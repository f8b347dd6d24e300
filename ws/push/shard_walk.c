/* Whom a letter is for. */
#include "push/shard.h"

bool shard_counts(const struct conn *c)
{
    return c && c->registered && !c->left;
}

static void visit_client(struct shard *s, struct conn_ref ref, conn_visit *visit, void *arg)
{
    struct conn *c = conn_find(s, ref);
    if (shard_counts(c))
        visit(c, arg);
}

static void each_on(struct shard *s, uint32_t channel, enum walk walk, conn_visit *visit, void *arg)
{
    const struct shard_channel *ch = channel < s->channel_count ? &s->channels[channel] : NULL;
    for (uint32_t i = 0; ch && i < ch->count; i++)
        if (walk == WALK_ALL || !shard_is_behind(ch->subscribers[i], channel))
            visit(ch->subscribers[i], arg);
}

/* A walk through several channels meets whoever is on more than one of them once. */
struct once {
    uint64_t walk;
    conn_visit *visit;
    void *arg;
};

static void visit_once(struct conn *c, void *arg)
{
    const struct once *once = arg;
    if (c->more && c->more->visited == once->walk)
        return;
    if (c->more)
        c->more->visited = once->walk;
    once->visit(c, once->arg);
}

static void each_of_crowd(struct shard *s, const struct crowd *crowd, enum walk walk, conn_visit *visit,
                          void *arg)
{
    struct once once = {++s->walks, visit, arg};
    for (uint32_t i = 0; i < crowd->count; i++) {
        const struct crowd_member *m = &crowd->members[i];
        if (m->conn.fd < 0)
            each_on(s, m->channel, walk, visit_once, &once);
        else
            visit_client(s, m->conn, visit, arg);
    }
}

void shard_each_client(struct shard *s, const struct mail *mail, enum walk walk, conn_visit *visit, void *arg)
{
    if (mail->scope == SCOPE_CLIENT) {
        visit_client(s, mail->conn, visit, arg);
    } else if (mail->scope == SCOPE_CHANNEL) {
        each_on(s, mail->channel, walk, visit, arg);
    } else if (mail->scope == SCOPE_CROWD) {
        each_of_crowd(s, mail->crowd, walk, visit, arg);
    } else {
        for (size_t fd = 0; fd < s->loop->slot_count; fd++) {
            struct conn *c = conn_of(s->loop->slots[fd]);
            if (shard_counts(c))
                visit(c, arg);
        }
    }
}
