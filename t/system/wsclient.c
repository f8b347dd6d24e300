/*
 * See wsclient.h. The handshake is text over http.h's connection; what is read behind the 101 stays in its
 * buffer, and frames are taken from there.
 */
#include "wsclient.h"

#include <check.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "http.h"

enum { ACCEPT_CAP = BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE) + 1 };

struct wsclient {
    struct http_conn *conn;   /* NULL if nobody listened */
    struct http_reply *reply; /* to the handshake */
    char key[128];            /* that the handshake had, "" for none */
    bool may_compress;        /* an extension was agreed: RSV1 is allowed */
    char *payload;            /* of the last frame or message received */
    size_t payload_cap;
    char reason[124]; /* of the last close frame */
    const char *fault;
    uint32_t mask;
    /* a message whose fragments are being joined */
    char *joined;
    size_t joined_len;
    unsigned joined_opcode, joined_rsv; /* of its first frame; opcode 0: none has begun */
};

static void *must(void *p)
{
    if (!p)
        ck_abort_msg("out of memory");
    return p;
}

/* ---- handshake ---- */

/* The value of a header in lines that each begin behind a CR LF, cut at cap. */
static bool line_value(const char *lines, const char *name, char *out, size_t cap)
{
    size_t n = strlen(name);
    for (const char *p = strstr(lines, "\r\n"); p; p = strstr(p, "\r\n")) {
        p += 2;
        if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
            p += n + 1;
            p += strspn(p, " \t");
            snprintf(out, cap, "%.*s", (int)strcspn(p, "\r\n"), p);
            return true;
        }
    }
    return false;
}

static const char *const own_headers[] = {"Host", "Upgrade", "Connection", "Sec-WebSocket-Version",
                                          "Sec-WebSocket-Key"};
enum { OWN_HEADERS = sizeof own_headers / sizeof own_headers[0] };

static bool is_removal(const char *line)
{
    for (int i = 0; i < OWN_HEADERS; i++) {
        size_t n = strlen(own_headers[i]);
        if (strncasecmp(line, own_headers[i], n) == 0 && line[n] == ':')
            return line[n + 1 + strspn(line + n + 1, " ")] == '\r';
    }
    return false;
}

