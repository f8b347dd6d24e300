/* How a client gets on a channel: the engine is asked where the channel is, the client's shard is told, and
 * then the client. What it missed is hub_cursor.c's. */
#include <stdlib.h>

#include "base/error.h"
#include "push/hub_internal.h"
#include "push/notice.h"

/* Before a reset: who is cut off then is not to go on from the head without having heard of it. */
static const struct msg_id nowhere = {0};

void hub_tell(struct hub *h, const struct client *c, struct msg *take_notice)
{
    if (!take_notice)
        return;
    hub_post_message(h, c->conn.shard, (struct mail){.scope = SCOPE_CLIENT, .conn = c->conn}, take_notice);
    msg_unref(take_notice);
}

static void tell_error(struct hub *h, const struct client *c, const char *code, const char *text,
                       const struct shared_name *channel)
{
    hub_tell(h, c, notice_error(code, text, channel->text, channel->len));
}

static enum reading_from beginning(const struct channel *ch, const struct joining *j)
{
    static const enum reading_from first[] = {
        [FIRST_NEW] = FROM_NOW, [FIRST_LAST] = FROM_LAST, [FIRST_ALL] = FROM_ALL};
    return j->has_since ? FROM_AFTER : first[ch->config->first];
}

static void ask_engine(struct hub *h, const struct client *c, const struct channel *ch,
                       enum reading_from from, struct msg_id after)
{
    const struct reading r = {.channel = ch->name->text,
                              .channel_len = ch->name->len,
                              .hash = ch->hh.hashv,
                              .config = ch->config,
                              .from = from,
                              .after = after,
                              .asker.fd = -1,
                              .client = c->number,
                              .subscription = client_subscription(c, ch)};
    h->engine_ops->read(h->engine, &r);
}

/* ---- what the engine says ---- */

/* Its shard hears of the client, or of one more channel of it, before anything goes there. */
static void tell_shard(struct hub *h, struct client *c, struct channel *ch, enum seat seat)
{
    enum mail_kind kind = c->registered ? MAIL_SUBSCRIBED : MAIL_REGISTERED;
    hub_post(h, c->conn.shard,
             (struct mail){.kind = kind,
                           .conn = c->conn,
                           .channel = ch->number,
                           .value = seat,
                           .ptr = shared_name_ref(ch->name)});
}

static void finish_registration(struct hub *h, struct client *c, const struct channel *ch, enum seat seat,
                                struct msg_id from)
{
    const struct user *u = client_user(c);
    if (c->registered)
        return;
    c->registered = true;
    h->client_count++;
    h->clients_per_shard[c->conn.shard]++;
    if (c->transport != TRANSPORT_RAW)
        hub_tell(h, c,
                 notice_hello(c->number, u ? u->name : NULL, seat == SEAT_NONE ? NULL : ch->name,
                              c->transport == TRANSPORT_SSE ? from : nowhere));
}

static void show_opened(const struct hub *h, const struct client *c)
{
    if (h->watched && !c->registered)
        hub_show(h, c, c->channel, (struct sight){.kind = SIGHT_OPENED});
}

/* The position is nothing that we ever said. */
static void deny(struct hub *h, struct client *c, struct channel *ch, const char *why)
{
    if (!c->registered && c->transport == TRANSPORT_SSE) {
        hub_post(h, c->conn.shard,
                 (struct mail){.kind = MAIL_REFUSED, .conn = c->conn, .value = ERR_POSITION});
        hub_part_with(h, c);
        return;
    }
    show_opened(h, c);
    if (!c->registered)
        tell_shard(h, c, ch, SEAT_NONE);
    finish_registration(h, c, ch, SEAT_NONE, nowhere);
    tell_error(h, c, "position", why, ch->name);
    hub_leave_seat(h, c, ch);
}

/* Why messages behind a position will not come; NULL: they will. */
static const char *why_reset(enum reading_result result)
{
    return result == READ_GONE ? "gone" : result == READ_OTHER_GENERATION ? "generation" : NULL;
}

void hub_tell_reset(struct hub *h, const struct client *c, struct channel *ch, const struct excerpt *e)
{
    const char *why = why_reset(e->result);
    if (c->transport != TRANSPORT_RAW)
        hub_tell(h, c, notice_reset(ch->name, why ? why : "gone", e->head));
}

