#include "push/notice.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

static struct msg *finish(enum notice notice, struct buf *json)
{
    struct msg *m = buf_failed(json) ? NULL : msg_new_notice(notice, buf_str(json), json->len);
    buf_fini(json);
    return m;
}

static void add_name(struct buf *json, const struct shared_name *name)
{
    if (name)
        json_add_string(json, name->text, name->len);
    else
        buf_adds(json, "null");
}

static void add_id(struct buf *json, const char *name, struct msg_id id)
{
    char text[MSG_ID_TEXT_MAX];
    size_t len = msg_id_format(id, text);
    buf_addf(json, ",\"%s\":\"", name);
    buf_add(json, text, len);
    buf_addc(json, '"');
}

/* {"ch":NAME */
static void begin(struct buf *json, const struct shared_name *channel)
{
    buf_adds(json, "{\"ch\":");
    add_name(json, channel);
}

struct msg *notice_hello(uint64_t client, const struct shared_name *user, const struct shared_name *channel,
                         struct msg_id from)
{
    struct buf json = {0};
    buf_addf(&json, "{\"client\":\"c%" PRIu64 "\",\"user\":", client);
    add_name(&json, user);
    buf_adds(&json, ",\"channels\":[");
    if (channel)
        add_name(&json, channel);
    buf_adds(&json, "]}");
    struct msg *m = finish(NOTICE_HELLO, &json);
    if (m)
        m->id = from;
    return m;
}

struct msg *notice_sub(const struct shared_name *channel, struct msg_id head, struct msg_id from)
{
    struct buf json = {0};
    begin(&json, channel);
    add_id(&json, "id", head);
    if (from.gen)
        add_id(&json, "from", from);
    buf_addc(&json, '}');
    return finish(NOTICE_SUB, &json);
}

struct msg *notice_unsub(const struct shared_name *channel)
{
    struct buf json = {0};
    begin(&json, channel);
    buf_addc(&json, '}');
    return finish(NOTICE_UNSUB, &json);
}

struct msg *notice_reset(struct shared_name *channel, const char *why, struct msg_id id)
{
    struct buf json = {0};
    begin(&json, channel);
    buf_addf(&json, ",\"why\":\"%s\"", why);
    add_id(&json, "id", id);
    buf_addc(&json, '}');
    struct msg *m = finish(NOTICE_RESET, &json);
    if (!m)
        return NULL;
    m->id = id;
    m->channel = shared_name_ref(channel);
    return m;
}

struct msg *notice_user(enum notice what, const struct shared_name *channel, const struct shared_name *user)
{
    struct buf json = {0};
    begin(&json, channel);
    buf_adds(&json, ",\"user\":");
    add_name(&json, user);
    buf_addc(&json, '}');
    return finish(what, &json);
}

struct msg *notice_error(const char *code, const char *text, const char *channel, size_t channel_len)
{
    struct buf json = {0};
    buf_addf(&json, "{\"code\":\"%s\",\"text\":\"%s\"", code, text);
    if (channel) {
        buf_adds(&json, ",\"ch\":");
        json_add_string(&json, channel, channel_len);
    }
    buf_addc(&json, '}');
    return finish(NOTICE_ERROR, &json);
}

struct msg *notice_pong(int64_t number)
{
    struct buf json = {0};
    buf_addf(&json, "%" PRId64, number);
    return finish(NOTICE_PONG, &json);
}

struct msg *notice_close(unsigned code, const char *reason)
{
    struct buf json = {0};
    buf_addf(&json, "{\"code\":%u,\"reason\":", code);
    json_add_string(&json, reason, strlen(reason));
    buf_addc(&json, '}');
    return finish(NOTICE_CLOSE, &json);
}
