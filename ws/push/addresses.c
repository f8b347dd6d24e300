#include "push/addresses.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hash.h"

enum { IPV6_NETWORK = 8 };

/* The key: family, then what counts of the address. */
struct source {
    struct address key;
    uint64_t clients;
    UT_hash_handle hh;
};

struct addresses {
    pthread_mutex_t lock;
    struct source *sources;
};

static void unmap(struct address *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (a->family != AF_INET6 || memcmp(a->bytes, mapped, sizeof mapped) != 0)
        return;
    a->family = AF_INET;
    memmove(a->bytes, a->bytes + 12, 4);
    memset(a->bytes + 4, 0, 12);
}

bool address_from(struct address *out, const struct sockaddr *from)
{
    *out = (struct address){0};
    if (from->sa_family == AF_INET)
        memcpy(out->bytes, &((const struct sockaddr_in *)from)->sin_addr, 4);
    else if (from->sa_family == AF_INET6)
        memcpy(out->bytes, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
    else
        return false;
    out->family = (uint8_t)from->sa_family;
    unmap(out);
    return true;
}

bool address_parse(struct address *out, const char *text)
{
    *out = (struct address){0};
    if (inet_pton(AF_INET, text, out->bytes) == 1)
        out->family = AF_INET;
    else if (inet_pton(AF_INET6, text, out->bytes) == 1)
        out->family = AF_INET6;
    unmap(out);
    return out->family != 0;
}

const char *address_text(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    if (!a->family || !inet_ntop(a->family, a->bytes, out, ADDRESS_TEXT_MAX))
        strcpy(out, "unix");
    return out;
}

struct addresses *addresses_new(void)
{
    struct addresses *a = calloc(1, sizeof *a);
    if (!a || pthread_mutex_init(&a->lock, NULL) != 0)
        abort();
    return a;
}

void addresses_free(struct addresses *a)
{
    struct source *s;
    struct source *next;
    if (!a)
        return;
    HASH_ITER(hh, a->sources, s, next)
    {
        HASH_DEL(a->sources, s);
        free(s);
    }
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static struct address key_of(const struct address *address)
{
    struct address key = *address;
    if (key.family == AF_INET6)
        memset(key.bytes + IPV6_NETWORK, 0, sizeof key.bytes - IPV6_NETWORK);
    return key;
}

static struct source *find(struct addresses *a, const struct address *key)
{
    struct source *s;
    HASH_FIND(hh, a->sources, key, sizeof *key, s);
    return s;
}

bool addresses_enter(struct addresses *a, const struct address *address, uint64_t limit)
{
    struct address key = key_of(address);
    pthread_mutex_lock(&a->lock);
    struct source *s = find(a, &key);
    bool room = (s ? s->clients : 0) < limit;
    if (!s && room && (s = calloc(1, sizeof *s))) {
        s->key = key;
        HASH_ADD(hh, a->sources, key, sizeof s->key, s);
    }
    room = room && s;
    if (room)
        s->clients++;
    pthread_mutex_unlock(&a->lock);
    return room;
}

void addresses_leave(struct addresses *a, const struct address *address)
{
    struct address key = key_of(address);
    pthread_mutex_lock(&a->lock);
    struct source *s = find(a, &key);
    if (s && --s->clients == 0) {
        HASH_DEL(a->sources, s);
        free(s);
    }
    pthread_mutex_unlock(&a->lock);
}
