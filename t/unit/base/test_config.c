/* wspush.conf: every option's bounds, what libconfuse would let through, sections, paths, and what an error
 * says. */
#include "base/config.h"
#include "base/option.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[32];
static char path[64];
static char why[512];

static void make_directory(void)
{
    strcpy(directory, "/tmp/wspush-config-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/t.conf", directory);
}

static void remove_directory(void)
{
    unlink(path);
    rmdir(directory);
}

static struct config *load_bytes(const char *text, size_t len)
{
    unlink(path); /* a file that is cut off and written anew goes to the disk at once (ext4) */
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, len, f), len);
    fclose(f);
    return config_load(path, why, sizeof why);
}

static struct config *load(const char *text)
{
    struct config *c = load_bytes(text, strlen(text));
    ck_assert_msg(c != NULL, "%s: %s", text, why);
    return c;
}

/* Refused in this line, with these words; one line for people. */
static void expect_fault(const char *text, int line, const char *words)
{
    char start[100];
    struct config *c = load_bytes(text, strlen(text));
    ck_assert_msg(!c, "this passes: %s", text);
    snprintf(start, sizeof start, "%s:%d: ", path, line);
    ck_assert_msg(strncmp(why, start, strlen(start)) == 0 && strstr(why, words),
                  "for\n%s\nexpected line %d and '%s', got: %s", text, line, words, why);
    ck_assert_ptr_null(strchr(why, '\n'));
}

/* ---- every row of options.def ---- */

enum {
    NUMBER,
    SIZE,
    DURATION,
    MODE,
    CHOICE,
    STRING,
    URI,
    ADDRESS,
    UNIX_ADDRESS,
    LIST,
    ORIGINS,
    IPS,
    TOKENS,
    ADDRESSES
};
enum { PROCESS, CHANNEL };

struct row {
    int scope, type;
    const char *name, *def;
    uint64_t min, max;
    const char *choices;
    size_t offset;
};

#define OFFSET_PROCESS(name) offsetof(struct config, name)
#define OFFSET_CHANNEL(name) offsetof(struct config, channel.name)
static const struct row rows[] = {
#define OPTION(scope, type, name, def, min, max, help)                                                       \
    {scope, type, #name, def, min, max, NULL, OFFSET_##scope(name)},
#define OPTION_CHOICE(scope, name, def, choices, help)                                                       \
    {scope, CHOICE, #name, def, 0, 0, choices, OFFSET_##scope(name)},
#include "base/options.def"
};
enum { ROWS = sizeof rows / sizeof *rows };

static uint64_t value_of(const struct config *c, const struct row *r)
{
    uint64_t value;
    memcpy(&value, (const char *)c + r->offset, sizeof value);
    return value;
}

static const char *unit_of(const struct row *r)
{
    return r->type == DURATION ? "ms" : "";
}

static void expect_value(const struct row *r, uint64_t value)
{
    char text[100];
    snprintf(text, sizeof text, "%s = %" PRIu64 "%s\n", r->name, value, unit_of(r));
    struct config *c = load(text);
    ck_assert_uint_eq(value_of(c, r), value);
    config_unref(c);
}

static void expect_bad(const struct row *r, const char *value, const char *words)
{
    char text[200];
    snprintf(text, sizeof text, "\n%s = %s\n", r->name, value);
    expect_fault(text, 2, words);
    ck_assert(!*words || strstr(why, r->name));
}

START_TEST(numbers_have_bounds)
{
    static const char *const wrong[] = {"-1",
                                        "+1",
                                        "\"\"",
                                        "ten",
                                        "1x",
                                        "0x10",
                                        "1e3",
                                        "1,0",
                                        "\"1 1\"",
                                        "\" 1\"",
                                        "99999999999999999999999",
                                        "1.5.5",
                                        "010",
                                        "--1"};
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        char text[40];
        if (r->type > DURATION)
            continue;
        expect_value(r, r->min);
        expect_value(r, r->max);
        snprintf(text, sizeof text, "%" PRIu64 "%s", r->max + 1, unit_of(r));
        expect_bad(r, text, "expected");
        snprintf(text, sizeof text, "from %" PRIu64 " to %" PRIu64, r->min, r->max);
        ck_assert_ptr_nonnull(strstr(why, text));
        snprintf(text, sizeof text, "%" PRIu64 "%s", r->min - 1, unit_of(r));
        if (r->min > 0)
            expect_bad(r, text, "expected");
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
            expect_bad(r, wrong[k], "");
    }
}
END_TEST

START_TEST(choices_are_words)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        if (r->type != CHOICE)
            continue;
        char words[100], text[200];
        uint64_t index = 0;
        snprintf(words, sizeof words, "%s", r->choices);
        for (char *rest = words, *word; (word = strsep(&rest, "|")); index++) {
            snprintf(text, sizeof text, "%s = %s", r->name, word);
            struct config *c = load(text);
            ck_assert_uint_eq(value_of(c, r), index);
            config_unref(c);
        }
        expect_bad(r, "nonsense", r->choices);
        expect_bad(r, "\"\"", r->choices);
        expect_bad(r, r->choices, "");
        expect_bad(r, "\" off\"", "expected one of");
    }
}
END_TEST

