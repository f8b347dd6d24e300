/*
 * The client of libwebsockets, as Debian has it: the dialogue that t/interop/table.py's head describes, on
 * stdin and stdout. One thread, libwebsockets' own loop; stdin is one of its descriptors. What is to be sent
 * waits in a list of its connection until the library calls for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECTIONS = 4096, WORDS = 16 };

/* A frame to be sent, with the room before it that lws_write asks for. */
struct frame {
    struct frame *next;
    enum lws_write_protocol kind;
    bool closes;
    enum lws_close_status code;
    size_t len;
    unsigned char room[LWS_PRE];
    unsigned char data[];
};

struct connection {
    unsigned number;
    struct lws *wsi;
    struct frame *first, **last;
    struct frame *sent; /* the last one: the library reads of it after lws_write, when it compresses */
    unsigned code;      /* of the close frame that came */
    char reason[124];
    char *message; /* whose pieces are coming */
    size_t len;
};

static struct lws_context *context;
static struct connection *connections[CONNECTIONS];

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* ---- out ---- */

static void put_hex(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i++)
        printf("%02x", p[i]);
    puts(len ? "" : "-");
}

static void tell_bytes(const struct connection *c, const char *what, const void *bytes, size_t len)
{
    printf("%u %s ", c->number, what);
    put_hex(bytes, len);
}

/* ---- what the library tells ---- */

static void tell_opened(struct connection *c)
{
    char extensions[200] = "", protocol[100] = "";
    lws_hdr_copy(c->wsi, extensions, sizeof extensions, WSI_TOKEN_EXTENSIONS);
    lws_hdr_copy(c->wsi, protocol, sizeof protocol, WSI_TOKEN_PROTOCOL);
    printf("%u opened %s %s\n", c->number, *extensions ? "deflate" : "plain", *protocol ? protocol : "-");
}

static void take_piece(struct connection *c, const void *piece, size_t len)
{
    c->message = must(realloc(c->message, c->len + len + 1));
    if (len)
        memcpy(c->message + c->len, piece, len);
    c->len += len;
    if (!lws_is_final_fragment(c->wsi) || lws_remaining_packet_payload(c->wsi))
        return;
    tell_bytes(c, lws_frame_is_binary(c->wsi) ? "binary" : "text", c->message, c->len);
    free(c->message);
    c->message = NULL;
    c->len = 0;
}

static void take_close(struct connection *c, const unsigned char *payload, size_t len)
{
    c->code = 1005;
    if (len < 2)
        return;
    c->code = (unsigned)payload[0] << 8 | payload[1];
    memcpy(c->reason, payload + 2, len - 2);
    c->reason[len - 2] = '\0';
}

/* The next frame of the list; -1 ends the connection. */
static int send_next(struct connection *c)
{
    struct frame *f = c->first;
    if (!f)
        return 0;
    if (f->closes) {
        lws_close_reason(c->wsi, f->code, f->data, f->len);
        return -1;
    }
    if (lws_write(c->wsi, f->data, f->len, f->kind) < 0)
        return -1;
    c->first = f->next;
    free(c->sent);
    c->sent = f;
    if (c->first)
        lws_callback_on_writable(c->wsi);
    else
        c->last = &c->first;
    return 0;
}

static void take_end(struct connection *c)
{
    c->wsi = NULL;
    printf("%u closed %u ", c->number, c->code);
    put_hex(c->reason, strlen(c->reason));
}

static void read_commands(int fd);

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct connection *c = user;
    switch (reason) {
    case LWS_CALLBACK_RAW_RX_FILE: read_commands(STDIN_FILENO); break;
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH: tell_opened(c); break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        printf("%u refused 0\n", c->number);
        c->wsi = NULL;
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE: take_piece(c, in, len); break;
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG: tell_bytes(c, "pong", in, len); break;
    case LWS_CALLBACK_CLIENT_WRITEABLE: return send_next(c);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: take_close(c, in, len); break;
    case LWS_CALLBACK_CLIENT_CLOSED: take_end(c); break;
    default: return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
    return 0;
}

/* ---- in ---- */

/* HEX, "-", or two digits and how often. How many bytes; writes them if out is not NULL. */
static size_t decode(const char *word, unsigned char *out)
{
    size_t len = strcspn(word, "-*") / 2;
    char *star = strchr(word, '*');
    char digits[3] = "";
    if (out)
        for (size_t i = 0; i < len; i++) {
            memcpy(digits, word + i * 2, 2);
            out[i] = (unsigned char)strtoul(digits, NULL, 16);
        }
    if (!star)
        return len;
    len = strtoul(star + 1, NULL, 10);
    if (out)
        memset(out, out[0], len);
    return len;
}

static struct frame *queue(struct connection *c, const char *word, int kind)
{
    size_t len = decode(word, NULL);
    struct frame *f = must(calloc(1, sizeof *f + len + 1));
    f->kind = (enum lws_write_protocol)kind;
    f->len = decode(word, f->data);
    *c->last = f;
    c->last = &f->next;
    if (c->wsi)
        lws_callback_on_writable(c->wsi);
    return f;
}

static const char *option(char **words, const char *name)
{
    for (size_t n = strlen(name); *words; words++)
        if (strncmp(*words, name, n) == 0)
            return *words + n;
    return NULL;
}

static struct lws_vhost *vhost_for(const char *name)
{
    return lws_get_vhost_by_name(context, name);
}

