#include "base/config.h"

#include <confuse.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/config_text.h"
#include "base/glob.h"
#include "base/log.h"
#include "base/option.h"

/* ---- the file ---- */

/* What libconfuse's callbacks need; they carry no pointer of ours, and config is read by one thread at start.
 */
static struct {
    char *why;
    size_t cap;
} fault_sink;

static void on_error(cfg_t *cfg, const char *format, va_list args)
{
    char text[512];
    if (fault_sink.why[0])
        return;
    vsnprintf(text, sizeof text, format, args);
    snprintf(fault_sink.why, fault_sink.cap, "%s:%d: %s", cfg->filename ? cfg->filename : "config", cfg->line,
             text);
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    char why[256];
    const struct option *o = option_find(opt->name);
    for (unsigned i = 0; o && i < cfg_opt_size(opt); i++) {
        const char *text = cfg_opt_getnstr(opt, i);
        if (!text || !option_value_ok(o, text, why, sizeof why)) {
            cfg_error(cfg, "%s = \"%s\": %s", o->name, text ? text : "", why);
            return -1;
        }
    }
    return 0;
}

static size_t grammar(cfg_opt_t *out, bool top)
{
    size_t n = 0;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!top && option_rows[i].scope != OPTION_CHANNEL)
            continue;
        if (option_is_list(&option_rows[i]))
            out[n++] = (cfg_opt_t)CFG_STR_LIST(option_rows[i].name, NULL, CFGF_NODEFAULT);
        else
            out[n++] = (cfg_opt_t)CFG_STR(option_rows[i].name, NULL, CFGF_NODEFAULT);
    }
    return n;
}

/* A value in the file replaces the default, lists too. */
static void take_values(cfg_t *cfg, enum option_scope scope, void *base, const char *dir)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &option_rows[i];
        unsigned count = o->scope == scope ? cfg_size(cfg, o->name) : 0;
        if (o->scope == scope && option_is_list(o) &&
            (count || cfg_getopt(cfg, o->name)->flags & CFGF_MODIFIED))
            option_clear(o, base);
        for (unsigned k = 0; k < count; k++)
            option_store(o, base, cfg_getnstr(cfg, o->name, k), dir);
    }
}

/* A pattern that can match no channel is a mistake. */
static const char *pattern_fault(const char *glob)
{
    if (glob[0] == '/')
        return "a channel's name has no slash at its ends: leave the first one out";
    if (glob[0] == '@')
        return "no channel's name begins with '@'";
    return glob_fault(glob, strlen(glob));
}

static int take_sections(struct config *config, cfg_t *cfg, const char *dir)
{
    size_t count = cfg_size(cfg, "channel");
    config->sections = calloc(count ? count : 1, sizeof *config->sections);
    if (!config->sections)
        abort();
    for (size_t i = 0; i < count; i++) {
        cfg_t *section = cfg_getnsec(cfg, "channel", (unsigned)i);
        const char *glob = cfg_title(section);
        const char *fault = pattern_fault(glob);
        if (fault) {
            cfg_error(section, "channel \"%s\": bad pattern: %s", glob, fault);
            return -1;
        }
        struct channel_section *to = &config->sections[config->section_count++];
        to->glob = option_copy_text(glob);
        option_copy_channel(&to->config, &config->channel);
        take_values(section, OPTION_CHANNEL, &to->config, dir);
    }
    return 0;
}

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = option_copy_text(slash ? path : ".");
    if (slash)
        dir[slash == path ? 1 : slash - path] = '\0';
    return dir;
}

/* libconfuse is silent about an empty name. The error is in the last section if that reaches further. */
static void expect_name(cfg_t *cfg)
{
    unsigned count = cfg_size(cfg, "channel");
    cfg_t *last = count ? cfg_getnsec(cfg, "channel", count - 1) : cfg;
    cfg_error(last->line > cfg->line ? last : cfg, "expected the name of an option");
}

