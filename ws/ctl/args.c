/*
 * The command line. Options may stand anywhere, before the command and behind the arguments; "--" ends them.
 * Rows say which there are.
 */
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "base/units.h"
#include "ctl/print.h"

const struct ctl_option ctl_common_options[] = {
    {"socket", 0, CTL_VALUE, "PATH", "the worker's control socket"},
    {"json", 0, CTL_FLAG, NULL, "one JSON object a line, for programs"},
    {"quiet", 'q', CTL_FLAG, NULL, "only what was asked for"},
    {"verbose", 'v', CTL_FLAG, NULL, "more details"},
    {"help", 'h', CTL_FLAG, NULL, "this text"},
    {"version", 0, CTL_FLAG, NULL, "the version"},
    {0},
};

int ctl_usage(const struct ctl *ctl, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "wsctl%s%s: ", ctl->verb ? " " : "", ctl->verb ? ctl->verb->name : "");
    print_escaped(stderr, text, strlen(text));
    bool own = ctl->verb && strcmp(ctl->verb->name, "help") != 0;
    fprintf(stderr, "\n(wsctl help%s%s tells more)\n", own ? " " : "", own ? ctl->verb->name : "");
    return CTL_USAGE;
}

/* The row of `name` (`len` bytes) or `letter`, and where its value goes. */
static const struct ctl_option *find(const struct ctl_option *rows, const char *name, size_t len, char letter)
{
    for (; rows && rows->name; rows++)
        if (letter ? rows->letter == letter : strlen(rows->name) == len && memcmp(rows->name, name, len) == 0)
            return rows;
    return NULL;
}

static const struct ctl_option *find_slot(struct ctl *ctl, const char *name, size_t len, char letter,
                                          const char ***slot)
{
    const struct ctl_option *own = ctl->verb ? ctl->verb->options : NULL;
    const struct ctl_option *row = find(own, name, len, letter);
    if (row) {
        *slot = &ctl->values[row - own];
        return row;
    }
    row = find(ctl_common_options, name, len, letter);
    if (row)
        *slot = &ctl->common[row - ctl_common_options];
    return row;
}

static const char inbox_owner[] = "an inbox belongs to a channel or to one client";

static bool takes(const struct ctl *ctl, const char *arg)
{
    return ctl->verb && strstr(ctl->verb->args, arg);
}

static const char *behind_unknown(const struct ctl *ctl)
{
    return takes(ctl, "MESSAGE") ? "; put -- before a message that begins with '-'"
           : takes(ctl, "CMD")   ? "; put -- before the command"
                                 : "";
}

/* "--name", "--name=value", "--name value": *at stands on it, and on the last word used afterwards. */
static int parse_long(struct ctl *ctl, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] == '=' ? name + len + 1 : NULL;
    const char **slot = NULL;
    const struct ctl_option *row = find_slot(ctl, name, len, 0, &slot);
    if (!row && takes(ctl, "INBOX") && strcmp(name, "all") == 0)
        return ctl_usage(ctl, "there is no --all here: %s", inbox_owner);
    if (!row)
        return ctl_usage(ctl, "there is no option --%.*s%s", (int)len, name, behind_unknown(ctl));
    if (row->takes == CTL_FLAG && value)
        return ctl_usage(ctl, "--%s takes no value", row->name);
    if (row->takes == CTL_MAYBE && value && !*value)
        return ctl_usage(ctl, "--%s= needs a value: %s", row->name, row->value);
    if (row->takes == CTL_VALUE && !value) {
        if (*at + 1 == argc)
            return ctl_usage(ctl, "--%s needs a value: %s", row->name, row->value);
        value = argv[++*at];
    }
    *slot = value ? value : "";
    return CTL_DONE;
}

/* "-q", "-qv", "-t5", "-t 5": as parse_long. */
static int parse_letters(struct ctl *ctl, int argc, char **argv, int *at)
{
    for (const char *letter = argv[*at] + 1; *letter; letter++) {
        const char **slot = NULL;
        const struct ctl_option *row = find_slot(ctl, NULL, 0, *letter, &slot);
        if (!row)
            return ctl_usage(ctl, "there is no option -%c%s", *letter, behind_unknown(ctl));
        *slot = "";
        if (row->takes != CTL_VALUE)
            continue;
        if (!letter[1] && *at + 1 == argc)
            return ctl_usage(ctl, "-%c needs a value: %s", *letter, row->value);
        *slot = letter[1] ? letter + 1 : argv[++*at];
        break;
    }
    return CTL_DONE;
}

