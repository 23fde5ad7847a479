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

static bool read_bytes(const char *bytes, bool is_tls, struct cluster_map *map, char reason[static 128])
{
    redisReply *reply = reply_of(bytes);
    bool is_read = cluster_map_read(map, reply, &asked, is_tls, reason, 128);
    freeReplyObject(reply);
    return is_read;
}

#define NODE(endpoint, role, health)                                                                                   \
    "*14\r\n$2\r\nid\r\n$1\r\nx\r\n$4\r\nport\r\n:7001\r\n$8\r\ntls-port\r\n:8001\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n"   \
    "$8\r\nendpoint\r\n" endpoint "$4\r\nrole\r\n" role "$6\r\nhealth\r\n" health
#define MASTER              "$6\r\nmaster\r\n"
#define REPLICA             "$7\r\nreplica\r\n"
#define ONLINE              "$6\r\nonline\r\n"
#define FAILED              "$6\r\nfailed\r\n"
#define HOST_1              "$8\r\n10.0.0.1\r\n"
#define HOST_2              "$8\r\n10.0.0.2\r\n"
#define SHARD(slots, nodes) "*4\r\n$5\r\nslots\r\n" slots "$5\r\nnodes\r\n" nodes
#define SOME                "*2\r\n:0\r\n:99\r\n"

Test(cluster_map, the_answer_is_read)
{
    struct cluster_map map;
    char reason[128] = "";
    static const char answer[] = "*3\r\n" SHARD("*4\r\n:0\r\n:99\r\n:200\r\n:200\r\n",
                                                "*2\r\n" NODE(HOST_2, REPLICA, ONLINE) NODE(HOST_1, MASTER, ONLINE))
        SHARD("*2\r\n:100\r\n:199\r\n", "*2\r\n" NODE(HOST_1, MASTER, FAILED) NODE(HOST_2, MASTER, ONLINE))
            SHARD("*0\r\n", "*1\r\n" NODE("$8\r\n10.0.0.3\r\n", MASTER, ONLINE));
    cr_assert(read_bytes(answer, false, &map, reason), "%s", reason);
    cr_expect_eq(map.count, 2, "a master without slots does not count");
    cr_expect_eq(map.replicas, 1);
    cr_expect_str_eq(map.masters[0].host, "10.0.0.1");
    cr_expect_str_eq(map.masters[1].host, "10.0.0.2", "the one that is online");
    cr_expect_eq(map.masters[0].port, 7001);
    cr_expect(map.owners[0] == 1 && map.owners[99] == 1 && map.owners[200] == 1);
    cr_expect(map.owners[100] == 2 && map.owners[199] == 2);
    cr_expect(map.owners[201] == 0 && map.owners[REDIS_SLOTS - 1] == 0, "nobody's");
    cluster_map_fini(&map);
    cr_assert(read_bytes(answer, true, &map, reason));
    cr_expect_eq(map.masters[0].port, 8001, "the port of TLS");
    cluster_map_fini(&map);
}

Test(cluster_map, a_node_that_does_not_know_its_address_is_the_one_that_was_asked)
{
    static const char *const endpoints[] = {"$-1\r\n", "$0\r\n\r\n"};
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        struct cluster_map map;
        char reason[128] = "";
        char answer[512];
        snprintf(answer, sizeof(answer), "*1\r\n" SHARD(SOME, "*1\r\n" NODE("%s", MASTER, ONLINE)), endpoints[i]);
        cr_assert(read_bytes(answer, false, &map, reason), "%s", reason);
        cr_expect_str_eq(map.masters[0].host, "10.0.0.9");
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
        {"+OK\r\n", "does not say which shards"},
        {":1\r\n", "does not say which shards"},
        {"$-1\r\n", "does not say which shards"},
        {"*0\r\n", "does not say which shards"},
        {"*1\r\n*0\r\n", "makes no sense"},
        {"*1\r\n:1\r\n", "makes no sense"},
        {"*1\r\n*2\r\n:1\r\n:2\r\n", "no node of the cluster has any slots"},
        {"*1\r\n" SHARD("*0\r\n", "*1\r\n" NODE(HOST_1, MASTER, ONLINE)), "no node of the cluster has any slots"},
        {"*1\r\n" SHARD(SOME, "*1\r\n" NODE(HOST_1, REPLICA, ONLINE)), "no node of the cluster has any slots"},
        {"*1\r\n" SHARD(SOME, ":1\r\n"), "no node of the cluster has any slots"},
        {"*1\r\n" SHARD("*1\r\n:0\r\n", "*1\r\n" NODE(HOST_1, MASTER, ONLINE)), "makes no sense"},
        {"*1\r\n" SHARD("*2\r\n:0\r\n:16384\r\n", "*1\r\n" NODE(HOST_1, MASTER, ONLINE)), "makes no sense"},
        {"*1\r\n" SHARD("*2\r\n:-1\r\n:5\r\n", "*1\r\n" NODE(HOST_1, MASTER, ONLINE)), "makes no sense"},
        {"*1\r\n" SHARD("*2\r\n:5\r\n:4\r\n", "*1\r\n" NODE(HOST_1, MASTER, ONLINE)), "makes no sense"},
        {"*1\r\n" SHARD(SOME, "*1\r\n" NODE("$1\r\n?\r\n", MASTER, ONLINE)), "no node of the cluster has any slots"},
        {"*1\r\n" SHARD(SOME, "*1\r\n" NODE("$3\r\na b\r\n", MASTER, ONLINE)), "no node of the cluster has any slots"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cluster_map map;
        char reason[128] = "";
        cr_expect_not(read_bytes(rows[i].answer, false, &map, reason), "%s", rows[i].answer);
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
