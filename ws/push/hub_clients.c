/* Clients, as they come and go. */
#include <stdlib.h>

#include "base/tally.h"
#include "push/hub_internal.h"

bool hub_client_was_given(const struct hub *h, uint64_t number)
{
    return number >= 1 && number <= atomic_load(&h->world->last_client);
}

struct client *hub_find_client(struct hub *h, uint64_t number)
{
    return client_table_find(&h->clients, number);
}

static struct client *new_client(struct hub *h, const struct joining *j)
{
    bool full = j->user || j->transport == TRANSPORT_V1;
    struct full_client *c = calloc(1, full ? sizeof *c : sizeof c->client);
    if (!c)
        abort();
    c->client.transport = j->transport & 3u;
    if (full) {
        c->client.full = true;
        list_init(&c->of_user);
        list_init(&c->wandering);
        if (j->user)
            c->user = users_enter(&h->users, j->user, &c->of_user);
        tally_change(TALLY_clients, sizeof c->client, sizeof *c);
    }
    return &c->client;
}

static void free_client(struct client *c)
{
    if (c->full)
        tally_change(TALLY_clients, sizeof(struct full_client), sizeof *c);
    free(c);
}

static void forget_user(struct hub *h, struct client *c)
{
    struct full_client *full = full_client(c);
    if (client_user(c))
        users_leave(&h->users, full->user, &full->of_user);
    if (full)
        full->user = NULL;
}

void hub_on_register(struct hub *h, const struct mail *mail)
{
    struct joining *j = mail->ptr;
    struct client *c = new_client(h, j);
    c->number = mail->number;
    c->conn = mail->conn;
    c->question = h->last_question;
    c->channel = hub_need_channel(h, j->channel->text, j->channel->len);
    c->channel->members++;
    client_table_add(&h->clients, c);
    hub_want_seat(h, c, c->channel);
    hub_begin(h, c, c->channel, j);
    joining_free(j);
}

void hub_release_client(struct hub *h, struct client *c)
{
    if (!c->gone || c->kept)
        return;
    c->channel->members--;
    client_table_remove(&h->clients, c);
    free_client(c);
}

void hub_part_with(struct hub *h, struct client *c)
{
    struct channel *ch = c->channel;
    hub_leave_all(h, c);
    forget_user(h, c);
    c->gone = true;
    h->client_count -= c->registered;
    h->clients_per_shard[c->conn.shard] -= c->registered;
    hub_end_waits(h, c);
    hub_release_client(h, c);
    hub_release_channel(h, ch);
}

void hub_on_gone(struct hub *h, const struct mail *mail)
{
    struct client *c = hub_find_client(h, mail->number);
    if (!c)
        return;
    struct receipt *r;
    struct receipt *next;
    HASH_ITER(hh, h->receipts, r, next)
    {
        receipt_on_gone(r, mail->conn.shard, c);
        hub_settle_receipt(h, r);
    }
    if (h->watched && c->registered)
        hub_show(h, c, c->channel, (struct sight){.kind = SIGHT_CLOSED, .code = mail->value});
    hub_part_with(h, c);
}

void hub_show(const struct hub *h, const struct client *c, const struct channel *ch, struct sight sight)
{
    sight.channel = ch->name->text;
    sight.channel_len = ch->name->len;
    sight.client = c->number;
    sight.user = client_user(c);
    if (h->watched & sight.kind)
        h->up.seen(h->up.arg, &sight);
}

static void free_one(struct client *c, void *arg)
{
    hub_drop_cursors(arg, c);
    hub_drop_others(c);
    forget_user(arg, c);
    free_client(c);
}

void hub_drop_clients(struct hub *h)
{
    client_table_each(&h->clients, free_one, h);
    client_table_fini(&h->clients);
}
