#include "wire/v1.h"

#include <jansson.h>
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/json.h"

/* The largest request has V1_CHANNELS_MAX channels with a position each. */
enum { PARTS_MAX = 4096, PART_ROOM = 200 };

static const char no_memory[] = "out of memory";

/* ---- jansson ---- */

/* Without memory for a longer string, jansson drops bytes of it, perhaps the one that ends it, and reads on.
 */
static void *allocate(size_t size)
{
    void *p = malloc(size);
    if (!p)
        abort();
    return p;
}

/* Its own seed is the time where it can't open /dev/urandom, and in a sandbox it can't. */
__attribute__((constructor)) static void prepare_jansson(void)
{
    size_t seed;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        abort();
    json_object_seed(seed);
    json_set_alloc_funcs(allocate, free);
}

/* Whether there is memory for as much as jansson may take: a string is in the text that it collects, which
 * grows by doubling, in a value or name, and in a table; a part takes up to PART_ROOM. */
static bool has_room(size_t len, size_t parts)
{
    size_t collected = 16;
    while (collected < len)
        collected *= 2;
    void *room = malloc(collected + 2 * len + PART_ROOM * parts + 4096);
    free(room);
    return room != NULL;
}

/* ---- values ---- */

static struct v1_text text_of(const json_t *string)
{
    return (struct v1_text){json_string_value(string), json_string_length(string)};
}

/* A name or a position: a string without NUL. */
static bool is_name(const json_t *value)
{
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
}

/* nettle skips white space; then the length does not fit. */
static bool decode(struct buf *out, const char *text, size_t len)
{
    struct base64_decode_ctx ctx;
    size_t decoded = BASE64_DECODE_LENGTH(len);
    size_t pads = len < 2 || text[len - 1] != '=' ? 0 : text[len - 2] != '=' ? 1 : 2;
    uint8_t *to = buf_reserve(out, decoded + 1);
    base64_decode_init(&ctx);
    if (!to || !base64_decode_update(&ctx, &decoded, to, len, text) || !base64_decode_final(&ctx))
        return false;
    out->len = decoded;
    return len % 4 == 0 && decoded == len / 4 * 3 - pads;
}

/* ---- requests: each takes its member's value and returns NULL, or what is wrong ---- */

static const char *take_channels(struct v1_request *r, const json_t *names)
{
    static const char fault[] = "sub and unsub take an array of channels' names";
    size_t count = json_array_size(names);
    if (!json_is_array(names))
        return fault;
    if (count > V1_CHANNELS_MAX)
        return "more than 1000 channels in one request";
    r->channels = calloc(count + 1, sizeof *r->channels);
    if (!r->channels)
        return no_memory;
    for (; r->channel_count < count; r->channel_count++) {
        const json_t *name = json_array_get(names, r->channel_count);
        if (!is_name(name))
            return fault;
        r->channels[r->channel_count].name = text_of(name);
    }
    return NULL;
}

static const char *find_twins(const struct v1_request *r)
{
    json_t *seen = json_object();
    for (size_t i = 0; i < r->channel_count; i++)
        json_object_set_new_nocheck(seen, r->channels[i].name.data, json_null());
    bool twins = json_object_size(seen) < r->channel_count;
    json_decref(seen);
    return twins ? "a channel stands twice" : NULL;
}

/* Members of `since` are unique, and so are the channels: as many positions have to be found as there are. */
static const char *take_since(struct v1_request *r, const json_t *since)
{
    size_t found = 0;
    if (!since)
        return NULL;
    if (!json_is_object(since))
        return "since takes an object of positions";
    for (size_t i = 0; i < r->channel_count; i++) {
        const json_t *position = json_object_get(since, r->channels[i].name.data);
        if (position && !is_name(position))
            return "a position is a string";
        if (position) {
            r->channels[i].since = text_of(position);
            found++;
        }
    }
    return found < json_object_size(since) ? "since names a channel that sub does not" : NULL;
}

static const char *take_unsub(struct v1_request *r, const json_t *request, const json_t *names)
{
    (void)request;
    const char *why = take_channels(r, names);
    r->kind = V1_UNSUB;
    return why ? why : find_twins(r);
}

static const char *take_sub(struct v1_request *r, const json_t *request, const json_t *names)
{
    const char *why = take_unsub(r, request, names);
    r->kind = V1_SUB;
    return why ? why : take_since(r, json_object_get(request, "since"));
}

static const char *take_data(struct v1_request *r, const json_t *request, const json_t *data)
{
    const json_t *channel = json_object_get(request, "ch");
    r->kind = V1_DATA;
    if (!json_is_string(data))
        return "data and b64 take a string";
    if (channel && !is_name(channel))
        return "ch takes a channel's name";
    r->channel = channel ? text_of(channel) : (struct v1_text){NULL, 0};
    r->payload = text_of(data);
    return NULL;
}