static void new_key(char out[32])
{
    uint8_t bytes[16];
    ck_assert(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
    base64_encode_raw(out, sizeof bytes, bytes);
    out[BASE64_ENCODE_RAW_LENGTH(sizeof bytes)] = '\0';
}

/* Our headers as far as `headers` does not speak of them, then those. */
static char *compose(const char *path, const char *headers)
{
    char *text, *lines, key[32], ignored[8];
    size_t len;
    FILE *f = must(open_memstream(&text, &len));
    ck_assert(asprintf(&lines, "\r\n%s", headers ? headers : "") >= 0);
    new_key(key);
    const char *const values[OWN_HEADERS] = {"localhost", "websocket", "Upgrade", "13", key};
    fprintf(f, "GET %s HTTP/1.1\r\n", path);
    for (int i = 0; i < OWN_HEADERS; i++)
        if (!line_value(lines, own_headers[i], ignored, sizeof ignored))
            fprintf(f, "%s: %s\r\n", own_headers[i], values[i]);
    for (const char *p = lines + 2; *p; p = strstr(p, "\r\n") + 2) {
        ck_assert_msg(strstr(p, "\r\n"), "header lines must end in CR LF: %s", headers);
        if (!is_removal(p))
            fprintf(f, "%.*s\r\n", (int)(strstr(p, "\r\n") - p), p);
    }
    fputs("\r\n", f);
    fclose(f);
    free(lines);
    return text;
}

struct wsclient *wsclient_connect_raw(const char *address, const void *request, size_t len)
{
    struct wsclient *c = must(calloc(1, sizeof *c));
    c->fault = "";
    c->mask = 0x9e3779b9u;
    char *text = must(strndup(request, len)), value[8];
    line_value(text, "Sec-WebSocket-Key", c->key, sizeof c->key);
    free(text);
    c->conn = http_open(address);
    if (!c->conn)
        return c;
    http_write(c->conn, request, len); /* one that refuses early may still have answered */
    c->reply = http_next(c->conn, false, WSCLIENT_WAIT);
    c->may_compress = line_value(c->reply->head, "Sec-WebSocket-Extensions", value, sizeof value);
    return c;
}

struct wsclient *wsclient_connect(const char *address, const char *path, const char *headers)
{
    char *request = compose(path, headers);
    struct wsclient *c = wsclient_connect_raw(address, request, strlen(request));
    free(request);
    return c;
}

struct wsclient *wsclient_open(const char *address, const char *path)
{
    struct wsclient *c = wsclient_connect(address, path, NULL);
    if (!wsclient_accepted(c))
        ck_abort_msg("no WebSocket at %s of %s: status %d, %s%s", path, address, wsclient_status(c),
                     wsclient_head(c), wsclient_body(c));
    return c;
}

int wsclient_status(const struct wsclient *c)
{
    return c->reply ? c->reply->status : 0;
}

/* RFC 6455 section 4.2.2, item 5.4. */
static void accept_of(const char *key, char out[ACCEPT_CAP])
{
    struct sha1_ctx sha;
    uint8_t digest[SHA1_DIGEST_SIZE];
    sha1_init(&sha);
    sha1_update(&sha, strlen(key), (const uint8_t *)key);
    sha1_update(&sha, 36, (const uint8_t *)"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    sha1_digest(&sha, sizeof digest, digest);
    base64_encode_raw(out, sizeof digest, digest);
    out[ACCEPT_CAP - 1] = '\0';
}

bool wsclient_accepted(const struct wsclient *c)
{
    char accept[ACCEPT_CAP], value[64];
    accept_of(c->key, accept);
    return wsclient_status(c) == 101 && line_value(c->reply->head, "Upgrade", value, sizeof value) &&
           strcasecmp(value, "websocket") == 0 &&
           line_value(c->reply->head, "Connection", value, sizeof value) &&
           strcasecmp(value, "upgrade") == 0 &&
           line_value(c->reply->head, "Sec-WebSocket-Accept", value, sizeof value) &&
           strcmp(value, accept) == 0;
}

const char *wsclient_head(const struct wsclient *c)
{
    return c->reply ? c->reply->head : "";
}

const char *wsclient_header(struct wsclient *c, const char *name)
{
    return c->reply ? http_header(c->reply, name) : NULL;
}

const char *wsclient_body(const struct wsclient *c)
{
    return c->reply ? c->reply->body : "";
}

int wsclient_fd(const struct wsclient *c)
{
    return c->conn ? c->conn->fd : -1;
}

/* ---- sending ---- */

static size_t encode_length(const struct wsclient_frame *f, unsigned char *out)
{
    uint64_t n = f->lie ? f->claimed : f->len;
    int form = f->length_form ? f->length_form : n < 126 ? 7 : n < 65536 ? 16 : 64;
    if (form == 7) {
        out[0] = (unsigned char)(n & 0x7f);
        return 1;
    }
    int bytes = form / 8;
    out[0] = form == 16 ? 126 : 127;
    for (int i = 0; i < bytes; i++)
        out[1 + i] = (unsigned char)(n >> (8 * (bytes - 1 - i)));
    return 1 + (size_t)bytes;
}

static size_t encode(const struct wsclient_frame *f, uint32_t mask, unsigned char *out, size_t cap)
{
    if (cap < f->len + 14)
        ck_abort_msg("a frame of %zu bytes does not fit", f->len);
    size_t n = 1 + encode_length(f, out + 1);
    out[0] = (unsigned char)(f->fin << 7 | (f->rsv & 7) << 4 | (f->opcode & 15));
    if (!f->unmasked) {
        out[1] |= 0x80;
        memcpy(out + n, &mask, 4);
        n += 4;
    }
    if (f->len > 0)
        memcpy(out + n, f->payload, f->len);
    const unsigned char *key = out + n - 4;
    if (!f->unmasked)
        for (size_t i = 0; i < f->len; i++)
            out[n + i] ^= key[i & 3];
    return n + f->len;
}

size_t wsclient_encode(const struct wsclient_frame *frame, unsigned char *out, size_t cap)
{
    return encode(frame, 0x12345678u, out, cap);
}

int wsclient_send_raw(struct wsclient *c, const void *bytes, size_t len)
{
    return c->conn ? http_write(c->conn, bytes, len) : -1;
}

int wsclient_send_frame(struct wsclient *c, const struct wsclient_frame *frame)
{
    unsigned char *bytes = must(malloc(frame->len + 14));
    c->mask = c->mask * 1664525u + 1013904223u;
    size_t n = encode(frame, c->mask, bytes, frame->len + 14);
    int result = wsclient_send_raw(c, bytes, n);
    free(bytes);
    return result;
}

static int send_whole(struct wsclient *c, unsigned opcode, const void *data, size_t len)
{
    return wsclient_send_frame(
        c, &(struct wsclient_frame){.fin = true, .opcode = opcode, .payload = data, .len = len});
}

int wsclient_send_text(struct wsclient *c, const char *text)
{
    return send_whole(c, WSCLIENT_TEXT, text, strlen(text));
}

int wsclient_send_binary(struct wsclient *c, const void *data, size_t len)
{
    return send_whole(c, WSCLIENT_BINARY, data, len);
}

int wsclient_send_ping(struct wsclient *c, const void *data, size_t len)
{
    return send_whole(c, WSCLIENT_PING, data, len);
}

int wsclient_send_close(struct wsclient *c, unsigned code, const char *reason)
{
    unsigned char payload[125] = {(unsigned char)(code >> 8), (unsigned char)code};
    size_t n = strlen(reason);
    ck_assert(n <= 123);
    memcpy(payload + 2, reason, n);
    return send_whole(c, WSCLIENT_CLOSE, payload, code ? n + 2 : 0);
}

/* ---- receiving ---- */

static enum wsclient_result bad(struct wsclient *c, const char *fault)
{
    c->fault = fault;
    return WSCLIENT_BAD;
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len;
    while (p < end) {
        int more = *p < 0x80                  ? 0
                   : *p >= 0xc2 && *p <= 0xdf ? 1
                   : (*p & 0xf0) == 0xe0      ? 2
                   : *p >= 0xf0 && *p <= 0xf4 ? 3
                                              : -1;
        if (more < 0 || end - p <= more)
            return false;
        if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
            (*p == 0xf4 && p[1] > 0x8f))
            return false;
        for (int i = 1; i <= more; i++)
            if ((p[i] & 0xc0) != 0x80)
                return false;
        p += more + 1;
    }
    return true;
}

/* RFC 6455 section 7.4: codes that may stand in a frame. */
static bool is_close_code(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/* A frame's head. */
struct head {
    bool fin, masked;
    unsigned rsv, opcode;
    int form;
    uint64_t len;
    size_t size;
};

/* False while the head is not all there. */
static bool parse_head(const struct http_conn *in, struct head *h)
{
    const unsigned char *p = (const unsigned char *)in->in;
    if (in->len < 2)
        return false;
    unsigned seven = p[1] & 0x7f;
    *h = (struct head){
        .fin = p[0] >> 7, .rsv = p[0] >> 4 & 7, .opcode = p[0] & 15, .masked = p[1] >> 7, .len = seven};
    h->form = seven < 126 ? 0 : seven == 126 ? 2 : 8;
    h->size = 2 + (size_t)h->form;
    if (in->len < h->size)
        return false;
    if (h->form)
        h->len = 0;
    for (int i = 0; i < h->form; i++)
        h->len = h->len << 8 | p[2 + i];
    return true;
}

static const char *head_fault(const struct wsclient *c, const struct head *h)
{
    bool control = h->opcode & 8;
    if (h->masked)
        return "a server's frame is masked";
    if (h->rsv & 3 || (h->rsv && !c->may_compress))
        return "reserved bits";
    if ((h->opcode > 2 && h->opcode < 8) || h->opcode > 10)
        return "reserved opcode";
    if (control && (!h->fin || h->len > 125))
        return "a control frame is fragmented or too long";
    if ((h->form == 2 && h->len < 126) || (h->form == 8 && h->len < 65536))
        return "a length is not in its shortest form";
    return NULL;
}

static void take_payload(struct wsclient *c, const struct head *h, struct wsclient_received *out)
{
    if (c->payload_cap < h->len + 1) {
        c->payload_cap = h->len + 1;
        c->payload = must(realloc(c->payload, c->payload_cap));
    }
    memcpy(c->payload, c->conn->in + h->size, h->len);
    c->payload[h->len] = '\0';
    http_consume(c->conn, h->size + h->len);
    *out = (struct wsclient_received){.fin = h->fin,
                                      .rsv = h->rsv,
                                      .opcode = h->opcode,
                                      .payload = c->payload,
                                      .len = h->len,
                                      .reason = ""};
}

static enum wsclient_result read_close(struct wsclient *c, struct wsclient_received *out)
{
    const unsigned char *p = (const unsigned char *)out->payload;
    out->code = 1005;
    c->reason[0] = '\0';
    if (out->len == 0)
        return WSCLIENT_GOT;
    if (out->len == 1)
        return bad(c, "a close frame of one byte");
    out->code = (unsigned)p[0] << 8 | p[1];
    if (!is_close_code(out->code))
        return bad(c, "a close code that may not be sent");
    if (!is_utf8(out->payload + 2, out->len - 2))
        return bad(c, "a close reason that is not UTF-8");
    snprintf(c->reason, sizeof c->reason, "%s", out->payload + 2);
    out->reason = c->reason;
    return WSCLIENT_GOT;
}

static enum wsclient_result result_of(enum http_end end)
{
    return end == HTTP_EOF ? WSCLIENT_EOF : end == HTTP_RESET ? WSCLIENT_RESET : WSCLIENT_TIMEOUT;
}

enum wsclient_result wsclient_recv(struct wsclient *c, struct wsclient_received *out, int timeout_ms)
{
    long long deadline = http_now() + timeout_ms;
    struct head h;
    if (!c->conn)
        return WSCLIENT_EOF;
    for (;;) {
        if (parse_head(c->conn, &h)) {
            const char *fault = head_fault(c, &h);
            if (fault)
                return bad(c, fault);
            if (c->conn->len - h.size >= h.len)
                break;
        }
        long long left = deadline - http_now();
        enum http_end end = http_fill(c->conn, left > 0 ? (int)left : 0);
        if (end != HTTP_MORE)
            return result_of(end);
    }
    take_payload(c, &h, out);
    return h.opcode == WSCLIENT_CLOSE ? read_close(c, out) : WSCLIENT_GOT;
}

/* Adds a data frame to the message; WSCLIENT_GOT when that is whole, WSCLIENT_TIMEOUT while it is not. */
static enum wsclient_result join(struct wsclient *c, struct wsclient_received *out)
{
    if ((out->opcode == WSCLIENT_CONTINUATION) != (c->joined_opcode != 0))
        return bad(c, "a fragment out of turn");
    if (out->opcode != WSCLIENT_CONTINUATION) {
        c->joined_opcode = out->opcode;
        c->joined_rsv = out->rsv;
    }
    c->joined = must(realloc(c->joined, c->joined_len + out->len + 1));
    memcpy(c->joined + c->joined_len, out->payload, out->len + 1);
    c->joined_len += out->len;
    if (!out->fin)
        return WSCLIENT_TIMEOUT;
    out->opcode = c->joined_opcode;
    out->rsv = c->joined_rsv;
    out->payload = c->joined;
    out->len = c->joined_len;
    c->joined_opcode = 0;
    c->joined_len = 0;
    if (out->opcode == WSCLIENT_TEXT && !out->rsv && !is_utf8(out->payload, out->len))
        return bad(c, "a text message that is not UTF-8");
    return WSCLIENT_GOT;
}

enum wsclient_result wsclient_recv_message(struct wsclient *c, struct wsclient_received *out, int timeout_ms)
{
    long long deadline = http_now() + timeout_ms;
    for (;;) {
        long long left = deadline - http_now();
        enum wsclient_result result = wsclient_recv(c, out, left > 0 ? (int)left : 0);
        if (result != WSCLIENT_GOT || out->opcode == WSCLIENT_CLOSE)
            return result;
        if (out->opcode == WSCLIENT_PING)
            send_whole(c, WSCLIENT_PONG, out->payload, out->len);
        if (out->opcode & 8)
            continue;
        result = join(c, out);
        if (result != WSCLIENT_TIMEOUT)
            return result;
    }
}

const char *wsclient_fault(const struct wsclient *c)
{
    return c->fault;
}

const char *wsclient_result_name(enum wsclient_result result)
{
    static const char *const names[] = {"a frame", "a timeout", "the end of the connection", "a reset",
                                        "a breach of RFC 6455"};
    return names[result];
}

/* ---- expecting ---- */

/* What came, in words; one buffer. */
static const char *describe(const struct wsclient *c, enum wsclient_result result,
                            const struct wsclient_received *got)
{
    static char text[512];
    if (result == WSCLIENT_BAD)
        snprintf(text, sizeof text, "%s: %s", wsclient_result_name(result), c->fault);
    else if (result != WSCLIENT_GOT)
        snprintf(text, sizeof text, "%s", wsclient_result_name(result));
    else if (got->opcode == WSCLIENT_CLOSE)
        snprintf(text, sizeof text, "close %u \"%s\"", got->code, got->reason);
    else
        snprintf(text, sizeof text, "%s of %zu bytes \"%.200s\"",
                 got->opcode == WSCLIENT_TEXT ? "text" : "binary", got->len, got->payload);
    return text;
}

static void expect(struct wsclient *c, unsigned opcode, const void *data, size_t len)
{
    struct wsclient_received got;
    enum wsclient_result result = wsclient_recv_message(c, &got, WSCLIENT_WAIT);
    if (result != WSCLIENT_GOT || got.opcode != opcode || got.len != len ||
        memcmp(got.payload, data, len) != 0)
        ck_abort_msg("expected a message of %zu bytes \"%.200s\", got %s", len, (const char *)data,
                     describe(c, result, &got));
}

void wsclient_expect_text(struct wsclient *c, const char *text)
{
    expect(c, WSCLIENT_TEXT, text, strlen(text));
}

void wsclient_expect_binary(struct wsclient *c, const void *data, size_t len)
{
    expect(c, WSCLIENT_BINARY, data, len);
}

/* Answers a close frame (section 5.5.1) and sees that the server then ends the connection. */
static void finish_closing(struct wsclient *c, unsigned code)
{
    wsclient_send_close(c, code == 1005 ? 0 : code, "");
    enum http_end end = http_rest(c->conn, WSCLIENT_WAIT);
    ck_assert_msg(end != HTTP_TIMEOUT, "the connection stays open after the closing handshake (%u)", code);
    ck_assert_msg(c->conn->len == 0, "%zu bytes behind a close frame", c->conn->len);
}

const char *wsclient_expect_close(struct wsclient *c, unsigned code)
{
    struct wsclient_received got;
    enum wsclient_result result = wsclient_recv_message(c, &got, WSCLIENT_WAIT);
    if (result != WSCLIENT_GOT || got.opcode != WSCLIENT_CLOSE || got.code != code)
        ck_abort_msg("expected close %u, got %s", code, describe(c, result, &got));
    finish_closing(c, code);
    return c->reason;
}

void wsclient_expect_end(struct wsclient *c)
{
    struct wsclient_received got;
    enum wsclient_result result = wsclient_recv_message(c, &got, WSCLIENT_WAIT);
    if (result == WSCLIENT_GOT && got.opcode == WSCLIENT_CLOSE)
        finish_closing(c, got.code);
    else if (result != WSCLIENT_EOF && result != WSCLIENT_RESET)
        ck_abort_msg("expected the end of the connection, got %s", describe(c, result, &got));
}

void wsclient_expect_silence(struct wsclient *c, int ms)
{
    struct wsclient_received got;
    enum wsclient_result result = wsclient_recv_message(c, &got, ms);
    if (result != WSCLIENT_TIMEOUT)
        ck_abort_msg("expected nothing, got %s", describe(c, result, &got));
}

/* ---- ending ---- */

void wsclient_close(struct wsclient *take_c)
{
    struct wsclient_received got;
    enum wsclient_result result;
    wsclient_send_close(take_c, 1000, "");
    do
        result = wsclient_recv_message(take_c, &got, WSCLIENT_WAIT);
    while (result == WSCLIENT_GOT && got.opcode != WSCLIENT_CLOSE);
    if (result != WSCLIENT_GOT || got.code != 1000)
        ck_abort_msg("expected close 1000, got %s", describe(take_c, result, &got));
    ck_assert_msg(http_rest(take_c->conn, WSCLIENT_WAIT) != HTTP_TIMEOUT, "open after the closing handshake");
    wsclient_free(take_c);
}

void wsclient_free(struct wsclient *c)
{
    if (!c)
        return;
    http_close(c->conn);
    http_reply_free(c->reply);
    free(c->payload);
    free(c->joined);
    free(c);
}

void wsclient_reset(struct wsclient *take_c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (take_c->conn)
        setsockopt(take_c->conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    wsclient_free(take_c);
}
