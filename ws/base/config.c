#include "base/config.h"

#include <confuse.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/config_text.h"
#include "base/glob.h"
#include "base/listen.h"
#include "base/origin.h"
#include "base/units.h"

enum option_type { NUMBER, SIZE, DURATION, STRING, ADDRESS, LIST, ADDRESSES, CHOICE };
enum option_scope { PROCESS, CHANNEL };

/* A row of options.def. */
struct option {
    enum option_scope scope;
    enum option_type type;
    const char *name;
    size_t offset; /* into struct config or struct channel_config */
    const char *default_text;
    uint64_t min;
    uint64_t max;
    const char *choices;
    const char *help;
};

#define OFFSET_PROCESS(name) offsetof(struct config, name)
#define OFFSET_CHANNEL(name) offsetof(struct channel_config, name)
static const struct option options[] = {
#define OPTION(scope, type, name, def, min, max, help)                                                       \
    {scope, type, #name, OFFSET_##scope(name), def, min, max, NULL, help},
#define OPTION_CHOICE(scope, name, def, choices, help)                                                       \
    {scope, CHOICE, #name, OFFSET_##scope(name), def, 0, 0, choices, help},
#include "base/options.def"
};
enum { OPTION_COUNT = sizeof options / sizeof *options };

static bool is_list(const struct option *o)
{
    return o->type == LIST || o->type == ADDRESSES;
}

static const struct option *find_option(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
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

/* Reads a number, size or duration within the row's bounds. */
static int read_number(const struct option *o, const char *text, uint64_t *out)
{
    int64_t ms;
    int r = -1;
    if (o->type == NUMBER)
        r = units_number(text, strlen(text), out);
    else if (o->type == SIZE)
        r = units_size(text, out);
    else if ((r = units_duration(text, &ms)) == 0)
        *out = (uint64_t)ms;
    return r < 0 || *out < o->min || *out > o->max ? -1 : 0;
}

static int read_mode(const char *text, unsigned *out)
{
    char *end;
    unsigned long mode = strtoul(text, &end, 8);
    if (*text < '0' || *text > '7' || *end || mode > 0777)
        return -1;
    *out = (unsigned)mode;
    return 0;
}

/* It becomes a header's value. */
static bool uri_ok(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return false;
    return *text == '/';
}

/* Whether one value of this option is good; otherwise what was expected is in `why`. */
static bool value_ok(const struct option *o, const char *text, char *why, size_t cap)
{
    uint64_t number;
    unsigned mode;
    const char *fault = NULL;
    static const char *const kinds[] = {"a whole number", "a size such as 64k or 1m",
                                        "a duration such as 250ms, 20s or 5m"};
    if (o->type <= DURATION) {
        if (read_number(o, text, &number) == 0)
            return true;
        snprintf(why, cap, "expected %s, from %llu to %llu%s", kinds[o->type], (unsigned long long)o->min,
                 (unsigned long long)o->max,
                 o->type == SIZE       ? " bytes"
                 : o->type == DURATION ? " ms"
                                       : "");
        return false;
    }
    if (o->type == CHOICE) {
        snprintf(why, cap, "expected one of: %s", o->choices);
        return choice_index(o->choices, text) >= 0;
    }
    if (o->type == ADDRESS || o->type == ADDRESSES)
        fault = listen_address_fault(text);
    if (strcmp(o->name, "control") == 0 && !fault && strncmp(text, "unix:", 5) != 0)
        fault = "expected \"unix:PATH\": the control socket is never on TCP";
    if (strcmp(o->name, "origins") == 0)
        fault = origin_entry_fault(text);
    if (strcmp(o->name, "socket_mode") == 0 && read_mode(text, &mode) < 0)
        fault = "expected an octal mode such as 0660";
    if (strcmp(o->name, "page") == 0 && !uri_ok(text))
        fault = "expected a URI that begins with '/'";
    if (fault)
        snprintf(why, cap, "%s", fault);
    return !fault;
}

/* ---- storing ---- */

static char *copy(const char *text)
{
    char *s = strdup(text);
    if (!s)
        abort();
    return s;
}

static void list_add(struct string_list *list, const char *text)
{
    char **items = realloc(list->items, (list->count + 2) * sizeof *items);
    if (!items)
        abort();
    list->items = items;
    items[list->count++] = copy(text);
    items[list->count] = NULL;
}

static void list_free(struct string_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct string_list){0};
}

/* Relative Unix paths count from the directory of the file. */
static char *resolve_address(const char *address, const char *dir)
{
    struct buf b = {0};
    if (strncmp(address, "unix:", 5) != 0 || address[5] == '/' || !*dir)
        return copy(address);
    buf_addf(&b, "unix:%s/%s", dir, address + 5);
    char *resolved = copy(buf_str(&b));
    buf_fini(&b);
    return resolved;
}

static void store_text(const struct option *o, void *member, const char *text, const char *dir)
{
    char *value = o->type == ADDRESS ? resolve_address(text, dir) : copy(text);
    free(*(char **)member);
    *(char **)member = value;
}

/* Stores a checked value into the option's place below `base`. */
static void store(const struct option *o, void *base, const char *text, const char *dir)
{
    void *member = (char *)base + o->offset;
    switch (o->type) {
    case NUMBER:
    case SIZE:
    case DURATION: {
        uint64_t number = 0;
        read_number(o, text, &number);
        memcpy(member, &number, sizeof number);
        return;
    }
    case CHOICE: *(uint64_t *)member = (uint64_t)choice_index(o->choices, text); return;
    case STRING:
    case ADDRESS: store_text(o, member, text, dir); return;
    case LIST: list_add(member, text); return;
    case ADDRESSES: {
        char *address = resolve_address(text, dir);
        list_add(member, address);
        free(address);
        return;
    }
    }
}

static void store_defaults(enum option_scope scope, void *base)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &options[i];
        if (o->scope == scope && !(is_list(o) && !*o->default_text))
            store(o, base, o->default_text, "");
    }
}

