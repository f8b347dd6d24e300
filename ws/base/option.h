/*
 * The option table: options.def as rows, with what is common to all options of a type: whether a text is a
 * value, and how it is kept in struct config. config.c reads files with it, config_sample.c writes the
 * sample.
 */
#ifndef WSPUSH_BASE_OPTION_H
#define WSPUSH_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/config.h"

enum option_type {
    OPTION_NUMBER,
    OPTION_SIZE,
    OPTION_DURATION,
    OPTION_MODE,
    OPTION_CHOICES,
    OPTION_STRING,
    OPTION_URI,
    OPTION_ADDRESS,
    OPTION_UNIX_ADDRESS,
    OPTION_LIST,
    OPTION_ORIGINS,
    OPTION_IPS,
    OPTION_TOKENS,
    OPTION_ADDRESSES
};
enum option_scope { OPTION_PROCESS, OPTION_CHANNEL };

/* A row of options.def. */
struct option {
    enum option_scope scope;
    enum option_type type;
    const char *name;
    size_t offset; /* into struct config or struct channel_config */
    const char *default_text;
    uint64_t min;
    uint64_t max;
    const char *choices;
    const char *help;
};

enum option_index {
#define OPTION(scope, type, name, ...) OPTION_AT_##name,
#include "base/options.def"
    OPTION_COUNT
};

extern const struct option option_rows[OPTION_COUNT];

/* strdup() that aborts when there is no memory: configuration is read at start. */
char *option_copy_text(const char *text);

/* NULL if there is none. */
const struct option *option_find(const char *name);
/* Whether it takes any number of values. */
bool option_is_list(const struct option *o);
/* Whether one value is good; otherwise what was expected is in `why`. */
bool option_value_ok(const struct option *o, const char *text, char *why, size_t why_cap);
/* Keeps a good value below `base`, the struct of the option's scope; one more of a list, the only one
 * otherwise. Relative Unix paths count from `dir`, if that is not "". */
void option_store(const struct option *o, void *base, const char *text, const char *dir);
/* Empties a list. */
void option_clear(const struct option *o, void *base);
/* All options of a scope. */
void option_store_defaults(enum option_scope scope, void *base);
void option_free_values(enum option_scope scope, void *base);
/* Whether both structs of the option's scope have the same value of it. */
bool option_same(const struct option *o, const void *a, const void *b);
/* Adds the value as it is written in wspush.conf: 64k, 5s, 0660, on, "text", {"a", "b"}. */
void option_add_text(struct buf *out, const struct option *o, const void *base);
/* Adds a text in quotes, as the file has it. */
void option_add_quoted(struct buf *out, const char *text);
/* A section begins as a copy of the top level. */
void option_copy_channel(struct channel_config *to, const struct channel_config *from);

#endif
