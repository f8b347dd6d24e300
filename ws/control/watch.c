#include "control/watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/glob.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/name.h"
#include "control/session.h"
#include "control/unasked.h"

/* Under which name each kind of things is watched: this, and the channel. In the order of watch.wanted. */
static const struct {
    const char *prefix;
    unsigned sights; /* of enum sight_kind */
} kinds[WATCHED_KINDS] = {{"", SIGHT_PUSHED},
                          {"@in:", SIGHT_SAID},
                          {"@events:", SIGHT_OPENED | SIGHT_CLOSED | SIGHT_JOINED | SIGHT_LEFT}};

enum { NAME_MAX_LEN = CHANNEL_NAME_MAX + 8 };

struct topic {
    struct list subscribers;
    UT_hash_handle hh;
    uint32_t subscriber_count;
    unsigned sights;
    bool pattern;
    size_t len;
    char name[];
};

struct subscription {
    struct list of_topic;
    struct list of_session;
    struct topic *topic;
    struct session *session;
};

static struct watch *watch_of(const struct session *s)
{
    return &s->control->watch;
}

/* ---- names ---- */

static bool has_prefix(const char *name, size_t len, const char *prefix)
{
    size_t n = strlen(prefix);
    return len >= n && memcmp(name, prefix, n) == 0;
}

const char *watch_name_fault(const char *name, size_t len)
{
    if (len == 0 || name[0] != '@')
        return channel_name_fault(name, len);
    for (int i = 1; i < WATCHED_KINDS; i++) {
        size_t n = strlen(kinds[i].prefix);
        if (has_prefix(name, len, kinds[i].prefix))
            return channel_name_fault(name + n, len - n);
    }
    return "what can be watched is a channel, @in:CHANNEL or @events:CHANNEL";
}

const char *watch_pattern_fault(const char *pattern, size_t len)
{
    return glob_fault(pattern, len);
}

/* What a name, or anything that the pattern matches, is about. */
static unsigned sights_of(bool pattern, const char *name, size_t len)
{
    unsigned sights = 0;
    if (len == 0 || name[0] != '@')
        return kinds[0].sights;
    for (int i = 1; i < WATCHED_KINDS; i++)
        if (pattern || has_prefix(name, len, kinds[i].prefix))
            sights |= kinds[i].sights;
    return sights;
}

bool watch_matches(const char *pattern, size_t pattern_len, const char *name, size_t len)
{
    bool special = len && name[0] == '@';
    return special == (pattern_len && pattern[0] == '@') && glob_match(pattern, pattern_len, name, len);
}

/* ---- topics ---- */

static void count_wanted(const struct session *s, const struct topic *t, int change)
{
    struct watch *w = watch_of(s);
    unsigned watched = 0;
    for (int i = 0; i < WATCHED_KINDS; i++) {
        if (t->sights & kinds[i].sights)
            w->wanted[i] += (uint32_t)change;
        if (w->wanted[i])
            watched |= kinds[i].sights;
    }
    s->control->hub->watched = watched;
}

static struct topic **table_of(struct watch *w, bool pattern)
{
    return pattern ? &w->patterns : &w->names;
}

static struct topic *find_topic(struct topic *table, const char *name, size_t len)
{
    struct topic *t;
    HASH_FIND(hh, table, name, len, t);
    return t;
}

static struct topic *need_topic(const struct session *s, bool pattern, const char *name, size_t len)
{
    struct topic **table = table_of(watch_of(s), pattern);
    struct topic *t = find_topic(*table, name, len);
    if (t)
        return t;
    t = calloc(1, sizeof *t + len);
    if (!t)
        abort();
    list_init(&t->subscribers);
    t->pattern = pattern;
    t->sights = sights_of(pattern, name, len);
    t->len = len;
    memcpy(t->name, name, len);
    HASH_ADD_KEYPTR(hh, *table, t->name, t->len, t);
    count_wanted(s, t, 1);
    return t;
}

static struct subscription *find(const struct session *s, const struct topic *t)
{
    for (struct list *l = t->subscribers.next; l != &t->subscribers; l = l->next)
        if (LIST_ENTRY(l, struct subscription, of_topic)->session == s)
            return LIST_ENTRY(l, struct subscription, of_topic);
    return NULL;
}

static void end(struct subscription *sub)
{
    struct session *s = sub->session;
    struct topic *t = sub->topic;
    list_remove(&sub->of_topic);
    list_remove(&sub->of_session);
    free(sub);
    watch_of(s)->subscriptions--;
    s->subscription_count--;
    s->watches = s->subscription_count || list_linked(&s->monitoring);
    if (--t->subscriber_count)
        return;
    count_wanted(s, t, -1);
    HASH_DELETE(hh, *table_of(watch_of(s), t->pattern), t);
    free(t);
}

void watch_add(struct session *s, bool pattern, const char *name, size_t len)
{
    struct topic *t = need_topic(s, pattern, name, len);
    if (find(s, t))
        return;
    struct subscription *sub = calloc(1, sizeof *sub);
    if (!sub)
        abort();
    sub->topic = t;
    sub->session = s;
    list_append(&t->subscribers, &sub->of_topic);
    list_append(&s->subscriptions, &sub->of_session);
    t->subscriber_count++;
    watch_of(s)->subscriptions++;
    s->subscription_count++;
    s->watches = true;
}

void watch_remove(struct session *s, bool pattern, const char *name, size_t len)
{
    const struct topic *t = find_topic(*table_of(watch_of(s), pattern), name, len);
    struct subscription *sub = t ? find(s, t) : NULL;
    if (sub)
        end(sub);
}