static void free_values(enum option_scope scope, void *base)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        void *member = (char *)base + options[i].offset;
        if (options[i].scope != scope)
            continue;
        if (is_list(&options[i]))
            list_free(member);
        else if (options[i].type == STRING || options[i].type == ADDRESS)
            free(*(char **)member);
    }
}

/* A section begins as a copy of the top level. */
static void copy_channel_config(struct channel_config *to, const struct channel_config *from)
{
    *to = *from;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &options[i];
        void *member = (char *)to + o->offset;
        if (o->scope != CHANNEL)
            continue;
        if (o->type == STRING || o->type == ADDRESS)
            *(char **)member = copy(*(char **)member);
        if (is_list(o)) {
            struct string_list old = *(struct string_list *)member;
            *(struct string_list *)member = (struct string_list){0};
            for (size_t k = 0; k < old.count; k++)
                list_add(member, old.items[k]);
        }
    }
}

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
    const struct option *o = find_option(opt->name);
    for (unsigned i = 0; o && i < cfg_opt_size(opt); i++) {
        const char *text = cfg_opt_getnstr(opt, i);
        if (!text || !value_ok(o, text, why, sizeof why)) {
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
        if (!top && options[i].scope != CHANNEL)
            continue;
        if (is_list(&options[i]))
            out[n++] = (cfg_opt_t)CFG_STR_LIST(options[i].name, NULL, CFGF_NODEFAULT);
        else
            out[n++] = (cfg_opt_t)CFG_STR(options[i].name, NULL, CFGF_NODEFAULT);
    }
    return n;
}

