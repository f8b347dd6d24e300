/*
 * A FastCGI request: judged alike in any pieces; then, as in the responder, libfcgi reads what was let in,
 * and the reply has no line that is not ours. libfcgi gets only what was judged to the last byte: on what
 * comes behind a head that was let in it may abort (a bad FCGI_GET_VALUES between records of the body), which
 * is why the responder has several processes. Knobs: the configuration; then the pieces.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../fcgi/record.h"
#include "../../fcgi/request.h"
#include "../../fcgi/route.h"

enum { CONFIG_KNOB = 0, PIECE_KNOB = 1, CONFIGS = 4 };

static struct config *make_config(unsigned number)
{
    char why[256];
    struct config *c = config_load(NULL, why, sizeof why);
    MUST(c);
    c->channel.message_limit = 2000;
    c->post = number & 1 ? POST_OPEN : POST_OFF;
    c->channel.mode = number & 1 ? MODE_REQUIRE : MODE_ACCEPT;
    c->unlisted = number & 2 ? UNLISTED_REFUSE : UNLISTED_SERVE;
    return c;
}

static const struct config *config_of(const struct input *in)
{
    static struct config *configs[CONFIGS];
    unsigned number = input_knob(in, CONFIG_KNOB) % CONFIGS;
    if (!configs[number])
        configs[number] = make_config(number);
    return configs[number];
}

/* ---- the gate ---- */

/* Looks as often as bytes arrive. What was found bad stays bad; what was let in needs no more to be judged.
 */
static void look_in_pieces(const struct input *in, struct request_head *head)
{
    enum head_state state = HEAD_MORE;
    size_t len = 0;
    for (size_t i = 0; len < in->len; i++) {
        len += input_piece(in, PIECE_KNOB, i, in->len - len);
        uint8_t *copy = exact_copy(in->bytes, len);
        request_head_look(head, copy, len);
        free(copy);
        MUST((head->state == HEAD_BAD) == (head->fault != NULL));
        MUST(state != HEAD_BAD || head->state == HEAD_BAD);
        MUST(state != HEAD_READY || head->state != HEAD_MORE);
        MUST(!head->whole || head->state != HEAD_MORE);
        state = head->state;
    }
}

static void check_pieces(const struct request_head *pieces, const struct input *in)
{
    static struct request_head whole;
    uint8_t *copy = exact_copy(in->bytes, in->len);
    request_head_look(&whole, copy, in->len);
    free(copy);
    MUST(whole.state == pieces->state && whole.fault == pieces->fault);
    MUST(whole.whole == pieces->whole && whole.is_get == pieces->is_get);
}

/* ---- the request ---- */

/* There is no worker here; so a POST is read and that is all. */
void publish(const struct route *to, const struct request *r, struct reply *reply)
{
    struct buf body = {0};
    if (request_body(r, to->in, r->rules->message_limit, &body, reply))
        MUST(body.len <= r->rules->message_limit);
    buf_fini(&body);
}

static void check_request(const struct request *r)
{
    MUST(r->method && r->remote && r->rules);
    MUST(r->channel_len == strlen(r->channel));
    MUST(!channel_name_fault(r->channel, r->channel_len));
}

/* As serve.c has it. */
static void serve(int fd, const struct config *config)
{
    FCGX_Request fcgi;
    struct request request;
    struct reply reply;
    MUST(FCGX_Init() == 0); /* the first time does it */
    FCGX_InitRequest(&fcgi, -1, 0);
    fcgi.ipcFd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    fcgi.keepConnection = 1;
    if (FCGX_Accept_r(&fcgi) != 0)
        return;
    struct route to = {.config = config, .in = fcgi.in};
    reply_init(&reply);
    if (request_read(&request, fcgi.envp, config, &reply)) {
        check_request(&request);
        route(&to, &request, &reply);
    }
    reply_write(&reply, fcgi.out, request.is_head);
    reply_fini(&reply);
    fcgi.keepConnection = 1;
    FCGX_Finish_r(&fcgi);
    if (fcgi.ipcFd >= 0)
        close(fcgi.ipcFd);
}

/* ---- the reply ---- */

/* The content of all FCGI_STDOUT records. */
static void read_reply(int fd, struct buf *out)
{
    struct buf all = {0};
    ssize_t n;
    do {
        uint8_t *to = buf_reserve(&all, 65536);
        MUST(to);
        n = recv(fd, to, 65536, MSG_DONTWAIT);
        all.len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    for (size_t at = 0, total; at + 8 <= all.len; at += total) {
        const uint8_t *p = all.data + at;
        size_t len = (size_t)p[4] << 8 | p[5];
        total = 8 + len + p[6];
        MUST(at + total <= all.len);
        if (p[1] == 6)
            buf_add(out, p + 8, len);
    }
    buf_fini(&all);
}

static bool is_our_header(const char *line)
{
    static const char *const names[] = {"Status",  "Content-Type",  "X-Content-Type-Options",
                                        "Upgrade", "Cache-Control", "X-Accel-Redirect",
                                        "Allow",   "Connection",    "Content-Length"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(line, names[i], strlen(names[i])) == 0 && line[strlen(names[i])] == ':')
            return true;
    return false;
}

static void check_reply(int fd)
{
    struct buf reply = {0};
    read_reply(fd, &reply);
    const char *line = buf_str(&reply);
    MUST(strlen(line) == reply.len);
    while (*line && *line != '\r') {
        const char *eol = strstr(line, "\r\n");
        MUST(eol && is_our_header(line));
        line = eol + 2;
    }
    MUST(!*line || strncmp(line, "\r\n", 2) == 0);
    buf_fini(&reply);
}

static void let_in(const struct input *in)
{
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    MUST(send(pair[0], in->bytes, in->len, MSG_DONTWAIT) == (ssize_t)in->len);
    shutdown(pair[0], SHUT_WR);
    serve(pair[1], config_of(in));
    close(pair[1]);
    check_reply(pair[0]);
    close(pair[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct request_head head;
    struct input in = input_read(data, size);
    if (in.len == 0 || in.len > RECORD_WINDOW)
        return 0;
    look_in_pieces(&in, &head);
    check_pieces(&head, &in);
    if (head.state == HEAD_READY)
        let_in(&in);
    return 0;
}
