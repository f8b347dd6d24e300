#include "control/control.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/answers.h"
#include "control/session.h"

enum { KEPT_PLACES = 8 }; /* beyond max_operators, see is_keeper() */

static size_t largest_message(const struct config *config)
{
    size_t max = config->channel.message_limit;
    for (size_t i = 0; i < config->section_count; i++)
        if (config->sections[i].config.message_limit > max)
            max = config->sections[i].config.message_limit;
    return max;
}

static void refuse(int fd)
{
    static const char text[] = "-ERR too many operators are connected (the option max_operators)\r\n";
    ssize_t ignored = send(fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    close(fd);
}

/* Whoever has to look at what takes all the places: root, and the user that we run as. */
static bool is_keeper(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static bool has_room(const struct control *c, int fd)
{
    size_t most = c->hub->config->max_operators;
    return c->session_count < most || (c->session_count < most + KEPT_PLACES && is_keeper(fd));
}

static void on_accept(void *arg, int fd)
{
    struct control *c = arg;
    c->sessions_total++;
    if (!has_room(c, fd))
        refuse(fd);
    else
        session_adopt(c, fd);
}

int control_init(struct control *c, struct loop *loop, struct hub *hub, const struct control_host *host,
                 int listen_fd)
{
    *c = (struct control){.loop = loop, .hub = hub, .host = *host, .started = clock_mono_ms()};
    list_init(&c->sessions);
    list_init(&c->reloads);
    list_init(&c->watch.monitors);
    control_configure(c);
    c->acceptor = (struct acceptor){.what = "an operator", .on_accept = on_accept, .arg = c};
    return acceptor_start(&c->acceptor, loop, listen_fd);
}

/* Never less than before: commands that were taken in under a larger limit are still being worked on. */
void control_configure(struct control *c)
{
    size_t max = largest_message(c->hub->config);
    if (max > c->bulk_max)
        c->bulk_max = max;
}

void control_fini(struct control *c)
{
    while (!list_empty(&c->sessions))
        session_free(LIST_ENTRY(c->sessions.next, struct session, all));
    control_reloaded(c); /* nobody is there to be answered */
    acceptor_stop(&c->acceptor, c->loop);
}

/* ---- what the hub tells ---- */

static void on_published(void *arg, struct asker asker, uint64_t recipients, struct msg_id id,
                         const char *fault)
{
    struct reply reply;
    if (!session_answer(arg, asker, &reply))
        return;
    int proto = reply.session->proto;
    if (fault)
        resp_add_error(reply.to, "%s", fault);
    else if (reply.form == FORM_COUNT)
        resp_add_int(reply.to, (int64_t)recipients);
    else if (reply.form == FORM_RECEIPT)
        answer_receipt(reply.to, proto, &(struct receipt){.recipients = recipients, .id = id});
    else
        answer_sent(reply.to, proto, recipients, id);
    session_answered(&reply);
}

static void on_receipt(void *arg, const struct receipt *r)
{
    struct reply reply;
    if (!session_answer(arg, r->asker, &reply))
        return;
    answer_receipt(reply.to, reply.session->proto, r);
    session_answered(&reply);
}

static void on_message(void *arg, struct asker asker, struct inbox_msg *m)
{
    struct control *c = arg;
    struct reply reply;
    if (!session_answer(c, asker, &reply)) {
        hub_put_back(c->hub, m);
        return;
    }
    answer_message(reply.to, m);
    session_hand_over(&reply, m);
    session_answered(&reply);
}

static void on_wait_over(void *arg, struct asker asker, bool closed)
{
    struct reply reply;
    if (!session_answer(arg, asker, &reply))
        return;
    answer_word(reply.to, closed ? "closed" : "timeout");
    session_answered(&reply);
}

static void on_closed(void *arg, struct asker asker, uint64_t count)
{
    struct reply reply;
    if (!session_answer(arg, asker, &reply))
        return;
    resp_add_int(reply.to, (int64_t)count);
    session_answered(&reply);
}

static void on_listed(void *arg, struct asker asker, struct client_rows *const *rows, size_t count)
{
    struct reply reply;
    if (!session_answer(arg, asker, &reply))
        return;
    answer_list(reply.to, reply.session->proto, rows, count);
    session_answered(&reply);
}

static void on_history(void *arg, const struct reading *r, const struct excerpt *excerpt)
{
    struct reply reply;
    if (!session_answer(arg, r->asker, &reply))
        return;
    answer_history(reply.to, r, excerpt);
    session_answered(&reply);
}

struct hub_up control_up(struct control *c)
{
    return (struct hub_up){c,         on_published, on_receipt, on_message, on_wait_over,
                           on_closed, on_listed,    on_history, watch_see};
}
