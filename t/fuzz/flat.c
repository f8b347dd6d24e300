/*
 * Flat objects of JSON (wsctl tail reads the worker's lines so): whatever the bytes, no member has a text
 * that is not UTF-8, and what was read, written again by json_add_string, is read again the same. No knobs.
 */
#include "fuzz.h"

#include "base/flat.h"
#include "base/json.h"
#include "base/utf8.h"

struct object {
    struct buf json; /* written again */
    size_t members;
};

static void write_member(void *arg, const struct flat_member *m)
{
    static const char *const words[] = {[FLAT_TRUE] = "true", [FLAT_FALSE] = "false", [FLAT_NULL] = "null"};
    struct object *o = arg;
    MUST(utf8_check(m->name, strlen(m->name)) < 0);
    buf_addc(&o->json, o->members++ ? ',' : '{');
    json_add_string(&o->json, m->name, strlen(m->name));
    buf_addc(&o->json, ':');
    if (m->kind == FLAT_TEXT) {
        MUST(utf8_check(m->text, m->len) < 0 && m->text[m->len] == '\0');
        json_add_string(&o->json, m->text, m->len);
    } else if (m->kind == FLAT_NUMBER) {
        buf_addf(&o->json, "%lld", (long long)m->number);
    } else {
        buf_adds(&o->json, words[m->kind]);
    }
}

static bool read_object(const void *bytes, size_t len, struct object *o)
{
    *o = (struct object){0};
    char *copy = exact_copy(bytes, len);
    bool good = flat_read(copy, len, write_member, o);
    buf_adds(&o->json, o->members ? "}" : "{}");
    free(copy);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_read(data, size);
    struct object first;
    struct object again;
    if (read_object(in.bytes, in.len, &first)) {
        MUST(read_object(first.json.data, first.json.len, &again));
        MUST(first.members == again.members && first.json.len == again.json.len &&
             memcmp(first.json.data, again.json.data, first.json.len) == 0);
        buf_fini(&again.json);
    }
    buf_fini(&first.json);
    return 0;
}