START_TEST(defaults_are_what_the_rows_say)
{
    struct config *none = config_load(NULL, why, sizeof why);
    struct config *empty = load("");
    ck_assert_ptr_nonnull(none);
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        char text[400];
        if (r->type >= LIST || !*r->def)
            continue;
        snprintf(text, sizeof text, "%s = \"%s\"", r->name, r->def);
        struct config *said = load(text);
        if (r->type >= STRING) {
            ck_assert_str_eq(*(char **)(void *)((char *)none + r->offset), r->def);
            ck_assert_str_eq(*(char **)(void *)((char *)said + r->offset), r->def);
        } else {
            ck_assert_uint_eq(value_of(none, r), value_of(said, r));
            ck_assert_uint_eq(value_of(empty, r), value_of(said, r));
        }
        config_unref(said);
    }
    ck_assert_uint_eq(none->listen.count, 1);
    ck_assert_str_eq(none->listen.items[0], "unix:/run/wspush/ws.sock");
    ck_assert_ptr_null(none->listen.items[1]);
    ck_assert_uint_eq(none->socket_mode, 0660);
    ck_assert_uint_eq(none->channel.origins.count, 0);
    config_unref(none);
    config_unref(empty);
}
END_TEST

START_TEST(numbers_can_be_written_in_several_ways)
{
    struct config *c =
        load("ping_interval = 1.5s\npong_timeout = \"250ms\"\nclose_timeout = 2\nframe_timeout = 5m\n"
             "out_limit = 64k\nmessage_limit = \"2 MiB\"\ninbox_bytes = 1048576\n"
             "fcgi_threads = 10\n");
    ck_assert_int_eq(c->channel.ping_interval, 1500);
    ck_assert_int_eq(c->channel.pong_timeout, 250);
    ck_assert_int_eq(c->channel.close_timeout, 2000);
    ck_assert_int_eq(c->channel.frame_timeout, 300000);
    ck_assert_uint_eq(c->channel.out_limit, 65536);
    ck_assert_uint_eq(c->channel.message_limit, 2097152);
    ck_assert_uint_eq(c->channel.inbox_bytes, 1048576);
    ck_assert_uint_eq(c->fcgi_threads, 10);
    config_unref(c);
}
END_TEST

/* ---- texts, addresses, lists ---- */

START_TEST(addresses)
{
    char long_path[300];
    memset(long_path, 'x', sizeof long_path);
    memcpy(long_path, "control = \"unix:/", 17);
    memcpy(long_path + 17 + 107, "\"\n", 3);
    expect_fault(long_path, 1, "107 bytes");
    memcpy(long_path + 17 + 106, "\"\n", 3);
    config_unref(load(long_path));

    expect_fault("control = \"127.0.0.1:6379\"", 1, "never on TCP");
    expect_fault("control = \"/run/control.sock\"", 1, "unix:PATH");
    expect_fault("control = \"unix:\"", 1, "unix:PATH");
    expect_fault("fcgi_listen = \"\"", 1, "HOST:PORT");
    expect_fault("fcgi_listen = \"localhost\"", 1, "HOST:PORT");
    expect_fault("fcgi_listen = \":80\"", 1, "HOST:PORT");
    expect_fault("fcgi_listen = \"a:65536\"", 1, "HOST:PORT");
    expect_fault("fcgi_listen = \"::1:80\"", 1, "HOST:PORT");
    expect_fault("listen = {\"unix:/a\", \"nonsense\"}", 1, "nonsense");
    ck_assert_ptr_null(load_bytes("listen = {}", 11));
    ck_assert_ptr_nonnull(strstr(why, "listen is empty"));
    struct config *c = load("listen = {\"unix:/a\", \"[::1]:80\"}\nfcgi_listen = \"127.0.0.1:9000\"\n");
    ck_assert_uint_eq(c->listen.count, 2);
    ck_assert_str_eq(c->listen.items[1], "[::1]:80");
    ck_assert_ptr_null(c->listen.items[2]);
    config_unref(c);
    c = load("listen = \"unix:/one\"\n");
    ck_assert_uint_eq(c->listen.count, 1);
    ck_assert_str_eq(c->listen.items[0], "unix:/one");
    config_unref(c);
}
END_TEST

