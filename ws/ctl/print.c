#include "ctl/print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

bool print_may_colour(FILE *file)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(fileno(file)) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

char *print_escape(const void *bytes, size_t len)
{
    size_t cap = 4 * len + 8;
    char *text = malloc(cap);
    if (text)
        log_escape(text, cap, bytes, len);
    return text;
}

void print_escaped(FILE *file, const void *bytes, size_t len)
{
    char *text = print_escape(bytes, len);
    if (text)
        fputs(text, file);
    free(text);
}

void print_styled(const struct ctl *ctl, FILE *file, enum print_style style, const char *text)
{
    static const char *const codes[] = {"", "\033[1m", "\033[2m", "\033[1;36m"};
    bool styled = ctl->colour && style != PRINT_PLAIN;
    fprintf(file, "%s%s%s", styled ? codes[style] : "", text, styled ? "\033[0m" : "");
}

void print_line(FILE *file, struct buf *line)
{
    buf_addc(line, '\n');
    fwrite(line->data, 1, buf_failed(line) ? 0 : line->len, file);
    buf_fini(line);
}

void print_message_json(struct buf *out, const struct wspush_message *m)
{
    buf_adds(out, "{\"client\":");
    json_add_string(out, m->client, strlen(m->client));
    buf_adds(out, ",\"channel\":");
    json_add_string(out, m->channel, strlen(m->channel));
    buf_addf(out, ",\"type\":\"%s\",\"%s\":", m->binary ? "binary" : "text", m->binary ? "b64" : "data");
    if (m->binary)
        json_add_base64(out, m->payload, m->len);
    else
        json_add_string(out, m->payload, m->len);
    buf_addf(out, ",\"time\":%lld,\"lost\":%lld}", (long long)m->time, (long long)m->lost);
}

static void print_details(const struct ctl *ctl, const struct wspush_message *m)
{
    char clock[16];
    print_styled(ctl, stdout, PRINT_NAME, m->client);
    printf(" on ");
    print_escaped(stdout, m->channel, strlen(m->channel));
    printf(" at %s, %zu bytes of %s: ", print_clock(clock, m->time), m->len, m->binary ? "binary" : "text");
}

void print_message(const struct ctl *ctl, const struct wspush_message *m)
{
    struct buf line = {0};
    if (m->lost && !ctl->quiet && !ctl->json)
        fprintf(stderr, "wsctl: %lld before this one were dropped, the inbox was full\n", (long long)m->lost);
    if (ctl->json) {
        print_message_json(&line, m);
        print_line(stdout, &line);
        return;
    }
    if (ctl->verbose)
        print_details(ctl, m);
    if (ctl->terminal)
        print_escaped(stdout, m->payload, m->len);
    else
        fwrite(m->payload, 1, m->len, stdout);
    putchar('\n');
}

bool print_flush(void)
{
    static int failed;
    if (fflush(stdout) != 0 && !failed)
        failed = errno;
    if (failed)
        errno = failed;
    return !failed;
}

/* Bytes of the first character of a text that is not empty; *columns is what a terminal gives to it. */
static size_t first_char(const char *text, size_t len, size_t *columns)
{
    wchar_t c;
    mbstate_t state = {0};
    size_t n = mbrtowc(&c, text, len, &state);
    *columns = 1;
    if (n == 0 || n > len)
        return 1;
    int width = wcwidth(c);
    if (width >= 0)
        *columns = (size_t)width;
    return n;
}

size_t print_fit(const char *text, size_t columns)
{
    size_t len = strlen(text);
    size_t fit = 0;
    while (fit < len) {
        size_t width;
        size_t n = first_char(text + fit, len - fit, &width);
        if (width > columns)
            break;
        columns -= width;
        fit += n;
    }
    return fit;
}

size_t print_width(const char *text)
{
    size_t width = 0;
    for (size_t len = strlen(text); len;) {
        size_t columns;
        size_t n = first_char(text, len, &columns);
        width += columns;
        text += n;
        len -= n;
    }
    return width;
}

const char *print_clock(char out[16], int64_t ms)
{
    time_t seconds = ms / 1000;
    struct tm t;
    localtime_r(&seconds, &t);
    strftime(out, 16, "%H:%M:%S", &t);
    return out;
}

void print_add_age(struct buf *out, int64_t since)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
    int64_t age = (clock_wall_ms() - since) / 1000;
    size_t i = 0;
    while (i < 3 && age < units[i].seconds)
        i++;
    buf_addf(out, "%lld%s", (long long)(age < 0 ? 0 : age / units[i].seconds), units[i].name);
    if (i < 3 && age % units[i].seconds >= units[i + 1].seconds)
        buf_addf(out, "%lld%s", (long long)(age % units[i].seconds / units[i + 1].seconds),
                 units[i + 1].name);
}

static void add_json(struct buf *out, const struct wspush_value *value)
{
    struct wspush_value item;
    switch (value->kind) {
    case WSPUSH_NONE: buf_adds(out, "null"); break;
    case WSPUSH_TEXT: json_add_string(out, value->text, value->len); break;
    case WSPUSH_NUMBER: buf_addf(out, "%lld", (long long)value->number); break;
    case WSPUSH_LIST:
        buf_addc(out, '[');
        for (size_t i = 0; wspush_item(value, i, &item); i++) {
            buf_adds(out, i ? "," : "");
            add_json(out, &item);
        }
        buf_addc(out, ']');
        break;
    }
}

void print_row_json(const struct wspush *h, size_t row)
{
    struct buf line = {0};
    struct wspush_value value;
    const char *name;
    for (size_t i = 0; wspush_row_field(h, row, i, &name, &value); i++) {
        buf_addc(&line, i ? ',' : '{');
        json_add_string(&line, name, strlen(name));
        buf_addc(&line, ':');
        add_json(&line, &value);
    }
    buf_adds(&line, line.len ? "}" : "{}");
    print_line(stdout, &line);
}
