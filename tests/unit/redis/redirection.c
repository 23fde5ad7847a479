/* What a node of a cluster says of a command that it does not take. */
#include "redis/redirection.h"

#include <criterion/criterion.h>
#include <string.h>

Test(redis_redirection, where_a_command_belongs_is_read)
{
    static const struct {
        const char *text;
        enum redis_redirection_kind kind;
        int slot;
        const char *host;
        int port;
        bool is_numeric;
    } rows[] = {
        {"MOVED 3999 127.0.0.1:6381", REDIRECTION_MOVED, 3999, "127.0.0.1", 6381, true},
        {"MOVED 0 node-1.example.com:7000", REDIRECTION_MOVED, 0, "node-1.example.com", 7000, false},
        {"MOVED 16383 ::1:6379", REDIRECTION_MOVED, 16383, "::1", 6379, true},
        {"MOVED 7 :6380", REDIRECTION_MOVED, 7, "", 6380, false},
        {"MOVED 7 ?:6380", REDIRECTION_LOST, 7, "", 0, false},
        {"ASK 12 10.0.0.2:6379", REDIRECTION_ASK, 12, "10.0.0.2", 6379, true},
        {"TRYAGAIN Multiple keys request during rehashing of slot", REDIRECTION_LATER, 0, "", 0, false},
        {"CLUSTERDOWN Hash slot not served", REDIRECTION_DOWN, 0, "", 0, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_redirection read;
        cr_assert(redis_redirection_read(&read, rows[i].text, strlen(rows[i].text)), "%s", rows[i].text);
        cr_expect(read.kind == rows[i].kind && read.slot == rows[i].slot && read.to.port == rows[i].port, "%s",
                  rows[i].text);
        cr_expect_str_eq(read.to.host, rows[i].host, "%s", rows[i].text);
        cr_expect_eq(rows[i].host[0] != '\0' && read.to.is_numeric, rows[i].is_numeric, "%s", rows[i].text);
    }
}

Test(redis_redirection, anything_else_is_none)
{
    static const char *const texts[] = {
        "",
        "ERR unknown command",
        "MOVED",
        "MOVED ",
        "MOVED 3999",
        "MOVED 3999 ",
        "MOVED 3999 127.0.0.1",
        "MOVED 3999 127.0.0.1:",
        "MOVED 3999 127.0.0.1:0",
        "MOVED 3999 127.0.0.1:65536",
        "MOVED 3999 127.0.0.1:6379 more",
        "MOVED 16384 127.0.0.1:6379",
        "MOVED 1000000000000 127.0.0.1:6379",
        "MOVED -1 127.0.0.1:6379",
        "MOVED x 127.0.0.1:6379",
        "MOVED 1 a b:6379",
        "MOVEDX 1 127.0.0.1:6379",
        "moved 1 127.0.0.1:6379",
        "ASK 1",
        "TRYAGAIN",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct redis_redirection read = {.slot = 77};
        cr_expect_not(redis_redirection_read(&read, texts[i], strlen(texts[i])), "%s", texts[i]);
        cr_expect_eq(read.slot, 77, "%s: it was touched", texts[i]);
    }
}

/* Replies are not NUL-terminated here; what lies behind them is somebody else's. */
Test(redis_redirection, nothing_behind_the_end_is_read)
{
    static const char text[] = "MOVED 3999 127.0.0.1:63819";
    struct redis_redirection read;
    cr_assert(redis_redirection_read(&read, text, strlen(text) - 1));
    cr_expect_eq(read.to.port, 6381);
    for (size_t bytes = 0; bytes < strlen("MOVED 3999 127.0.0.1:"); bytes++)
        cr_expect_not(redis_redirection_read(&read, text, bytes), "%zu", bytes);
}