START_TEST(relative_paths_count_from_the_file)
{
    char expected[100];
    struct config *c = load("listen = {\"unix:ws.sock\", \"127.0.0.1:1\"}\ncontrol = \"unix:./c.sock\"\n"
                            "fcgi_listen = \"unix:/abs\"\n");
    snprintf(expected, sizeof expected, "unix:%s/ws.sock", directory);
    ck_assert_str_eq(c->listen.items[0], expected);
    ck_assert_str_eq(c->listen.items[1], "127.0.0.1:1");
    snprintf(expected, sizeof expected, "unix:%s/./c.sock", directory);
    ck_assert_str_eq(c->control, expected);
    ck_assert_str_eq(c->fcgi_listen, "unix:/abs");
    config_unref(c);
}
END_TEST

START_TEST(modes_and_pages)
{
    struct config *c = load("socket_mode = 0666\npage = \"/x/y.html?z\"\n");
    ck_assert_uint_eq(c->socket_mode, 0666);
    ck_assert_str_eq(c->page, "/x/y.html?z");
    config_unref(c);
    expect_fault("socket_mode = 0888", 1, "octal");
    expect_fault("socket_mode = 01777", 1, "octal");
    expect_fault("socket_mode = \"-1\"", 1, "octal");
    expect_fault("socket_mode = rw", 1, "octal");
    expect_fault("socket_mode = \"\"", 1, "octal");
    expect_fault("page = \"test.html\"", 1, "'/'");
    expect_fault("page = \"\"", 1, "'/'");
    expect_fault("page = \"/a b\"", 1, "'/'");
    expect_fault("page = \"/a\\r\\nSet-Cookie: x\"", 1, "'/'");
    expect_fault("page = \"/a\\x01b\"", 1, "'/'");
    expect_fault("page = \"/a\\x7f\"", 1, "'/'");
}
END_TEST

START_TEST(origins)
{
    struct config *c =
        load("origins = {\"https://a.example\", \"*.b.example\"}\n"
             "channel \"x\" { origins = \"any\" }\nchannel \"y\" { origins = {} }\nchannel \"z\" { }\n");
    ck_assert_uint_eq(c->channel.origins.count, 2);
    ck_assert_uint_eq(config_for_channel(c, "x", 1)->origins.count, 1);
    ck_assert_str_eq(config_for_channel(c, "x", 1)->origins.items[0], "any");
    ck_assert_uint_eq(config_for_channel(c, "y", 1)->origins.count, 0);
    ck_assert_uint_eq(config_for_channel(c, "z", 1)->origins.count, 2);
    ck_assert_str_eq(config_for_channel(c, "z", 1)->origins.items[1], "*.b.example");
    config_unref(c);
    expect_fault("origins = \"*\"", 1, "labels");
    expect_fault("\norigins = {\"https://a\", \"null\"}", 2, "any");
    expect_fault("origins = {\"https://a/\"}", 1, "expected");
}
END_TEST

/* ---- sections ---- */

START_TEST(subprotocols)
{
    struct config *c =
        load("subprotocols = {\"chat\", \"v1.example+json\"}\nchannel \"x\" { subprotocols = {} }\n");
    ck_assert_str_eq(c->channel.subprotocols.items[1], "v1.example+json");
    ck_assert_uint_eq(c->sections[0].config.subprotocols.count, 0);
    config_unref(c);
    expect_fault("subprotocols = {\"a b\"}\n", 1, "expected a token");
    expect_fault("subprotocols = {\"\"}\n", 1, "expected a token");
    expect_fault("subprotocols = {\"a,b\"}\n", 1, "expected a token");
}
END_TEST