/* ws://HOST:PORT/PATH */
static void open_connection(unsigned number, char **words)
{
    struct connection *c = connections[number] = must(calloc(1, sizeof *c));
    char host[100];
    const char *path = strchr(words[0] + 5, '/');
    const char *window = option(words + 1, "window=");
    snprintf(host, sizeof host, "%.*s", (int)(path - words[0] - 5), words[0] + 5);
    c->number = number;
    c->last = &c->first;
    c->code = 1006;
    struct lws_client_connect_info info = {
        .context = context,
        .address = "127.0.0.1",
        .port = atoi(strchr(host, ':') + 1),
        .path = path,
        .host = host,
        .origin = option(words + 1, "origin="),
        .protocol = option(words + 1, "protocols="),
        .local_protocol_name = "client",
        .ietf_version_or_minus_one = -1,
        .vhost = vhost_for(window ? window : option(words + 1, "deflate=")),
        .userdata = c,
        .pwsi = &c->wsi,
    };
    lws_client_connect_via_info(&info);
}

/* Frames by the name of their command. */
static const struct verb {
    const char *name;
    int kind;
} verbs[] = {
    {"text", LWS_WRITE_TEXT},
    {"binary", LWS_WRITE_BINARY},
    {"begin_text", LWS_WRITE_TEXT | LWS_WRITE_NO_FIN},
    {"begin_binary", LWS_WRITE_BINARY | LWS_WRITE_NO_FIN},
    {"more", LWS_WRITE_CONTINUATION | LWS_WRITE_NO_FIN},
    {"last", LWS_WRITE_CONTINUATION},
    {"ping", LWS_WRITE_PING},
};

static void command(unsigned number, const char *verb, char **words)
{
    struct connection *c = connections[number];
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verb, verbs[i].name) == 0)
            queue(c, words[0], verbs[i].kind);
    if (strcmp(verb, "open") == 0) {
        open_connection(number, words);
    } else if (strcmp(verb, "close") == 0) {
        struct frame *f = queue(c, words[0] ? words[1] : "-", 0);
        f->closes = true;
        f->code = words[0] ? (enum lws_close_status)atoi(words[0]) : LWS_CLOSE_STATUS_NOSTATUS;
    } else if (c->wsi && strcmp(verb, "drop") == 0) {
        lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    } else if (c->wsi && (strcmp(verb, "pause") == 0 || strcmp(verb, "resume") == 0)) {
        lws_rx_flow_control(c->wsi, *verb == 'r');
    }
}

static void take_line(char *line)
{
    char *words[WORDS] = {NULL}, *rest;
    size_t n = 0;
    for (char *word = strtok_r(line, " ", &rest); word && n + 1 < WORDS; word = strtok_r(NULL, " ", &rest))
        words[n++] = word;
    unsigned number = n ? (unsigned)atoi(words[0]) : CONNECTIONS;
    if (n < 2 || number >= CONNECTIONS)
        abort();
    command(number, words[1], words + 2);
}

/* Takes what is there; the end of the input is the end of the program. */
static void read_commands(int fd)
{
    static char *held;
    static size_t len, cap;
    if (cap - len < 65536)
        held = must(realloc(held, cap = (cap + 65536) * 2));
    ssize_t n = read(fd, held + len, cap - len);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        exit(0);
    len += n > 0 ? (size_t)n : 0;
    char *at = held;
    for (char *end; (end = memchr(at, '\n', len - (size_t)(at - held))) != NULL; at = end + 1) {
        *end = '\0';
        take_line(at);
    }
    len -= (size_t)(at - held);
    memmove(held, at, len);
}

/* ---- the library's context ---- */

static const struct lws_protocols protocols[] = {
    {.name = "client", .callback = on_event, .rx_buffer_size = 65536}, {0}};

static void add_vhost(const char *name, const struct lws_extension *extensions)
{
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN, .protocols = protocols, .vhost_name = name, .extensions = extensions};
    must(lws_create_vhost(context, &info));
}

int main(void)
{
    static const struct lws_extension deflate[] = {{"permessage-deflate", lws_extension_callback_pm_deflate,
                                                    "permessage-deflate; client_max_window_bits"},
                                                   {NULL, NULL, NULL}};
    struct lws_context_creation_info info = {.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS};
    setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    lws_set_log_level(LLL_ERR, NULL);
    context = must(lws_create_context(&info));
    add_vhost("off", NULL);
    add_vhost("on", deflate);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    lws_sock_file_fd_type in = {.filefd = STDIN_FILENO};
    must(lws_adopt_descriptor_vhost(vhost_for("off"), LWS_ADOPT_RAW_FILE_DESC, in, "client", NULL));
    printf("name libwebsockets %d.%d.%d\n"
           "cannot deaf it answers every ping by itself\n"
           "cannot version it speaks version 13 only\n"
           "cannot status a client is not told the status of a refusal\n"
           "cannot close_answer it shows no close frame that answers its own\n"
           "cannot mixed where compression was agreed on, it takes a message without as one that never ends\n"
           "cannot empty_compressed it compresses an empty fragment to a second beginning of its message\n"
           "cannot window what is offered is fixed for all connections\n"
           "ready\n",
           LWS_LIBRARY_VERSION_MAJOR, LWS_LIBRARY_VERSION_MINOR, LWS_LIBRARY_VERSION_PATCH);
    while (lws_service(context, 0) >= 0)
        ;
    lws_context_destroy(context);
    return 0;
}
