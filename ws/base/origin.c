#include "base/origin.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"

/* The parts point into the text. `scheme_len` 0: none given. */
struct authority {
    const char *scheme;
    size_t scheme_len;
    const char *host;
    size_t host_len;
    uint64_t port; /* 0: not given */
};

/* A name of non-empty labels, or an IPv6 address in brackets. */
static bool host_ok(const char *host, size_t len)
{
    bool brackets = len > 2 && host[0] == '[' && host[len - 1] == ']';
    const char *marks = brackets ? ":." : "-._*";
    for (size_t i = brackets; i < len - brackets; i++) {
        if (!isalnum((unsigned char)host[i]) && (host[i] == '\0' || !strchr(marks, host[i])))
            return false;
        if (host[i] == '.' && (i == 0 || host[i - 1] == '.'))
            return false;
    }
    return len > 0;
}

/* Splits host[:port]; one dot at the host's end means nothing. */
static bool split_host(const char *text, struct authority *out)
{
    const char *bracket = *text == '[' ? strchr(text, ']') : NULL;
    const char *colon = strchr(bracket ? bracket : text, ':');
    out->host = text;
    out->host_len = colon ? (size_t)(colon - text) : strlen(text);
    if (colon &&
        (units_number(colon + 1, strlen(colon + 1), &out->port) < 0 || !out->port || out->port > 65535))
        return false;
    if (out->host_len && text[out->host_len - 1] == '.')
        out->host_len--;
    return host_ok(text, out->host_len);
}

/* RFC 3986 section 3.1 */
static bool scheme_ok(const char *scheme, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)scheme[i]) && !strchr("+-.", scheme[i]))
            return false;
    return len > 0 && isalpha((unsigned char)*scheme);
}

static bool split(const char *text, struct authority *out)
{
    const char *mark = strstr(text, "://");
    *out = (struct authority){0};
    if (!mark)
        return split_host(text, out);
    out->scheme = text;
    out->scheme_len = (size_t)(mark - text);
    return scheme_ok(text, out->scheme_len) && split_host(mark + 3, out);
}

static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

static uint64_t default_port(const struct authority *a)
{
    if (same_text(a->scheme, a->scheme_len, "http", 4))
        return 80;
    return same_text(a->scheme, a->scheme_len, "https", 5) ? 443 : 0;
}

static uint64_t port_of(const struct authority *a)
{
    return a->port ? a->port : default_port(a);
}

static bool same_host(const struct authority *origin, const char *host, const char *scheme)
{
    struct authority own;
    if (!split_host(host, (own = (struct authority){0}, &own)))
        return false;
    if (scheme && !same_text(origin->scheme, origin->scheme_len, scheme, strlen(scheme)))
        return false;
    own.scheme = origin->scheme;
    own.scheme_len = origin->scheme_len;
    return same_text(origin->host, origin->host_len, own.host, own.host_len) &&
           port_of(origin) == port_of(&own);
}

/* `*.b.example` takes every name below b.example, not b.example itself. */
static bool host_matches(const struct authority *rule, const struct authority *origin)
{
    if (rule->host_len < 2 || memcmp(rule->host, "*.", 2) != 0)
        return same_text(rule->host, rule->host_len, origin->host, origin->host_len);
    size_t tail = rule->host_len - 1;
    return origin->host_len > tail &&
           same_text(rule->host + 1, tail, origin->host + origin->host_len - tail, tail);
}

static bool rule_takes(const char *entry, const struct authority *origin)
{
    struct authority rule;
    if (!split(entry, &rule))
        return false;
    if (rule.scheme_len && !same_text(rule.scheme, rule.scheme_len, origin->scheme, origin->scheme_len))
        return false;
    uint64_t wanted = rule.port ? rule.port : default_port(origin);
    return host_matches(&rule, origin) && port_of(origin) == wanted;
}

static bool listed_any(const char *const *origins)
{
    for (; origins && *origins; origins++)
        if (strcmp(*origins, "any") == 0)
            return true;
    return false;
}

bool origin_allowed(const char *origin, const char *host, const char *scheme, const char *const *origins)
{
    struct authority from;
    if (!origin || listed_any(origins))
        return true;
    if (!split(origin, &from) || !from.scheme_len || memchr(from.host, '*', from.host_len))
        return false;
    if (host && same_host(&from, host, scheme))
        return true;
    for (; origins && *origins; origins++)
        if (rule_takes(*origins, &from))
            return true;
    return false;
}

const char *origin_entry_fault(const char *entry)
{
    struct authority rule;
    if (strcmp(entry, "any") == 0)
        return NULL;
    if (strcmp(entry, "null") == 0 || !split(entry, &rule))
        return "expected \"https://a.example\", \"*.b.example\" or \"any\"";
    const char *star = memchr(rule.host, '*', rule.host_len);
    if (star && (star != rule.host || rule.host_len < 4 || rule.host[1] != '.' ||
                 memchr(rule.host + 1, '*', rule.host_len - 1)))
        return "a '*' stands only for the first labels, as in \"*.b.example\"";
    return NULL;
}
