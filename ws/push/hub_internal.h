/*
 * What the hub's own files are to each other. Only they include it (t/layers.sh), and tests.
 */
#ifndef WSPUSH_PUSH_HUB_INTERNAL_H
#define WSPUSH_PUSH_HUB_INTERNAL_H

#include "push/hub.h"

/* ---- hub.c: channels ---- */

struct channel *hub_need_channel(struct hub *h, const char *name, size_t len);
/* Frees it if nothing is left of it. */
void hub_release_channel(struct hub *h, struct channel *ch);
void hub_post(struct hub *h, uint32_t shard, struct mail mail);

/* ---- hub_clients.c: clients, as they come and go ---- */

void hub_on_register(struct hub *h, const struct mail *mail);
void hub_on_gone(struct hub *h, const struct mail *mail);
struct client *hub_find_client(struct hub *h, uint64_t number);
/* Whether such a client is or ever was. */
bool hub_client_was_given(const struct hub *h, uint64_t number);
/* It is on no channel any more, and nobody's recipient. */
void hub_part_with(struct hub *h, struct client *c);
/* Frees the record if nothing is left of it. */
void hub_release_client(struct hub *h, struct client *client);
void hub_drop_clients(struct hub *h);
/* Tells upwards what passes by on a channel, if such things are watched. The caller fills in what is not of
 * the client and the channel. */
__attribute__((cold)) void hub_show(const struct hub *h, const struct client *c, const struct channel *ch,
                                    struct sight sight);

/* ---- hub_seat.c: who is on which channel ---- */

/* It is about to be on the channel, and has no seat yet. */
void hub_want_seat(struct hub *h, struct client *c, struct channel *ch);
/* Gives it a seat on a channel of its own; takes it away again, and releases the channel. */
void hub_take_seat(struct hub *h, struct client *c, struct channel *ch, enum seat seat);
void hub_leave_seat(struct hub *h, struct client *c, struct channel *ch);
/* It has caught up. */
void hub_go_live(struct hub *h, struct client *c, struct channel *ch);
/* All of them: it is gone. */
void hub_leave_all(struct hub *h, struct client *c);
/* The record of them. */
void hub_drop_others(struct client *c);

/* ---- hub_subscribe.c: getting there ---- */

/* Asks the engine where the client is to begin on the channel; then it gets its seat, and is told. */
void hub_begin(struct hub *h, struct client *c, struct channel *ch, const struct joining *j);
void hub_on_subscribe(struct hub *h, const struct mail *mail);
void hub_on_unsubscribe(struct hub *h, const struct mail *mail);
/* Messages are missing, and the client goes on from the head. */
void hub_tell_reset(struct hub *h, const struct client *c, struct channel *ch, const struct excerpt *e);
/* The engine has read for a client. */
void hub_go_on(struct hub *h, const struct reading *r, const struct excerpt *excerpt);
/* Sends a notice to one client. NULL is for want of memory: it is not told. */
void hub_tell(struct hub *h, const struct client *c, struct msg *take_notice);

/* ---- hub_cursor.c: what a client missed ---- */

/* It has its seat, and is to get what follows that position of the channel, then to go live. */
void hub_add_cursor(struct hub *h, struct client *c, struct channel *ch, struct msg_id position);
/* Before it gives up its seat. */
void hub_drop_cursor(struct hub *h, struct client *c, const struct channel *ch);
void hub_on_more(struct hub *h, const struct mail *mail);
/* What the engine has read for a cursor; `ch` NULL: for one that is gone. */
void hub_replay(struct hub *h, struct client *c, struct channel *ch, const struct excerpt *excerpt);
void hub_drop_cursors(struct hub *h, const struct client *c);

/* ---- hub_presence.c: who is on a channel ---- */

void hub_enter_presence(struct hub *h, struct client *c, struct channel *ch);
void hub_leave_presence(struct hub *h, const struct client *c, struct channel *ch);
/* The client is to get the list of all who are there, at the end of the turn. */
void hub_tell_presence(struct hub *h, const struct client *c, const struct channel *ch);
/* Nobody is told any more. */
void hub_drop_lists(struct hub *h);

/* ---- hub_target.c: whom a target means ---- */

/* All together: which shards are to get a letter, and whom it is for. */
struct recipients {
    enum mail_scope scope;
    uint32_t channel; /* number */
    struct conn_ref conn;
    uint64_t count; /* clients */
    bool on[SHARDS_MAX];
    struct crowd *crowds[SHARDS_MAX]; /* where the scope is a crowd: until a letter takes it */
};
/* HUB_OK, perhaps with nobody, HUB_NO_TARGET or HUB_NO_MEMORY. */
enum hub_answer hub_resolve(struct hub *h, const struct target *target, struct recipients *out);
/* What no letter has taken is freed. */
void hub_drop_recipients(const struct hub *h, struct recipients *to);
/* The letter with its address. */
struct mail hub_addressed(struct recipients *to, uint32_t shard, struct mail mail);

/* ---- hub_send.c, hub_history.c: by way of the engine ---- */

void hub_publish(struct hub *h, const struct publication *p);
/* Posts a message for delivery with a reference of its own. */
void hub_post_message(struct hub *h, uint32_t shard, struct mail mail, struct msg *m);
/* What the engine calls; arg is the hub. */
void hub_on_published(void *arg, const struct publication *p, enum publish_result result, struct msg_id id,
                      const char *fault);
void hub_on_read(void *arg, const struct reading *r, const struct excerpt *excerpt);

/* ---- hub_receipt.c: what became of a message ---- */

/* Gives the message, which has a wish, a receipt that will answer the asker. */
void hub_new_receipt(struct hub *h, struct asker asker, struct msg *m, int64_t timeout, struct msg_id id,
                     const struct target *target, const struct recipients *to);
/* Answers and frees the receipt if nothing more is to be learnt. */
void hub_settle_receipt(struct hub *h, struct receipt *r);
void hub_on_receipt(struct hub *h, const struct mail *mail);
/* The client is about to be on a channel in another way; open receipts go on counting on it. */
void hub_note_moving(struct hub *h, const struct client *c);
void hub_drop_receipts(struct hub *h);

/* ---- hub_inbox.c: what clients say ---- */

/* A message of a client has come in, for that channel. */
void hub_inbound(struct hub *h, struct client *client, struct channel *ch, struct msg *take_m);
/* Waiters for a client that is gone and has nothing left are told. */
void hub_end_waits(struct hub *h, struct client *client);
void hub_drop_inbox(struct hub *h, struct channel *ch);

/* ---- hub_ask.c: what all shards say, put together ---- */

/* What a shard says to a question. */
void hub_on_answer(struct hub *h, const struct mail *mail);
/* The time of hub_drain() is over. */
void hub_drained(struct timer *drain_timer);
void hub_drop_questions(struct hub *h);

#endif