START_TEST(the_first_section_that_matches_holds)
{
    struct config *c = load("message_limit = 1000\n"
                            "channel \"shop/vip\" { message_limit = 10 }\n"
                            "channel \"shop/*\" { message_limit = 20\n mode = require }\n"
                            "channel \"**\" { inbound = echo }\n"
                            "channel \"never\" { message_limit = 30 }\n");
    ck_assert_uint_eq(config_for_channel(c, "shop/vip", 8)->message_limit, 10);
    ck_assert_uint_eq(config_for_channel(c, "shop/vip", 8)->mode, MODE_ACCEPT);
    ck_assert_uint_eq(config_for_channel(c, "shop/7", 6)->message_limit, 20);
    ck_assert_uint_eq(config_for_channel(c, "shop/7", 6)->mode, MODE_REQUIRE);
    ck_assert_uint_eq(config_for_channel(c, "shop/7", 6)->inbound, INBOUND_INBOX);
    ck_assert_uint_eq(config_for_channel(c, "shop/7/x", 8)->message_limit, 1000);
    ck_assert_uint_eq(config_for_channel(c, "shop/7/x", 8)->inbound, INBOUND_ECHO);
    ck_assert_uint_eq(config_for_channel(c, "never", 5)->message_limit, 1000);
    config_unref(c);
}
END_TEST

START_TEST(the_top_level_holds_wherever_it_stands)
{
    struct config *c = load("channel \"a\" { mode = require }\nmessage_limit = 7\n");
    ck_assert_uint_eq(config_for_channel(c, "a", 1)->message_limit, 7);
    config_unref(c);
}
END_TEST

START_TEST(unlisted)
{
    struct config *c = load("channel \"a/*\" { }\n");
    ck_assert_ptr_eq(config_for_channel(c, "b", 1), &c->channel);
    config_unref(c);
    c = load("unlisted = refuse\nchannel \"a/*\" { }\n");
    ck_assert_ptr_null(config_for_channel(c, "b", 1));
    ck_assert_ptr_nonnull(config_for_channel(c, "a/b", 3));
    ck_assert_ptr_null(config_for_channel(c, "a/b/c", 5));
    config_unref(c);
}
END_TEST

START_TEST(faults_of_sections)
{
    char text[400];
    expect_fault("channel \"a\" { }\n\nchannel \"a\" { }\n", 3, "a");
    expect_fault("\nchannel \"a[\" { }\n", 2, "'['");
    expect_fault("channel \"\" { }", 1, "empty");
    expect_fault("channel { }", 1, "");
    expect_fault("channel \"a\" {\n listen = \"unix:/x\"\n}", 2, "listen");
    expect_fault("channel \"a\" {\n post = open\n}", 2, "post");
    expect_fault("channel \"a\" {\n\n message_limit = 0\n}", 3, "from 1 to");
    expect_fault("channel \"a\" {\n channel \"b\" { }\n}", 2, "channel");
    memset(text, 'x', sizeof text);
    memcpy(text, "channel \"", 9);
    memcpy(text + 9 + 201, "\" { }\n", 7);
    expect_fault(text, 1, "200 bytes");
}
END_TEST

/* ---- what libconfuse would let through ---- */

START_TEST(unknown_and_doubled_options)
{
    expect_fault("post = open\nthreds = 2\n", 2, "threds");
    expect_fault("a b c", 1, "");
    expect_fault("threads = 1\npost = off\nthreads = 2\n", 3,
                 "'threads' is set twice; the first is in line 1");
    expect_fault("threads = 1 threads = 2\n", 1, "twice");
    expect_fault("threads=1\nthreads=1\n", 2, "twice");
    expect_fault("origins = {\"any\"}\norigins = {\"any\"}\n", 2, "twice");
    expect_fault("channel \"a\" {\n mode = accept\n mode = accept\n}\n", 3, "twice");
    expect_fault("origins = {\"any\"}\norigins += {\"https://a\"}\n", 2, "");
    config_unref(load("mode = accept\nchannel \"a\" { mode = require }\nchannel \"b\" { mode = require }\n"));
}
END_TEST

