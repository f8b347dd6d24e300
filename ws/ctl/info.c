/* info and ping: the worker itself. */
#include "ctl/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/units.h"
#include "ctl/print.h"

#define SECTIONS "server clients memory history stats cpu"

/* Calls `each` for every line, without its line end. */
static void each_line(const char *text, size_t len, void (*each)(void *arg, const char *line, size_t len),
                      void *arg)
{
    while (len) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) : len;
        each(arg, text, n && text[n - 1] == '\r' ? n - 1 : n);
        n += end != NULL;
        text += n;
        len -= n;
    }
}

static void print_info_line(void *arg, const char *line, size_t len)
{
    const struct ctl *ctl = arg;
    char *text = print_escape(line, len);
    print_styled(ctl, stdout, len && line[0] == '#' ? PRINT_BOLD : PRINT_PLAIN, text ? text : "");
    putchar('\n');
    free(text);
}

/* "name:value" becomes a member, a number where it is one; the rest are headings. */
static void add_member(void *arg, const char *line, size_t len)
{
    struct buf *out = arg;
    const char *colon = memchr(line, ':', len);
    uint64_t number;
    if (!colon || line[0] == '#')
        return;
    const char *value = colon + 1;
    size_t value_len = len - (size_t)(value - line);
    if (out->len > 1)
        buf_addc(out, ',');
    json_add_string(out, line, (size_t)(colon - line));
    buf_addc(out, ':');
    bool plain =
        value_len < 16 && units_number(value, value_len, &number) == 0 && (value_len == 1 || value[0] != '0');
    if (plain)
        buf_add(out, value, value_len);
    else
        json_add_string(out, value, value_len);
}

static int run_info(struct ctl *ctl)
{
    const char *text = NULL;
    size_t len = 0;
    const char *section = ctl_next(ctl);
    if (ctl_no_more(ctl) != CTL_DONE)
        return CTL_USAGE;
    enum wspush_result result = wspush_info(ctl->handle, section, &text, &len);
    if (result != WSPUSH_OK)
        return ctl_fail(ctl, ctl->handle, result);
    if (section && len == 0) {
        fprintf(stderr, "wsctl: there is no section '");
        print_escaped(stderr, section, strlen(section));
        fprintf(stderr, "'; there are: " SECTIONS "\n");
        return CTL_NOTHING;
    }
    if (ctl->json) {
        struct buf line = {0};
        buf_addc(&line, '{');
        each_line(text, len, add_member, &line);
        buf_addc(&line, '}');
        print_line(stdout, &line);
    } else {
        each_line(text, len, print_info_line, ctl);
    }
    return CTL_DONE;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int run_ping(struct ctl *ctl)
{
    if (ctl_no_more(ctl) != CTL_DONE)
        return CTL_USAGE;
    double start = now_ms();
    enum wspush_result result = wspush_ping(ctl->handle);
    if (result != WSPUSH_OK)
        return ctl_fail(ctl, ctl->handle, result);
    double took = now_ms() - start;
    if (ctl->json)
        printf("{\"pong\":true,\"ms\":%.3f}\n", took);
    else if (!ctl->quiet)
        printf("PONG in %.2f ms\n", took);
    return CTL_DONE;
}

const struct ctl_verb verb_info = {
    .name = "info",
    .args = "[SECTION]",
    .help = "print the worker's figures",
    .more = "SECTION is one of: " SECTIONS ".\n",
    .example = "wsctl info stats",
    .run = run_info,
};

const struct ctl_verb verb_ping = {
    .name = "ping",
    .args = "",
    .help = "ask whether the worker answers, and how fast",
    .example = "wsctl ping",
    .run = run_ping,
};
