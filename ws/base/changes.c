#include "base/changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/option.h"

const char *const changes_at_start[] = {"listen",        "control", "socket_mode", "socket_group",
                                        "control_group", "threads", NULL};

static const char *const responders[] = {"fcgi_listen", "fcgi_processes", "fcgi_threads",
                                         "page",        "post",           NULL};

static bool is_among(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names;
}

const char *change_applies_name(enum change_applies applies)
{
    static const char *const names[] = {"now", "restart", "responder"};
    return names[applies];
}

/* ---- one row ---- */

static char *value(const struct option *o, const void *base)
{
    struct buf text = {0};
    option_add_text(&text, o, base);
    char *copy = option_copy_text(buf_str(&text));
    buf_fini(&text);
    return copy;
}

static struct change *add(struct changes *out, const char *option, const char *section)
{
    struct change *items = realloc(out->items, (out->count + 1) * sizeof *items);
    if (!items)
        abort();
    out->items = items;
    items[out->count] = (struct change){.option = option, .section = option_copy_text(section)};
    return &items[out->count++];
}

/* ---- the top level, and a section that stays ---- */

static void compare_process(struct changes *out, const struct config *started, const struct config *running,
                            const struct config *fresh)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &option_rows[i];
        bool at_start = is_among(changes_at_start, o->name);
        const struct config *before = at_start ? started : running;
        if (o->scope != OPTION_PROCESS || option_same(o, before, fresh))
            continue;
        struct change *change = add(out, o->name, "");
        change->was = value(o, before);
        change->is = value(o, fresh);
        if (is_among(responders, o->name))
            change->applies = CHANGE_RESPONDER;
        else
            change->applies = at_start ? CHANGE_RESTART : CHANGE_NOW;
    }
}

/* What the top level changes in the same way is said there. */
static bool is_inherited(const struct option *o, const struct config *running, const struct config *fresh,
                         const struct channel_config *before, const struct channel_config *after)
{
    return option_same(o, before, &running->channel) && option_same(o, after, &fresh->channel);
}

/* section "": the top level's own. */
static void compare_channel(struct changes *out, const char *section, const struct config *running,
                            const struct config *fresh, const struct channel_config *before,
                            const struct channel_config *after)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &option_rows[i];
        if (o->scope != OPTION_CHANNEL || option_same(o, before, after) ||
            (*section && is_inherited(o, running, fresh, before, after)))
            continue;
        struct change *change = add(out, o->name, section);
        change->was = value(o, before);
        change->is = value(o, after);
    }
}

/* ---- sections ---- */

static const struct channel_section *find(const struct config *config, const char *glob)
{
    for (size_t i = 0; i < config->section_count; i++)
        if (strcmp(config->sections[i].glob, glob) == 0)
            return &config->sections[i];
    return NULL;
}

/* What it changes of its top level. */
static char *section_text(const struct config *config, const struct channel_section *section)
{
    struct buf text = {0};
    buf_addc(&text, '{');
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &option_rows[i];
        if (o->scope != OPTION_CHANNEL || option_same(o, &section->config, &config->channel))
            continue;
        buf_addf(&text, " %s = ", o->name);
        option_add_text(&text, o, &section->config);
    }
    buf_adds(&text, " }");
    char *copy = option_copy_text(buf_str(&text));
    buf_fini(&text);
    return copy;
}

/* The names, as a list, of the sections that the other one has too. */
static char *common_order(const struct config *config, const struct config *other)
{
    struct buf text = {0};
    buf_addc(&text, '{');
    for (size_t i = 0; i < config->section_count; i++)
        if (find(other, config->sections[i].glob)) {
            buf_adds(&text, text.len > 1 ? ", " : "");
            option_add_quoted(&text, config->sections[i].glob);
        }
    buf_addc(&text, '}');
    char *copy = option_copy_text(buf_str(&text));
    buf_fini(&text);
    return copy;
}

static void compare_order(struct changes *out, const struct config *running, const struct config *fresh)
{
    char *was = common_order(running, fresh);
    char *is = common_order(fresh, running);
    if (strcmp(was, is) == 0) {
        free(was);
        free(is);
        return;
    }
    struct change *change = add(out, "channel", "");
    change->was = was;
    change->is = is;
}

static void compare_sections(struct changes *out, const struct config *running, const struct config *fresh)
{
    for (size_t i = 0; i < running->section_count; i++) {
        const struct channel_section *s = &running->sections[i];
        if (!find(fresh, s->glob))
            add(out, "channel", s->glob)->was = section_text(running, s);
    }
    for (size_t i = 0; i < fresh->section_count; i++) {
        const struct channel_section *s = &fresh->sections[i];
        const struct channel_section *before = find(running, s->glob);
        if (before)
            compare_channel(out, s->glob, running, fresh, &before->config, &s->config);
        else
            add(out, "channel", s->glob)->is = section_text(fresh, s);
    }
    compare_order(out, running, fresh);
}

void changes_find(struct changes *out, const struct config *started, const struct config *running,
                  const struct config *fresh)
{
    *out = (struct changes){0};
    compare_process(out, started, running, fresh);
    compare_channel(out, "", running, fresh, &running->channel, &fresh->channel);
    compare_sections(out, running, fresh);
}

void changes_free(struct changes *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->items[i].section);
        free(c->items[i].was);
        free(c->items[i].is);
    }
    free(c->items);
    *c = (struct changes){0};
}
