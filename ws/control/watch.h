/*
 * What operators watch (SUBSCRIBE, PSUBSCRIBE): topics, each a name or a pattern with its subscribers. A name
 * is a channel, for what is pushed to it, or `@in:CHANNEL` for what its clients say, or `@events:CHANNEL` for
 * how they come and go. The hub tells of those kinds of things only that some topic may want, so where nobody
 * watches nothing is done. What is watched goes into the operator's output (unasked.h), which is bounded.
 */
#ifndef WSPUSH_CONTROL_WATCH_H
#define WSPUSH_CONTROL_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct session;
struct sight;
struct topic;

/* Subscriptions of one operator, and of all; and patterns, each of which costs every message a look. */
enum { SUBSCRIPTIONS_MAX = 1000, SUBSCRIPTIONS_IN_ALL = 20000, PATTERNS_MAX = 256 };

enum { WATCHED_KINDS = 3 };

struct watch {
    struct topic *names;
    struct topic *patterns;
    uint32_t subscriptions;
    uint32_t wanted[WATCHED_KINDS]; /* topics that want what is pushed, said, and comes and goes */
    struct list monitors;           /* sessions */
    uint64_t unread;                /* bytes, of all watchers */
    uint64_t dropped;               /* watchers that did not read, ever */
};

/* NULL if that can be watched, else a short reason. */
const char *watch_name_fault(const char *name, size_t len);
const char *watch_pattern_fault(const char *pattern, size_t len);
/* Both do nothing where it is so already. Whoever adds looks at watch_excess() behind it. */
void watch_add(struct session *s, bool pattern, const char *name, size_t len);
void watch_remove(struct session *s, bool pattern, const char *name, size_t len);
/* NULL, or of what there is more now than *most, which there may be. */
const char *watch_excess(const struct session *s, int *most);
/* Ends the session's latest subscriptions, so that `count` are left. */
void watch_take_back(struct session *s, uint32_t count);
/* Ends all that the session watches, MONITOR too. */
void watch_forget(struct session *s);
/* Calls `visit` for each of the session's names or patterns, of which it may remove the one. */
void watch_each_of(struct session *s, bool pattern,
                   void (*visit)(struct session *s, const char *name, size_t len));

/* How many names and patterns are subscribed to; operators that subscribe to one; all names. */
uint32_t watch_names(const struct watch *w);
uint32_t watch_patterns(const struct watch *w);
uint32_t watch_count(const struct watch *w, const char *name, size_t len);
void watch_each_name(const struct watch *w, void (*visit)(void *arg, const char *name, size_t len),
                     void *arg);
/* Whether the pattern is for this name: `@in:` and `@events:` only where it begins with `@` itself. */
bool watch_matches(const char *pattern, size_t pattern_len, const char *name, size_t len);

/* What the hub calls; arg is the struct control. */
void watch_see(void *arg, const struct sight *sight);

#endif