static void seat_it(struct hub *h, struct client *c, struct channel *ch, const struct excerpt *e)
{
    const char *reset = why_reset(e->result);
    enum seat seat = reset || e->at_head ? SEAT_LIVE : SEAT_BEHIND;
    show_opened(h, c);
    hub_enter_presence(h, c, ch); /* the others hear of it, and it has them all below */
    tell_shard(h, c, ch, seat);
    struct msg_id from = reset ? nowhere : e->position;
    finish_registration(h, c, ch, seat, from);
    if (c->transport == TRANSPORT_V1)
        hub_tell(h, c, notice_sub(ch->name, e->head, from));
    hub_take_seat(h, c, ch, seat);
    if (reset)
        hub_tell_reset(h, c, ch, e);
    hub_tell_presence(h, c, ch);
    if (seat == SEAT_BEHIND)
        hub_add_cursor(h, c, ch, e->position);
}

/* A raw client has no use for where the channel is: nobody is asked, where it wants nothing but what is new.
 */
void hub_begin(struct hub *h, struct client *c, struct channel *ch, const struct joining *j)
{
    static const struct excerpt now = {.result = READ_OK, .at_head = true};
    enum reading_from from = beginning(ch, j);
    if (j->has_since && !j->since.gen)
        deny(h, c, ch, "that is no message's id");
    else if (c->transport == TRANSPORT_RAW && from == FROM_NOW)
        seat_it(h, c, ch, &now);
    else
        ask_engine(h, c, ch, from, j->since);
}

void hub_go_on(struct hub *h, const struct reading *r, const struct excerpt *excerpt)
{
    struct client *c = hub_find_client(h, r->client);
    if (!c || c->gone)
        return;
    struct channel *ch = client_subscribed(h, c, r->subscription, r->channel, r->channel_len);
    if (r->most)
        hub_replay(h, c, ch, excerpt);
    else if (!ch)
        return;
    else if (client_seat(c, ch) != SEAT_NONE)
        hub_tell(h, c, notice_sub(ch->name, excerpt->head, nowhere));
    else if (excerpt->result == READ_AHEAD)
        deny(h, c, ch, "that position is ahead of the channel");
    else
        seat_it(h, c, ch, excerpt);
}

/* ---- what clients ask ---- */

static struct client *find_client(struct hub *h, const struct mail *mail)
{
    struct client *c = hub_find_client(h, mail->number);
    return c && !c->gone ? c : NULL;
}

/* Whether it is on the channel, or about to be. */
static bool is_wanted(const struct client *c, const struct channel *ch)
{
    return client_seat(c, ch) != SEAT_NONE || client_subscription(c, ch);
}

/* Already there, or soon: the answer is the same, but there is no way back. */
static void subscribe_again(struct hub *h, struct client *c, struct channel *ch, const struct joining *j)
{
    if (j->has_since)
        tell_error(h, c, "position", "it is on this channel already: unsub first", ch->name);
    else
        ask_engine(h, c, ch, FROM_NOW, j->since);
}

static void subscribe(struct hub *h, struct client *c, const struct joining *j)
{
    struct channel *ch = hub_need_channel(h, j->channel->text, j->channel->len);
    uint32_t on = client_channel_count(c) - !is_wanted(c, c->channel);
    if (is_wanted(c, ch)) {
        subscribe_again(h, c, ch, j);
    } else if (on >= c->channel->config->channels_per_client) {
        tell_error(h, c, "limit", "too many channels (the option channels_per_client)", j->channel);
        hub_release_channel(h, ch);
    } else {
        hub_want_seat(h, c, ch);
        hub_begin(h, c, ch, j);
    }
}

void hub_on_subscribe(struct hub *h, const struct mail *mail)
{
    struct joining *j = mail->ptr;
    struct client *c = find_client(h, mail);
    if (c)
        subscribe(h, c, j);
    joining_free(j);
}

static void unsubscribe(struct hub *h, struct client *c, const struct shared_name *name)
{
    struct channel *ch = hub_find_channel(h, name->text, name->len);
    if (!ch || !is_wanted(c, ch)) {
        tell_error(h, c, "unknown", "it is not on this channel", name);
        return;
    }
    if (client_seat(c, ch) != SEAT_NONE)
        hub_post(h, c->conn.shard,
                 (struct mail){.kind = MAIL_UNSUBSCRIBED, .conn = c->conn, .channel = ch->number});
    hub_tell(h, c, notice_unsub(ch->name));
    hub_note_moving(h, c);
    hub_leave_seat(h, c, ch);
}

void hub_on_unsubscribe(struct hub *h, const struct mail *mail)
{
    struct shared_name *name = mail->ptr;
    struct client *c = find_client(h, mail);
    if (c)
        unsubscribe(h, c, name);
    shared_name_unref(name);
}
