/*
 * wspush.conf: read by either daemon at start, and on SIGHUP into a fresh struct. One that was read is
 * constant, and all threads share it without a lock; the last who lets go of it frees it. options.def has a
 * row for every option; this is what the rows become.
 */
#ifndef WSPUSH_BASE_CONFIG_H
#define WSPUSH_BASE_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* NULL-terminated. */
struct string_list {
    char **items;
    size_t count;
};

#define OPTION_MEMBER_NUMBER       uint64_t
#define OPTION_MEMBER_SIZE         uint64_t
#define OPTION_MEMBER_DURATION     int64_t
#define OPTION_MEMBER_MODE         uint64_t
#define OPTION_MEMBER_STRING       char *
#define OPTION_MEMBER_URI          char *
#define OPTION_MEMBER_UNIX_ADDRESS char *
#define OPTION_MEMBER_ORIGINS      struct string_list
#define OPTION_MEMBER_ADDRESS      char *
#define OPTION_MEMBER_LIST         struct string_list
#define OPTION_MEMBER_IPS          struct string_list
#define OPTION_MEMBER_TOKENS       struct string_list
#define OPTION_MEMBER_ADDRESSES    struct string_list
#define OPTION_MEMBER_CHOICE       uint64_t

#define OPTION_IF_PROCESS_PROCESS(...) __VA_ARGS__
#define OPTION_IF_PROCESS_CHANNEL(...)
#define OPTION_IF_CHANNEL_PROCESS(...)
#define OPTION_IF_CHANNEL_CHANNEL(...) __VA_ARGS__

/* What concerns a channel and its connections. Sizes in bytes, durations in milliseconds. */
struct channel_config {
#define OPTION(scope, type, name, ...) OPTION_IF_CHANNEL_##scope(OPTION_MEMBER_##type name;)
#include "base/options.def"
};

struct channel_section {
    char *glob;
    struct channel_config config;
};

struct config {
    atomic_uint holders;
#define OPTION(scope, type, name, ...) OPTION_IF_PROCESS_##scope(OPTION_MEMBER_##type name;)
#include "base/options.def"
    struct channel_config channel; /* the top level's */
    struct channel_section *sections;
    size_t section_count;
};

/* Values of the choices, in the order of their words in options.def. */
enum { UNLISTED_SERVE, UNLISTED_REFUSE };
enum { POST_OFF, POST_OPEN };
enum { MODE_ACCEPT, MODE_REQUIRE };
enum { SLOW_CLOSE, SLOW_DROP };
enum { DEFLATE_OFF, DEFLATE_ON };
enum { FIRST_NEW, FIRST_LAST, FIRST_ALL };
enum { PRESENCE_OFF, PRESENCE_ON };
enum { SUBSCRIBE_OWN, SUBSCRIBE_ANY };
enum { INBOUND_INBOX, INBOUND_ECHO, INBOUND_PUBLISH, INBOUND_OFF };

/* Reads `path`, or the defaults where it is NULL. Relative socket paths count from the file's directory.
 * Returns NULL after one line for people in `why` (file, line, what was expected). The caller holds it. Not
 * by two threads at a time. */
struct config *config_load(const char *path, char *why, size_t why_cap);
/* Counted by holders. Any thread. */
struct config *config_ref(struct config *config);
void config_unref(struct config *config);

/* What holds for this channel: the first section whose glob matches, or the top level; NULL where unlisted
 * channels are refused. Lives as long as `config`. */
const struct channel_config *config_for_channel(const struct config *config, const char *name, size_t len);

/* Logs, after a file was read anew, which of these options (names; NULL ends the list) differ: they hold from
 * the next start only. */
void config_log_held_back(const struct config *running, const struct config *fresh, const char *path,
                          const char *const *names);

/* A file with every option as a comment: conf/wspush.conf. */
void config_print_sample(FILE *out);

#endif
