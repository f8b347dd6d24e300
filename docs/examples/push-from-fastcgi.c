/*
 * A web request that pushes: what is posted here goes to every page of a channel, and the answer says to how
 * many.
 *
 *     cc -o push-from-fastcgi push-from-fastcgi.c $(pkg-config --cflags --libs libwspush) -lfcgi
 *     ./push-from-fastcgi /run/notify.sock news
 *
 * and in nginx, behind whatever decides who may push:
 *
 *     location = /notify { fastcgi_pass unix:/run/notify.sock; include fastcgi_params; }
 */
#include <fcgiapp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wspush.h>

enum { MESSAGE_MAX = 65536 };

static void answer(FCGX_Request *r, const char *status, const char *text)
{
    FCGX_FPrintF(r->out, "Status: %s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\n", status, text);
}

/* What we tell the one who posts: whose fault it is, and whether posting again may help. */
static const char *status_of(enum wspush_result result, const struct wspush_sent *sent)
{
    switch (result) {
    case WSPUSH_BADUTF8: return "400 Bad Request";
    case WSPUSH_TOOBIG: return "413 Content Too Large";
    case WSPUSH_BADNAME: /* our channel, our socket: what is posted can't mend them */
    case WSPUSH_NOPERM: return "500 Internal Server Error";
    default: return sent->published == WSPUSH_NOT_PUBLISHED ? "503 Service Unavailable" : "502 Bad Gateway";
    }
}

static void push(FCGX_Request *r, struct wspush *h, const char *channel)
{
    static char message[MESSAGE_MAX + 1];
    struct wspush_sent sent;
    char text[64];
    int len = FCGX_GetStr(message, sizeof message, r->in);
    if (len > MESSAGE_MAX) {
        answer(r, "413 Content Too Large", "65536 bytes at most");
        return;
    }
    enum wspush_result result = wspush_send(h, channel, message, (size_t)len, NULL, &sent);
    snprintf(text, sizeof text, "sent to %lld", (long long)sent.recipients);
    if (result == WSPUSH_OK)
        answer(r, "200 OK", text);
    else
        answer(r, status_of(result, &sent),
               sent.published != WSPUSH_NOT_PUBLISHED                ? "it may have been sent"
               : result == WSPUSH_BADUTF8 || result == WSPUSH_TOOBIG ? wspush_error(h)
                                                                     : "not sent");
}

int main(int argc, char **argv)
{
    FCGX_Request r;
    struct wspush *h = wspush_open(getenv("WSPUSH_SOCKET"));
    if (argc != 3 || !h || FCGX_Init() != 0) {
        fprintf(stderr, "usage: push-from-fastcgi SOCKET CHANNEL\n");
        return 2;
    }
    int listener = FCGX_OpenSocket(argv[1], 16);
    FCGX_InitRequest(&r, listener, 0);
    while (listener >= 0 && FCGX_Accept_r(&r) == 0) {
        const char *method = FCGX_GetParam("REQUEST_METHOD", r.envp);
        if (wspush_is_websocket(r.envp))
            answer(&r, "400 Bad Request", "no WebSocket is served here");
        else if (!method || strcmp(method, "POST") != 0)
            answer(&r, "405 Method Not Allowed", "POST a message");
        else
            push(&r, h, argv[2]);
        FCGX_Finish_r(&r);
    }
    wspush_free(h); /* libfcgi ends the loop on SIGTERM */
    return listener < 0;
}