static const char *take_b64(struct v1_request *r, const json_t *request, const json_t *b64)
{
    const char *why = take_data(r, request, b64);
    r->binary = true;
    if (why)
        return why;
    if (!decode(&r->decoded, r->payload.data, r->payload.len))
        return buf_failed(&r->decoded) ? no_memory : "b64 takes base64 (RFC 4648, section 4)";
    r->payload = (struct v1_text){(const char *)r->decoded.data, r->decoded.len};
    return NULL;
}

static const char *take_ack(struct v1_request *r, const json_t *request, const json_t *ack)
{
    (void)request;
    r->kind = V1_ACK;
    if (json_is_integer(ack) && json_integer_value(ack) > 0) {
        r->ack = (uint64_t)json_integer_value(ack);
        return NULL;
    }
    const json_t *channel = json_object_get(ack, "ch");
    const json_t *id = json_object_get(ack, "id");
    if (!is_name(channel) || !is_name(id))
        return "ack takes the number that came with the message, or its ch and id";
    r->channel = text_of(channel);
    r->id = text_of(id);
    return NULL;
}

static const char *take_ping(struct v1_request *r, const json_t *request, const json_t *ping)
{
    (void)request;
    r->kind = V1_PING;
    if (!json_is_integer(ping))
        return "ping takes an integer";
    r->ping = json_integer_value(ping);
    return NULL;
}

static const char *take_request(struct v1_request *r, const json_t *request)
{
    static const struct row {
        const char *member;
        const char *(*take)(struct v1_request *r, const json_t *request, const json_t *value);
    } rows[] = {{"data", take_data}, {"b64", take_b64},     {"ack", take_ack},
                {"ping", take_ping}, {"unsub", take_unsub}, {"sub", take_sub}};
    const struct row *found = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!json_object_get(request, rows[i].member))
            continue;
        if (found)
            return "more than one request in one message";
        found = &rows[i];
    }
    if (!found)
        return "no request: one of sub, unsub, data, b64, ack, ping is needed";
    if (found->take != take_sub && json_object_get(request, "since"))
        return "since goes with sub";
    return found->take(r, request, json_object_get(request, found->member));
}

/* ---- text ---- */

static bool is_part(char c)
{
    return c == '{' || c == '[' || c == ',' || c == ':';
}

/* Structure outside of strings: no value begins without a part before it. Bytes that are not JSON are counted
 * right as far as jansson reads them. */
static size_t count_parts(const char *text, size_t len)
{
    size_t parts = 0;
    bool quoted = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted)
            i += text[i] == '\\';
        else
            parts += is_part(text[i]);
    }
    return parts;
}

static const char *fault_of(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_duplicate_key: return "a member stands twice";
    case json_error_numeric_overflow: return "a number is out of range";
    case json_error_stack_overflow: return "nested too deep";
    default: return "not JSON";
    }
}

static enum v1_result refuse(enum v1_result result, const char *fault, const char **why)
{
    *why = fault;
    return result;
}

enum v1_result v1_parse(const void *text, size_t len, struct v1_request *out, const char **why)
{
    json_error_t error;
    size_t parts = count_parts(text, len);
    *out = (struct v1_request){0};
    if (parts > PARTS_MAX)
        return refuse(V1_NOT_JSON, "too many parts", why);
    if (!has_room(len, parts))
        return refuse(V1_NO_MEMORY, no_memory, why);
    out->json = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!out->json)
        return refuse(V1_NOT_JSON, fault_of(&error), why);
    if (!json_is_object((json_t *)out->json))
        return refuse(V1_NOT_JSON, "not a JSON object", why);
    const char *fault = take_request(out, out->json);
    if (fault)
        return refuse(fault == no_memory ? V1_NO_MEMORY : V1_NO_REQUEST, fault, why);
    return V1_OK;
}

void v1_request_fini(struct v1_request *r)
{
    json_decref(r->json);
    free(r->channels);
    buf_fini(&r->decoded);
    *r = (struct v1_request){0};
}

/* ---- out ---- */

static void add_text(struct buf *out, const char *name, const struct v1_text *text)
{
    if (!text->data)
        return;
    buf_adds(out, name);
    json_add_string(out, text->data, text->len);
    buf_addc(out, ',');
}

void v1_add_message(struct buf *out, const struct v1_message *m)
{
    buf_addc(out, '{');
    add_text(out, "\"ch\":", &m->channel);
    add_text(out, "\"id\":", &m->id);
    if (m->ack) {
        buf_adds(out, "\"ack\":");
        buf_addu(out, m->ack);
        buf_addc(out, ',');
    }
    buf_adds(out, m->binary ? "\"b64\":" : "\"data\":");
    (m->binary ? json_add_base64 : json_add_string)(out, m->payload, m->len);
    buf_addc(out, '}');
}

void v1_add_notice(struct buf *out, const char *name, const void *json, size_t len)
{
    buf_adds(out, "{\"");
    buf_adds(out, name);
    buf_adds(out, "\":");
    buf_add(out, json, len);
    buf_addc(out, '}');
}
