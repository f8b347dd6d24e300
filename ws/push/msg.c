#include "push/msg.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/tally.h"
#include "base/units.h"
#include "wire/sse.h"
#include "wire/v1.h"

/* A control frame that a server sends: two bytes of header, no mask (RFC 6455 section 5.2). */
enum { PING_LEN = 2 + MSG_PING_PAYLOAD, PING_FIRST = 0x80 | WEBSOCKET_PING };

/* Bytes of the heap: the forms of what histories keep. */
static atomic_size_t kept_forms;

/* In msg->forms: no history keeps it. */
static const size_t not_kept = ~(SIZE_MAX >> 1);

static struct msg *allocate(enum wish wish, const void *payload, size_t len)
{
    size_t ping_len = wish == WISH_PONGED ? PING_LEN : 0;
    if (len > SIZE_MAX / 2)
        return NULL;
    struct msg *m = malloc(sizeof *m + len + ping_len);
    if (!m)
        return NULL;
    atomic_init(&m->refs, 1);
    atomic_init(&m->compressed, NULL);
    atomic_init(&m->envelope, NULL);
    atomic_init(&m->event, NULL);
    m->opcode = 0;
    m->header_len = 0;
    m->ping_len = (uint8_t)ping_len;
    m->wish = (uint8_t)wish;
    m->notice = NOTICE_NONE;
    atomic_init(&m->forms, not_kept);
    m->deflated = false;
    m->receipt = 0;
    m->id = (struct msg_id){0};
    m->channel = NULL;
    m->time = m->expires = 0;
    m->len = len;
    if (len)
        memcpy(m->payload, payload, len);
    return m;
}

static struct msg *make(struct websocket *ws, enum websocket_opcode opcode, bool compressed, enum wish wish,
                        const void *payload, size_t len)
{
    struct msg *m = allocate(wish, payload, len);
    if (!m)
        return NULL;
    uint8_t header[WEBSOCKET_HEADER_MAX];
    m->opcode = (uint8_t)opcode;
    m->header_len = (uint8_t)websocket_header(ws, opcode, compressed, len, header);
    memcpy(m->room + sizeof m->room - m->header_len, header, m->header_len);
    return m;
}

struct msg *msg_new(struct websocket *ws, enum websocket_opcode opcode, const void *payload, size_t len)
{
    return make(ws, opcode, false, WISH_NOTHING, payload, len);
}

struct msg *msg_new_wished(struct websocket *ws, enum websocket_opcode opcode, enum wish wish,
                           const void *payload, size_t len)
{
    return make(ws, opcode, false, wish, payload, len);
}

static void write_number(uint64_t number, uint8_t out[MSG_PING_PAYLOAD])
{
    for (int i = 0; i < MSG_PING_PAYLOAD; i++)
        out[i] = (uint8_t)(number >> (56 - 8 * i));
}

void msg_set_receipt(struct msg *m, uint64_t number)
{
    uint8_t *ping = m->payload + m->len;
    m->receipt = number;
    if (!m->ping_len)
        return;
    ping[0] = PING_FIRST;
    ping[1] = MSG_PING_PAYLOAD;
    write_number(number, ping + 2);
}

struct msg *msg_new_ping(struct websocket *ws, uint64_t number)
{
    uint8_t payload[MSG_PING_PAYLOAD];
    write_number(number, payload);
    return msg_new(ws, WEBSOCKET_PING, payload, number ? sizeof payload : 0);
}

uint64_t msg_pong_number(const uint8_t *payload, size_t len)
{
    uint64_t number = 0;
    for (size_t i = 0; len == MSG_PING_PAYLOAD && i < len; i++)
        number = number << 8 | payload[i];
    return number;
}

static bool is_kept(const struct msg *m)
{
    return !(atomic_load_explicit(&m->forms, memory_order_relaxed) & not_kept);
}

void msg_set_kept(struct msg *m, bool kept)
{
    if (kept) {
        atomic_store_explicit(&m->forms, 0, memory_order_relaxed);
        return;
    }
    size_t forms = atomic_fetch_or(&m->forms, not_kept);
    if (!(forms & not_kept))
        atomic_fetch_sub(&kept_forms, forms);
    struct msg *envelope = atomic_load_explicit(&m->envelope, memory_order_acquire);
    if (envelope)
        msg_set_kept(envelope, false);
}

