/* SipHash-1-3 against CPython 3.11, whose hash() of bytes it is, and the tables that use it. */
#include "base/hash.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the bytes 0, 1, 2, ...; PYTHONHASHSEED=0, and 42. */
static const struct {
    size_t len;
    uint64_t seed0;
    uint64_t seed42;
} vectors[] = {
    {1, UINT64_C(0x68a914128e01e473), UINT64_C(0xce880c366bcf3489)},
    {7, UINT64_C(0x2f098ab0c751325a), UINT64_C(0xce280fabc397fbda)},
    {8, UINT64_C(0xead411e67ebe2eea), UINT64_C(0x60866c3c108c6afb)},
    {9, UINT64_C(0x75927f9d95124362), UINT64_C(0x68814005f7469e03)},
    {15, UINT64_C(0xf30eb725bb91c9ea), UINT64_C(0x94ace24d68c18cf8)},
    {16, UINT64_C(0x8972188433a5c5b7), UINT64_C(0x339176f3ac59ce05)},
    {63, UINT64_C(0x385d3e39e5f37359), UINT64_C(0x06e24d6f0d014c37)},
};

START_TEST(vectors_agree)
{
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        ck_assert_uint_eq(hash_siphash13(0, 0, bytes, vectors[i].len), vectors[i].seed0);
        ck_assert_uint_eq(
            hash_siphash13(UINT64_C(0xdc504fd368cd90af), UINT64_C(0xb920bb9ffe99e9c1), bytes, vectors[i].len),
            vectors[i].seed42);
    }
}
END_TEST

START_TEST(alignment_does_not_matter)
{
    uint8_t bytes[40];
    for (size_t i = 0; i < 8; i++) {
        memset(bytes, 0xee, sizeof bytes);
        memcpy(bytes + i, "a name of some length", 21);
        ck_assert_uint_eq(hash_keyed(bytes + i, 21), hash_keyed("a name of some length", 21));
    }
    ck_assert_uint_ne(hash_keyed("a", 1), hash_keyed("a\0", 2));
}
END_TEST

/* The key is drawn anew by each process. */
START_TEST(another_process_has_another_key)
{
    char path[64];
    unsigned long long theirs;
    snprintf(path, sizeof path, "/proc/%d/exe --hash", (int)getpid());
    FILE *f = popen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%llx", &theirs), 1);
    pclose(f);
    ck_assert_uint_ne(theirs, hash_keyed("test", 4));
}
END_TEST

struct entry {
    UT_hash_handle hh;
    char name[16];
};

START_TEST(tables_find_what_was_put_in)
{
    static struct entry entries[2000];
    struct entry *table = NULL;
    struct entry *found;
    for (int i = 0; i < 2000; i++) {
        int len = snprintf(entries[i].name, sizeof entries[i].name, "room/%d", i);
        HASH_ADD_KEYPTR(hh, table, entries[i].name, (size_t)len, &entries[i]);
    }
    ck_assert_uint_eq(HASH_COUNT(table), 2000);
    for (int i = 0; i < 2000; i++) {
        HASH_FIND(hh, table, entries[i].name, strlen(entries[i].name), found);
        ck_assert_ptr_eq(found, &entries[i]);
    }
    HASH_FIND(hh, table, "room/2000", 9, found);
    ck_assert_ptr_null(found);
    HASH_FIND(hh, table, "room/1", 5, found);
    ck_assert_ptr_null(found);
    HASH_CLEAR(hh, table);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--hash") == 0) {
        printf("%llx\n", (unsigned long long)hash_keyed("test", 4));
        return EXIT_SUCCESS;
    }
    Suite *s = suite_create("hash");
    TCase *tc = tcase_create("hash");
    tcase_add_test(tc, vectors_agree);
    tcase_add_test(tc, alignment_does_not_matter);
    tcase_add_test(tc, another_process_has_another_key);
    tcase_add_test(tc, tables_find_what_was_put_in);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
