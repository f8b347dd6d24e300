#include "reply.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

enum { TEXT_MAX = 512 };

void reply_init(struct reply *r)
{
    *r = (struct reply){.status = 200};
}

void reply_fini(struct reply *r)
{
    buf_fini(&r->headers);
    buf_fini(&r->body);
}

void reply_header(struct reply *r, const char *name, const char *value)
{
    buf_addf(&r->headers, "%s: %s\r\n", name, value);
}

void reply_error(struct reply *r, int status, const char *code, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->status = status;
    buf_clear(&r->body);
    buf_addf(&r->body, "{\"error\":{\"code\":\"%s\",\"text\":", code);
    json_add_string(&r->body, text, strlen(text));
    buf_adds(&r->body, "}}\n");
}

static const char *status_text(int status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 413: return "Content Too Large";
    case 426: return "Upgrade Required";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
    }
}

static void put(FCGX_Stream *out, const struct buf *b)
{
    if (b->len)
        FCGX_PutStr((const char *)b->data, (int)b->len, out);
}

void reply_write(struct reply *r, FCGX_Stream *out, bool is_head)
{
    if (buf_failed(&r->headers) || buf_failed(&r->body)) {
        reply_fini(r);
        reply_error(r, 503, "NOMEM", "no memory for an answer");
    }
    FCGX_FPrintF(out, "Status: %d %s\r\n", r->status, status_text(r->status));
    put(out, &r->headers);
    if (r->body.len)
        FCGX_FPrintF(out,
                     "Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r\nCache-Control: "
                     "no-store\r\nContent-Length: %d\r\n",
                     (int)r->body.len);
    FCGX_PutS("\r\n", out);
    if (!is_head)
        put(out, &r->body);
}
