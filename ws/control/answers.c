#include "control/answers.h"

void answer_client_name(struct buf *out, uint64_t client)
{
    char name[24] = "c";
    resp_add_bulk(out, name, 1 + format_u64(name + 1, client));
}

static void add_id(struct buf *out, int proto, struct msg_id id)
{
    char text[MSG_ID_TEXT_MAX];
    if (id.gen)
        resp_add_bulk(out, text, msg_id_format(id, text));
    else
        resp_add_null(out, proto);
}

void answer_sent(struct buf *out, int proto, uint64_t recipients, struct msg_id id)
{
    resp_add_array(out, 2);
    resp_add_int(out, (int64_t)recipients);
    add_id(out, proto, id);
}

enum { OUTCOMES = OUTCOME_UNSUPPORTED + 1 };

static const char *outcome_name(const struct receipt *r, int outcome)
{
    static const char *const reached[] = {"", "handed", "ponged", "acked"};
    static const char *const failed[] = {NULL, "timeout", "dropped", "expired", "closed", "unsupported"};
    return outcome == OUTCOME_REACHED ? reached[r->wish] : failed[outcome];
}

void answer_receipt(struct buf *out, int proto, const struct receipt *r)
{
    uint64_t counts[OUTCOMES] = {[OUTCOME_REACHED] = r->reached};
    uint64_t kinds = 0;
    for (size_t i = 0; i < r->failure_count; i++)
        counts[r->failures[i].outcome]++;
    for (int i = 0; i < OUTCOMES; i++)
        kinds += counts[i] > 0;
    resp_add_array(out, 4);
    resp_add_int(out, (int64_t)r->recipients);
    add_id(out, proto, r->id);
    resp_add_map(out, proto, kinds);
    for (int i = 0; i < OUTCOMES; i++) {
        if (counts[i] == 0)
            continue;
        resp_add_text(out, outcome_name(r, i));
        resp_add_int(out, (int64_t)counts[i]);
    }
    resp_add_array(out, r->failure_count);
    for (size_t i = 0; i < r->failure_count; i++) {
        resp_add_array(out, 2);
        answer_client_name(out, r->failures[i].client);
        resp_add_text(out, outcome_name(r, (int)r->failures[i].outcome));
    }
}

void answer_message(struct buf *out, const struct inbox_msg *m)
{
    resp_add_array(out, 6);
    answer_client_name(out, m->client);
    resp_add_bulk(out, m->channel->text, m->channel->len);
    resp_add_text(out, m->msg->opcode == WEBSOCKET_TEXT ? "text" : "binary");
    resp_add_bulk(out, m->msg->payload, m->msg->len);
    resp_add_int(out, m->time);
    resp_add_int(out, (int64_t)m->lost);
}

void answer_word(struct buf *out, const char *word)
{
    resp_add_array(out, 1);
    resp_add_text(out, word);
}

static void add_kept(struct buf *out, const struct msg *m)
{
    char id[MSG_ID_TEXT_MAX];
    resp_add_array(out, 4);
    resp_add_bulk(out, id, msg_id_format(m->id, id));
    resp_add_text(out, m->opcode == WEBSOCKET_TEXT ? "text" : "binary");
    resp_add_bulk(out, m->payload, m->len);
    resp_add_int(out, m->time);
}

static void refuse_position(struct buf *out, const struct reading *r, const struct excerpt *x)
{
    char after[MSG_ID_TEXT_MAX];
    char head[MSG_ID_TEXT_MAX];
    int after_len = (int)msg_id_format(r->after, after);
    int head_len = (int)msg_id_format(x->head, head);
    if (x->result == READ_AHEAD)
        resp_add_error(out, "ERR %.*s is ahead of the channel, whose last id is %.*s", after_len, after,
                       head_len, head);
    else if (x->result == READ_OTHER_GENERATION)
        resp_add_error(
            out, "NOPOS %.*s is of another generation: the worker was started anew, its ids begin with %llu",
            after_len, after, (unsigned long long)x->head.gen);
    else
        resp_add_error(out, "NOPOS messages behind %.*s are gone: the history does not reach so far back",
                       after_len, after);
}

void answer_history(struct buf *out, const struct reading *r, const struct excerpt *excerpt)
{
    if (excerpt->result != READ_OK) {
        refuse_position(out, r, excerpt);
        return;
    }
    resp_add_array(out, excerpt->count);
    for (size_t i = 0; i < excerpt->count; i++)
        add_kept(out, excerpt->msgs[i]);
}

static void add_number(struct buf *out, const char *name, uint64_t value)
{
    resp_add_text(out, name);
    resp_add_int(out, (int64_t)value);
}

static const char *transport_name(enum transport transport)
{
    static const char *const names[] = {
        [TRANSPORT_RAW] = "raw", [TRANSPORT_V1] = "v1", [TRANSPORT_SSE] = "sse"};
    return names[transport];
}

static void add_row(struct buf *out, int proto, const struct client_row *row)
{
    resp_add_map(out, proto, 12);
    resp_add_text(out, "client");
    answer_client_name(out, row->client);
    resp_add_text(out, "user");
    resp_add_bulk(out, row->user ? row->user->text : "", row->user ? row->user->len : 0);
    resp_add_text(out, "channels");
    resp_add_array(out, row->channel_count);
    for (uint32_t i = 0; i < row->channel_count; i++)
        resp_add_bulk(out, row->channels[i]->text, row->channels[i]->len);
    resp_add_text(out, "transport");
    resp_add_text(out, transport_name(row->transport));
    resp_add_text(out, "address");
    resp_add_text(out, row->address);
    add_number(out, "since", (uint64_t)row->since);
    add_number(out, "msgs_out", row->msgs_out);
    add_number(out, "msgs_in", row->msgs_in);
    add_number(out, "bytes_out", row->bytes_out);
    add_number(out, "bytes_in", row->bytes_in);
    add_number(out, "queued", row->queued);
    resp_add_text(out, "ping");
    if (row->ping == UINT32_MAX)
        resp_add_null(out, proto);
    else
        resp_add_int(out, row->ping);
}

void answer_list(struct buf *out, int proto, struct client_rows *const *rows, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += rows[i]->count;
    resp_add_array(out, total);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < rows[i]->count; k++)
            add_row(out, proto, &rows[i]->rows[k]);
}
