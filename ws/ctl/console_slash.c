/* The console's own commands: rows, which /help prints. */
#include "ctl/console.h"

#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "ctl/print.h"

struct slash {
    const char *name;
    const char *arg;
    const char *help;
    void (*run)(struct console *c, const char *arg); /* "" where none is given */
};

static const struct slash commands[];

static bool is_client(struct console *c, const char *name)
{
    uint64_t number;
    if (client_name_parse(name, strlen(name), &number) == 0)
        return true;
    console_say(c, "'", name, "' is not a client; they are c1, c2 ... (/who)");
    return false;
}

static bool is_connected(struct console *c, const char *name)
{
    char target[64];
    size_t rows = 0;
    snprintf(target, sizeof target, "@client:%s", name);
    enum wspush_result result = wspush_list(c->ctl->handle, target, &rows);
    if (result != WSPUSH_OK && result != WSPUSH_NOTARGET) {
        ctl_fail(c->ctl, c->ctl->handle, result);
        return false;
    }
    if (rows == 0)
        console_say(c, "", name, " is not connected (/who)");
    return rows > 0;
}

static void run_to(struct console *c, const char *arg)
{
    if (*arg && (!is_client(c, arg) || !is_connected(c, arg)))
        return;
    snprintf(c->chosen, sizeof c->chosen, "%s", arg);
}

static void run_close(struct console *c, const char *arg)
{
    char target[64];
    int64_t closing = 0;
    const char *whom = *arg ? arg : console_whom(c);
    if (!*whom || whom == c->target) {
        console_say(c, "", "/close c42", " closes that one; /who lists them");
        return;
    }
    if (!is_client(c, whom))
        return;
    snprintf(target, sizeof target, "@client:%s", whom);
    enum wspush_result result = wspush_close(c->ctl->handle, target, 0, NULL, &closing);
    if (result == WSPUSH_NOTARGET || (result == WSPUSH_OK && closing == 0))
        console_say(c, "", whom, " is not connected (/who)");
    else if (result != WSPUSH_OK)
        ctl_fail(c->ctl, c->ctl->handle, result);
    else
        console_say(c, "closing ", whom, "");
}

static void run_who(struct console *c, const char *arg)
{
    (void)arg;
    size_t rows;
    ctl_list(c->ctl, c->target, CTL_LIST_BRIEF, &rows);
    print_flush();
}

static void run_help(struct console *c, const char *arg)
{
    (void)c;
    (void)arg;
    for (const struct slash *s = commands; s->name; s++) {
        char left[32];
        snprintf(left, sizeof left, "/%s %s", s->name, s->arg);
        printf("%-12s %s\n", left, s->help);
    }
    printf("//text       sends \"/text\"\nCtrl-D       ends\n");
    print_flush();
}

static const struct slash commands[] = {
    {"to", "[c42]", "answer that client from now on; alone: who spoke last", run_to},
    {"close", "[c42]", "close that client's connection; alone: the one in the prompt", run_close},
    {"who", "", "who is connected", run_who},
    {"help", "", "this list", run_help},
    {0},
};

void console_slash(struct console *c, const char *line)
{
    static const char blanks[] = " \t";
    char word[32];
    char arg[64];
    size_t len = strcspn(line + 1, blanks);
    const char *behind = line + 1 + len;
    behind += strspn(behind, blanks);
    size_t arg_len = strlen(behind);
    while (arg_len && strchr(blanks, behind[arg_len - 1]))
        arg_len--;
    console_make_room(c);
    snprintf(word, sizeof word, "%.*s", (int)len, line + 1);
    snprintf(arg, sizeof arg, "%.*s", (int)arg_len, behind);
    for (const struct slash *s = commands; s->name; s++) {
        if (strcmp(s->name, word) != 0)
            continue;
        if (*arg && !*s->arg)
            console_say(c, "/", s->name, " takes nothing behind it");
        else
            s->run(c, arg);
        return;
    }
    console_say(c, "there is no /", word, "; /help lists what there is, and //text sends \"/text\"");
}
