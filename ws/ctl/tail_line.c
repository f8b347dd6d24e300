#include "ctl/tail_line.h"

#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"
#include "base/flat.h"
#include "ctl/print.h"

enum { HEX_BYTES = 16, COLUMNS = 80, PARTS_MAX = 8 };

enum direction { OUT, IN, OPENED, CLOSED, JOINED, LEFT, HAPPENED, UNREAD, DIRECTIONS };

static const struct {
    const char *mark;
    const char *name;
} directions[DIRECTIONS] = {
    [OUT] = {"->", "out"},        [IN] = {"<-", "in"},         [OPENED] = {"+ ", "open"},
    [CLOSED] = {"- ", "close"},   [JOINED] = {"* ", "join"},   [LEFT] = {"* ", "leave"},
    [HAPPENED] = {"* ", "event"}, [UNREAD] = {"? ", "unknown"}};

/* An event, read. */
struct sight {
    enum direction direction;
    const char *channel;
    int64_t time; /* Unix ms */
    struct buf client;
    struct buf user;
    int64_t code; /* CLOSED */
    bool binary;
    struct buf payload; /* OUT, IN: the text, or the first HEX_BYTES of what is binary; UNREAD: the line */
    struct buf event;   /* its name; HAPPENED: one that a newer worker has */
    size_t len;         /* of all of it */
};

static void sight_fini(struct sight *s)
{
    buf_fini(&s->client);
    buf_fini(&s->user);
    buf_fini(&s->payload);
    buf_fini(&s->event);
}

/* ---- reading ---- */

/* How many bytes a text of base64 stands for, and the first of them. */
static void read_base64(struct sight *s, const char *text, size_t len)
{
    struct base64_decode_ctx decoder;
    size_t head = len < 24 ? len : 24;
    uint8_t bytes[BASE64_DECODE_LENGTH(24)];
    size_t n = sizeof bytes;
    s->binary = true;
    s->len = len / 4 * 3;
    for (size_t i = len; i && i + 2 > len && text[i - 1] == '='; i--)
        s->len--;
    base64_decode_init(&decoder);
    if (base64_decode_update(&decoder, &n, bytes, head, text))
        buf_add(&s->payload, bytes, n < HEX_BYTES ? n : HEX_BYTES);
}

static void read_text(struct buf *to, const struct flat_member *m)
{
    buf_clear(to);
    buf_add(to, m->text, m->len);
}

static void read_happening(struct sight *s, const struct flat_member *m)
{
    read_text(&s->event, m);
    s->direction = HAPPENED;
    for (enum direction d = OPENED; d <= LEFT; d++)
        if (strcmp(m->text, directions[d].name) == 0)
            s->direction = d;
}

static void read_member(void *arg, const struct flat_member *m)
{
    struct sight *s = arg;
    bool text = m->kind == FLAT_TEXT;
    bool number = m->kind == FLAT_NUMBER;
    if (text && strcmp(m->name, "event") == 0) {
        read_happening(s, m);
    } else if (text && strcmp(m->name, "client") == 0) {
        read_text(&s->client, m);
    } else if (text && strcmp(m->name, "user") == 0) {
        read_text(&s->user, m);
    } else if (text && strcmp(m->name, "data") == 0) {
        read_text(&s->payload, m);
        s->len = m->len;
    } else if (text && strcmp(m->name, "b64") == 0) {
        read_base64(s, m->text, m->len);
    } else if (number && strcmp(m->name, "code") == 0) {
        s->code = m->number;
    } else if (number && strcmp(m->name, "time") == 0) {
        s->time = m->number;
    }
}

/* What was pushed is not marked as text or binary; what is not UTF-8 surely is binary. */
static void read_pushed(struct sight *s, const struct wspush_event *e)
{
    s->direction = OUT;
    s->channel = e->name;
    s->len = e->len;
    s->binary = utf8_check(e->payload, e->len) >= 0;
    buf_add(&s->payload, e->payload, s->binary && e->len > HEX_BYTES ? HEX_BYTES : e->len);
}

/* An event is about a client, or about a user; of one that we don't know, nobody knows. */
static bool is_about_somebody(const struct sight *s)
{
    bool user = s->direction == JOINED || s->direction == LEFT;
    return s->direction == HAPPENED || (user ? s->user.len : s->client.len);
}

static void read_event(struct sight *s, const struct wspush_event *e)
{
    const char *colon = strchr(e->name, ':');
    *s = (struct sight){.direction = IN, .channel = colon ? colon + 1 : e->name, .time = clock_wall_ms()};
    if (e->name[0] != '@') {
        read_pushed(s, e);
    } else if (!flat_read(e->payload, e->len, read_member, s) || !is_about_somebody(s)) {
        s->direction = UNREAD;
        s->binary = false;
        buf_clear(&s->payload);
        buf_add(&s->payload, e->payload, e->len);
    }
}

/* ---- for people ---- */

struct part {
    enum print_style style;
    char *text;
};

struct parts {
    struct part all[PARTS_MAX];
    size_t count;
};

static void add_bytes(struct parts *parts, enum print_style style, const void *bytes, size_t len)
{
    char *text = print_escape(bytes, len);
    if (text)
        parts->all[parts->count++] = (struct part){style, text};
}

static void add_text(struct parts *parts, enum print_style style, const char *text)
{
    add_bytes(parts, style, text, strlen(text));
}

static void add_buf(struct parts *parts, enum print_style style, const struct buf *text)
{
    add_bytes(parts, style, text->data, text->len);
}

