/* What clients say: kept for whoever reads, or handed to whoever waits. Every message is handed to one asker
 * at most. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/tally.h"
#include "push/hub_internal.h"

/* The client whose messages are asked for; 0: any of the channel. */
static uint64_t wanted_client(const struct target *target)
{
    return target->kind == TARGET_CLIENT ? target->client : 0;
}

/* ---- keeping ---- */

/* Its own channel may have been there for it alone. The one that it spoke on is the caller's to release. */
static void release_sender(struct hub *h, struct client *c, const struct shared_name *spoken_on)
{
    struct channel *own = c->channel;
    c->kept--;
    hub_release_client(h, c);
    if (own->name->len != spoken_on->len || memcmp(own->name->text, spoken_on->text, spoken_on->len) != 0)
        hub_release_channel(h, own);
}

static void free_msg(struct hub *h, struct inbox_msg *m)
{
    struct client *c = hub_find_client(h, m->client);
    if (c)
        release_sender(h, c, m->channel);
    h->inbox_bytes -= inbox_cost(m);
    tally_change(TALLY_inboxes, sizeof *m, 0);
    tally_change(TALLY_inboxes, sizeof *m->msg + m->msg->len, 0);
    list_remove(&m->all);
    shared_name_unref(m->channel);
    msg_unref(m->msg);
    free(m);
}

static void lose_oldest(struct hub *h, struct channel *ch)
{
    h->inbox_dropped++;
    free_msg(h, inbox_lose_oldest(&ch->inbox));
}

/* The newest message stays, however large: an empty inbox takes one. */
static void enforce_channel_bounds(struct hub *h, struct channel *ch)
{
    const struct inbox *b = &ch->inbox;
    while (b->count > 1 && (b->count > ch->config->inbox_messages || b->bytes > ch->config->inbox_bytes))
        lose_oldest(h, ch);
}

/* Where all inboxes together are full, the oldest message of all goes: nobody fills them for the others. */
static void enforce_total(struct hub *h)
{
    while (h->inbox_bytes > h->config->inbox_total && !list_empty(&h->inbox_messages)) {
        const struct inbox_msg *oldest = LIST_ENTRY(h->inbox_messages.next, struct inbox_msg, all);
        struct channel *ch = hub_find_channel(h, oldest->channel->text, oldest->channel->len);
        lose_oldest(h, ch);
        hub_release_channel(h, ch);
    }
}

/* ---- handing out ---- */

static void free_waiter(struct waiter *w)
{
    list_remove(&w->link);
    list_remove(&w->all);
    timer_clear(&w->timer);
    free(w);
}

/* Who waits for a client waits at its own channel, wherever it speaks. */
static struct waiter *find_waiter(struct hub *h, const struct channel *ch, uint64_t client)
{
    const struct client *c = hub_find_client(h, client);
    if (c && c->channel != ch) {
        struct waiter *w = inbox_waiter_for(&c->channel->inbox, client);
        if (w && w->client == client)
            return w;
    }
    return inbox_waiter_for(&ch->inbox, client);
}

/* Hands the message to whoever waits for it, if anybody does. */
static bool hand_to_waiter(struct hub *h, struct channel *ch, struct inbox_msg *m)
{
    struct waiter *w = find_waiter(h, ch, m->client);
    if (!w)
        return false;
    struct asker asker = w->asker;
    m->lost += ch->inbox.lost;
    ch->inbox.lost = 0;
    free_waiter(w);
    h->up.message(h->up.arg, asker, m);
    return true;
}

void hub_inbound(struct hub *h, struct client *c, struct channel *ch, struct msg *take_m)
{
    struct inbox_msg *m = calloc(1, sizeof *m);
    if (!m)
        abort();
    list_init(&m->link);
    list_init(&m->all);
    m->channel = shared_name_ref(ch->name);
    m->client = c->number;
    m->time = clock_wall_ms();
    m->msg = take_m;
    c->kept++;
    h->inbox_bytes += inbox_cost(m);
    tally_change(TALLY_inboxes, 0, sizeof *m);
    tally_change(TALLY_inboxes, 0, sizeof *take_m + take_m->len);
    if (hand_to_waiter(h, ch, m))
        return;
    inbox_append(&ch->inbox, m);
    list_append(&h->inbox_messages, &m->all);
    enforce_channel_bounds(h, ch);
    enforce_total(h);
}

void hub_confirm(struct hub *h, struct inbox_msg *take_m)
{
    struct shared_name *name = shared_name_ref(take_m->channel);
    free_msg(h, take_m);
    struct channel *ch = hub_find_channel(h, name->text, name->len);
    if (ch)
        hub_release_channel(h, ch);
    shared_name_unref(name);
}

void hub_put_back(struct hub *h, struct inbox_msg *take_m)
{
    struct channel *ch = hub_need_channel(h, take_m->channel->text, take_m->channel->len);
    if (hand_to_waiter(h, ch, take_m))
        return;
    inbox_prepend(&ch->inbox, take_m);
    list_prepend(&h->inbox_messages, &take_m->all);
    enforce_channel_bounds(h, ch);
    enforce_total(h);
}

/* ---- asking ---- */

/* Whose messages are asked for. HUB_OK: *c, NULL for a channel; a client that is gone and has nothing left is
 * HUB_CLOSED. */
