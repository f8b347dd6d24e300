/* Replies that more than one command gives, as docs/CONTROL.md has them. */
#ifndef WSPUSH_CONTROL_ANSWERS_H
#define WSPUSH_CONTROL_ANSWERS_H

#include "base/buf.h"
#include "push/hub.h"
#include "wire/resp.h"

/* `c42` */
void answer_client_name(struct buf *out, uint64_t client);
/* [recipients, id-or-null] */
void answer_sent(struct buf *out, int proto, uint64_t recipients, struct msg_id id);
/* The same with what became of the message. */
void answer_receipt(struct buf *out, int proto, const struct receipt *r);
/* [client, channel, "text"|"binary", payload, time, lost] */
void answer_message(struct buf *out, const struct inbox_msg *m);
/* ["timeout"], ["closed"] */
void answer_word(struct buf *out, const char *word);
/* [[id, "text"|"binary", payload, time] ...], or why not */
void answer_history(struct buf *out, const struct reading *r, const struct excerpt *excerpt);
void answer_list(struct buf *out, int proto, struct client_rows *const *rows, size_t count);

#endif
