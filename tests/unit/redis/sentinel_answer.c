/* What a Sentinel says, and what it cannot mean. */
#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <string.h>

#include "redis/sentinel_answer.h"

static redisReply *reply_of(const char *bytes)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    cr_assert(redisReaderFeed(reader, bytes, strlen(bytes)) == REDIS_OK &&
              redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL);
    redisReaderFree(reader);
    return reply;
}

Test(sentinel_answer, an_address_is_a_host_and_a_port)
{
    static const struct {
        const char *bytes;
        const char *host; /* NULL: refused */
        int port;
        const char *says;
    } rows[] = {
        {"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6380\r\n", "127.0.0.1", 6380, NULL},
        {"*2\r\n$3\r\n::1\r\n$1\r\n1\r\n", "::1", 1, NULL},
        {"*2\r\n$9\r\nr.example\r\n$5\r\n65535\r\n", "r.example", 65535, NULL},
        {"-ERR unknown command\r\n", NULL, 0, "unknown command"},
        {"*-1\r\n", NULL, 0, "no master of that name"},
        {"+OK\r\n", NULL, 0, "where the master is"},
        {"*0\r\n", NULL, 0, "where the master is"},
        {"*1\r\n$1\r\na\r\n", NULL, 0, "where the master is"},
        {"*2\r\n$1\r\na\r\n:1\r\n", NULL, 0, "where the master is"},
        {"*2\r\n$1\r\na\r\n$1\r\n0\r\n", NULL, 0, "where the master is"},
        {"*2\r\n$1\r\na\r\n$5\r\n99999\r\n", NULL, 0, "where the master is"},
        {"*2\r\n$2\r\na\"\r\n$1\r\n1\r\n", NULL, 0, "where the master is"},
        {"*2\r\n$6\r\nunix:/\r\n$1\r\n1\r\n", NULL, 0, "where the master is"},
        {"*2\r\n$0\r\n\r\n$1\r\n1\r\n", NULL, 0, "where the master is"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_address address;
        char reason[256] = "";
        redisReply *reply = reply_of(rows[i].bytes);
        bool is_read = sentinel_address_read(reply, &address, reason, sizeof(reason));
        cr_expect_eq(is_read, rows[i].host != NULL, "%s: %s", rows[i].bytes, reason);
        if (is_read) {
            cr_expect_str_eq(address.host, rows[i].host);
            cr_expect_eq(address.port, rows[i].port);
        } else if (rows[i].says != NULL) {
            cr_expect_not_null(strstr(reason, rows[i].says), "%s: %s", rows[i].bytes, reason);
        }
        freeReplyObject(reply);
    }
}

Test(sentinel_answer, an_epoch_is_a_field_of_the_master)
{
    static const struct {
        const char *bytes;
        int64_t epoch; /* -1: refused */
    } rows[] = {
        {"*4\r\n$2\r\nip\r\n$1\r\na\r\n$12\r\nconfig-epoch\r\n$2\r\n12\r\n", 12},
        {"*2\r\n$12\r\nconfig-epoch\r\n$1\r\n0\r\n", 0},
        {"*1\r\n$12\r\nconfig-epoch\r\n", -1},
        {"*2\r\n$12\r\nconfig-epoch\r\n:1\r\n", -1},
        {"*2\r\n:1\r\n$1\r\n1\r\n", -1},
        {"*0\r\n", -1},
        {"-ERR No such master with that name\r\n", -1},
        {"$1\r\n1\r\n", -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t epoch = -1;
        char reason[256] = "";
        redisReply *reply = reply_of(rows[i].bytes);
        cr_expect_eq(sentinel_epoch_read(reply, &epoch, reason, sizeof(reason)), rows[i].epoch >= 0, "%s",
                     rows[i].bytes);
        cr_expect_eq(epoch, rows[i].epoch, "%s", rows[i].bytes);
        freeReplyObject(reply);
    }
}

Test(sentinel_answer, a_switch_is_one_of_our_master_only)
{
    static const struct {
        const char *bytes;
        int old_port; /* 0: it is none of ours */
    } rows[] = {
        {"*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$12\r\nours a 1 b 2\r\n", 1},
        {"*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$14\r\nours ::1 3 b 2\r\n", 3},
        {"*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$13\r\nours2 a 1 b 2\r\n", 0},
        {"*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$4\r\nours\r\n", 0},
        {"*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$5\r\nours \r\n", 0},
        {"*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$6\r\nours a\r\n", 0},
        {"*3\r\n$7\r\nmessage\r\n$6\r\n+sdown\r\n$12\r\nours a 1 b 2\r\n", 0},
        {"*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n", 0},
        {"*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n:1\r\n", 0},
        {"+OK\r\n", 0},
        {"-ERR\r\n", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_address old = {0};
        redisReply *reply = reply_of(rows[i].bytes);
        cr_expect_eq(sentinel_switch_read(reply, "ours", &old), rows[i].old_port != 0, "%s", rows[i].bytes);
        cr_expect_eq(old.port, rows[i].old_port, "%s", rows[i].bytes);
        freeReplyObject(reply);
    }
}
