/*
 * The subprotocol wspush.v1, as docs/CLIENT.md specifies it: JSON objects in text frames. Requests in, by
 * jansson; messages out. Pure functions.
 */
#ifndef WSPUSH_WIRE_V1_H
#define WSPUSH_WIRE_V1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define V1_PROTOCOL "wspush.v1"

/* Bytes of text; data NULL: it was not there. */
struct v1_text {
    const char *data;
    size_t len;
};

enum v1_kind { V1_SUB, V1_UNSUB, V1_DATA, V1_ACK, V1_PING };

/* A channel that is asked for, and the position to go on from. */
struct v1_channel {
    struct v1_text name;
    struct v1_text since;
};

/* Channels in one request. */
enum { V1_CHANNELS_MAX = 1000 };

/* One request. Names and positions are as the client wrote them, unchecked but for UTF-8; the channels of one
 * request differ. What it has is the request's own, and the text of the frame is not needed any more. */
struct v1_request {
    enum v1_kind kind;
    struct v1_channel *channels; /* V1_SUB, V1_UNSUB: in the order in which they came */
    size_t channel_count;
    struct v1_text channel; /* V1_DATA: data NULL means the client's own; V1_ACK */
    struct v1_text payload; /* V1_DATA, decoded */
    bool binary;
    struct v1_text id; /* V1_ACK: the message, or: */
    uint64_t ack;      /* V1_ACK: the number that it carried; 0: `id` says which */
    int64_t ping;      /* V1_PING */
    void *json;        /* what the texts point into */
    struct buf decoded;
};

enum v1_result {
    V1_OK,
    V1_NOT_JSON,   /* no JSON object, a member twice, or too much of it: the error `json` */
    V1_NO_REQUEST, /* JSON that asks for nothing, or not as specified: the error `request` */
    V1_NO_MEMORY,
};

/* Parses the text of one frame. If it is no request, *why is a sentence for the client, a constant. The
 * request is the caller's to free, in any case. A text of 1 MiB never takes more than 4 MiB of heap: what
 * would become larger in memory is refused before it is parsed. A payload may have NULs in it; names and
 * positions have none. */
enum v1_result v1_parse(const void *text, size_t len, struct v1_request *out, const char **why);
void v1_request_fini(struct v1_request *r);

/* A message on its way out. */
struct v1_message {
    struct v1_text channel; /* data NULL: it was not sent to one */
    struct v1_text id;      /* `gen-seq`, or data NULL */
    uint64_t ack;           /* the sender wants to know that it was taken; 0: not */
    bool binary;
    const void *payload; /* where not binary: UTF-8 */
    size_t len;
};

/* {"ch":...,"id":...,"ack":...,"data":...}, or "b64"; members that are not there are left out. */
void v1_add_message(struct buf *out, const struct v1_message *m);
/* {"name":json} */
void v1_add_notice(struct buf *out, const char *name, const void *json, size_t len);

#endif