static enum hub_answer find_sender(struct hub *h, const struct target *target, const struct client **c)
{
    *c = NULL;
    if (!wanted_client(target))
        return HUB_OK;
    if (!hub_client_was_given(h, target->client))
        return HUB_NO_TARGET;
    *c = hub_find_client(h, target->client);
    return *c ? HUB_OK : HUB_CLOSED;
}

/* Whether it has spoken elsewhere than on its own channel: it may be on that one no more. What was handed out
 * is counted, too. */
static bool spoke_elsewhere(const struct client *c)
{
    return c->kept > inbox_count(&c->channel->inbox, c->number);
}

/* The next of the client's messages in any inbox behind this one, or behind the head; NULL: there is none. */
static struct inbox_msg *next_of_client(const struct hub *h, const struct list *behind, uint64_t client)
{
    for (struct list *l = behind->next; l != &h->inbox_messages; l = l->next) {
        struct inbox_msg *m = LIST_ENTRY(l, struct inbox_msg, all);
        if (m->client == client)
            return m;
    }
    return NULL;
}

/* The client's oldest message, wherever it was said. */
static struct inbox_msg *first_of_client(struct hub *h, const struct client *c, struct channel **from)
{
    *from = c->channel;
    if (!spoke_elsewhere(c))
        return inbox_first(&c->channel->inbox, c->number);
    struct inbox_msg *m = next_of_client(h, &h->inbox_messages, c->number);
    if (m)
        *from = hub_find_channel(h, m->channel->text, m->channel->len);
    return m;
}

enum hub_answer hub_read(struct hub *h, const struct target *target, struct inbox_msg **out)
{
    const struct client *c;
    enum hub_answer answer = find_sender(h, target, &c);
    if (answer != HUB_OK)
        return answer;
    struct channel *ch = c ? c->channel : hub_find_channel(h, target->name, target->name_len);
    struct inbox_msg *m = c ? first_of_client(h, c, &ch) : ch ? inbox_first(&ch->inbox, 0) : NULL;
    if (!m)
        return c && c->gone ? HUB_CLOSED : HUB_NONE;
    inbox_take(&ch->inbox, m);
    list_remove(&m->all);
    *out = m;
    hub_release_channel(h, ch);
    return HUB_OK;
}

static uint64_t count_of_client(const struct hub *h, const struct client *c)
{
    if (!spoke_elsewhere(c))
        return inbox_count(&c->channel->inbox, c->number);
    uint64_t count = 0;
    const struct inbox_msg *m = next_of_client(h, &h->inbox_messages, c->number);
    for (; m; m = next_of_client(h, &m->all, c->number))
        count++;
    return count;
}

enum hub_answer hub_count(struct hub *h, const struct target *target, uint64_t *count)
{
    const struct client *c;
    enum hub_answer answer = find_sender(h, target, &c);
    *count = 0;
    if (answer == HUB_NO_TARGET)
        return answer;
    const struct channel *ch =
        c || answer == HUB_CLOSED ? NULL : hub_find_channel(h, target->name, target->name_len);
    *count = c ? count_of_client(h, c) : ch ? inbox_count(&ch->inbox, 0) : 0;
    return HUB_OK;
}

/* ---- waiting ---- */

static void on_timeout(struct timer *t)
{
    struct waiter *w = LIST_ENTRY(t, struct waiter, timer);
    struct hub *h = w->hub;
    struct asker asker = w->asker;
    struct channel *ch = w->channel;
    free_waiter(w);
    hub_release_channel(h, ch);
    h->up.wait_over(h->up.arg, asker, false);
}

enum hub_answer hub_wait(struct hub *h, const struct target *target, int64_t timeout, struct asker asker,
                         struct inbox_msg **out)
{
    enum hub_answer answer = hub_read(h, target, out);
    if (answer != HUB_NONE)
        return answer;
    struct waiter *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->hub = h;
    w->asker = asker;
    w->client = wanted_client(target);
    w->channel = w->client ? hub_find_client(h, w->client)->channel
                           : hub_need_channel(h, target->name, target->name_len);
    timer_init(&w->timer, on_timeout);
    list_append(&w->channel->inbox.waiters, &w->link);
    list_append(&h->waiters, &w->all);
    if (timeout >= 0)
        timer_set(&h->loop->timers, &w->timer, h->loop->now + timeout);
    return HUB_NONE;
}

void hub_cancel_wait(struct hub *h, struct asker asker)
{
    for (struct list *l = h->waiters.next; l != &h->waiters; l = l->next) {
        struct waiter *w = LIST_ENTRY(l, struct waiter, all);
        if (!same_asker(w->asker, asker))
            continue;
        struct channel *ch = w->channel;
        free_waiter(w);
        hub_release_channel(h, ch);
        return;
    }
}

void hub_end_waits(struct hub *h, struct client *c)
{
    struct list *head = &c->channel->inbox.waiters;
    for (struct list *l = head->next, *next = l->next; l != head; l = next, next = l->next) {
        struct waiter *w = LIST_ENTRY(l, struct waiter, link);
        struct asker asker = w->asker;
        if (w->client != c->number)
            continue;
        free_waiter(w);
        h->up.wait_over(h->up.arg, asker, true);
    }
}

void hub_drop_inbox(struct hub *h, struct channel *ch)
{
    struct list *l;
    while ((l = list_take_first(&ch->inbox.waiters)) != NULL)
        free_waiter(LIST_ENTRY(l, struct waiter, link));
    while (ch->inbox.count)
        free_msg(h, inbox_lose_oldest(&ch->inbox));
}
