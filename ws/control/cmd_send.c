/* PUBLISH and WS.SEND: a message on its way out. */
#include "base/utf8.h"
#include "control/answers.h"
#include "control/dispatch.h"

enum { TIMEOUT_DEFAULT_MS = 5000, KEY_MAX = 200 };

static const char send_usage[] =
    "WS.SEND target payload [BINARY] [TTL ms] [KEY k] [WAIT handed|ponged|acked] [TIMEOUT ms]";

/* What WS.SEND is told behind the payload. */
struct send_options {
    bool binary;
    enum wish wish;
    int64_t timeout;
    int64_t ttl;
    const char *key;
    size_t key_len; /* 0: no key */
};

static bool take_wish(const struct resp_arg *arg, enum wish *out)
{
    if (arg_is(arg, "handed"))
        *out = WISH_HANDED;
    else if (arg_is(arg, "ponged"))
        *out = WISH_PONGED;
    else if (arg_is(arg, "acked"))
        *out = WISH_ACKED;
    else
        return false;
    return true;
}

static bool take_ttl(struct session *s, const struct resp_arg *arg, int64_t *out)
{
    if (!arg_ms(s, arg, out))
        return false;
    if (*out == 0)
        resp_add_error(session_reply(s), "ERR TTL is 1 ms at least; without it a message does not expire");
    return *out > 0;
}

static bool take_key(struct session *s, const struct resp_arg *arg, struct send_options *out)
{
    bool good = arg->len >= 1 && arg->len <= KEY_MAX;
    out->key = arg->data;
    out->key_len = arg->len;
    if (!good)
        resp_add_error(session_reply(s), "ERR a KEY has 1 to %d bytes, this one %zu", KEY_MAX, arg->len);
    return good;
}

/* An option with its value; false after an error reply. */
static bool take_option(struct session *s, const struct resp_arg *name, const struct resp_arg *value,
                        struct send_options *out)
{
    if (arg_is(name, "timeout"))
        return arg_ms(s, value, &out->timeout);
    if (arg_is(name, "ttl"))
        return take_ttl(s, value, &out->ttl);
    if (arg_is(name, "key"))
        return take_key(s, value, out);
    if (arg_is(name, "wait") && take_wish(value, &out->wish))
        return true;
    reply_usage(s, send_usage);
    return false;
}

static bool parse_options(struct session *s, const struct resp_request *r, struct send_options *out)
{
    *out = (struct send_options){.timeout = TIMEOUT_DEFAULT_MS};
    for (int i = 3; i < r->argc; i++) {
        if (arg_is(&r->argv[i], "binary")) {
            out->binary = true;
        } else if (i + 1 == r->argc) {
            reply_usage(s, send_usage);
            return false;
        } else if (!take_option(s, &r->argv[i], &r->argv[i + 1], out)) {
            return false;
        } else {
            i++;
        }
    }
    return true;
}

/* Whether the payload is what it is said to be; false after an error reply. */
static bool payload_ok(struct session *s, const struct resp_arg *payload, bool binary)
{
    ptrdiff_t bad = binary ? -1 : utf8_check(payload->data, payload->len);
    if (bad >= 0)
        resp_add_error(session_reply(s),
                       "BADUTF8 at byte %td; what is not text is sent with WS.SEND ... BINARY", bad);
    return bad < 0;
}

static void send_to(struct session *s, const struct resp_request *r, enum reply_form form,
                    const struct send_options *options)
{
    struct target target;
    const struct resp_arg *payload = &r->argv[2];
    if (!arg_target(s, &r->argv[1], &target) || !payload_ok(s, payload, options->binary))
        return;
    if (options->key_len && target.kind != TARGET_CHANNEL) {
        resp_add_error(session_reply(s), "ERR KEY is for a channel; other targets have no ids");
        return;
    }
    struct sending sending = {.binary = options->binary,
                              .payload = payload->data,
                              .len = payload->len,
                              .asker = session_asks(s, form),
                              .wish = options->wish,
                              .key = options->key,
                              .key_len = options->key_len,
                              .ttl = options->ttl,
                              .receipt_timeout = options->timeout ? options->timeout : 1};
    enum hub_answer answer = hub_send(s->control->hub, &target, &sending);
    if (answer == HUB_NO_TARGET) {
        reply_no_target(s, &r->argv[1]);
    } else if (answer == HUB_TOO_BIG) {
        resp_add_error(session_reply(s), "TOOBIG limit %llu",
                       (unsigned long long)hub_message_limit(s->control->hub, &target));
    } else if (answer == HUB_NO_MEMORY) {
        resp_add_error(session_reply(s), "BUSY out of memory");
    } else {
        const struct slot *slot = session_expects(s);
        if (options->wish)
            session_wait_for(s, slot);
    }
}

static void run_publish(struct session *s, const struct resp_request *r)
{
    static const struct send_options plain = {0};
    send_to(s, r, FORM_COUNT, &plain);
}

static void run_send(struct session *s, const struct resp_request *r)
{
    struct send_options options;
    if (!parse_options(s, r, &options))
        return;
    if (options.wish && s->in_exec)
        resp_add_error(session_reply(s), "ERR nothing waits inside MULTI: leave WAIT out");
    else
        send_to(s, r, options.wish ? FORM_RECEIPT : FORM_PLAIN, &options);
}

const struct command commands_send[] = {
    {"publish", 3, 3, "PUBLISH target payload", run_publish, COMMAND_PUBLISHES},
    {"ws.send", 3, 12, send_usage, run_send, COMMAND_PUBLISHES},
    {0},
};
