/* What is said to a request. */
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <string.h>

#include "base/error.h"
#include "wire/http.h"

void http_add_switching(struct buf *out, const struct http_request *request)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    struct sha1_ctx sha;
    uint8_t digest[SHA1_DIGEST_SIZE];
    char accept[BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE)];
    sha1_init(&sha);
    sha1_update(&sha, request->key.len, (const uint8_t *)request->key.data);
    sha1_update(&sha, sizeof guid - 1, (const uint8_t *)guid);
    sha1_digest(&sha, sizeof digest, digest);
    base64_encode_raw(accept, sizeof digest, digest);
    buf_adds(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Accept: ");
    buf_add(out, accept, sizeof accept);
    if (request->protocol.data) {
        buf_adds(out, "\r\nSec-WebSocket-Protocol: ");
        buf_add(out, request->protocol.data, request->protocol.len);
    }
    if (request->deflate.bits) {
        buf_adds(out, "\r\nSec-WebSocket-Extensions: ");
        deflate_add_answer(out, &request->deflate);
    }
    buf_adds(out, "\r\n\r\n");
}

static const char *reason_phrase(int status)
{
    switch (status) {
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
    }
}

static const char *extra_headers(int status)
{
    switch (status) {
    case 405: return "Allow: GET\r\n";
    case 426: return "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    case 429: return "Retry-After: 10\r\n";
    case 503: return "Retry-After: 2\r\n";
    default: return "";
    }
}

/* An answer for one origin is not for another's cache. The origin has no control bytes, as no header has. */
static void add_sharing(struct buf *out, const struct http_request *request, bool any_origin)
{
    if (!request->origin.data)
        return;
    buf_adds(out, "Access-Control-Allow-Origin: ");
    if (any_origin) {
        buf_adds(out, "*\r\n");
        return;
    }
    buf_add(out, request->origin.data, request->origin.len);
    buf_adds(out, "\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n");
}

void http_add_event_stream(struct buf *out, const struct http_request *request, bool any_origin)
{
    buf_adds(out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                  "X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\n");
    add_sharing(out, request, any_origin);
    buf_adds(out, "Connection: close\r\n\r\n");
}

void http_add_no_content(struct buf *out, const struct http_request *request, bool any_origin)
{
    buf_adds(out, "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n");
    add_sharing(out, request, any_origin);
    buf_adds(out, "Connection: close\r\n\r\n");
}

void http_add_error(struct buf *out, int error, const char *detail)
{
    int status = error_http_status(error);
    const char *text = error_text(error);
    size_t len = strlen(text) + (detail ? 2 + strlen(detail) : 0) + 1;
    buf_addf(out,
             "HTTP/1.1 %d %s\r\n%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
             "X-Content-Type-Options: nosniff\r\nConnection: %s\r\n\r\n%s%s%s\n",
             status, reason_phrase(status), extra_headers(status), len,
             status == 426 ? "close, Upgrade" : "close", text, detail ? ": " : "", detail ? detail : "");
}