static void add_hex(struct parts *parts, const struct sight *s)
{
    struct buf text = {0};
    buf_addf(&text, "(binary, %zu bytes) ", s->len);
    for (size_t i = 0; i < s->payload.len; i++)
        buf_addf(&text, "%02x", s->payload.data[i]);
    if (s->len > s->payload.len)
        buf_adds(&text, "...");
    add_text(parts, PRINT_PLAIN, buf_str(&text));
    buf_fini(&text);
}

static void add_payload(struct parts *parts, const struct sight *s)
{
    add_text(parts, PRINT_PLAIN, ": ");
    if (s->binary)
        add_hex(parts, s);
    else
        add_buf(parts, PRINT_PLAIN, &s->payload);
}

static void add_code(struct parts *parts, const struct sight *s)
{
    char code[32];
    snprintf(code, sizeof code, " %lld", (long long)s->code);
    add_text(parts, PRINT_PLAIN, code);
}

static void add_client(struct parts *parts, const struct sight *s)
{
    struct buf user = {0};
    if (s->client.len) {
        add_text(parts, PRINT_PLAIN, " ");
        add_buf(parts, PRINT_NAME, &s->client);
    }
    if (s->user.len) {
        buf_adds(&user, " (");
        buf_add(&user, s->user.data, s->user.len);
        buf_addc(&user, ')');
        add_buf(parts, PRINT_PLAIN, &user);
    }
    buf_fini(&user);
}

static void add_user(struct parts *parts, const struct sight *s)
{
    add_text(parts, PRINT_PLAIN, " ");
    add_buf(parts, PRINT_NAME, &s->user);
}

/* Who, and what of it. */
static void add_what(struct parts *parts, const struct sight *s)
{
    bool user = s->direction == JOINED || s->direction == LEFT;
    (user ? add_user : add_client)(parts, s);
    switch (s->direction) {
    case OPENED: break;
    case CLOSED: add_code(parts, s); break;
    case JOINED: add_text(parts, PRINT_PLAIN, " joined"); break;
    case LEFT: add_text(parts, PRINT_PLAIN, " left"); break;
    case HAPPENED:
        add_text(parts, PRINT_PLAIN, " ");
        add_buf(parts, PRINT_PLAIN, &s->event);
        break;
    default: add_payload(parts, s);
    }
}

static void collect(struct parts *parts, struct sight *s)
{
    struct buf head = {0};
    char clock[16];
    buf_addf(&head, "%s %s ", print_clock(clock, s->time), directions[s->direction].mark);
    add_text(parts, PRINT_DIM, buf_str(&head));
    add_text(parts, PRINT_BOLD, s->channel);
    add_what(parts, s);
    buf_fini(&head);
}

static size_t width_of_stdout(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : COLUMNS;
}

static size_t width_of(const struct parts *parts)
{
    size_t width = 0;
    for (size_t i = 0; i < parts->count; i++)
        width += print_width(parts->all[i].text);
    return width;
}

/* Prints what fits into the columns; what does not ends in "...". */
static void print_cut(const struct ctl *ctl, struct parts *parts, size_t columns)
{
    size_t left = columns > 3 ? columns - 3 : 0;
    for (size_t i = 0; i < parts->count; i++) {
        struct part *part = &parts->all[i];
        size_t width = print_width(part->text);
        if (width > left)
            part->text[print_fit(part->text, left)] = '\0';
        print_styled(ctl, stdout, part->style, part->text);
        if (width > left)
            break;
        left -= width;
    }
    fputs(&"..."[columns < 3 ? 3 - columns : 0], stdout);
}

static void print_parts(const struct ctl *ctl, struct parts *parts)
{
    size_t columns = ctl->terminal ? width_of_stdout() : SIZE_MAX;
    if (ctl->terminal && width_of(parts) > columns)
        print_cut(ctl, parts, columns);
    else
        for (size_t i = 0; i < parts->count; i++)
            print_styled(ctl, stdout, parts->all[i].style, parts->all[i].text);
    putchar('\n');
    for (size_t i = 0; i < parts->count; i++)
        free(parts->all[i].text);
}

/* ---- as JSON ---- */

/* A line of the worker's is an object already: ours are its first members. */
static void print_json(const struct sight *s, const struct wspush_event *e)
{
    struct buf line = {0};
    const char *object = memchr(e->payload, '{', e->len);
    buf_addf(&line, "{\"direction\":\"%s\",\"channel\":", directions[s->direction].name);
    json_add_string(&line, s->channel, strlen(s->channel));
    buf_addc(&line, ',');
    if (s->direction == OUT) {
        buf_adds(&line, s->binary ? "\"type\":\"binary\",\"b64\":" : "\"type\":\"text\",\"data\":");
        (s->binary ? json_add_base64 : json_add_string)(&line, e->payload, e->len);
        buf_addf(&line, ",\"time\":%lld}", (long long)s->time);
    } else if (s->direction == UNREAD || !object) {
        buf_adds(&line, "\"line\":");
        json_add_string(&line, e->payload, e->len);
        buf_addc(&line, '}');
    } else {
        json_add_copy(&line, object + 1, e->len - (size_t)(object + 1 - (const char *)e->payload));
    }
    print_line(stdout, &line);
}

void tail_line(const struct ctl *ctl, const struct wspush_event *event)
{
    struct sight s;
    struct parts parts = {0};
    read_event(&s, event);
    if (ctl->json) {
        print_json(&s, event);
    } else {
        collect(&parts, &s);
        print_parts(ctl, &parts);
    }
    sight_fini(&s);
}
