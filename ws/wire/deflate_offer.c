#include "wire/deflate_offer.h"

#include <string.h>
#include <strings.h>

/* What is left to read of a header's value. */
struct reader {
    const char *p;
    const char *end;
};

/* A token, or what is between the quotes. NULL: there is none. */
struct word {
    const char *data;
    size_t len;
};

struct offer {
    struct deflate_terms terms;
    bool server_no_context_takeover;
    bool client_no_context_takeover;
    bool client_max_window_bits;
};

static void skip_spaces(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
        r->p++;
}

static bool take_char(struct reader *r, char c)
{
    skip_spaces(r);
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static bool is_delimiter(char c)
{
    switch (c) {
    case ' ':
    case '\t':
    case ',':
    case ';':
    case '=':
    case '"': return true;
    default: return false;
    }
}

static struct word take_token(struct reader *r)
{
    skip_spaces(r);
    const char *start = r->p;
    while (r->p < r->end && !is_delimiter(*r->p))
        r->p++;
    return (struct word){r->p > start ? start : NULL, (size_t)(r->p - start)};
}

/* A quoted value has to be a token when the quotes are off (RFC 6455 section 9.1): no value of ours needs an
 * escape. */
static struct word take_value(struct reader *r)
{
    if (!take_char(r, '"'))
        return take_token(r);
    struct word w = take_token(r);
    if (r->p == r->end || *r->p != '"')
        return (struct word){NULL, 0};
    r->p++;
    return w;
}

static bool word_is(const struct word *w, const char *text)
{
    return w->data && w->len == strlen(text) && strncasecmp(w->data, text, w->len) == 0;
}

/* 8 to 15 without a leading zero; 0: it is something else (RFC 7692 section 7.1.2.1). */
static uint8_t window_bits(const struct word *w)
{
    if (w->data && w->len == 1 && (*w->data == '8' || *w->data == '9'))
        return (uint8_t)(*w->data - '0');
    if (w->data && w->len == 2 && w->data[0] == '1' && w->data[1] >= '0' && w->data[1] <= '5')
        return (uint8_t)(10 + w->data[1] - '0');
    return 0;
}

/* Sets a flag that may be set once. */
static bool set_once(bool *flag)
{
    bool first = !*flag;
    *flag = true;
    return first;
}

/* Whether the offer may still be taken after this parameter. */
static bool take_parameter(struct offer *o, const struct word *name, bool has_value, const struct word *value)
{
    if (word_is(name, "server_no_context_takeover"))
        return !has_value && set_once(&o->server_no_context_takeover);
    if (word_is(name, "client_no_context_takeover"))
        return !has_value && set_once(&o->client_no_context_takeover);
    if (word_is(name, "client_max_window_bits"))
        return (!has_value || window_bits(value)) && set_once(&o->client_max_window_bits);
    if (word_is(name, "server_max_window_bits")) {
        o->terms.bits = window_bits(value);
        return has_value && o->terms.bits && set_once(&o->terms.bits_asked);
    }
    return false;
}

/* Goes behind the comma that ends an element, past whatever is wrong in it. */
static void skip_element(struct reader *r)
{
    bool quoted = false;
    for (; r->p < r->end && (quoted || *r->p != ','); r->p++) {
        if (*r->p == '"')
            quoted = !quoted;
        else if (quoted && *r->p == '\\' && r->p + 1 < r->end)
            r->p++;
    }
    if (r->p < r->end)
        r->p++;
}

/* Reads one element of the list up to its comma; whether it is an offer that can be taken. */
static bool take_element(struct reader *r, struct offer *o)
{
    struct word name = take_token(r);
    bool good = word_is(&name, "permessage-deflate");
    *o = (struct offer){.terms = {.bits = DEFLATE_BITS_MAX}};
    while (good && take_char(r, ';')) {
        struct word parameter = take_token(r);
        bool has_value = take_char(r, '=');
        struct word value = has_value ? take_value(r) : (struct word){NULL, 0};
        good = take_parameter(o, &parameter, has_value, &value);
    }
    skip_spaces(r);
    return good && (r->p == r->end || *r->p == ',');
}

void deflate_take_offer(const char *value, size_t len, struct deflate_terms *out)
{
    struct reader r = {value, value + len};
    struct offer offer;
    while (!out->bits && r.p < r.end) {
        struct reader element = r;
        if (take_element(&element, &offer))
            *out = offer.terms;
        skip_element(&r);
    }
}

void deflate_add_answer(struct buf *out, const struct deflate_terms *terms)
{
    buf_adds(out, "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    if (terms->bits_asked)
        buf_addf(out, "; server_max_window_bits=%u", terms->bits);
}
