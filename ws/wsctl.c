/*
 * wsctl: the operator's command. The commands are rows (ctl/ctl.h), each in a file of ws/ctl; here is their
 * list and what happens before and after one runs.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/print.h"
#include "ctl/verbs.h"

static int run_help(struct ctl *ctl)
{
    const char *name = ctl_next(ctl);
    if (ctl_no_more(ctl) != CTL_DONE)
        return CTL_USAGE;
    const struct ctl_verb *verb = name ? ctl_find_verb(name) : NULL;
    if (name && !verb)
        return ctl_no_verb(ctl, name);
    if (verb)
        ctl_help_verb(verb);
    else
        ctl_help();
    return CTL_DONE;
}

const struct ctl_verb verb_help = {
    .name = "help",
    .args = "[COMMAND]",
    .help = "explain a command",
    .example = "wsctl help send",
    .run = run_help,
};

const struct ctl_verb *const ctl_verbs[] = {
    &verb_send,   &verb_console, &verb_each, &verb_wait,     &verb_read,    &verb_count, &verb_has,
    &verb_tail,   &verb_history, &verb_list, &verb_presence, &verb_refused, &verb_close, &verb_drain,
    &verb_reload, &verb_info,    &verb_ping, &verb_help,     NULL};

const struct ctl_verb *ctl_find_verb(const char *name)
{
    for (const struct ctl_verb *const *v = ctl_verbs; *v; v++)
        if (strcmp((*v)->name, name) == 0)
            return *v;
    return NULL;
}

static int run(struct ctl *ctl)
{
    if (ctl_given(ctl, "version")) {
        printf("wsctl %s\n", WSPUSH_VERSION);
        return CTL_DONE;
    }
    if (ctl_given(ctl, "help")) {
        if (ctl->verb)
            ctl_help_verb(ctl->verb);
        else
            ctl_help();
        return CTL_DONE;
    }
    if (!ctl->verb)
        return ctl_usage(ctl, "a command is missing, such as: wsctl send test \"hello\"");
    int status = ctl_open(ctl);
    return status == CTL_DONE ? ctl->verb->run(ctl) : status;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {0};
    /* a reader of ours that ends, ends us, whatever our parent ignores */
    signal(SIGPIPE, SIG_DFL);
    setlocale(LC_CTYPE, "C.UTF-8");
    ctl.terminal = isatty(STDOUT_FILENO);
    ctl.colour = print_may_colour(stdout);
    int status = ctl_parse(&ctl, argc, argv);
    if (status == CTL_DONE)
        status = run(&ctl);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "wsctl: can't write: %s\n", strerror(errno));
        status = CTL_ERROR;
    }
    wspush_free(ctl.handle);
    free(ctl.tree);
    return status;
}
