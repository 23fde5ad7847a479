/* Which node has which slots, as a node says. */
#include "redis/cluster_map.h"

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

static const struct redis_address asked = {.host = "10.0.0.9", .port = 6379, .is_numeric = true};

/* The answer as bytes, read by hiredis. */
static redisReply *reply_of(const char *bytes)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    cr_assert(redisReaderFeed(reader, bytes, strlen(bytes)) == REDIS_OK &&
                  redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL,
              "%s", bytes);
    redisReaderFree(reader);
    return reply;
}

static bool read_bytes(const char *bytes, struct cluster_map *map, char reason[static 128])
{
    redisReply *reply = reply_of(bytes);
    bool is_read = cluster_map_read(map, reply, &asked, reason, 128);
    freeReplyObject(reply);
    return is_read;
}

#define NODE(endpoint, id)    "*4\r\n" endpoint ":7001\r\n$4\r\n" id "\r\n*0\r\n"
#define HOST_1                "$8\r\n10.0.0.1\r\n"
#define HOST_2                "$8\r\n10.0.0.2\r\n"
#define ONE(first, last)      "*3\r\n:" first "\r\n:" last "\r\n"
#define WITH_ONE(first, last) "*4\r\n:" first "\r\n:" last "\r\n"

Test(cluster_map, the_answer_is_read)
{
    struct cluster_map map;
    char reason[128] = "";
    static const char answer[] =
        "*3\r\n" WITH_ONE("0", "99") NODE(HOST_1, "aaaa") NODE("$8\r\n10.0.0.3\r\n", "cccc") ONE("100", "199")
            NODE(HOST_2, "bbbb") WITH_ONE("200", "200") NODE(HOST_1, "aaaa") NODE("$8\r\n10.0.0.3\r\n", "cccc");
    cr_assert(read_bytes(answer, &map, reason), "%s", reason);
    cr_expect_eq(map.count, 3, "one for each range");
    cr_expect_eq(map.replicas, 1, "counted once");
    cr_expect_eq(map.id_count, 3);
    cr_expect_str_eq(map.masters[map.owners[0] - 1].host, "10.0.0.1");
    cr_expect_str_eq(map.masters[map.owners[99] - 1].host, "10.0.0.1");
    cr_expect_str_eq(map.masters[map.owners[100] - 1].host, "10.0.0.2");
    cr_expect_str_eq(map.masters[map.owners[199] - 1].host, "10.0.0.2");
    cr_expect_str_eq(map.masters[map.owners[200] - 1].host, "10.0.0.1");
    cr_expect_eq(map.masters[0].port, 7001);
    cr_expect(map.owners[201] == 0 && map.owners[REDIS_SLOTS - 1] == 0, "nobody's");
    cluster_map_fini(&map);
}

Test(cluster_map, a_node_that_does_not_know_its_address_is_the_one_that_was_asked)
{
    static const char *const endpoints[] = {"$-1\r\n", "$0\r\n\r\n"};
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        struct cluster_map map;
        char reason[128] = "";
        char answer[256];
        snprintf(answer, sizeof(answer), "*1\r\n" ONE("0", "99") NODE("%s", "aaaa"), endpoints[i]);
        cr_assert(read_bytes(answer, &map, reason), "%s", reason);
        cr_expect_str_eq(map.masters[0].host, "10.0.0.9");
        cluster_map_fini(&map);
    }
}

/* The others are served. */
Test(cluster_map, slots_whose_master_does_not_say_where_it_is_have_no_owner)
{
    static const char *const endpoints[] = {"$1\r\n?\r\n", "$3\r\na b\r\n", "$4\r\n.x.y\r\n"};
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        struct cluster_map map;
        char reason[128] = "";
        char answer[256];
        snprintf(answer, sizeof(answer),
                 "*2\r\n" ONE("0", "99") NODE("%s", "aaaa") ONE("100", "199") NODE(HOST_2, "bbbb"), endpoints[i]);
        cr_assert(read_bytes(answer, &map, reason), "%s", reason);
        cr_expect(map.owners[0] == 0 && map.owners[99] == 0 && map.owners[100] != 0, "%s", endpoints[i]);
        cluster_map_fini(&map);
    }
}

Test(cluster_map, what_makes_no_sense_is_refused_with_a_sentence)
{
    static const struct {
        const char *answer, *says;
    } rows[] = {
        {"-ERR This instance has cluster support disabled\r\n", "cluster support disabled"},
        {"-NOPERM this user has no permissions\r\n", "NOPERM"},
        {"+OK\r\n", "makes no sense"},
        {":1\r\n", "makes no sense"},
        {"$-1\r\n", "makes no sense"},
        {"*0\r\n", "no node of the cluster has any slots"},
        {"*1\r\n" ONE("0", "99") NODE("$1\r\n?\r\n", "aaaa"), "no node of the cluster has any slots"},
        {"*1\r\n*0\r\n", "makes no sense"},
        {"*1\r\n:1\r\n", "makes no sense"},
        {"*1\r\n*2\r\n:1\r\n:2\r\n", "makes no sense"},
        {"*1\r\n*3\r\n:1\r\n:2\r\n:3\r\n", "makes no sense"},
        {"*1\r\n*3\r\n:1\r\n:2\r\n*1\r\n" HOST_1, "makes no sense"},
        {"*1\r\n" ONE("0", "16384") NODE(HOST_1, "aaaa"), "makes no sense"},
        {"*1\r\n" ONE("-1", "5") NODE(HOST_1, "aaaa"), "makes no sense"},
        {"*1\r\n" ONE("5", "4") NODE(HOST_1, "aaaa"), "makes no sense"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cluster_map map;
        char reason[128] = "";
        cr_expect_not(read_bytes(rows[i].answer, &map, reason), "%s", rows[i].answer);
        cr_expect_not_null(strstr(reason, rows[i].says), "%zu: %s", i, reason);
    }
}

Test(cluster_map, the_epoch_is_read)
{
    static const struct {
        const char *bytes;
        int64_t epoch;
    } rows[] = {
        {"$52\r\ncluster_state:ok\r\ncluster_current_epoch:17\r\nmore:1\r\n\r\n", 17},
        {"$16\r\ncluster_state:ok\r\n", 0},
        {"-NOPERM\r\n", 0},
        {":5\r\n", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        redisReply *reply = reply_of(rows[i].bytes);
        cr_expect_eq(cluster_epoch_read(reply), rows[i].epoch, "%s", rows[i].bytes);
        freeReplyObject(reply);
    }
}
