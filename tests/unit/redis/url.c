/* Redis as a URL: what is understood, and what is refused without showing a secret. */
#include <criterion/criterion.h>
#include <string.h>

#include "redis/url.h"

Test(redis_url, good_ones_are_taken_apart)
{
    static const struct redis_url none = {.database = -1};
    static const struct {
        const char *text;
        const char *address;
        const char *user;
        const char *password;
        int database;
        bool is_tls;
    } rows[] = {
        {"redis://cache.example", "cache.example:6379", "", "", -1, false},
        {"redis://cache.example/", "cache.example:6379", "", "", -1, false},
        {"REDIS://127.0.0.1:1234/7", "127.0.0.1:1234", "", "", 7, false},
        {"redis://:secret@h", "h:6379", "", "secret", -1, false},
        {"redis://app:s%40c%3Aret%2F@h:1/0", "h:1", "app", "s@c:ret/", 0, false},
        {"redis://app:a:b@h", "h:6379", "app", "a:b", -1, false},
        {"redis://app:a@b@h", "h:6379", "app", "a@b", -1, false},
        {"redis://app@h", "h:6379", "app", "", -1, false},
        {"redis://[::1]", "[::1]:6379", "", "", -1, false},
        {"redis://[fe80::1%25lo]:9", "[fe80::1%lo]:9", "", "", -1, false},
        {"redis://u:p@[fe80::1%eth0]:9/65535", "[fe80::1%eth0]:9", "u", "p", 65535, false},
        {"rediss://u:p@cache.example/2", "cache.example:6379", "u", "p", 2, true},
        {"RedisS://[::1]:7", "[::1]:7", "", "", -1, true},
        {"redis+cluster://a,b:1,[::1]", "a:6379,b:1,[::1]:6379", "", "", -1, false},
        {"redis-cluster://u:p@a", "a:6379", "u", "p", -1, false},
        {"rediss+cluster://:p@a/0", "a:6379", "", "p", 0, true},
        {"RedisS-Cluster://a/", "a:6379", "", "", -1, true},
        {"unix:///run/redis.sock", "unix:/run/redis.sock", "", "", -1, false},
        {"unix://u:p@/run/a%20b%25.sock?db=3", "unix:/run/a b%.sock", "u", "p", 3, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_url url = none;
        char reason[256] = "";
        cr_assert(redis_url_is(rows[i].text));
        cr_assert(redis_url_parse(rows[i].text, &url, reason, sizeof(reason)), "%s: %s", rows[i].text, reason);
        cr_expect_str_eq(url.address, rows[i].address);
        cr_expect_str_eq(url.user, rows[i].user);
        cr_expect_str_eq(url.password, rows[i].password);
        cr_expect_eq(url.database, rows[i].database, "%s", rows[i].text);
        cr_expect_eq(url.is_tls, rows[i].is_tls, "%s", rows[i].text);
        cr_expect_eq(url.is_cluster, strcasestr(rows[i].text, "cluster") != NULL, "%s", rows[i].text);
    }
}

Test(redis_url, bad_ones_are_refused_and_shown_in_no_sentence)
{
    static const char *const rows[] = {
        "redis://",
        "redis://:secret@",
        "redis://:secret@/0",
        "redis://u:secret@h:0",
        "redis://u:secret@h%41",
        "redis://u:secret@[fe80::1%2525lo",
        "redis://u:secret@h:x",
        "redis://u:secret@h/x",
        "redis://u:secret@h/65536",
        "redis://u:secret@h/0/1",
        "redis://u:secret@h/-1",
        "redis://u:secret@h?db=1",
        "redis://u:secret@h/0#f",
        "redis://u:secret%@h",
        "redis://u:secret%0@h",
        "redis://u:secret%00@h",
        "redis://u:secret%0a@h",
        "redis://u%zz:secret@h",
        "redis://u:secret@ho st",
        "redis://u:secret/more@h",
        "redis://u:12/secret@h:1",
        "redis://u:secret@::1",
        "redis://u:secret@[::1",
        "unix://u:secret@host/run/redis.sock",
        "unix://u:secret@",
        "unix://u:secret@/",
        "unix://u:secret@/run/redis.sock?db=x",
        "unix://u:secret@/run/redis.sock?database=1",
        "unix://u:secret@/run/%0.sock",
        "rediss+cluster://u:secret@",
        "redis+cluster://u:secret@h/1",
        "redis+cluster://u:secret@h/x",
        "redis+cluster://u:secret@h?db=0",
        "redis+cluster://u:secret@h,",
        "redis+cluster://u:secret@h,::1",
        "redis+cluster://u:secret@a,b,c,d,e,f,g,h,i",
        "redisx+cluster://u:secret@h",
        "redis+sentinel://u:secret@h",
        "redis+sentinel://u:secret@h/",
        "redis+sentinel://u:secret@h/a b",
        "redis+sentinel://u:secret@h/m/x",
        "redis+sentinel://u:secret@h/m?x",
        "redis+sentinel://u:secret@h,/m",
        "redis+sentinel://u:secret@,h/m",
        "redis+sentinel://u:secret@h:0/m",
        "redis+sentinel://u:secret@a,b,c,d,e,f,g,h,i/m",
        "redis+ring://u:secret@h",
        "http://u:secret@h",
        "://u:secret@h",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static const struct redis_url wiped;
        struct redis_url url;
        char reason[256] = "";
        cr_expect_not(redis_url_parse(rows[i], &url, reason, sizeof(reason)), "%s", rows[i]);
        cr_expect_eq(memcmp(&url, &wiped, sizeof(url)), 0, "%s", rows[i]);
        cr_expect(strlen(reason) > 20, "%s: %s", rows[i], reason);
        cr_expect_null(strstr(reason, "secret"), "%s: %s", rows[i], reason);
    }
}

Test(redis_url, what_is_too_long_is_refused)
{
    char text[1200] = "redis://u:";
    char reason[256];
    struct redis_url url;
    size_t begin = strlen(text);
    memset(text + begin, 'x', REDIS_URL_PASSWORD_BYTES_MAX);
    strcpy(text + begin + REDIS_URL_PASSWORD_BYTES_MAX, "@h");
    cr_expect(redis_url_parse(text, &url, reason, sizeof(reason)), "%s", reason);
    cr_expect_eq(strlen(url.password), REDIS_URL_PASSWORD_BYTES_MAX);
    strcpy(text + begin + REDIS_URL_PASSWORD_BYTES_MAX, "x@h");
    cr_expect_not(redis_url_parse(text, &url, reason, sizeof(reason)));
}

Test(redis_url, addresses_are_none_and_passwords_are_found)
{
    static const char *const addresses[] = {"127.0.0.1:6379", "unix:/run/redis.sock", "[::1]:1", "host:1", ""};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        cr_expect_not(redis_url_is(addresses[i]), "%s", addresses[i]);
        cr_expect_not(redis_url_has_password(addresses[i]), "%s", addresses[i]);
    }
    cr_expect(redis_url_has_password("redis://:p@h"));
    cr_expect(redis_url_has_password("rediss://u:p@h/"));
    cr_expect(redis_url_has_password("redis://u:@"));
    cr_expect_not(redis_url_has_password("redis://u@h:6379/0"));
    cr_expect_not(redis_url_has_password("redis://h:6379/a:b@c"));
}

Test(redis_url, sentinels_stand_before_the_name_of_their_master)
{
    static const struct {
        const char *text;
        const char *address;
        const char *master;
        int database;
        bool is_tls;
    } rows[] = {
        {"redis+sentinel://a/mymaster", "a:26379", "mymaster", -1, false},
        {"redis-sentinel://u:p@a:1,[::1],c:3/m/4", "a:1,[::1]:26379,c:3", "m", 4, false},
        {"rediss+sentinel://a,b/my.mas-ter_1/", "a:26379,b:26379", "my.mas-ter_1", -1, true},
        {"REDISS-SENTINEL://a/m/0", "a:26379", "m", 0, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_url url;
        char reason[256] = "";
        cr_assert(redis_url_parse(rows[i].text, &url, reason, sizeof(reason)), "%s: %s", rows[i].text, reason);
        cr_expect_str_eq(url.address, rows[i].address);
        cr_expect_str_eq(url.master, rows[i].master);
        cr_expect_eq(url.database, rows[i].database);
        cr_expect_eq(url.is_tls, rows[i].is_tls);
    }
}
