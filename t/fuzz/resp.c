/*
 * Requests on the control socket: the same ones in any pieces, always a step forward, and nothing kept beside
 * one request; written as an array of bulk strings each is read again the same. An argument that is a target
 * keeps the promises of name.h. Knobs: the limit of an argument; a line of letters before the input's bytes;
 * then the pieces.
 */
#include "fuzz.h"

#include "base/glob.h"
#include "base/name.h"
#include "wire/resp.h"

enum { LIMIT_KNOB = 0, PRELUDE_KNOB = 1, PIECE_KNOB = 2, PIECES_MAX = 200 };

static size_t limit_of(const struct input *in)
{
    static const size_t limits[] = {1 << 20, 0, 1, 5, 20, 100, 1000, 1 << 16};
    return limits[input_knob(in, LIMIT_KNOB) % 8];
}

/* An inline request that lacks a few bytes of its limit. */
static size_t prelude_of(const struct input *in, const uint8_t **out)
{
    static uint8_t words[RESP_INLINE_MAX];
    *out = words;
    if (words[0] == 0) {
        memset(words, 'x', sizeof words);
        memset(words + 4, ' ', 4);
    }
    switch (input_knob(in, PRELUDE_KNOB)) {
    case 1: return sizeof words - 2;
    case 2: return sizeof words - 20;
    default: return 0;
    }
}

/* A connection: what came and is not done with, and what came out. */
struct session {
    struct resp_parser parser;
    struct buf in;
    struct buf told; /* each request and each refusal, as bytes */
    size_t limit;
    size_t told_limit; /* a request with a longer argument is told as too big */
    const char *fault;
    bool over; /* after a fault nothing more is read */
};

static void check_target(const struct resp_arg *arg)
{
    struct target target;
    if (target_parse(arg->data, arg->len, &target))
        return;
    MUST(target.name + target.name_len == arg->data + arg->len || target.kind == TARGET_ALL);
    if (target.kind == TARGET_CHANNEL)
        MUST(target.name == arg->data && !channel_name_fault(target.name, target.name_len));
    else if (target.kind == TARGET_USER)
        MUST(!user_name_fault(target.name, target.name_len));
    else if (target.kind == TARGET_MATCH)
        MUST(!glob_fault(target.name, target.name_len) ||
             !glob_match(target.name, target.name_len, "a/b", 3));
}

static bool same_args(const struct resp_request *a, const struct resp_request *b)
{
    bool same = a->argc == b->argc;
    for (int i = 0; same && i < a->argc; i++)
        same =
            a->argv[i].len == b->argv[i].len && memcmp(a->argv[i].data, b->argv[i].data, a->argv[i].len) == 0;
    return same;
}

static void check_written_again(const struct resp_request *request)
{
    struct resp_parser parser = {0};
    struct resp_request again;
    struct buf text = {0};
    const char *fault;
    size_t taken;
    resp_add_array(&text, (uint64_t)request->argc);
    for (int i = 0; i < request->argc; i++)
        resp_add_bulk(&text, request->argv[i].data, request->argv[i].len);
    MUST(resp_parse(&parser, text.data, text.len, SIZE_MAX / 2, &taken, &again, &fault) == RESP_REQUEST);
    MUST(taken == text.len && same_args(request, &again));
    resp_parser_fini(&parser);
    buf_fini(&text);
}

static bool is_too_big(const struct resp_request *request, size_t limit)
{
    bool too_big = false;
    for (int i = 0; i < request->argc; i++)
        too_big |= request->argv[i].len > limit;
    return too_big;
}

static void tell_request(struct session *s, const struct resp_request *request, bool is_array)
{
    MUST(request->argc > 0 && request->argc <= RESP_ARGS_MAX);
    if (is_array && is_too_big(request, s->told_limit)) {
        buf_adds(&s->told, "too big\n");
        return;
    }
    buf_addf(&s->told, "request %d\n", request->argc);
    for (int i = 0; i < request->argc; i++) {
        buf_addf(&s->told, "%zu ", request->argv[i].len);
        buf_add(&s->told, request->argv[i].data, request->argv[i].len);
        check_target(&request->argv[i]);
    }
    check_written_again(request);
}

