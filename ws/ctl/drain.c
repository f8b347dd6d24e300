/* drain: everybody is asked to leave, and for a while nobody is let in. */
#include "ctl/verbs.h"

#include <stdio.h>

static void print_drain(int64_t asked, int64_t ms)
{
    if (ms == 0) {
        printf("whoever is still there stays, and new clients are let in\n");
        return;
    }
    printf("%lld client%s asked to leave; ", (long long)asked, asked == 1 ? " is" : "s are");
    if (ms < 0)
        printf("for drain_time (of wspush.conf) no new one is let in\n");
    else
        printf("for %g s no new one is let in\n", (double)ms / 1000);
}

static int run_drain(struct ctl *ctl)
{
    int64_t ms = -1;
    int64_t asked = 0;
    if (ctl_no_more(ctl) != CTL_DONE || ctl_duration(ctl, "for", -1, &ms) != CTL_DONE)
        return CTL_USAGE;
    enum wspush_result result = wspush_drain(ctl->handle, ms, &asked);
    if (result != WSPUSH_OK)
        return ctl_fail(ctl, ctl->handle, result);
    if (ctl->json)
        printf("{\"asked\":%lld}\n", (long long)asked);
    else if (!ctl->quiet)
        print_drain(asked, ms);
    return CTL_DONE;
}

static const struct ctl_option options[] = {
    {"for", 0, CTL_VALUE, "TIME", "for how long (default: drain_time of wspush.conf; at most 24h)"},
    {0},
};

const struct ctl_verb verb_drain = {
    .name = "drain",
    .args = "",
    .help = "ask every client to leave, and let nobody in for a while",
    .more =
        "Clients are closed with 1001, a few at a time, spread over TIME; pages come back by themselves.\n"
        "Until the time is over they are refused with 503; then the worker goes on as before. Another\n"
        "drain replaces the time. --for 0 ends it: whoever has not been asked yet stays.\n",
    .example = "wsctl drain --for 10s",
    .options = options,
    .run = run_drain,
};
