/* Values of options as they are written in wspush.conf. */
#include "base/option.h"

#include <inttypes.h>
#include <string.h>

void option_add_quoted(struct buf *out, const char *text)
{
    buf_addc(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_addc(out, '\\');
        buf_addc(out, *text);
    }
    buf_addc(out, '"');
}

static void add_list(struct buf *out, const struct string_list *list)
{
    buf_addc(out, '{');
    for (size_t i = 0; i < list->count; i++) {
        buf_adds(out, i ? ", " : "");
        option_add_quoted(out, list->items[i]);
    }
    buf_addc(out, '}');
}

static void add_choice(struct buf *out, const char *choices, uint64_t index)
{
    for (; index; index--)
        choices += strcspn(choices, "|") + 1;
    buf_add(out, choices, strcspn(choices, "|"));
}

struct unit {
    uint64_t size;
    const char *name;
};

/* In the largest unit that leaves no rest. */
static void add_in_units(struct buf *out, uint64_t n, const struct unit *units)
{
    while (units->size > 1 && (n == 0 || n % units->size))
        units++;
    buf_addf(out, "%" PRIu64 "%s", n / units->size, n ? units->name : "");
}

static void add_number(struct buf *out, const struct option *o, uint64_t n)
{
    static const struct unit sizes[] = {{1 << 30, "g"}, {1 << 20, "m"}, {1 << 10, "k"}, {1, ""}};
    static const struct unit durations[] = {{3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    switch (o->type) {
    case OPTION_SIZE: add_in_units(out, n, sizes); break;
    case OPTION_DURATION: add_in_units(out, n, durations); break;
    case OPTION_MODE: buf_addf(out, "%04" PRIo64, n); break;
    case OPTION_CHOICES: add_choice(out, o->choices, n); break;
    default: buf_addu(out, n);
    }
}

void option_add_text(struct buf *out, const struct option *o, const void *base)
{
    const void *member = (const char *)base + o->offset;
    uint64_t n;
    if (option_is_list(o)) {
        add_list(out, member);
    } else if (o->type >= OPTION_STRING) {
        option_add_quoted(out, *(char *const *)member);
    } else {
        memcpy(&n, member, sizeof n);
        add_number(out, o, n);
    }
}
