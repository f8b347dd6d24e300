/* What a CGI program is asked for: whether it is a WebSocket. Text in, yes or no out; no handle. */
#include "client/wspush.h"

#include <string.h>
#include <strings.h>

/* The variable's value; "" where there is none. */
static const char *value_of(char *const *variables, const char *name)
{
    size_t len = strlen(name);
    for (; *variables; variables++)
        if (strncmp(*variables, name, len) == 0 && (*variables)[len] == '=')
            return *variables + len + 1;
    return "";
}

/* Whether a list with commas has the token, in any letter case. */
static bool has_token(const char *list, const char *token)
{
    static const char blanks[] = " \t";
    size_t token_len = strlen(token);
    for (;;) {
        list += strspn(list, blanks);
        size_t len = strcspn(list, ",");
        const char *next = list + len;
        while (len && strchr(blanks, list[len - 1]))
            len--;
        if (len == token_len && strncasecmp(list, token, len) == 0)
            return true;
        if (!*next)
            return false;
        list = next + 1;
    }
}

bool wspush_is_websocket(char *const *variables)
{
    return strcmp(value_of(variables, "REQUEST_METHOD"), "GET") == 0 &&
           strcmp(value_of(variables, "SERVER_PROTOCOL"), "HTTP/1.1") == 0 &&
           has_token(value_of(variables, "HTTP_CONNECTION"), "upgrade") &&
           has_token(value_of(variables, "HTTP_UPGRADE"), "websocket");
}
