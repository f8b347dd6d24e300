#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b)
{
    *b = (struct buf){0};
}

void buf_fini(struct buf *b)
{
    free(b->data);
    buf_init(b);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

static bool set_cap(struct buf *b, size_t cap)
{
    uint8_t *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

static bool grow(struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap += cap / 2 + 64;
    return set_cap(b, cap);
}

uint8_t *buf_reserve(struct buf *b, size_t more)
{
    if (b->failed)
        return NULL;
    if (more > SIZE_MAX / 2 - b->len) {
        b->failed = true;
        return NULL;
    }
    if (b->len + more > b->cap && !grow(b, b->len + more))
        return NULL;
    return b->data + b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    uint8_t *to = buf_reserve(b, len);
    if (!to)
        return;
    memcpy(to, bytes, len);
    b->len += len;
}

void buf_add_within(struct buf *b, const void *bytes, size_t len, size_t ceiling)
{
    size_t need = b->len + len;
    if (!b->failed && need > b->cap) {
        size_t cap = need + need / 4;
        set_cap(b, cap < ceiling ? cap : ceiling > need ? ceiling : need);
    }
    buf_add(b, bytes, len);
}

void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_adds(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_addu(struct buf *b, uint64_t number)
{
    char digits[20];
    buf_add(b, digits, format_u64(digits, number));
}

void buf_addf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    uint8_t *to = len < 0 ? NULL : buf_reserve(b, (size_t)len + 1);
    if (to) {
        vsnprintf((char *)to, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

void buf_consume(struct buf *b, size_t n)
{
    b->len -= n;
    if (b->len && n)
        memmove(b->data, b->data + n, b->len);
}

const char *buf_str(struct buf *b)
{
    uint8_t *end = buf_reserve(b, 1);
    if (!end)
        return "";
    *end = '\0';
    return (const char *)b->data;
}

size_t format_u64(char *out, uint64_t number)
{
    size_t n = 1;
    for (uint64_t rest = number; rest >= 10; rest /= 10)
        n++;
    for (size_t i = n; i-- > 0; number /= 10)
        out[i] = (char)('0' + number % 10);
    return n;
}
