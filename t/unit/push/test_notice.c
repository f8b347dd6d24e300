/* What the worker says of channels: each notice to the byte, as docs/CLIENT.md has it. */
#include "push/notice.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../heap.h"

static struct websocket *ws;
static struct shared_name *room;
static struct shared_name *alice;

/* Names with what JSON spells in another way. */
static void make_names(void)
{
    ws = websocket_new();
    room = shared_name_new("r\"\\/\xc3\xa9", 6);
    alice = shared_name_new("al\tice", 6);
}

static void free_names(void)
{
    shared_name_unref(room);
    shared_name_unref(alice);
    websocket_free(ws);
}

#define ROOM  "\"r\\\"\\\\/\xc3\xa9\""
#define ALICE "\"al\\tice\""

/* The kind, the bytes, and that nobody has to free anything else. */
static void expect(struct msg *take_m, enum notice kind, const char *envelope)
{
    ck_assert_ptr_nonnull(take_m);
    ck_assert_int_eq(take_m->notice, kind);
    ck_assert_int_eq(take_m->opcode, 0);
    ck_assert(kind == NOTICE_RESET || !take_m->channel); /* whose loss it tells of */
    const struct msg *form = msg_envelope(take_m, ws);
    ck_assert_msg(form->len == strlen(envelope) && memcmp(form->payload, envelope, form->len) == 0,
                  "'%.*s', not '%s'", (int)form->len, form->payload, envelope);
    msg_unref(take_m);
}

START_TEST(hello)
{
    expect(notice_hello(42, alice, room, (struct msg_id){0}), NOTICE_HELLO,
           "{\"hello\":{\"client\":\"c42\",\"user\":" ALICE ",\"channels\":[" ROOM "]}}");
    expect(notice_hello(UINT64_MAX, NULL, NULL, (struct msg_id){0}), NOTICE_HELLO,
           "{\"hello\":{\"client\":\"c18446744073709551615\",\"user\":null,\"channels\":[]}}");
}
END_TEST

START_TEST(on_and_off)
{
    static const struct msg_id head = {7, 40};
    static const struct msg_id from = {7, 12};
    static const struct msg_id none = {0};
    struct msg *m = notice_hello(42, alice, room, from);
    ck_assert(m->id.gen == 7 && m->id.seq == 12); /* where a stream goes on */
    msg_unref(m);
    expect(notice_sub(room, head, from), NOTICE_SUB,
           "{\"sub\":{\"ch\":" ROOM ",\"id\":\"7-40\",\"from\":\"7-12\"}}");
    expect(notice_sub(room, head, none), NOTICE_SUB, "{\"sub\":{\"ch\":" ROOM ",\"id\":\"7-40\"}}");
    expect(notice_unsub(room), NOTICE_UNSUB, "{\"unsub\":{\"ch\":" ROOM "}}");
}
END_TEST

/* A stream goes on from the position that the reset tells. */
START_TEST(resets)
{
    static const struct msg_id id = {7, 40};
    struct msg *m = notice_reset(room, "gone", id);
    ck_assert(m->id.gen == 7 && m->id.seq == 40);
    const struct msg *event = msg_event(m);
    static const char text[] =
        "id: 7-40\nevent: reset\ndata: {\"ch\":" ROOM ",\"why\":\"gone\",\"id\":\"7-40\"}\n\n";
    ck_assert_uint_eq(event->len, strlen(text));
    ck_assert_mem_eq(event->payload, text, event->len);
    expect(m, NOTICE_RESET, "{\"reset\":{\"ch\":" ROOM ",\"why\":\"gone\",\"id\":\"7-40\"}}");
}
END_TEST

START_TEST(users)
{
    expect(notice_user(NOTICE_JOIN, room, alice), NOTICE_JOIN,
           "{\"join\":{\"ch\":" ROOM ",\"user\":" ALICE "}}");
    struct msg *m = notice_user(NOTICE_LEAVE, room, alice);
    ck_assert_uint_eq(m->id.gen, 0); /* is no position */
    expect(m, NOTICE_LEAVE, "{\"leave\":{\"ch\":" ROOM ",\"user\":" ALICE "}}");
}
END_TEST

START_TEST(errors_and_pongs)
{
    expect(notice_error("channel", "no channel's name", "a\nb", 3), NOTICE_ERROR,
           "{\"error\":{\"code\":\"channel\",\"text\":\"no channel's name\",\"ch\":\"a\\nb\"}}");
    expect(notice_error("json", "none", NULL, 0), NOTICE_ERROR,
           "{\"error\":{\"code\":\"json\",\"text\":\"none\"}}");
    expect(notice_error("channel", "empty", "", 0), NOTICE_ERROR,
           "{\"error\":{\"code\":\"channel\",\"text\":\"empty\",\"ch\":\"\"}}");
    expect(notice_pong(INT64_MIN), NOTICE_PONG, "{\"pong\":-9223372036854775808}");
    expect(notice_pong(INT64_MAX), NOTICE_PONG, "{\"pong\":9223372036854775807}");
}
END_TEST

static struct msg *make(int kind)
{
    static const struct msg_id id = {7, 40};
    switch (kind) {
    case 0: return notice_hello(42, alice, room, id);
    case 1: return notice_sub(room, id, id);
    case 2: return notice_unsub(room);
    case 3: return notice_reset(room, "gone", id);
    case 4: return notice_user(NOTICE_JOIN, room, alice);
    case 5: return notice_error("json", "none", NULL, 0);
    default: return notice_pong(1);
    }
}

/* Whichever allocation fails: there is no notice, and nothing is left of it. */
START_TEST(no_memory)
{
    for (int kind = 0; kind < 7; kind++)
        for (long number = 1; heap_refuse_the(number); number++) {
            size_t before = heap_in_use();
            struct msg *m = make(kind);
            bool refused = heap_has_refused();
            heap_refuse_the(0);
            bool none = m == NULL;
            msg_unref(m);
            size_t after = heap_in_use();
            ck_assert_uint_eq(after, before);
            ck_assert(none == refused);
            if (!refused)
                break;
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("notice");
    TCase *tc = tcase_create("notice");
    tcase_add_checked_fixture(tc, make_names, free_names);
    tcase_add_test(tc, hello);
    tcase_add_test(tc, on_and_off);
    tcase_add_test(tc, resets);
    tcase_add_test(tc, users);
    tcase_add_test(tc, errors_and_pongs);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