START_TEST(what_is_not_closed)
{
    expect_fault("channel \"a\" {\n mode = require\n", 1, "section is not closed");
    expect_fault("\n\norigins = {\"any\",\n", 3, "list is not closed");
    expect_fault("\npage = \"/x\n\n", 2, "string is not closed");
    expect_fault("\npage = '/x\n", 2, "string is not closed");
    expect_fault("page = \"/x\\", 1, "string is not closed");
    expect_fault("page = \"/x\\\"", 1, "string is not closed");
    expect_fault("\n/* no end\n\n", 2, "comment is not closed");
    expect_fault("threads = 1\n}\n", 2, "closes nothing");
    expect_fault("channel \"a\" { } }", 1, "closes nothing");
    expect_fault("threads =", 1, "");
    expect_fault("threads", 1, "");
    expect_fault("channel \"a\"", 1, "");
    expect_fault("= 1", 1, "");
    expect_fault("\"threads\" = 1", 1, "");
}
END_TEST

START_TEST(nothing_is_expanded)
{
    setenv("WSPUSH_TEST", "/expanded", 1);
    expect_fault("\npage = \"${WSPUSH_TEST}\"\n", 2, "${");
    expect_fault("page = ${WSPUSH_TEST}\n", 1, "${");
    expect_fault("page = \"/a${HOME:-x}\"\n", 1, "${");
    expect_fault("page = /a${WSPUSH_TEST}\n", 1, "${");
    expect_fault("channel \"${WSPUSH_TEST}\" { }", 1, "${");
    struct config *c = load("page = \"/a$b{c\"\nsocket_group = '${x}'\n");
    ck_assert_str_eq(c->page, "/a$b{c");
    ck_assert_str_eq(c->socket_group, "${x}");
    config_unref(c);
}
END_TEST

START_TEST(no_nul_anywhere)
{
    static const char bytes[] = "threads = 1\n\0page = \"/x\"\n";
    ck_assert_ptr_null(load_bytes(bytes, sizeof bytes - 1));
    ck_assert_ptr_nonnull(strstr(why, "NUL"));
    expect_fault("page = \"/a\\0b\"", 1, "NUL");
    expect_fault("page = \"/a\\x00b\"", 1, "NUL");
    expect_fault("page = \"/a\\000b\"", 1, "NUL");
    expect_fault("page = \"/a\\x0\"", 1, "");
}
END_TEST

START_TEST(files_of_other_systems)
{
    struct config *c = load("threads = 2\r\n\r\n# comment\r\nchannel \"a\" {\r\n  mode = require\r\n}\r\n");
    ck_assert_uint_eq(c->threads, 2);
    ck_assert_uint_eq(config_for_channel(c, "a", 1)->mode, MODE_REQUIRE);
    config_unref(c);
    expect_fault("threads = 2\r\n\r\nthreds = 3\r\n", 3, "threds");
    expect_fault("\xef\xbb\xbfthreads = 2\n", 1, "");
}
END_TEST

START_TEST(comments_and_quotes)
{
    struct config *c = load("# threads = 5\n// threads = 6\n/* threads = 7\n}\n\" */ threads = 2 # \"\n"
                            "page = \"/a#b//c/*d\" // {\nsocket_group = 'it is { = \"'\n"
                            "channel \"a{b\" { mode = \"require\" } # }\n");
    ck_assert_uint_eq(c->threads, 2);
    ck_assert_str_eq(c->page, "/a#b//c/*d");
    ck_assert_str_eq(c->socket_group, "it is { = \"");
    ck_assert_uint_eq(config_for_channel(c, "a{b", 3)->mode, MODE_REQUIRE);
    config_unref(c);
}
END_TEST

START_TEST(lines_are_counted_everywhere)
{
    expect_fault("# one\n/* two\nthree */\npage = \"/x\"\n\n\nthreads = 0\n", 7, "from 1 to 64");
    expect_fault("origins = {\n\"https://a\",\n\"https://b\"\n}\nthreads = 0\n", 5, "from 1 to 64");
    expect_fault("channel \"a\" {\n mode = accept\n}\n\nthreads = 0\n", 5, "from 1 to 64");
    expect_fault("origins = {\n\"https://a\",\n\"nonsense/\"\n}\n", 3, "nonsense");
}
END_TEST

START_TEST(what_is_no_configuration)
{
    size_t len = (1 << 20) + 1;
    char *text = malloc(len);
    memset(text, '\n', len);
    ck_assert_ptr_null(load_bytes(text, len));
    ck_assert_ptr_nonnull(strstr(why, "1 MiB"));
    struct config *c = load_bytes(text, len - 1);
    ck_assert_ptr_nonnull(c);
    config_unref(c);
    memset(text, '{', len - 1);
    ck_assert_ptr_null(load_bytes(text, len - 1));
    free(text);
    ck_assert_ptr_null(config_load("/nowhere/x.conf", why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "/nowhere/x.conf: No such file"));
    ck_assert_ptr_null(config_load(directory, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, directory));
}
END_TEST

