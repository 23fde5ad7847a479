/* What a Redis says of itself (HELLO), and which is used. */
#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <string.h>

#include "redis/server_info.h"

/* The answer as bytes, read by hiredis. */
static void read_bytes(const char *bytes, struct redis_server_info *info)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    cr_assert(redisReaderFeed(reader, bytes, strlen(bytes)) == REDIS_OK &&
              redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL);
    redis_server_info_read(info, reply);
    freeReplyObject(reply);
    redisReaderFree(reader);
}

Test(redis_server_info, the_answer_to_hello_is_read)
{
    struct redis_server_info info;
    read_bytes(
        "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:2\r\n"
        "$2\r\nid\r\n:3\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n",
        &info);
    cr_expect_str_eq(info.name, "redis");
    cr_expect_str_eq(info.version, "7.0.15");
    cr_expect_str_eq(info.mode, "standalone");
    cr_expect_str_eq(info.role, "master");
}

Test(redis_server_info, whatever_else_is_answered_is_unknown_and_usable)
{
    static const char *const answers[] = {
        "+OK\r\n",
        "-ERR unknown command 'HELLO'\r\n",
        ":1\r\n",
        "$-1\r\n",
        "*0\r\n",
        "*1\r\n$7\r\nversion\r\n",
        "*2\r\n:1\r\n$1\r\n6\r\n",
        "*2\r\n$7\r\nversion\r\n:6\r\n",
        "*2\r\n$7\r\nversion\r\n*1\r\n$1\r\n6\r\n",
        "*2\r\n$7\r\nversion\r\n$0\r\n\r\n",
        "*2\r\n$7\r\nversion\r\n$5\r\n6\" \n.\r\n",
        "*2\r\n$7\r\nversion\r\n$30\r\n666666666666666666666666666666\r\n",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct redis_server_info info;
        char reason[128] = "";
        read_bytes(answers[i], &info);
        cr_expect_str_eq(info.version, "unknown", "%s", answers[i]);
        cr_expect(redis_server_info_is_usable(&info, false, reason, sizeof(reason)), "%s: %s", answers[i], reason);
    }
}

Test(redis_server_info, what_cannot_be_used_is_refused_with_a_sentence)
{
    static const struct {
        struct redis_server_info info;
        const char *says; /* NULL: it is used */
        bool is_node;     /* of a cluster, as was expected */
    } rows[] = {
        {{"redis", "7.0.0", "standalone", "master"}, NULL, false},
        {{"valkey", "8.1.1", "cluster", "master"}, NULL, true},
        {{"valkey", "8.1.1", "unknown", "master"}, NULL, true},
        {{"valkey", "8.1.1", "cluster", "replica"}, "is a replica", true},
        {{"valkey", "8.1.1", "cluster", "master"}, "begins with redis+cluster://", false},
        {{"redis", "7.0.15", "standalone", "master"}, "begins with redis://", true},
        {{"redis", "10.0", "standalone", "master"}, NULL, false},
        {{"redis", "6.2.14", "standalone", "master"}, "Redis 6.2.14 is too old: version 7.0 or later", false},
        {{"redis", "7.0.15", "standalone", "replica"}, "is a replica", false},
        {{"redis", "7.0.15", "standalone", "slave"}, "is a replica", false},
        {{"redis", "7.0.15", "sentinel", "sentinel"}, "is a Sentinel", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char reason[128] = "";
        bool is_usable = redis_server_info_is_usable(&rows[i].info, rows[i].is_node, reason, sizeof(reason));
        cr_expect_eq(is_usable, rows[i].says == NULL, "%s", rows[i].info.version);
        if (rows[i].says != NULL)
            cr_expect_not_null(strstr(reason, rows[i].says), "%s", reason);
    }
}
