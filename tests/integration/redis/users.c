/* Who may do what in Redis (compose/users.acl), as Redis itself says: ACL DRYRUN, Redis 7.0 and later. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"
#include "support/redis.h"
#include "support/owned.h"

TestSuite(redis_users, .fini = server_fini, .timeout = 60);

enum { MAY_NOT = 0, MIDSTREAM = 1, OPERATOR = 2, HEALTH = 4, NODE = 8 };
static const char *const users[] = {"midstream", "operator", "health", "node"};

static const struct {
    int who; /* may, of all of them */
    const char *command;
} rows[] = {
    {MIDSTREAM | OPERATOR | HEALTH | NODE, "PING"},
    {MIDSTREAM | OPERATOR | NODE, "INFO memory"},
    {MIDSTREAM, "TIME"},
    {MIDSTREAM, "WAIT 1 0"},
    {MIDSTREAM, "HGETALL mid:s:{00}"},
    {MIDSTREAM, "SCRIPT LOAD x"},
    {MIDSTREAM, "EVALSHA 00 1 mid:s:{00}"},
    {MIDSTREAM, "XREADGROUP GROUP workers worker COUNT 1 BLOCK 1 STREAMS mid:q:{default}:stream >"},
    {MIDSTREAM, "XGROUP CREATE mid:q:{default}:stream workers 0"},
    {MAY_NOT, "XGROUP DESTROY mid:q:{default}:stream workers"},
    {MAY_NOT, "XTRIM mid:q:{default}:stream MAXLEN 0"},
    {MAY_NOT, "RENAME mid:s:{00} mid:s:{01}"},
    {MAY_NOT, "RENAME app:a mid:s:{01}"},
    {MAY_NOT, "COPY mid:s:{00} app:a"},
    {MAY_NOT, "LPUSH mid:list a"},
    {MIDSTREAM, "SUBSCRIBE mid:ended"},
    {MIDSTREAM, "PUBLISH mid:ended x"},
    {MAY_NOT, "SUBSCRIBE other"},
    {MAY_NOT, "PUBLISH other x"},
    {MAY_NOT, "PSUBSCRIBE *"},

    {MIDSTREAM, "GET app:a"},
    {MIDSTREAM, "SET app:a 1 EX 10"},
    {MIDSTREAM, "INCRBY app:a 1"},
    {MIDSTREAM, "ZADD app:scores 1 a"},
    {MIDSTREAM, "LPUSH app:list a"},
    {MIDSTREAM, "XADD app:events * a b"},
    {MIDSTREAM, "SETEX app:a 10 b"},
    {MIDSTREAM, "RENAME app:a app:b"},
    {MIDSTREAM, "UNLINK app:a"},
    {MIDSTREAM, "EXPIRE app:a 10"},
    {MIDSTREAM, "TTL app:a"},
    {MIDSTREAM, "PFADD app:visitors a"},
    {MIDSTREAM, "GEOADD app:places 1 1 a"},
    {MIDSTREAM, "EVAL x 1 app:a"},
    {MAY_NOT, "GET other"},
    {MAY_NOT, "SET other 1"},
    {MAY_NOT, "GET application"},
    {MAY_NOT, "MGET app:a other"},
    {MAY_NOT, "EVAL x 1 other"},
    {MAY_NOT, "SORT app:list BY other:*"},
    {MAY_NOT, "BLPOP app:list 0"},

    {MAY_NOT, "KEYS *"},
    {MAY_NOT, "SCAN 0"},
    {MAY_NOT, "RANDOMKEY"},
    {OPERATOR, "DBSIZE"},
    {OPERATOR, "BGSAVE SCHEDULE"},
    {OPERATOR, "LASTSAVE"},
    {OPERATOR, "BGREWRITEAOF"},
    {OPERATOR, "SLOWLOG GET 10"},
    {OPERATOR, "LATENCY LATEST"},
    {OPERATOR, "MEMORY STATS"},
    {OPERATOR, "CLIENT LIST"},
    {MAY_NOT, "CONFIG GET maxmemory"}, /* masterauth is a setting, too */
    {OPERATOR, "ACL LOG"},
    {OPERATOR, "ACL LOAD"},
    {MAY_NOT, "CONFIG SET maxmemory 1"},
    {NODE, "CONFIG REWRITE"},
    {MAY_NOT, "ACL LIST"},
    {MAY_NOT, "ACL SETUSER x"},
    {MAY_NOT, "FLUSHALL"},
    {MAY_NOT, "FLUSHDB"},
    {MAY_NOT, "SHUTDOWN"},
    {MAY_NOT, "DEBUG SLEEP 1"},
    {MAY_NOT, "MONITOR"},
    {MAY_NOT, "MODULE LIST"},
    {MAY_NOT, "FUNCTION LOAD x"},
    {MAY_NOT, "SCRIPT FLUSH"},
    {MAY_NOT, "REPLICAOF a 1"},
    {MAY_NOT, "MIGRATE a 1 k 0 1"},
    {NODE, "CLIENT KILL TYPE normal"},
    {MAY_NOT, "CLIENT PAUSE 1000"},
    {MAY_NOT, "SUBSCRIBE a"},
    {MAY_NOT, "PUBLISH a b"},
    {MAY_NOT, "SELECT 1"},

    {NODE, "PSYNC ? -1"},
    {NODE, "REPLCONF listening-port 1"},
    {NODE, "SLAVEOF NO ONE"},
    {NODE, "PUBLISH __sentinel__:hello a"},
    {MIDSTREAM | OPERATOR, "CLUSTER INFO"},
    {MIDSTREAM | OPERATOR, "CLUSTER SLOTS"},
    {MIDSTREAM, "ASKING"},
    {OPERATOR, "CLUSTER NODES"},
    {OPERATOR, "CLUSTER MEET 127.0.0.1 1"},
    {OPERATOR, "CLUSTER FAILOVER"},
    {MAY_NOT, "CLUSTER GETKEYSINSLOT 1 1"},
    {MAY_NOT, "CLUSTER FLUSHSLOTS"},
};

/* Whether Redis would let the user run the command. */
static bool may(struct redis_probe *probe, const char *user, const char *command)
{
    char line[200];
    snprintf(line, sizeof(line), "ACL DRYRUN %s %s", user, command);
    OWNED char *answer = redis_text(probe, line); /* its words are separated by blanks, as hiredis's formats are */
    bool is_allowed = strcmp(answer, "OK") == 0;
    cr_expect(is_allowed || strstr(answer, "has no permissions") != NULL, "%s: %s", line, answer);
    return is_allowed;
}

Test(redis_users, each_may_do_what_it_needs_and_no_more)
{
    server_start_with_users(NULL);
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t k = 0; k < sizeof(users) / sizeof(users[0]); k++)
            cr_expect_eq(may(probe, users[k], rows[i].command), (rows[i].who & 1 << k) != 0, "%s: %s", users[k],
                         rows[i].command);
    redis_probe_close(probe);
}
