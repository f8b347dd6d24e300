/* "no client on 'tset'; clients are on: test (2), chat (5)", and the same for users: a wrong name is the
 * likeliest reason for silence. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ctl/print.h"

enum { SHOWN = 8, WORD_MAX_BYTES = 63 };

/* A channel, or a user, where clients are. */
struct place {
    const char *name;
    size_t clients;
    size_t distance;
};

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein's, where two neighbours in wrong order count once. */
size_t ctl_distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX_BYTES + 1];
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];
    size_t a_len = strnlen(a, WORD_MAX_BYTES);
    size_t b_len = strnlen(b, WORD_MAX_BYTES);
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
    }
    return row[b_len];
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->name, ((const struct place *)b)->name);
}

static int by_likeness(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    if (x->clients != y->clients)
        return x->clients > y->clients ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void collect_users(const struct wspush *h, size_t rows, struct buf *places)
{
    for (size_t row = 0; row < rows; row++) {
        struct wspush_value user;
        if (wspush_row_get(h, row, "user", &user) && user.kind == WSPUSH_TEXT && user.len)
            buf_add(places, &(struct place){.name = user.text, .clients = 1}, sizeof(struct place));
    }
}

/* One place for each subscription of each client. */
static void collect_channels(const struct wspush *h, size_t rows, struct buf *places)
{
    for (size_t row = 0; row < rows; row++) {
        struct wspush_value channels;
        struct wspush_value name;
        wspush_row_get(h, row, "channels", &channels);
        for (size_t i = 0; wspush_item(&channels, i, &name); i++)
            if (name.kind == WSPUSH_TEXT)
                buf_add(places, &(struct place){.name = name.text, .clients = 1}, sizeof(struct place));
    }
}

/* Joins those of one name; returns how many are left. */
static size_t join(struct place *places, size_t count, const char *target)
{
    size_t n = 0;
    qsort(places, count, sizeof *places, by_name);
    for (size_t i = 0; i < count; i++) {
        if (n && strcmp(places[n - 1].name, places[i].name) == 0) {
            places[n - 1].clients++;
            continue;
        }
        places[n] = places[i];
        places[n++].distance = ctl_distance(target, places[i].name);
    }
    qsort(places, n, sizeof *places, by_likeness);
    return n;
}

static void say_places(const char *what, const struct place *places, size_t count)
{
    fprintf(stderr, "; %s: ", what);
    for (size_t i = 0; i < count && i < SHOWN; i++) {
        fputs(i ? ", " : "", stderr);
        print_escaped(stderr, places[i].name, strlen(places[i].name));
        fprintf(stderr, " (%zu)", places[i].clients);
    }
    if (count > SHOWN)
        fprintf(stderr, ", and %zu more", count - SHOWN);
}

static const char *behind(const char *target, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(target, prefix, n) == 0 ? target + n : NULL;
}

static void say_target(const char *target)
{
    if (strcmp(target, "@all") == 0) {
        fprintf(stderr, "no client is connected");
        return;
    }
    fprintf(stderr, target[0] == '@' && !behind(target, "@match:") ? "no client is '" : "no client on '");
    print_escaped(stderr, target, strlen(target));
    fputc('\'', stderr);
}

/* What might have been meant: the places that are like the wrong name, the likest first. */
static void say_others(const struct ctl *ctl, size_t rows, const char *name, bool users)
{
    struct buf places = {0};
    (users ? collect_users : collect_channels)(ctl->handle, rows, &places);
    size_t count = places.len ? join((void *)places.data, places.len / sizeof(struct place), name) : 0;
    if (count)
        say_places(users ? "users are" : "clients are on", (const void *)places.data, count);
    else
        fprintf(stderr, users && rows ? "; no client has a user's name" : "; no client is connected at all");
    buf_fini(&places);
}

void ctl_say_nobody(struct ctl *ctl, const char *target)
{
    size_t rows = 0;
    const char *user = behind(target, "@user:");
    const char *name = user ? user : behind(target, "@match:");
    if (ctl->quiet)
        return;
    say_target(target);
    if (!name && target[0] != '@')
        name = target;
    if (name && wspush_list(ctl->handle, NULL, &rows) == WSPUSH_OK)
        say_others(ctl, rows, name, user != NULL);
    fputc('\n', stderr);
}
