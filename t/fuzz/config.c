/*
 * The configuration file: an error is one line that names a line of the file; a good one reads the same
 * again; and whatever was wrong with it, the next file is read as if nothing had been (a daemon reads anew on
 * SIGHUP). No knobs.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/config.h"
#include "base/glob.h"
#include "base/option.h"

static const char good[] =
    "threads = 3\nchannel \"chat/**\" {\n    inbound = echo\n    origins = {\"any\", \"*.a.b\"}\n}\n";

/* A file in memory; its path ends up in messages. */
static const char *put_file(const void *bytes, size_t len)
{
    static char path[32];
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("wspush.conf", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    MUST(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, bytes, len, 0) == (ssize_t)len);
    return path;
}

/* Of these faults no line is to blame. */
static bool is_about_the_whole(const char *text)
{
    static const char *const faults[] = {"listen is empty", "listen, control and fcgi_listen", NULL};
    for (size_t i = 0; faults[i]; i++)
        if (strncmp(text, faults[i], strlen(faults[i])) == 0)
            return true;
    return false;
}

static void check_fault(const char *why, const char *path, const uint8_t *bytes, size_t len)
{
    long lines = 1;
    for (size_t i = 0; i < len; i++)
        lines += bytes[i] == '\n';
    for (const char *p = why; *p; p++)
        MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
    MUST(strncmp(why, path, strlen(path)) == 0);
    const char *text = why + strlen(path);
    if (len && memchr(bytes, '\0', len)) {
        MUST(strstr(text, "NUL"));
    } else if (strncmp(text, ": ", 2) == 0) {
        MUST(is_about_the_whole(text + 2));
    } else {
        char *end;
        MUST(*text == ':');
        long line = strtol(text + 1, &end, 10);
        MUST(strncmp(end, ": ", 2) == 0 && end[2]);
        MUST(line >= 1 && line <= lines);
    }
}

static void check_same(const struct config *a, const struct config *b)
{
    MUST(a->section_count == b->section_count);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &option_rows[i];
        if (o->scope == OPTION_PROCESS)
            MUST(option_same(o, a, b));
        else
            MUST(option_same(o, &a->channel, &b->channel));
        for (size_t k = 0; k < a->section_count && o->scope == OPTION_CHANNEL; k++)
            MUST(option_same(o, &a->sections[k].config, &b->sections[k].config));
    }
}

/* Numbers within their bounds, patterns that can match, and an answer for every channel. */
static void check_config(const struct config *c)
{
    static const char *const channels[] = {"test", "chat/room1", "a/b/c", "\xe6\x88\xbf"};
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &option_rows[i];
        const char *base = o->scope == OPTION_PROCESS ? (const char *)c : (const char *)&c->channel;
        uint64_t number;
        memcpy(&number, base + o->offset, sizeof number);
        if (o->type == OPTION_NUMBER || o->type == OPTION_SIZE || o->type == OPTION_DURATION)
            MUST(number >= o->min && number <= o->max);
    }
    for (size_t i = 0; i < c->section_count; i++)
        MUST(!glob_fault(c->sections[i].glob, strlen(c->sections[i].glob)));
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        MUST(config_for_channel(c, channels[i], strlen(channels[i])) || c->unlisted == UNLISTED_REFUSE);
}

static void check_next_file(void)
{
    char why[256];
    struct config *c = config_load(put_file(good, sizeof good - 1), why, sizeof why);
    MUST(c && c->threads == 3 && c->section_count == 1);
    MUST(strcmp(c->sections[0].glob, "chat/**") == 0);
    MUST(c->sections[0].config.inbound == INBOUND_ECHO && c->sections[0].config.origins.count == 2);
    config_unref(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[256];
    const char *path = put_file(data, size);
    struct config *c = config_load(path, why, sizeof why);
    if (c) {
        struct config *again = config_load(path, why, sizeof why);
        MUST(again);
        check_same(c, again);
        check_config(c);
        config_unref(again);
    } else {
        check_fault(why, path, data, size);
        check_next_file();
    }
    config_unref(c);
    return 0;
}
