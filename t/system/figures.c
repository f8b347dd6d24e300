#include "figures.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"

enum { PATIENCE_MS = 10000 };

/* One to wait for. */
struct figure {
    struct resp *control;
    const char *command; /* or NULL: */
    const char *field;
    long long value;
};

long long info_get(struct resp *control, const char *field)
{
    char name[64];
    struct resp_value *v = resp_call(control, "INFO", NULL);
    snprintf(name, sizeof name, "\r\n%s:", field);
    const char *p = v->text ? strstr(v->text, name) : NULL;
    ck_assert_msg(p != NULL, "INFO has no %s", field);
    long long n = atoll(p + strlen(name));
    resp_value_free(v);
    return n;
}

static long long figure_of(const struct figure *f)
{
    return f->command ? resp_integer(f->control, f->command) : info_get(f->control, f->field);
}

static bool figure_is(void *arg)
{
    const struct figure *f = arg;
    return figure_of(f) == f->value;
}

static void until(struct figure f)
{
    if (!site_until(figure_is, &f, PATIENCE_MS))
        ck_abort_msg("%s does not become %lld but %lld", f.command ? f.command : f.field, f.value,
                     figure_of(&f));
}

void info_until(struct resp *control, const char *field, long long value)
{
    until((struct figure){.control = control, .field = field, .value = value});
}

void integer_until(struct resp *control, const char *command, long long value)
{
    until((struct figure){.control = control, .command = command, .value = value});
}
