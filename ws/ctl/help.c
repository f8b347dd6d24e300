#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

static const char exits[] =
    "Exit status: 0 done, 1 nobody reached, nothing there or not delivered to all (--wait), 2 usage,\n"
    "3 no worker, 4 timeout, 5 closed, 6 no permission, 7 any other error.\n";

static const char targets[] = "TARGET is a channel (test: the page /test/), @client:c42, @user:alice, "
                              "@match:room/* (channels), or @all.\n";

static const char inboxes[] =
    "INBOX is what browsers sent to a channel (test: the page /test/), or one of them, @client:c42.\n";

static const char channels[] =
    "CHANNEL is one such as test (the page /test/), or a glob: 'chat/*', 'chat/**', 'room[1-3]'.\n";

static const char channel[] = "CHANNEL is one such as test (the page /test/).\n";

static const char times[] = "Times are seconds or carry ms, s, m, h: 2, 0.5, 250ms, 5m.\n";

static void print_options(const char *title, const struct ctl_option *row)
{
    if (!row || !row->name)
        return;
    printf("\n%s:\n", title);
    for (; row->name; row++) {
        char left[64];
        char letter[8] = "    ";
        if (row->letter)
            snprintf(letter, sizeof letter, "-%c, ", row->letter);
        snprintf(left, sizeof left, "%s--%s%s%s%s", letter, row->name,
                 row->takes == CTL_MAYBE ? "[="
                 : row->value            ? " "
                                         : "",
                 row->value ? row->value : "", row->takes == CTL_MAYBE ? "]" : "");
        int width = (int)strlen(left);
        printf("  %s%*s%s\n", left, width < 26 ? 27 - width : 2, "", row->help);
    }
}

void ctl_help_verb(const struct ctl_verb *verb)
{
    printf("Usage: wsctl %s [OPTIONS]%s%s\n\n%s\n", verb->name, *verb->args ? " " : "", verb->args,
           verb->help);
    if (verb->more)
        printf("\n%s", verb->more);
    print_options("Options", verb->options);
    print_options("Options of every command", ctl_common_options);
    if (verb->example)
        printf("\nExample:\n  %s\n", verb->example);
    const char *arg = strstr(verb->args, "TARGET")        ? targets
                      : strstr(verb->args, "INBOX")       ? inboxes
                      : strstr(verb->args, "CHANNEL ...") ? channels
                      : strstr(verb->args, "CHANNEL")     ? channel
                                                          : "";
    printf("\n%s%s%s", arg, *arg ? times : "", exits);
}

void ctl_help(void)
{
    printf("Usage: wsctl [OPTIONS] COMMAND ...\n\nTalks to the browsers of a running wspush "
           "worker.\n\nCommands:\n");
    for (const struct ctl_verb *const *v = ctl_verbs; *v; v++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", (*v)->name, (*v)->args);
        printf("  %-34s %s\n", left, (*v)->help);
    }
    print_options("Options of every command", ctl_common_options);
    printf("\n%s%s%s"
           "The socket is --socket, else $WSPUSH_SOCKET, else run/control.sock of the source tree that wsctl "
           "was built\n"
           "in, else " WSPUSH_DEFAULT_SOCKET ".\n%s",
           targets, inboxes, times, exits);
}