size_t msg_kept_forms(void)
{
    return atomic_load_explicit(&kept_forms, memory_order_relaxed);
}

/* A form was made of `m`, which stops being kept meanwhile, perhaps: then whoever comes second takes it off.
 */
static void count_form(struct msg *m, const struct msg *form)
{
    size_t bytes = msg_weight(form);
    if (!is_kept(m))
        return;
    atomic_fetch_add(&kept_forms, bytes);
    if (atomic_fetch_add(&m->forms, bytes) & not_kept)
        atomic_fetch_sub(&kept_forms, bytes);
}

/* What a form has of its message besides the bytes. */
static struct msg *inherit(struct msg *form, const struct msg *m)
{
    if (!form)
        return NULL;
    msg_set_receipt(form, m->receipt);
    if (m->channel)
        form->channel = shared_name_ref(m->channel);
    form->id = m->id;
    form->expires = m->expires;
    form->notice = m->notice;
    return form;
}

/* Puts a form that was made into its place. Two threads that come at the same time both do the work; the
 * first one's result stays. */
static struct msg *keep_form(struct msg *m, _Atomic(struct msg *) *place, struct msg *made)
{
    struct msg *known = NULL;
    if (!atomic_compare_exchange_strong(place, &known, made)) {
        msg_unref(made);
        return known;
    }
    count_form(m, made);
    return made;
}

/* NULL where it would not be shorter, or there is no memory. */
static struct msg *compress(const struct msg *m, struct websocket *ws, int level)
{
    struct buf bytes = {0};
    struct msg *compressed = NULL;
    websocket_compress(ws, level, m->payload, m->len, &bytes);
    if (!buf_failed(&bytes) && bytes.len < m->len)
        compressed =
            make(ws, (enum websocket_opcode)m->opcode, true, (enum wish)m->wish, bytes.data, bytes.len);
    if (compressed)
        compressed->deflated = true;
    buf_fini(&bytes);
    return inherit(compressed, m);
}

struct msg *msg_compressed(struct msg *m, struct websocket *ws, int level)
{
    struct msg *known = atomic_load_explicit(&m->compressed, memory_order_acquire);
    if (known)
        return known;
    struct msg *made = compress(m, ws, level);
    if (made)
        return keep_form(m, &m->compressed, made);
    return atomic_compare_exchange_strong(&m->compressed, &known, m) ? m : known;
}

static const char *notice_name(const struct msg *m)
{
    static const char *const names[] = {
        [NOTICE_HELLO] = "hello", [NOTICE_SUB] = "sub",           [NOTICE_UNSUB] = "unsub",
        [NOTICE_RESET] = "reset", [NOTICE_PRESENCE] = "presence", [NOTICE_JOIN] = "join",
        [NOTICE_LEAVE] = "leave", [NOTICE_ERROR] = "error",       [NOTICE_PONG] = "pong",
        [NOTICE_CLOSE] = "close"};
    return names[m->notice];
}

static void add_envelope(struct buf *out, const struct msg *m)
{
    char id[MSG_ID_TEXT_MAX];
    struct v1_message v1 = {.binary = m->opcode == WEBSOCKET_BINARY, .payload = m->payload, .len = m->len};
    if (m->channel)
        v1.channel = (struct v1_text){m->channel->text, m->channel->len};
    if (m->id.gen)
        v1.id = (struct v1_text){id, msg_id_format(m->id, id)};
    if (m->wish == WISH_ACKED)
        v1.ack = m->receipt;
    v1_add_message(out, &v1);
}

struct msg *msg_envelope(struct msg *m, struct websocket *ws)
{
    struct msg *known = atomic_load_explicit(&m->envelope, memory_order_acquire);
    struct buf text = {0};
    if (known)
        return known;
    if (m->notice)
        v1_add_notice(&text, notice_name(m), m->payload, m->len);
    else
        add_envelope(&text, m);
    struct msg *made =
        buf_failed(&text) ? NULL : make(ws, WEBSOCKET_TEXT, false, (enum wish)m->wish, text.data, text.len);
    buf_fini(&text);
    if (!made)
        return NULL;
    if (is_kept(m))
        msg_set_kept(made, true); /* its compressed form counts too */
    return keep_form(m, &m->envelope, inherit(made, m));
}

