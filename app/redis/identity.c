/* Which process a connection leads to. See identity.h. */
#include "redis/identity.h"

#include <stdio.h>
#include <string.h>

#include "redis/client.h"
#include "redis/info.h"
#include "redis/reply.h"

bool redis_identity_is_known(const struct redis_identity *identity, const struct redis_client *client)
{
    return identity->connection == redis_client_connection(client);
}

void redis_identity_take(struct redis_identity *identity, const struct redis_client *client,
                         const struct redisReply *reply)
{
    *identity = (struct redis_identity){.connection = redis_client_connection(client)};
    const char *run_id = redis_info_find(reply_text(reply), "run_id");
    if (run_id != NULL)
        snprintf(identity->run_id, sizeof(identity->run_id), "%.*s", (int)strcspn(run_id, "\r\n"), run_id);
}

bool redis_identity_is_same(const struct redis_identity *a, const struct redis_identity *b)
{
    return a->run_id[0] != '\0' && strcmp(a->run_id, b->run_id) == 0;
}
