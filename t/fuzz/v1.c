/*
 * wspush.v1: whatever the text, what is taken for a request keeps the promises of v1.h, and written anew it
 * is the same request. And the bytes as the payload of a message on its way out: they read back as they are.
 * Knobs: whether the payload is binary; whether it has a channel; whether it has an id.
 */
#include "fuzz.h"

#include "base/json.h"
#include "base/utf8.h"
#include "wire/v1.h"

static bool same_text(struct v1_text a, struct v1_text b)
{
    return !a.data == !b.data && a.len == b.len && (!a.len || memcmp(a.data, b.data, a.len) == 0);
}

static void check_name(struct v1_text t)
{
    if (t.data)
        MUST(utf8_check(t.data, t.len) < 0 && !memchr(t.data, '\0', t.len) && t.data[t.len] == '\0');
}

static void check_request(const struct v1_request *r)
{
    check_name(r->channel);
    check_name(r->id);
    MUST(r->channel_count <= V1_CHANNELS_MAX);
    for (size_t i = 0; i < r->channel_count; i++) {
        MUST(r->channels[i].name.data);
        MUST(r->kind == V1_SUB || !r->channels[i].since.data);
        check_name(r->channels[i].name);
        check_name(r->channels[i].since);
        for (size_t k = 0; k < i; k++)
            MUST(!same_text(r->channels[i].name, r->channels[k].name));
    }
    MUST(r->kind == V1_DATA || (!r->payload.data && !r->binary));
    if (r->kind == V1_DATA)
        MUST(r->payload.data && (r->binary || utf8_check(r->payload.data, r->payload.len) < 0));
    if (r->kind == V1_ACK)
        MUST(r->ack ? !r->channel.data && !r->id.data : r->channel.data && r->id.data);
}

/* ---- written anew ---- */

static void write_channels(struct buf *out, const struct v1_request *r)
{
    buf_adds(out, r->kind == V1_SUB ? "{\"sub\":[" : "{\"unsub\":[");
    for (size_t i = 0; i < r->channel_count; i++) {
        buf_adds(out, i ? "," : "");
        json_add_string(out, r->channels[i].name.data, r->channels[i].name.len);
    }
    buf_adds(out, r->kind == V1_SUB ? "],\"since\":{" : "]");
    const char *before = "";
    for (size_t i = 0; i < r->channel_count; i++) {
        const struct v1_channel *c = &r->channels[i];
        if (!c->since.data)
            continue;
        buf_adds(out, before);
        json_add_string(out, c->name.data, c->name.len);
        buf_addc(out, ':');
        json_add_string(out, c->since.data, c->since.len);
        before = ",";
    }
    buf_adds(out, r->kind == V1_SUB ? "}}" : "}");
}

static void write_request(struct buf *out, const struct v1_request *r)
{
    if (r->kind == V1_SUB || r->kind == V1_UNSUB) {
        write_channels(out, r);
    } else if (r->kind == V1_DATA) {
        v1_add_message(out, &(struct v1_message){.channel = r->channel,
                                                 .binary = r->binary,
                                                 .payload = r->payload.data,
                                                 .len = r->payload.len});
    } else if (r->kind == V1_PING) {
        buf_addf(out, "{\"ping\":%lld}", (long long)r->ping);
    } else if (r->ack) {
        buf_addf(out, "{\"ack\":%llu}", (unsigned long long)r->ack);
    } else {
        buf_adds(out, "{\"ack\":{\"ch\":");
        json_add_string(out, r->channel.data, r->channel.len);
        buf_adds(out, ",\"id\":");
        json_add_string(out, r->id.data, r->id.len);
        buf_adds(out, "}}");
    }
}

static void check_same(const struct v1_request *a, const struct v1_request *b)
{
    MUST(a->kind == b->kind && a->channel_count == b->channel_count);
    for (size_t i = 0; i < a->channel_count; i++)
        MUST(same_text(a->channels[i].name, b->channels[i].name) &&
             same_text(a->channels[i].since, b->channels[i].since));
    MUST(same_text(a->channel, b->channel) && same_text(a->id, b->id));
    MUST(same_text(a->payload, b->payload) && a->binary == b->binary);
    MUST(a->ack == b->ack && a->ping == b->ping);
}

static enum v1_result parse(const void *text, size_t len, struct v1_request *r)
{
    const char *why = NULL;
    char *copy = exact_copy(text, len);
    enum v1_result result = v1_parse(copy, len, r, &why);
    free(copy);
    MUST((result == V1_OK) == !why);
    return result;
}

static void check_in(const struct input *in)
{
    struct v1_request first;
    struct v1_request again;
    if (parse(in->bytes, in->len, &first) == V1_OK) {
        struct buf json = {0};
        check_request(&first);
        write_request(&json, &first);
        MUST(parse(json.data, json.len, &again) == V1_OK);
        check_same(&first, &again);
        v1_request_fini(&again);
        buf_fini(&json);
    }
    v1_request_fini(&first);
}

static void check_out(const struct input *in)
{
    struct v1_request r;
    struct buf json = {0};
    bool text = utf8_check(in->bytes, in->len) < 0;
    struct v1_message m = {.binary = !text || input_knob(in, 0) & 1, .payload = in->bytes, .len = in->len};
    if (text && input_knob(in, 1) & 1 && in->len && !memchr(in->bytes, '\0', in->len))
        m.channel = (struct v1_text){(const char *)in->bytes, in->len};
    if (input_knob(in, 2) & 1)
        m.id = (struct v1_text){"1795412345678-18", 16};
    v1_add_message(&json, &m);
    MUST(utf8_check(json.data, json.len) < 0);
    MUST(!memchr(json.data, '\n', json.len) && !memchr(json.data, '\0', json.len));
    MUST(parse(json.data, json.len, &r) == V1_OK);
    MUST(r.kind == V1_DATA && r.binary == m.binary && same_text(r.channel, m.channel));
    MUST(r.payload.len == in->len && (!in->len || memcmp(r.payload.data, in->bytes, in->len) == 0));
    v1_request_fini(&r);
    buf_fini(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_read(data, size);
    check_in(&in);
    check_out(&in);
    return 0;
}
