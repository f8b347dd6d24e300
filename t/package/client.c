/* A program with libwspush: sends argv[2] to the channel argv[1] and prints what comes back. */
#include <stdio.h>
#include <string.h>
#include <wspush.h>

int main(int argc, char **argv)
{
    struct wspush_message answer;
    struct wspush_sent sent;
    struct wspush *h = wspush_open(NULL);
    if (argc != 3 || !h)
        return 2;
    if (wspush_send(h, argv[1], argv[2], strlen(argv[2]), NULL, &sent) != WSPUSH_OK ||
        wspush_wait(h, argv[1], 5000, &answer) != WSPUSH_OK) {
        fprintf(stderr, "%s\n", wspush_error(h));
        return 1;
    }
    printf("%d %.*s\n", (int)sent.recipients, (int)answer.len, (const char *)answer.payload);
    wspush_free(h);
    return 0;
}