const char *watch_excess(const struct session *s, int *most)
{
    const struct watch *w = watch_of(s);
    *most = SUBSCRIPTIONS_MAX;
    if (s->subscription_count > SUBSCRIPTIONS_MAX)
        return "subscriptions of a connection";
    *most = SUBSCRIPTIONS_IN_ALL;
    if (w->subscriptions > SUBSCRIPTIONS_IN_ALL)
        return "subscriptions of all connections";
    *most = PATTERNS_MAX;
    return HASH_COUNT(w->patterns) > PATTERNS_MAX ? "patterns of all connections" : NULL;
}

void watch_take_back(struct session *s, uint32_t count)
{
    while (s->subscription_count > count)
        end(LIST_ENTRY(s->subscriptions.prev, struct subscription, of_session));
}

void watch_forget(struct session *s)
{
    watch_take_back(s, 0);
    list_remove(&s->monitoring);
    s->watches = false;
}

void watch_each_of(struct session *s, bool pattern,
                   void (*visit)(struct session *s, const char *name, size_t len))
{
    for (struct list *l = s->subscriptions.next, *next = l->next; l != &s->subscriptions;
         l = next, next = l->next) {
        const struct topic *t = LIST_ENTRY(l, struct subscription, of_session)->topic;
        char name[NAME_MAX_LEN];
        if (t->pattern != pattern)
            continue;
        size_t len = t->len;
        memcpy(name, t->name, len);
        visit(s, name, len);
    }
}

/* ---- who watches what ---- */

uint32_t watch_names(const struct watch *w)
{
    return HASH_COUNT(w->names);
}

uint32_t watch_patterns(const struct watch *w)
{
    return HASH_COUNT(w->patterns);
}

uint32_t watch_count(const struct watch *w, const char *name, size_t len)
{
    const struct topic *t = find_topic(w->names, name, len);
    return t ? t->subscriber_count : 0;
}

void watch_each_name(const struct watch *w, void (*visit)(void *arg, const char *name, size_t len), void *arg)
{
    for (const struct topic *t = w->names; t; t = t->hh.next)
        visit(arg, t->name, t->len);
}

/* ---- showing ---- */

/* A sight as its subscribers get it. */
struct view {
    const struct sight *sight;
    char name[NAME_MAX_LEN];
    size_t name_len;
    struct buf line; /* JSON, made when the first one needs it */
    const void *payload;
    size_t payload_len;
};

static void add_message(struct buf *out, const struct msg *m)
{
    bool text = m->opcode == WEBSOCKET_TEXT;
    buf_adds(out, text ? ",\"type\":\"text\",\"data\":" : ",\"type\":\"binary\",\"b64\":");
    (text ? json_add_string : json_add_base64)(out, m->payload, m->len);
}

static const char *event_name(enum sight_kind kind)
{
    switch (kind) {
    case SIGHT_OPENED: return "open";
    case SIGHT_CLOSED: return "close";
    case SIGHT_JOINED: return "join";
    case SIGHT_LEFT: return "leave";
    default: return NULL;
    }
}

/* One object of JSON without a line's end. */
static void write_line(struct buf *out, const struct sight *sight)
{
    buf_addc(out, '{');
    const char *event = event_name(sight->kind);
    if (event)
        buf_addf(out, "\"event\":\"%s\",", event);
    if (sight->client)
        buf_addf(out, "\"client\":\"c%llu\"%s", (unsigned long long)sight->client, sight->user ? "," : "");
    if (sight->user) {
        buf_adds(out, "\"user\":");
        json_add_string(out, sight->user->name->text, sight->user->name->len);
    }
    if (sight->kind == SIGHT_SAID)
        add_message(out, sight->msg);
    else if (sight->kind == SIGHT_CLOSED)
        buf_addf(out, ",\"code\":%u", sight->code);
    buf_addf(out, ",\"time\":%lld}", (long long)clock_wall_ms());
}

static void need_payload(struct view *v)
{
    if (v->payload)
        return;
    if (v->sight->kind == SIGHT_PUSHED) {
        v->payload = v->sight->msg->payload;
        v->payload_len = v->sight->msg->len;
        return;
    }
    write_line(&v->line, v->sight);
    v->payload = buf_str(&v->line);
    v->payload_len = v->line.len;
}

static void show_to(struct session *s, const struct topic *t, const struct view *v)
{
    struct buf *out = unasked_begin(s);
    if (!out)
        return;
    size_t before = out->len;
    resp_add_push(out, s->proto, t->pattern ? 4 : 3);
    resp_add_text(out, t->pattern ? "pmessage" : "message");
    if (t->pattern)
        resp_add_bulk(out, t->name, t->len);
    resp_add_bulk(out, v->name, v->name_len);
    resp_add_bulk(out, v->payload, v->payload_len);
    unasked_end(s, out->len - before);
}

static void show(const struct topic *t, struct view *v)
{
    need_payload(v);
    for (struct list *l = t->subscribers.next; l != &t->subscribers; l = l->next)
        show_to(LIST_ENTRY(l, struct subscription, of_topic)->session, t, v);
}

static void name_it(struct view *v, const struct sight *sight)
{
    int i = 0;
    while (!(kinds[i].sights & sight->kind))
        i++;
    size_t n = strlen(kinds[i].prefix);
    memcpy(v->name, kinds[i].prefix, n);
    memcpy(v->name + n, sight->channel, sight->channel_len);
    v->name_len = n + sight->channel_len;
}

void watch_see(void *arg, const struct sight *sight)
{
    const struct control *c = arg;
    struct view v = {.sight = sight};
    name_it(&v, sight);
    const struct topic *t = find_topic(c->watch.names, v.name, v.name_len);
    if (t)
        show(t, &v);
    for (t = c->watch.patterns; t; t = t->hh.next)
        if (t->sights & sight->kind && watch_matches(t->name, t->len, v.name, v.name_len))
            show(t, &v);
    buf_fini(&v.line);
}
