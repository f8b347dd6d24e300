/*
 * What the commands of wsctl share. A command is one row: its name, arguments, help, options and function;
 * parsing, help and usage errors come from the row. A command's function returns the exit status.
 */
#ifndef WSPUSH_CTL_CTL_H
#define WSPUSH_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/wspush.h"

/* Exit status; `wsctl --help` shows them. */
enum ctl_exit {
    CTL_DONE = 0,
    CTL_NOTHING = 1,  /* nobody reached, nothing there, or a receipt that failed */
    CTL_USAGE = 2,    /* of wsctl, or not a name */
    CTL_NOWORKER = 3, /* nobody, or nothing sensible, answers */
    CTL_TIMEOUT = 4,
    CTL_CLOSED = 5,
    CTL_NOPERM = 6,
    CTL_ERROR = 7, /* any other */
};

enum ctl_takes { CTL_FLAG, CTL_VALUE, CTL_MAYBE /* --name or --name=value */ };

struct ctl_option {
    const char *name; /* long; NULL ends the rows */
    char letter;      /* or 0 */
    enum ctl_takes takes;
    const char *value; /* what help calls it */
    const char *help;
};

struct ctl;

struct ctl_verb {
    const char *name;
    const char *args;
    const char *help;    /* one line */
    const char *more;    /* paragraphs, or NULL */
    const char *example; /* one line; wsctl(1) has it among its EXAMPLES, which are run */
    const struct ctl_option *options;
    int (*run)(struct ctl *ctl);
};

enum { CTL_OPTIONS_MAX = 16 };

struct ctl {
    const struct ctl_verb *verb; /* NULL until it is known */
    const char *values[CTL_OPTIONS_MAX];
    const char *common[CTL_OPTIONS_MAX];
    char **args; /* what is neither command nor option */
    int arg_count;
    int literal_from;       /* args from here on came behind "--" */
    char client_target[40]; /* what --client made */
    bool json, quiet, verbose;
    bool terminal; /* stdout is one */
    bool colour;
    char *tree; /* the source tree that wsctl was built in, or NULL */
    struct wspush *handle;
};

/* ---- the rows ---- */
extern const struct ctl_verb *const ctl_verbs[]; /* NULL ends them */
extern const struct ctl_option ctl_common_options[];
const struct ctl_verb *ctl_find_verb(const char *name);

#define CTL_OPTION_CLIENT                                                                                    \
    {                                                                                                        \
        "client", 0, CTL_VALUE, "cN", "one client, in place of a channel"                                    \
    }
#define CTL_OPTION_ALL                                                                                       \
    {                                                                                                        \
        "all", 0, CTL_FLAG, NULL, "every client, in place of TARGET"                                         \
    }
#define CTL_OPTION_STRICT                                                                                    \
    {                                                                                                        \
        "strict", 0, CTL_FLAG, NULL, "exit 1 if there was no client"                                         \
    }

/* ---- args.c ---- */

/* CTL_USAGE, after saying that there is no such command, and which is spelled like it. */
int ctl_no_verb(const struct ctl *ctl, const char *word);
/* Sorts argv into command, options and arguments. 0, or CTL_USAGE after saying what is wrong. */
int ctl_parse(struct ctl *ctl, int argc, char **argv);
/* Whether an option of the command, or one that all have, was given, and its value ("" for a flag; NULL if
 * not). */
bool ctl_given(const struct ctl *ctl, const char *name);
const char *ctl_value(const struct ctl *ctl, const char *name);
/* The next argument, or NULL. */
const char *ctl_next(struct ctl *ctl);
/* The target: of --client or --all, else the next argument; not @all for an INBOX. Lives as long as `ctl`.
 * NULL after saying what is wrong. */
const char *ctl_target(struct ctl *ctl);
/* CTL_DONE if no argument is left; else says so. */
int ctl_no_more(struct ctl *ctl);
/* A duration option in ms; `fallback` where it is not given. CTL_DONE, or CTL_USAGE after saying what is
 * wrong. */
int ctl_duration(const struct ctl *ctl, const char *name, int64_t fallback, int64_t *ms);
/* One line on stderr with how to get help; returns CTL_USAGE. */
int ctl_usage(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- help.c ---- */
void ctl_help(void);
void ctl_help_verb(const struct ctl_verb *verb);

/* ---- worker.c ---- */

/* Chooses the socket and makes ctl->handle; nothing connects yet. CTL_DONE or CTL_ERROR. */
int ctl_open(struct ctl *ctl);
/* One more handle for the same socket; NULL without memory. */
struct wspush *ctl_open_another(const struct ctl *ctl);
/* Says on stderr what a call on `h` ran into, with what to do about it, and returns the exit status. */
int ctl_fail(const struct ctl *ctl, const struct wspush *h, enum wspush_result result);
/* The exit status alone. */
int ctl_status(enum wspush_result result);

/* Zeroed: what a command knows of a worker that may go away and come back. */
struct ctl_absence {
    bool met; /* it answered once */
    bool away;
    int64_t until; /* monotonic ms, -1 for ever: look no longer */
};

enum { CTL_AWAY_MS = 5000 }; /* how long a send looks for a worker */

/* The worker answered; says on stderr that it is back if it was away. */
void ctl_met(const struct ctl *ctl, struct ctl_absence *absence);
/* After WSPUSH_NOWORKER: whether to try again in a moment. Only where the worker answered before, for
 * `within_ms` (negative: for ever) since it went; says so on stderr once. Never for one client: a new
 * worker's c42 is somebody else. */
bool ctl_may_return(const struct ctl *ctl, struct ctl_absence *absence, const char *target,
                    int64_t within_ms);
/* The same, having slept that moment. */
bool ctl_wait_return(const struct ctl *ctl, struct ctl_absence *absence, const char *target,
                     int64_t within_ms);

/* ---- list.c ---- */
enum ctl_list { CTL_LIST_ALL, CTL_LIST_BRIEF /* fewer columns */ };

/* Prints who is connected to `target`, NULL for everybody, by number: a table, with --json an object each,
 * with -q the names; where there is nobody, says so. `*rows` is how many. The exit status. */
int ctl_list(struct ctl *ctl, const char *target, enum ctl_list form, size_t *rows);

/* ---- nobody.c ---- */

/* Says on stderr that nobody is on `target`, and where clients are, the most similar names first; nothing
 * with -q. Asks the worker, so results of calls before are gone. */
void ctl_say_nobody(struct ctl *ctl, const char *target);
/* How many edits apart two words are, looking at 63 bytes of each. */
size_t ctl_distance(const char *a, const char *b);

#endif