START_TEST(no_bytes_bring_it_down)
{
    static const char seed[] = "threads = 2\nchannel \"a/**\" { origins = {\"any\", 'x'} # c\n mode=require "
                               "}\n/*c*/ page=\"/\\x41\"";
    static const char bytes[] = "{}\"'\\=#/*,$\n\r\t +x0()\x80\xff;";
    srand(1);
    for (int i = 0; i < 20000; i++) {
        char text[sizeof seed];
        memcpy(text, seed, sizeof text);
        size_t len = sizeof text - 1;
        for (int n = rand() % 4; n >= 0; n--)
            text[rand() % len] = bytes[(size_t)rand() % (sizeof bytes - 1)];
        if (i % 3 == 0)
            len = (size_t)rand() % len;
        why[0] = '\0';
        struct config *c = load_bytes(text, len);
        ck_assert(c != NULL || why[0] != '\0');
        ck_assert_ptr_null(strchr(why, '\n'));
        config_unref(c);
    }
}
END_TEST

/* Takes the '#' away where no space follows: those are options and the sample section. */
static void uncomment(char *text)
{
    for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (line[0] == '#' && line[1] && !strchr(" \n", line[1]))
            line[0] = ' ';
}

START_TEST(the_sample_says_the_defaults)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    config_print_sample(f);
    fclose(f);
    config_unref(load(text)); /* all of it is comments */
    uncomment(text);
    struct config *said = load(text);
    struct config *none = config_load(NULL, why, sizeof why);
    for (size_t i = 0; i < ROWS; i++) {
        ck_assert_ptr_nonnull(strstr(text, rows[i].name));
        if (rows[i].type <= DURATION || rows[i].type == CHOICE)
            ck_assert_uint_eq(value_of(said, &rows[i]), value_of(none, &rows[i]));
    }
    ck_assert_uint_eq(said->section_count, 1);
    ck_assert_str_eq(said->control, none->control);
    config_unref(said);
    config_unref(none);
    free(text);
}
END_TEST

START_TEST(whether_two_say_the_same)
{
    static const char *const names[] = {"threads", "listen", "control", "trusted_proxies"};
    struct config *a = load("threads = 2\nlisten = {\"unix:/a\", \"unix:/b\"}\ncontrol = \"unix:/c\"\n");
    struct config *b = load("threads = 3\nlisten = {\"unix:/a\"}\ncontrol = \"unix:/d\"\n");
    for (int i = 0; i < 4; i++) {
        const struct option *o = option_find(names[i]);
        ck_assert(option_same(o, a, a));
        ck_assert_int_eq(option_same(o, a, b), i == 3);
    }
    config_unref(config_ref(a));
    ck_assert_str_eq(a->control, "unix:/c"); /* still held */
    config_unref(a);
    config_unref(b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config");
    TCase *tc = tcase_create("config");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, make_directory, remove_directory);
    tcase_add_test(tc, numbers_have_bounds);
    tcase_add_test(tc, choices_are_words);
    tcase_add_test(tc, defaults_are_what_the_rows_say);
    tcase_add_test(tc, numbers_can_be_written_in_several_ways);
    tcase_add_test(tc, addresses);
    tcase_add_test(tc, relative_paths_count_from_the_file);
    tcase_add_test(tc, modes_and_pages);
    tcase_add_test(tc, origins);
    tcase_add_test(tc, subprotocols);
    tcase_add_test(tc, the_first_section_that_matches_holds);
    tcase_add_test(tc, the_top_level_holds_wherever_it_stands);
    tcase_add_test(tc, unlisted);
    tcase_add_test(tc, faults_of_sections);
    tcase_add_test(tc, unknown_and_doubled_options);
    tcase_add_test(tc, what_is_not_closed);
    tcase_add_test(tc, nothing_is_expanded);
    tcase_add_test(tc, no_nul_anywhere);
    tcase_add_test(tc, files_of_other_systems);
    tcase_add_test(tc, comments_and_quotes);
    tcase_add_test(tc, lines_are_counted_everywhere);
    tcase_add_test(tc, what_is_no_configuration);
    tcase_add_test(tc, no_bytes_bring_it_down);
    tcase_add_test(tc, the_sample_says_the_defaults);
    tcase_add_test(tc, whether_two_say_the_same);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
