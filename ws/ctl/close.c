/* close: begins closing handshakes. */
#include "ctl/verbs.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"

#define CODES "1000-1003, 1008-1014, 3000-4999"

enum { REASON_MAX = 123 }; /* RFC 6455 section 5.5: 125 bytes with the code */

/* CODES; the others are for the protocol itself to say. */
static bool code_ok(uint64_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1008 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static int parse_code(const struct ctl *ctl, const char *text, int *code)
{
    uint64_t number;
    if (units_number(text, strlen(text), &number) < 0 || !code_ok(number))
        return ctl_usage(ctl, "'%s' is not a close code: " CODES, text);
    *code = (int)number;
    return CTL_DONE;
}

static int run_close(struct ctl *ctl)
{
    int code = 0;
    int64_t closing = 0;
    const char *target = ctl_target(ctl);
    if (!target)
        return CTL_USAGE;
    const char *code_text = ctl_next(ctl);
    const char *reason = ctl_next(ctl);
    if (ctl_no_more(ctl) != CTL_DONE || (code_text && parse_code(ctl, code_text, &code) != CTL_DONE))
        return CTL_USAGE;
    if (reason && strlen(reason) > REASON_MAX)
        return ctl_usage(ctl, "the reason is longer than %d bytes", REASON_MAX);
    enum wspush_result result = wspush_close(ctl->handle, target, code, reason, &closing);
    if (result != WSPUSH_OK)
        return ctl_fail(ctl, ctl->handle, result);
    if (ctl->json)
        printf("{\"closing\":%lld}\n", (long long)closing);
    else if (!ctl->quiet)
        printf("closing %lld client%s\n", (long long)closing, closing == 1 ? "" : "s");
    if (closing == 0)
        ctl_say_nobody(ctl, target);
    return closing == 0 && ctl_given(ctl, "strict") ? CTL_NOTHING : CTL_DONE;
}

static const struct ctl_option options[] = {CTL_OPTION_CLIENT, CTL_OPTION_ALL, CTL_OPTION_STRICT, {0}};

const struct ctl_verb verb_close = {
    .name = "close",
    .args = "TARGET [CODE [REASON]]",
    .help = "close the connections of a target",
    .more = "CODE is one of " CODES "; 1000 unless given. REASON has at most 123 bytes.\n"
            "The page's close event shows both.\n",
    .example = "wsctl close test 4000 \"see you\"",
    .options = options,
    .run = run_close,
};
