#include "control/monitor.h"

#include "base/clock.h"
#include "control/unasked.h"

enum { SHOWN_MAX = 200 }; /* bytes of an argument */

static void add_char(struct buf *out, unsigned char c)
{
    if (c == '"' || c == '\\') {
        buf_addc(out, '\\');
        buf_addc(out, (char)c);
    } else if (c >= ' ' && c <= '~') {
        buf_addc(out, (char)c);
    } else {
        buf_addf(out, "\\x%02x", c);
    }
}

static void add_quoted(struct buf *out, const struct resp_arg *arg)
{
    buf_adds(out, " \"");
    for (size_t i = 0; i < arg->len && i < SHOWN_MAX; i++)
        add_char(out, (unsigned char)arg->data[i]);
    buf_adds(out, arg->len > SHOWN_MAX ? "...\"" : "\"");
}

static bool is_elided(const struct command *command, int index)
{
    return (command->flags & COMMAND_PUBLISHES && index == 2) ||
           (command->flags & COMMAND_SECRET && index > 0);
}

/* As Redis writes it: seconds, database and address, the words. */
static void write_line(struct buf *out, const struct session *s, const struct command *command,
                       const struct resp_request *r)
{
    int64_t now = clock_wall_ms();
    buf_addf(out, "+%lld.%03lld000 [0 unix:id=%llu]", (long long)(now / 1000), (long long)(now % 1000),
             (unsigned long long)s->number);
    for (int i = 0; i < r->argc; i++) {
        if (is_elided(command, i))
            buf_addf(out, " \"(%zu bytes)\"", r->argv[i].len);
        else
            add_quoted(out, &r->argv[i]);
    }
    buf_adds(out, "\r\n");
}

void monitor_show(const struct session *s, const struct command *command, const struct resp_request *r)
{
    struct buf line = {0};
    const struct list *monitors = &s->control->watch.monitors;
    write_line(&line, s, command, r);
    for (struct list *l = monitors->next; l != monitors; l = l->next) {
        struct session *monitor = LIST_ENTRY(l, struct session, monitoring);
        struct buf *out = unasked_begin(monitor);
        if (!out)
            continue;
        buf_add(out, line.data, line.len);
        unasked_end(monitor, line.len);
    }
    buf_fini(&line);
}
