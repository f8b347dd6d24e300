/* conf/wspush.conf, written from the option table. */
#include <stdio.h>
#include <string.h>

#include "base/option.h"

static const char sample_head[] =
    "# wspush.conf: what wspushd and wspush-fcgi do. Every option stands here with its default; a line "
    "counts when its\n"
    "# '#' is removed. `wspushd --check-config` says what is wrong with a file, and where. Sizes take k, m, "
    "g; durations\n"
    "# are seconds or carry ms, s, m, h. Relative socket paths count from this file's directory. SIGHUP "
    "(`systemctl reload`)\n"
    "# makes both daemons read it anew, and live connections go by it; where to listen, socket modes and "
    "groups, and\n"
    "# `threads` hold from the next start.\n";

static const char sample_tail[] = "\n"
                                  "# A section changes the options above for the channels that its pattern "
                                  "matches: * within a segment, ** across '/'.\n"
                                  "# The first section that matches holds.\n"
                                  "#channel \"chat/**\" {\n"
                                  "#    inbound = publish\n"
                                  "#    origins = {\"https://www.example.com\"}\n"
                                  "#}\n";

/* Writes `text` as comment lines of at most 110 columns. */
static void print_comment(FILE *out, const char *text)
{
    while (*text) {
        size_t n = strlen(text);
        if (n > 108)
            for (n = 108; n && text[n] != ' '; n--)
                ;
        fprintf(out, "# %.*s\n", (int)n, text);
        text += n;
        text += *text == ' ';
    }
}

static void print_option(FILE *out, const struct option *o)
{
    fputc('\n', out);
    print_comment(out, o->help);
    if (o->choices)
        fprintf(out, "# One of: %s\n", o->choices);
    bool bare = o->type <= OPTION_DURATION || o->type == OPTION_CHOICES;
    if (option_is_list(o) && !*o->default_text)
        fprintf(out, "#%s = {}\n", o->name);
    else
        fprintf(out, bare ? "#%s = %s\n" : "#%s = \"%s\"\n", o->name, o->default_text);
}

void config_print_sample(FILE *out)
{
    size_t next = 0;
    fputs(sample_head, out);
#define OPTION_HEADING(text)                           fprintf(out, "\n# ---- %s ----\n", text);
#define OPTION(scope, type, name, def, min, max, help) print_option(out, &option_rows[next++]);
#include "base/options.def"
    fputs(sample_tail, out);
}