/* A stream has no use for `sub`: `hello` says where it is. */
static void add_event(struct buf *out, const struct msg *m)
{
    char id[MSG_ID_TEXT_MAX];
    size_t id_len = m->id.gen ? msg_id_format(m->id, id) : 0;
    if (m->notice != NOTICE_SUB)
        sse_add_event(out, id_len ? id : NULL, id_len, m->notice ? notice_name(m) : NULL,
                      m->opcode == WEBSOCKET_BINARY, m->payload, m->len);
}

struct msg *msg_event(struct msg *m)
{
    struct msg *known = atomic_load_explicit(&m->event, memory_order_acquire);
    struct buf text = {0};
    if (known)
        return known;
    add_event(&text, m);
    struct msg *made = buf_failed(&text) ? NULL : allocate(WISH_NOTHING, text.data, text.len);
    buf_fini(&text);
    if (!made)
        return NULL;
    made->opcode = m->opcode;
    made->wish = m->wish;
    return keep_form(m, &m->event, inherit(made, m));
}

void msg_set_place(struct msg *m, struct shared_name *channel, struct msg_id id, int64_t time)
{
    m->channel = shared_name_ref(channel);
    m->id = id;
    m->time = time;
}

struct msg *msg_new_notice(enum notice notice, const char *json, size_t len)
{
    struct msg *m = allocate(WISH_NOTHING, json, len);
    if (m)
        m->notice = (uint8_t)notice;
    return m;
}

size_t msg_weight(const struct msg *m)
{
    return heap_size(sizeof *m + m->len + m->ping_len);
}

struct msg *msg_new_raw(const void *bytes, size_t len)
{
    return allocate(WISH_NOTHING, bytes, len);
}

/* The longest beginning of `text` that fits and does not end within a character. */
static size_t cut_utf8(const char *text, size_t max)
{
    size_t len = strlen(text);
    if (len <= max)
        return len;
    while (max && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}

struct msg *msg_new_close(struct websocket *ws, unsigned code, const char *reason)
{
    uint8_t payload[WEBSOCKET_CONTROL_MAX];
    if (code == 0)
        return msg_new(ws, WEBSOCKET_CLOSE, NULL, 0);
    size_t len = cut_utf8(reason, sizeof payload - 2);
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    memcpy(payload + 2, reason, len);
    return msg_new(ws, WEBSOCKET_CLOSE, payload, len + 2);
}

void msg_unref(struct msg *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (is_kept(m))
        msg_set_kept(m, false);
    struct msg *compressed = atomic_load_explicit(&m->compressed, memory_order_relaxed);
    if (compressed != m)
        msg_unref(compressed);
    msg_unref(atomic_load_explicit(&m->envelope, memory_order_relaxed));
    msg_unref(atomic_load_explicit(&m->event, memory_order_relaxed));
    shared_name_unref(m->channel);
    free(m);
}

size_t msg_id_format(struct msg_id id, char out[MSG_ID_TEXT_MAX])
{
    size_t n = format_u64(out, id.gen);
    out[n++] = '-';
    return n + format_u64(out + n, id.seq);
}

/* Decimal digits without leading zeros; -1 for anything else. */
static int parse_number(const char *text, size_t len, uint64_t *out)
{
    bool padded = len > 1 && text[0] == '0';
    return padded ? -1 : units_number(text, len, out);
}

int msg_id_parse(const char *text, size_t len, struct msg_id *out)
{
    struct msg_id id;
    const char *hyphen = len ? memchr(text, '-', len) : NULL;
    if (!hyphen || parse_number(text, (size_t)(hyphen - text), &id.gen) < 0 || id.gen == 0 ||
        parse_number(hyphen + 1, len - (size_t)(hyphen + 1 - text), &id.seq) < 0)
        return -1;
    *out = id;
    return 0;
}