static int parse(struct config *config, const char *path, const char *text)
{
    cfg_opt_t channel_opts[OPTION_COUNT + 1];
    cfg_opt_t opts[OPTION_COUNT + 2];
    channel_opts[grammar(channel_opts, false)] = (cfg_opt_t)CFG_END();
    size_t n = grammar(opts, true);
    opts[n] = (cfg_opt_t)CFG_SEC("channel", channel_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    opts[n + 1] = (cfg_opt_t)CFG_END();

    cfg_t *cfg = cfg_init(opts, CFGF_NONE);
    if (!cfg)
        abort();
    cfg_set_error_function(cfg, on_error);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char name[80];
        cfg_set_validate_func(cfg, option_rows[i].name, on_value);
        snprintf(name, sizeof name, "channel|%s", option_rows[i].name);
        if (option_rows[i].scope == OPTION_CHANNEL)
            cfg_set_validate_func(cfg, name, on_value);
    }
    free(cfg->filename);
    cfg->filename = option_copy_text(path);
    char *dir = directory_of(path);
    FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    if (!file)
        abort();
    int r = cfg_parse_fp(cfg, file) == CFG_SUCCESS ? 0 : -1;
    fclose(file);
    if (r < 0 && !fault_sink.why[0])
        expect_name(cfg);
    if (r == 0) {
        take_values(cfg, OPTION_PROCESS, config, dir);
        take_values(cfg, OPTION_CHANNEL, &config->channel, dir);
        r = take_sections(config, cfg, dir);
    }
    free(dir);
    cfg_free(cfg);
    return r;
}

/* What a message quotes may have anything in it. */
static void keep_one_line(char *why)
{
    for (; *why; why++)
        if ((unsigned char)*why < 0x20 || *why == 0x7f)
            *why = '?';
}

static int load_file(struct config *config, const char *path, char *why, size_t cap)
{
    struct buf text = {0};
    int r = config_text_read(path, &text, why, cap);
    buf_addc(&text, '\0');
    if (r == 0)
        r = config_text_check(path, (char *)text.data, why, cap);
    if (r == 0)
        r = parse(config, path, (const char *)text.data);
    keep_one_line(why);
    buf_fini(&text);
    return r;
}

static bool is_listed(const struct string_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

/* What no single option shows. */
static const char *whole_fault(const struct config *config)
{
    if (config->listen.count == 0)
        return "listen is empty: the worker needs an address to listen on";
    if (is_listed(&config->listen, config->control) || is_listed(&config->listen, config->fcgi_listen) ||
        strcmp(config->control, config->fcgi_listen) == 0)
        return "listen, control and fcgi_listen have to be different";
    return NULL;
}

struct config *config_load(const char *path, char *why, size_t why_cap)
{
    struct config *config = calloc(1, sizeof *config);
    if (!config)
        abort();
    why[0] = '\0';
    atomic_init(&config->holders, 1);
    fault_sink.why = why;
    fault_sink.cap = why_cap;
    option_store_defaults(OPTION_PROCESS, config);
    option_store_defaults(OPTION_CHANNEL, &config->channel);
    if (path && load_file(config, path, why, why_cap) < 0) {
        config_unref(config);
        return NULL;
    }
    const char *fault = whole_fault(config);
    if (fault) {
        snprintf(why, why_cap, "%s: %s", path ? path : "the defaults", fault);
        config_unref(config);
        return NULL;
    }
    return config;
}

struct config *config_ref(struct config *config)
{
    atomic_fetch_add_explicit(&config->holders, 1, memory_order_relaxed);
    return config;
}

void config_unref(struct config *config)
{
    if (!config || atomic_fetch_sub_explicit(&config->holders, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < config->section_count; i++) {
        free(config->sections[i].glob);
        option_free_values(OPTION_CHANNEL, &config->sections[i].config);
    }
    free(config->sections);
    option_free_values(OPTION_CHANNEL, &config->channel);
    option_free_values(OPTION_PROCESS, config);
    free(config);
}

const struct channel_config *config_for_channel(const struct config *config, const char *name, size_t len)
{
    for (size_t i = 0; i < config->section_count; i++) {
        const struct channel_section *s = &config->sections[i];
        if (glob_match(s->glob, strlen(s->glob), name, len))
            return &s->config;
    }
    return config->unlisted == UNLISTED_REFUSE ? NULL : &config->channel;
}

void config_log_held_back(const struct config *running, const struct config *fresh, const char *path,
                          const char *const *names)
{
    for (; *names; names++)
        if (!option_same(option_find(*names), running, fresh))
            log_warn("%s has changed in %s and holds from the next start", *names, path);
}
