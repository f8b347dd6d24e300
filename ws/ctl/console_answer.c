/* What is typed at the console, on its way: to who spoke last, to whom /to chose, or to the channel. */
#include "ctl/console.h"

#include <stdio.h>
#include <string.h>

#include "ctl/print.h"

static bool to_channel(const struct console *c)
{
    return !c->stranded && !c->chosen[0] && ctl_given(c->ctl, "channel");
}

const char *console_whom(const struct console *c)
{
    if (c->stranded)
        return "";
    return c->chosen[0] ? c->chosen : to_channel(c) ? c->target : c->speaker;
}

static void sent_to(struct console *c, const char *whom, int64_t recipients)
{
    console_make_room(c);
    if (c->ctl->json || c->ctl->quiet)
        return;
    char text[320];
    if (recipients < 0)
        snprintf(text, sizeof text, "-> %s", whom);
    else
        snprintf(text, sizeof text, "-> %s, %lld client%s", whom, (long long)recipients,
                 recipients == 1 ? "" : "s");
    print_styled(c->ctl, stdout, PRINT_DIM, text);
    putchar('\n');
    print_flush();
}

static void send_failed(struct console *c, enum wspush_result result, const struct wspush_sent *sent)
{
    console_make_room(c);
    c->failed = ctl_fail(c->ctl, c->ctl->handle, result);
    if (sent->published == WSPUSH_PUBLISH_UNKNOWN)
        fprintf(stderr, "It may have been sent all the same; it was not sent again.\n");
}

static void answer_channel(struct console *c, const void *line, size_t len)
{
    struct wspush_sent sent;
    enum wspush_result result = wspush_send(c->ctl->handle, c->target, line, len, NULL, &sent);
    if (result != WSPUSH_OK) {
        send_failed(c, result, &sent);
        return;
    }
    sent_to(c, c->target, sent.recipients);
    if (sent.recipients == 0)
        ctl_say_nobody(c->ctl, c->target);
}

/* Nothing goes to anybody else in its place: one that /to chose stays so. */
static void client_is_gone(struct console *c, const char *client)
{
    if (c->chosen[0]) {
        console_say(c, "", client,
                    " has closed its connection; nothing was sent (/to goes back to who speaks)");
        return;
    }
    console_say(c, "", client, " has closed its connection meanwhile; nothing was sent");
    c->speaker[0] = '\0';
    c->lost_one = true;
}

static void answer_client(struct console *c, const char *client, const void *line, size_t len)
{
    char target[64];
    struct wspush_sent sent;
    snprintf(target, sizeof target, "@client:%s", client);
    enum wspush_result result = wspush_send(c->ctl->handle, target, line, len, NULL, &sent);
    if (result == WSPUSH_NOTARGET || (result == WSPUSH_OK && sent.recipients == 0))
        client_is_gone(c, client);
    else if (result != WSPUSH_OK)
        send_failed(c, result, &sent);
    else if (!c->edit) /* else the prompt has said to whom */
        sent_to(c, client, -1);
}

static void say_nobody(struct console *c)
{
    if (c->stranded || c->behind[0])
        console_say(c, "the line was for nobody, so nothing was sent; Up brings it back", "", "");
    else
        console_say(c,
                    c->lost_one ? "nobody has spoken since, so nothing was sent; --channel sends to all of "
                                : "nobody has spoken yet, so nothing was sent; --channel sends to all of ",
                    c->target, "");
}

void console_answer(struct console *c, const void *line, size_t len)
{
    const char *whom = console_whom(c);
    if (to_channel(c))
        answer_channel(c, line, len);
    else if (*whom)
        answer_client(c, whom, line, len);
    else
        say_nobody(c);
}
