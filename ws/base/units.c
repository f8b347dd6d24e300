#include "base/units.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int units_number(const char *text, size_t len, uint64_t *out)
{
    uint64_t n = 0;
    if (len == 0)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        unsigned digit = (unsigned)(text[i] - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return -1;
        n = n * 10 + digit;
    }
    *out = n;
    return 0;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit *find_unit(const struct unit *units, const char *name)
{
    while (*name == ' ')
        name++;
    for (; units->name; units++)
        if (strcasecmp(units->name, name) == 0)
            return units;
    return NULL;
}

int units_duration(const char *text, int64_t *out)
{
    static const struct unit units[] = {{"", 1000},     {"ms", 1},       {"s", 1000}, {"m", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
    size_t digits = strspn(text, "0123456789");
    size_t fraction = text[digits] == '.' ? 1 + strspn(text + digits + 1, "0123456789") : 0;
    if (digits == 0 || digits > 12 || fraction == 1 || fraction > 10)
        return -1;
    const struct unit *unit = find_unit(units, text + digits + fraction);
    if (!unit)
        return -1;
    double ms = strtod(text, NULL) * (double)unit->factor;
    if (ms > 10.0 * 366 * 86400000)
        return -1;
    *out = (int64_t)(ms + 0.5);
    return 0;
}

int units_size(const char *text, uint64_t *out)
{
    static const struct unit units[] = {{"", 1},          {"b", 1},          {"k", 1u << 10},
                                        {"kb", 1u << 10}, {"kib", 1u << 10}, {"m", 1u << 20},
                                        {"mb", 1u << 20}, {"mib", 1u << 20}, {"g", 1u << 30},
                                        {"gb", 1u << 30}, {"gib", 1u << 30}, {NULL, 0}};
    size_t digits = strspn(text, "0123456789");
    const struct unit *unit = find_unit(units, text + digits);
    uint64_t n;
    if (!unit || units_number(text, digits, &n) < 0 || n > UINT64_MAX / unit->factor)
        return -1;
    *out = n * unit->factor;
    return 0;
}
