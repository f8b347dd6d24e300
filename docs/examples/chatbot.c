/*
 * A chat bot: answers whoever speaks on a channel.
 *     cc -o chatbot chatbot.c $(pkg-config --cflags --libs libwspush) && ./chatbot test
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wspush.h>

static enum wspush_result answer(struct wspush *bot, const struct wspush_message *heard)
{
    char client[64];
    char text[128] = "I know: hello, bye";
    snprintf(client, sizeof client, "@client:%s", heard->client);
    if (strcmp(heard->payload, "bye") == 0)
        return wspush_close(bot, client, 1000, "bye", NULL);
    if (strcmp(heard->payload, "hello") == 0)
        snprintf(text, sizeof text, "hello, %s", heard->client);
    return wspush_send(bot, client, text, strlen(text), NULL, NULL);
}

int main(int argc, char **argv)
{
    struct wspush *bot = wspush_open(getenv("WSPUSH_SOCKET"));
    struct wspush_message heard;
    enum wspush_result result = bot && argc == 2 ? WSPUSH_OK : WSPUSH_ERROR;
    while (result == WSPUSH_OK || result == WSPUSH_NOWORKER) {
        result = wspush_next(bot, argv[1], &heard);
        if (result == WSPUSH_OK)
            result = answer(bot, &heard);
        if (result == WSPUSH_NOTARGET)
            result = WSPUSH_OK; /* it has gone meanwhile */
        if (result == WSPUSH_NOWORKER)
            sleep(1); /* the next call connects anew */
    }
    fprintf(stderr, "chatbot: %s\n", argc == 2 && bot ? wspush_error(bot) : "usage: chatbot CHANNEL");
    wspush_free(bot);
    return 1;
}
