/* Clients, as they come and go. */
#include <stdlib.h>

#include "base/tally.h"
#include "push/hub.h"

bool hub_client_was_given(const struct hub *h, uint64_t number)
{
    return number >= 1 && number <= atomic_load(&h->world->last_client);
}

struct client *hub_find_client(struct hub *h, uint64_t number)
{
    return client_table_find(&h->clients, number);
}

static struct client *new_client(struct hub *h, struct shared_name *user)
{
    struct named_client *c = calloc(1, user ? sizeof *c : sizeof c->client);
    if (!c)
        abort();
    if (user) {
        c->client.named = true;
        c->user = users_enter(&h->users, user, &c->of_user);
        tally_change(TALLY_clients, sizeof c->client, sizeof *c);
    }
    return &c->client;
}

static void free_client(struct client *c)
{
    if (c->named)
        tally_change(TALLY_clients, sizeof(struct named_client), sizeof *c);
    free(c);
}

static void forget_user(struct hub *h, struct client *c)
{
    struct named_client *named = LIST_ENTRY(c, struct named_client, client);
    if (client_user(c))
        users_leave(&h->users, named->user, &named->of_user);
    if (c->named)
        named->user = NULL;
}

void hub_on_register(struct hub *h, const struct mail *mail)
{
    struct shared_name *name = mail->ptr;
    struct client *c = new_client(h, mail->user);
    c->number = mail->number;
    c->conn = mail->conn;
    c->question = h->last_question;
    c->channel = hub_need_channel(h, name->text, name->len);
    c->channel->subscribers++;
    c->channel->members++;
    c->channel->per_shard[mail->conn.shard]++;
    h->client_count++;
    h->clients_per_shard[mail->conn.shard]++;
    client_table_add(&h->clients, c);
    hub_post(h, mail->conn.shard,
             (struct mail){.kind = MAIL_REGISTERED,
                           .conn = mail->conn,
                           .channel = c->channel->number,
                           .ptr = shared_name_ref(c->channel->name)});
    shared_name_unref(name);
    shared_name_unref(mail->user);
    if (h->watched)
        hub_show(h, c, (struct sight){.kind = SIGHT_OPENED});
}

void hub_release_client(struct hub *h, struct client *c)
{
    if (!c->gone || c->kept)
        return;
    c->channel->members--;
    client_table_remove(&h->clients, c);
    free_client(c);
}

void hub_on_gone(struct hub *h, const struct mail *mail)
{
    struct client *c = hub_find_client(h, mail->number);
    if (!c)
        return;
    struct channel *ch = c->channel;
    struct receipt *r;
    struct receipt *next;
    HASH_ITER(hh, h->receipts, r, next)
    {
        if (r->number <= c->question)
            continue;
        receipt_on_gone(r, mail->conn.shard, c);
        hub_settle_receipt(h, r);
    }
    if (h->watched)
        hub_show(h, c, (struct sight){.kind = SIGHT_CLOSED, .code = mail->value});
    forget_user(h, c);
    c->gone = true;
    ch->subscribers--;
    ch->per_shard[mail->conn.shard]--;
    h->client_count--;
    h->clients_per_shard[mail->conn.shard]--;
    hub_end_waits(h, c);
    hub_release_client(h, c);
    hub_release_channel(h, ch);
}

void hub_show(const struct hub *h, const struct client *c, struct sight sight)
{
    sight.channel = c->channel->name->text;
    sight.channel_len = c->channel->name->len;
    sight.client = c->number;
    sight.user = client_user(c);
    if (h->watched & sight.kind)
        h->up.seen(h->up.arg, &sight);
}

static void free_one(struct client *c, void *arg)
{
    forget_user(arg, c);
    free_client(c);
}

void hub_drop_clients(struct hub *h)
{
    client_table_each(&h->clients, free_one, h);
    client_table_fini(&h->clients);
}
