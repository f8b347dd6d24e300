#include "base/option.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/listen.h"
#include "base/origin.h"
#include "base/units.h"

#define OFFSET_PROCESS(name) offsetof(struct config, name)
#define OFFSET_CHANNEL(name) offsetof(struct channel_config, name)
const struct option option_rows[OPTION_COUNT] = {
#define OPTION(scope, type, name, def, min, max, help)                                                       \
    {OPTION_##scope, OPTION_##type, #name, OFFSET_##scope(name), def, min, max, NULL, help},
#define OPTION_CHOICE(scope, name, def, choices, help)                                                       \
    {OPTION_##scope, OPTION_CHOICES, #name, OFFSET_##scope(name), def, 0, 0, choices, help},
#include "base/options.def"
};

bool option_is_list(const struct option *o)
{
    return o->type >= OPTION_LIST;
}

static bool is_text(const struct option *o)
{
    return o->type >= OPTION_STRING && o->type < OPTION_LIST;
}

const struct option *option_find(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strcmp(option_rows[i].name, name) == 0)
            return &option_rows[i];
    return NULL;
}

/* ---- one value ---- */

/* The index of `word` among "a|b|c", or -1. */
static int choice_index(const char *choices, const char *word)
{
    size_t len = strlen(word);
    for (int i = 0;; i++) {
        size_t n = strcspn(choices, "|");
        if (n == len && memcmp(choices, word, n) == 0)
            return i;
        if (choices[n] == '\0')
            return -1;
        choices += n + 1;
    }
}

static int read_mode(const char *text, uint64_t *out)
{
    char *end;
    *out = strtoul(text, &end, 8);
    return *text < '0' || *text > '7' || *end || *out > 0777 ? -1 : 0;
}

/* What is kept of a value of the types that are kept as a number. */
static int read_number(const struct option *o, const char *text, uint64_t *out)
{
    int64_t ms = 0;
    int index;
    switch (o->type) {
    case OPTION_NUMBER: return units_number(text, strlen(text), out);
    case OPTION_SIZE: return units_size(text, out);
    case OPTION_MODE: return read_mode(text, out);
    case OPTION_CHOICES:
        index = choice_index(o->choices, text);
        *out = (uint64_t)index;
        return index < 0 ? -1 : 0;
    default:
        if (units_duration(text, &ms) < 0)
            return -1;
        *out = (uint64_t)ms;
        return 0;
    }
}

static bool number_ok(const struct option *o, const char *text, char *why, size_t why_cap)
{
    static const char *const kinds[] = {"a whole number", "a size such as 64k or 1m",
                                        "a duration such as 250ms, 20s or 5m"};
    static const char *const units[] = {"", " bytes", " ms"};
    uint64_t number = 0;
    bool octal = text[0] == '0' && isdigit((unsigned char)text[1]); /* or is it not? */
    bool ok = read_number(o, text, &number) == 0;
    if (o->type == OPTION_CHOICES) {
        snprintf(why, why_cap, "expected one of: %s", o->choices);
        return ok;
    }
    if (o->type == OPTION_MODE) {
        snprintf(why, why_cap, "expected an octal mode such as 0660");
        return ok;
    }
    snprintf(why, why_cap, "expected %s, from %llu to %llu%s", kinds[o->type], (unsigned long long)o->min,
             (unsigned long long)o->max, units[o->type]);
    return ok && !octal && number >= o->min && number <= o->max;
}

/* It becomes a header's value. */
static const char *uri_fault(const char *text)
{
    bool ok = *text == '/';
    for (const char *p = text; *p; p++)
        ok &= (unsigned char)*p > ' ' && *p != 0x7f;
    return ok ? NULL : "expected a URI that begins with '/'";
}

/* In the spelling that an address is compared in. */
static const char *ip_fault(const char *text)
{
    unsigned char bytes[16];
    char spelled[INET6_ADDRSTRLEN];
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, text, bytes) != 1)
        return "expected an IP address, such as 10.0.0.1 or ::1 (no network, no name)";
    inet_ntop(family, bytes, spelled, sizeof spelled);
    return strcmp(spelled, text) == 0 ? NULL : "expected an IP address in its usual spelling (RFC 5952)";
}

/* RFC 9110 section 5.6.2. */
static const char *token_fault(const char *text)
{
    bool ok = *text != '\0';
    for (const char *p = text; *p; p++)
        ok &= isalnum((unsigned char)*p) || strchr("!#$%&'*+-.^_`|~", *p) != NULL;
    return ok ? NULL : "expected a token, such as chat or v1.example: letters, digits, some signs, no spaces";
}