int ctl_no_verb(const struct ctl *ctl, const char *word)
{
    const char *nearest = NULL;
    for (const struct ctl_verb *const *v = ctl_verbs; *v; v++)
        if (ctl_distance(word, (*v)->name) <= 2 &&
            (!nearest || ctl_distance(word, (*v)->name) < ctl_distance(word, nearest)))
            nearest = (*v)->name;
    if (nearest)
        return ctl_usage(ctl, "there is no command '%s'; did you mean '%s'?", word, nearest);
    return ctl_usage(ctl, "there is no command '%s'", word);
}

static int parse_word(struct ctl *ctl, char *word)
{
    if (ctl->verb) {
        ctl->args[ctl->arg_count++] = word;
        return CTL_DONE;
    }
    ctl->verb = ctl_find_verb(word);
    return ctl->verb ? CTL_DONE : ctl_no_verb(ctl, word);
}

int ctl_parse(struct ctl *ctl, int argc, char **argv)
{
    bool literal = false;
    /* room for all words: arguments are moved to the front of argv, never past the word that is read */
    ctl->args = argv;
    ctl->literal_from = argc;
    for (int i = 1; i < argc; i++) {
        int status;
        if (!literal && strcmp(argv[i], "--") == 0) {
            literal = true;
            ctl->literal_from = ctl->arg_count;
            continue;
        }
        if (literal || argv[i][0] != '-' || argv[i][1] == '\0')
            status = parse_word(ctl, argv[i]);
        else if (argv[i][1] == '-')
            status = parse_long(ctl, argc, argv, &i);
        else
            status = parse_letters(ctl, argc, argv, &i);
        if (status != CTL_DONE)
            return status;
    }
    ctl->json = ctl_given(ctl, "json");
    ctl->quiet = ctl_given(ctl, "quiet");
    ctl->verbose = ctl_given(ctl, "verbose");
    return CTL_DONE;
}

const char *ctl_value(const struct ctl *ctl, const char *name)
{
    const struct ctl_option *own = ctl->verb ? ctl->verb->options : NULL;
    const struct ctl_option *row = find(own, name, strlen(name), 0);
    if (row)
        return ctl->values[row - own];
    row = find(ctl_common_options, name, strlen(name), 0);
    return row ? ctl->common[row - ctl_common_options] : NULL;
}

bool ctl_given(const struct ctl *ctl, const char *name)
{
    return ctl_value(ctl, name) != NULL;
}

const char *ctl_next(struct ctl *ctl)
{
    if (ctl->arg_count == 0)
        return NULL;
    ctl->arg_count--;
    ctl->literal_from--;
    return *ctl->args++;
}

int ctl_no_more(struct ctl *ctl)
{
    if (ctl->arg_count == 0)
        return CTL_DONE;
    return ctl_usage(ctl, "'%s' is one argument too many; quote what belongs together", ctl->args[0]);
}

static const char *client_target(struct ctl *ctl, const char *name)
{
    uint64_t number;
    if (client_name_parse(name, strlen(name), &number) < 0) {
        ctl_usage(ctl, "'%s' is not a client; they are c1, c2 ... (wsctl list)", name);
        return NULL;
    }
    snprintf(ctl->client_target, sizeof ctl->client_target, "@client:%s", name);
    return ctl->client_target;
}

const char *ctl_target(struct ctl *ctl)
{
    const char *client = ctl_value(ctl, "client");
    if (client && ctl_given(ctl, "all")) {
        ctl_usage(ctl, "--client and --all don't go together");
        return NULL;
    }
    if (client)
        return client_target(ctl, client);
    if (ctl_given(ctl, "all"))
        return "@all";
    const char *target = ctl_next(ctl);
    if (!target)
        ctl_usage(ctl, "a target is missing: a channel such as test");
    if (target && takes(ctl, "INBOX") && strcmp(target, "@all") == 0) {
        ctl_usage(ctl, "@all has no inbox: %s", inbox_owner);
        return NULL;
    }
    return target;
}

int ctl_duration(const struct ctl *ctl, const char *name, int64_t fallback, int64_t *ms)
{
    const char *text = ctl_value(ctl, name);
    *ms = fallback;
    if (text && units_duration(text, ms) < 0)
        return ctl_usage(ctl, "--%s '%s' is not a time; such are 2, 0.5, 250ms, 5m", name, text);
    return CTL_DONE;
}
