#include "base/remedy.h"

#include <string.h>

#include "base/option.h"
#include "base/origin.h"

static const char *section_of(const struct config *config, const struct channel_config *rules)
{
    for (size_t i = 0; i < config->section_count; i++)
        if (&config->sections[i].config == rules)
            return config->sections[i].glob;
    return NULL;
}

void remedy_add(struct buf *out, const struct config *config, const struct channel_config *rules,
                const char *line)
{
    const char *glob = section_of(config, rules);
    if (glob)
        buf_addf(out, "in channel \"%s\": %s", glob, line);
    else
        buf_adds(out, line);
}

/* What a peer sent may neither end the quotes nor let in more than itself. */
static bool is_plain_origin(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:/[]";
    return strstr(text, "://") && text[strspn(text, plain)] == '\0' && !origin_entry_fault(text);
}

void remedy_add_origin(struct buf *out, const struct config *config, const struct channel_config *rules,
                       const char *origin)
{
    struct buf line = {0};
    if (!is_plain_origin(origin))
        return;
    buf_adds(&line, "origins = {");
    for (size_t i = 0; i < rules->origins.count; i++)
        buf_addf(&line, "\"%s\", ", rules->origins.items[i]);
    buf_addf(&line, "\"%s\"}", origin);
    remedy_add(out, config, rules, buf_str(&line));
    buf_fini(&line);
}

void remedy_add_double(struct buf *out, const char *name, uint64_t value)
{
    uint64_t max = option_find(name)->max;
    if (value >= max)
        return;
    buf_addf(out, "%s = ", name);
    buf_addu(out, value < max / 2 ? value * 2 : max);
}