static void tell_fault(struct session *s, const char *fault)
{
    struct buf reply = {0};
    MUST(fault);
    s->fault = fault;
    resp_add_error(&reply, "ERR Protocol error: %s", fault);
    MUST(memchr(reply.data, '\n', reply.len) == reply.data + reply.len - 1);
    buf_addf(&s->told, "fault %s\n", fault);
    buf_fini(&reply);
}

/* Takes one step; false when it needs more bytes. */
static bool step(struct session *s, const uint8_t *bytes, size_t len, size_t *taken)
{
    struct resp_request request;
    const char *fault;
    enum resp_result result = resp_parse(&s->parser, bytes, len, s->limit, taken, &request, &fault);
    MUST(*taken <= len);
    switch (result) {
    case RESP_INCOMPLETE: MUST(*taken == 0); return false;
    case RESP_NONE: MUST(*taken > 0); break;
    case RESP_REQUEST:
        MUST(*taken > 0);
        tell_request(s, &request, bytes[0] == '*');
        break;
    case RESP_TOO_BIG:
        MUST(*taken > 0);
        buf_adds(&s->told, "too big\n");
        break;
    case RESP_FAULT:
        tell_fault(s, fault);
        s->over = true;
        break;
    case RESP_FOREIGN:
        buf_adds(&s->told, "foreign\n");
        s->over = true;
        break;
    }
    return !s->over;
}

static void take_bytes(struct session *s, const void *bytes, size_t len)
{
    if (s->over)
        return;
    buf_add(&s->in, bytes, len);
    uint8_t *copy = exact_copy(s->in.data, s->in.len);
    size_t done = 0;
    size_t taken = 0;
    do
        done += taken;
    while (done < s->in.len && step(s, copy + done, s->in.len - done, &taken));
    free(copy);
    buf_consume(&s->in, done);
    MUST(s->parser.unquoted.len <= RESP_INLINE_MAX);
    MUST(s->over || s->in.len <= RESP_INLINE_MAX + 1 + RESP_ARGS_MAX * (s->limit + RESP_HEADER_MAX + 2));
}

static void session_fini(struct session *s)
{
    resp_parser_fini(&s->parser);
    buf_fini(&s->in);
    buf_fini(&s->told);
}

static bool same_told(const struct session *a, const struct session *b)
{
    return a->over == b->over && a->told.len == b->told.len &&
           (a->told.len == 0 || memcmp(a->told.data, b->told.data, a->told.len) == 0);
}

/* What is skipped is what would be a request without the limit. Of what is skipped the end is not looked at.
 */
static void check_skipped(const struct session *limited, const struct buf *all)
{
    struct session generous = {.limit = UINT32_MAX, .told_limit = limited->limit};
    take_bytes(&generous, all->data, all->len);
    if (!generous.fault || strcmp(generous.fault, "a bulk string does not end with CR LF") != 0)
        MUST(same_told(limited, &generous));
    session_fini(&generous);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_read(data, size);
    struct session pieces = {.limit = limit_of(&in), .told_limit = SIZE_MAX};
    struct session whole = pieces;
    struct buf all = {0};
    const uint8_t *prelude;
    size_t prelude_len = prelude_of(&in, &prelude);
    buf_add(&all, prelude, prelude_len);
    take_bytes(&pieces, all.data, all.len);
    for (size_t i = 0, at = 0, n; at < in.len; i++, at += n) {
        n = i < PIECES_MAX ? input_piece(&in, PIECE_KNOB, i, in.len - at) : in.len - at;
        take_bytes(&pieces, in.bytes + at, n);
    }
    buf_add(&all, in.bytes, in.len);
    take_bytes(&whole, all.data, all.len);
    MUST(same_told(&whole, &pieces));
    check_skipped(&whole, &all);
    session_fini(&pieces);
    session_fini(&whole);
    buf_fini(&all);
    return 0;
}