/* A value in the file replaces the default, lists too. */
static void take_values(cfg_t *cfg, enum option_scope scope, void *base, const char *dir)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &options[i];
        unsigned count = o->scope == scope ? cfg_size(cfg, o->name) : 0;
        if (o->scope == scope && is_list(o) && (count || cfg_getopt(cfg, o->name)->flags & CFGF_MODIFIED))
            list_free((struct string_list *)(void *)((char *)base + o->offset));
        for (unsigned k = 0; k < count; k++)
            store(o, base, cfg_getnstr(cfg, o->name, k), dir);
    }
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
        const char *fault = glob_fault(glob, strlen(glob));
        if (fault) {
            cfg_error(section, "channel \"%s\": bad pattern: %s", glob, fault);
            return -1;
        }
        struct channel_section *to = &config->sections[config->section_count++];
        to->glob = copy(glob);
        copy_channel_config(&to->config, &config->channel);
        take_values(section, CHANNEL, &to->config, dir);
    }
    return 0;
}

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = copy(slash ? path : ".");
    if (slash)
        dir[slash == path ? 1 : slash - path] = '\0';
    return dir;
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
        cfg_set_validate_func(cfg, options[i].name, on_value);
        snprintf(name, sizeof name, "channel|%s", options[i].name);
        if (options[i].scope == CHANNEL)
            cfg_set_validate_func(cfg, name, on_value);
    }
    free(cfg->filename);
    cfg->filename = copy(path);
    char *dir = directory_of(path);
    FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    if (!file)
        abort();
    int r = cfg_parse_fp(cfg, file) == CFG_SUCCESS ? 0 : -1;
    fclose(file);
    if (r == 0) {
        take_values(cfg, PROCESS, config, dir);
        take_values(cfg, CHANNEL, &config->channel, dir);
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
    if (r < 0 && !why[0])
        snprintf(why, cap, "%s: cannot be read as a configuration", path);
    keep_one_line(why);
    buf_fini(&text);
    return r;
}

struct config *config_load(const char *path, char *why, size_t why_cap)
{
    struct config *config = calloc(1, sizeof *config);
    if (!config)
        abort();
    why[0] = '\0';
    fault_sink.why = why;
    fault_sink.cap = why_cap;
    store_defaults(PROCESS, config);
    store_defaults(CHANNEL, &config->channel);
    if (path && load_file(config, path, why, why_cap) < 0) {
        config_free(config);
        return NULL;
    }
    if (config->listen.count == 0) {
        snprintf(why, why_cap, "%s: listen is empty: the worker needs an address to listen on", path);
        config_free(config);
        return NULL;
    }
    read_mode(config->socket_mode, &config->socket_mode_bits);
    return config;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->section_count; i++) {
        free(config->sections[i].glob);
        free_values(CHANNEL, &config->sections[i].config);
    }
    free(config->sections);
    free_values(CHANNEL, &config->channel);
    free_values(PROCESS, config);
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

/* ---- the sample ---- */

static const char sample_head[] =
    "# wspush.conf: what wspushd and wspush-fcgi do. Every option stands here with its default; a line "
    "counts when its\n"
    "# '#' is removed. `wspushd --check-config` says what is wrong with a file, and where. Sizes take k, m, "
    "g; durations\n"
    "# are seconds or carry ms, s, m, h. Relative socket paths count from this file's directory.\n";

static const char sample_tail[] = "\n"
                                  "# A section changes the options above for the channels that its pattern "
                                  "matches: * within a segment, ** across '/'.\n"
                                  "# The first section that matches holds.\n"
                                  "#channel \"chat/**\" {\n"
                                  "#    inbound = publish\n"
                                  "#    origins = {\"https://www.example.com\"}\n"
                                  "#}\n";

/* Writes `text` as comment lines of at most 110 columns. */
static void print_comment(FILE *out, const char *text)
{
    while (*text) {
        size_t n = strlen(text);
        if (n > 108)
            for (n = 108; n && text[n] != ' '; n--)
                ;
        fprintf(out, "# %.*s\n", (int)n, text);
        text += n;
        text += *text == ' ';
    }
}

static void print_option(FILE *out, const struct option *o)
{
    fputc('\n', out);
    print_comment(out, o->help);
    if (o->choices)
        fprintf(out, "# One of: %s\n", o->choices);
    bool bare = o->type <= DURATION || o->type == CHOICE;
    if (is_list(o) && !*o->default_text)
        fprintf(out, "#%s = {}\n", o->name);
    else
        fprintf(out, bare ? "#%s = %s\n" : "#%s = \"%s\"\n", o->name, o->default_text);
}

void config_print_sample(FILE *out)
{
    size_t next = 0;
    fputs(sample_head, out);
#define OPTION_HEADING(text)                           fprintf(out, "\n# ---- %s ----\n", text);
#define OPTION(scope, type, name, def, min, max, help) print_option(out, &options[next++]);
#include "base/options.def"
    fputs(sample_tail, out);
}
