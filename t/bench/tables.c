/*
 * The hub's two tables by themselves, up to a million entries: the longest that one addition takes, which is
 * when the table doubles and everybody on this thread waits, and what a search costs. Prints a JSON list.
 */
#include <stdio.h>
#include <stdlib.h>

#include "must.h"
#include "push/client_table.h"
#include "push/hub.h"

enum { SIZES = 4, SEARCHES = 1000000, STRIDE = 7919 };
static const size_t sizes[SIZES] = {1000, 10000, 100000, 1000000};

static struct client_table clients;
static struct channel *channels;
static struct channel **all;

static void add_client(size_t i)
{
    struct client *c = must_alloc(1, sizeof *c);
    c->number = i + 1;
    client_table_add(&clients, c);
}

static void find_client(size_t i)
{
    if (!client_table_find(&clients, i + 1))
        die("client %zu is lost", i);
}

static void add_channel(size_t i)
{
    char name[32];
    struct channel *ch = must_alloc(1, sizeof *ch + sizeof ch->per_shard[0]);
    int len = snprintf(name, sizeof name, "bench/%zu", i);
    ch->name = shared_name_new(name, (size_t)len);
    HASH_ADD_KEYPTR(hh, channels, ch->name->text, ch->name->len, ch);
    all[i] = ch;
}

static void find_channel(size_t i)
{
    struct channel *ch;
    HASH_FIND(hh, channels, all[i]->name->text, all[i]->name->len, ch);
    if (ch != all[i])
        die("channel %zu is lost", i);
}

static void measure(const char *what, void (*add)(size_t i), void (*find)(size_t i), const char *before)
{
    size_t count = 0;
    for (size_t step = 0; step < SIZES; step++) {
        uint64_t longest = 0, at = 0;
        for (; count < sizes[step]; count++) {
            uint64_t began = now_ns();
            add(count);
            uint64_t took = now_ns() - began;
            at = took > longest ? count : at;
            longest = took > longest ? took : longest;
        }
        uint64_t began = now_ns();
        for (size_t i = 0; i < SEARCHES; i++)
            find(i * STRIDE % count);
        printf("%s{\"what\": \"%s\", \"count\": %zu, \"longest_ms\": %.3f, \"at\": %llu, \"find_ns\": %.0f}",
               step ? ", " : before, what, count, (double)longest / 1e6, (unsigned long long)at,
               (double)(now_ns() - began) / SEARCHES);
    }
}

int main(void)
{
    all = must_alloc(sizes[SIZES - 1], sizeof(struct channel *));
    measure("clients", add_client, find_client, "[");
    measure("channels", add_channel, find_channel, ", ");
    printf("]\n");
    return 0;
}
