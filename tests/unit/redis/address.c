/* Addresses of Redis: what is understood, and what is refused with a reason. */
#include <criterion/criterion.h>
#include <string.h>

#include "redis/address.h"

Test(redis_address, good_addresses_are_taken_apart)
{
    static const struct {
        const char *text;
        bool is_unix;
        bool is_numeric;
        const char *host;
        int port;
    } rows[] = {
        {"unix:/run/redis.sock", true, true, "/run/redis.sock", 0},
        {"unix:relative:with:colons", true, true, "relative:with:colons", 0},
        {"127.0.0.1:6379", false, true, "127.0.0.1", 6379},
        {"redis:1", false, false, "redis", 1},
        {"redis.internal.example:65535", false, false, "redis.internal.example", 65535},
        {"[::1]:6379", false, true, "::1", 6379},
        {"[fe80::1%eth0]:6379", false, true, "fe80::1%eth0", 6379},
        {"1.2.3:6379", false, false, "1.2.3", 6379},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_address address;
        char reason[256] = "";
        cr_assert(redis_address_parse(rows[i].text, &address, reason, sizeof(reason)), "%s", reason);
        cr_expect_eq(address.is_unix, rows[i].is_unix, "%s", rows[i].text);
        cr_expect_eq(address.is_numeric, rows[i].is_numeric, "%s", rows[i].text);
        cr_expect_str_eq(address.host, rows[i].host);
        cr_expect_eq(address.port, rows[i].port, "%s", rows[i].text);
    }
}

Test(redis_address, bad_addresses_are_refused_with_a_reason_that_names_them)
{
    static const char *const rows[] = {
        "",       "redis",     "unix:",       "unix",       ":6379",         "redis:",      "redis:0",
        "host:x", "host:+1",   "host:65536",  "host:63 79", "host:00006379", "::1:6379",    "[::1]",
        "[::1",   "[::1]6379", "[]:6379",     "[host]:1",   "ho st:6379",    "host/path:1", "redis://host:6379",
        "h\n:1",  "host: 1",   "host:6379\n",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_address address = {.port = -1};
        char reason[256] = "";
        cr_expect_not(redis_address_parse(rows[i], &address, reason, sizeof(reason)), "%s", rows[i]);
        cr_expect_not_null(strstr(reason, rows[i]), "%s", rows[i]);
        cr_expect_eq(address.port, -1, "written to for %s", rows[i]);
    }
}

Test(redis_address, the_longest_path_and_host_fit_and_one_byte_more_is_refused)
{
    struct redis_address address;
    char reason[512];
    char text[512] = "unix:";
    memset(text + 5, 'p', REDIS_PATH_LENGTH_MAX);
    cr_assert(redis_address_parse(text, &address, reason, sizeof(reason)));
    cr_assert_eq(strlen(address.host), REDIS_PATH_LENGTH_MAX);
    text[5 + REDIS_PATH_LENGTH_MAX] = 'p';
    cr_assert_not(redis_address_parse(text, &address, reason, sizeof(reason)));

    memset(text, 'h', REDIS_HOST_LENGTH_MAX);
    memcpy(text + REDIS_HOST_LENGTH_MAX, ":1", 3);
    cr_assert(redis_address_parse(text, &address, reason, sizeof(reason)));
    cr_assert_eq(strlen(address.host), REDIS_HOST_LENGTH_MAX);
    memcpy(text + REDIS_HOST_LENGTH_MAX, "h:1", 4);
    cr_assert_not(redis_address_parse(text, &address, reason, sizeof(reason)));
}

Test(redis_address, a_reason_is_cut_to_its_room)
{
    struct redis_address address;
    char reason[8];
    memset(reason, 'x', sizeof(reason));
    cr_assert_not(redis_address_parse("nonsense", &address, reason, sizeof(reason)));
    cr_assert_eq(strlen(reason), sizeof(reason) - 1);
}

Test(redis_address, a_list_is_read_as_a_whole_or_not_at_all)
{
    static const struct {
        const char *text;
        size_t count;
    } rows[] = {
        {"a:1", 1},
        {"a:1,b:2", 2},
        {"[::1]:1,a:2,127.0.0.1:3", 3},
        {"a:1,b:2,c:3,d:4,e:5,f:6,g:7,h:8", 8},
        {"", 0},
        {"a", 0},
        {"a:1,", 0},
        {",a:1", 0},
        {"a:1,unix:/b", 0},
        {"a:1,,b:2", 0},
        {"a:0", 0},
        {"a:1,b:2,c:3,d:4,e:5,f:6,g:7,h:8,i:9", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_address list[8];
        char reason[512] = "";
        cr_expect_eq(redis_address_parse_list(rows[i].text, list, 8, reason, sizeof(reason)), rows[i].count, "%s",
                     rows[i].text);
        cr_expect_eq(reason[0] == '\0', rows[i].count > 0, "%s: %s", rows[i].text, reason);
    }
}