static const char *unix_address_fault(const char *text)
{
    if (strncmp(text, "unix:", 5) != 0)
        return "expected \"unix:PATH\": the control socket is never on TCP";
    return listen_address_fault(text);
}

bool option_value_ok(const struct option *o, const char *text, char *why, size_t why_cap)
{
    const char *fault = NULL;
    switch (o->type) {
    case OPTION_ADDRESS:
    case OPTION_ADDRESSES: fault = listen_address_fault(text); break;
    case OPTION_UNIX_ADDRESS: fault = unix_address_fault(text); break;
    case OPTION_ORIGINS: fault = origin_entry_fault(text); break;
    case OPTION_IPS: fault = ip_fault(text); break;
    case OPTION_TOKENS: fault = token_fault(text); break;
    case OPTION_URI: fault = uri_fault(text); break;
    case OPTION_STRING:
    case OPTION_LIST: break;
    default: return number_ok(o, text, why, why_cap);
    }
    if (fault)
        snprintf(why, why_cap, "%s", fault);
    return !fault;
}

/* ---- keeping ---- */

static void *member_of(const struct option *o, void *base)
{
    return (char *)base + o->offset;
}

char *option_copy_text(const char *text)
{
    char *s = strdup(text);
    if (!s)
        abort();
    return s;
}

static void list_add(struct string_list *list, char *take_text)
{
    char **items = realloc(list->items, (list->count + 2) * sizeof(char *));
    if (!items)
        abort();
    list->items = items;
    items[list->count++] = take_text;
    items[list->count] = NULL;
}

static bool is_address(const struct option *o)
{
    return o->type == OPTION_ADDRESS || o->type == OPTION_UNIX_ADDRESS || o->type == OPTION_ADDRESSES;
}

/* The text as it is kept: of addresses, with relative Unix paths completed. */
static char *kept_text(const struct option *o, const char *text, const char *dir)
{
    struct buf b = {0};
    if (!is_address(o) || strncmp(text, "unix:", 5) != 0 || text[5] == '/' || !*dir)
        return option_copy_text(text);
    buf_addf(&b, "unix:%s/%s", dir, text + 5);
    char *kept = option_copy_text(buf_str(&b));
    buf_fini(&b);
    return kept;
}

void option_store(const struct option *o, void *base, const char *text, const char *dir)
{
    void *member = member_of(o, base);
    if (option_is_list(o)) {
        list_add(member, kept_text(o, text, dir));
    } else if (is_text(o)) {
        free(*(char **)member);
        *(char **)member = kept_text(o, text, dir);
    } else {
        uint64_t number = 0;
        read_number(o, text, &number);
        memcpy(member, &number, sizeof number);
    }
}

void option_clear(const struct option *o, void *base)
{
    struct string_list *list = member_of(o, base);
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct string_list){0};
}

void option_store_defaults(enum option_scope scope, void *base)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &option_rows[i];
        if (o->scope == scope && !(option_is_list(o) && !*o->default_text))
            option_store(o, base, o->default_text, "");
    }
}

void option_free_values(enum option_scope scope, void *base)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &option_rows[i];
        if (o->scope != scope)
            continue;
        if (option_is_list(o))
            option_clear(o, base);
        else if (is_text(o))
            free(*(char **)member_of(o, base));
    }
}

static void copy_list(struct string_list *list)
{
    struct string_list old = *list;
    *list = (struct string_list){0};
    for (size_t i = 0; i < old.count; i++)
        list_add(list, option_copy_text(old.items[i]));
}

void option_copy_channel(struct channel_config *to, const struct channel_config *from)
{
    *to = *from;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &option_rows[i];
        void *member = member_of(o, to);
        if (o->scope != OPTION_CHANNEL)
            continue;
        if (option_is_list(o))
            copy_list(member);
        else if (is_text(o))
            *(char **)member = option_copy_text(*(char **)member);
    }
}

static bool same_list(const struct string_list *a, const struct string_list *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->items[i], b->items[i]) == 0;
    return same;
}

bool option_same(const struct option *o, const void *a, const void *b)
{
    const void *x = (const char *)a + o->offset;
    const void *y = (const char *)b + o->offset;
    if (option_is_list(o))
        return same_list(x, y);
    if (is_text(o))
        return strcmp(*(char *const *)x, *(char *const *)y) == 0;
    return memcmp(x, y, sizeof(uint64_t)) == 0;
}
