#include "command.h"

#include "../must.h"

/* A line such as `$128`: its number. Returns where the next line begins, NULL if it is not all there. */
static const char *take_number(const char *p, const char *end, char sign, size_t *number)
{
    size_t n = 0;
    if (p == end)
        return NULL;
    if (*p++ != sign)
        die("a command that is not one");
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        n = n * 10 + (size_t)(*p - '0');
    if (end - p < 2)
        return NULL;
    *number = n;
    return p + 2;
}

size_t command_take(const char *bytes, size_t len, const char **payload, size_t *payload_len)
{
    const char *end = bytes + len;
    size_t args, n;
    const char *p = take_number(bytes, end, '*', &args);
    for (; p && args > 0; args--) {
        p = take_number(p, end, '$', &n);
        if (!p || (size_t)(end - p) < n + 2)
            return 0;
        *payload = p;
        *payload_len = n;
        p += n + 2;
    }
    return p ? (size_t)(p - bytes) : 0;
}
