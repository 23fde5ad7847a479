/* Durability: for whom it is, and its life. See durability.h; the rounds are in durability_round.c. */
#include "redis/durability.h"

#include <stdlib.h>

#include "base/panic.h"
#include "redis/durability_round.h"

/* -------------------- for calls -------------------- */

enum mid_error redis_durability_admit(struct redis_client *client, const struct redis_call *call)
{
    if (!redis_durability_is_needed(call->durability))
        return MID_OK;
    redis_durability_begin(client);
    struct redis_durability *durability = client->durability;
    if (call->patience_ms > 0 && durability_kind(durability, call->durability)->shortage.is_on)
        return MID_UNAVAILABLE;
    int64_t patience_ms = call->patience_ms > 0 ? call->patience_ms : client->options.timeout_ms;
    return redis_client_wait_ready(durability->own, patience_ms) ? MID_OK : MID_UNAVAILABLE;
}

enum mid_error redis_durability_await(struct redis_client *client, enum mid_durability asked, uint64_t connection)
{
    if (!redis_durability_is_needed(asked))
        return MID_OK;
    struct redis_durability *durability = client->durability;
    struct durability_waiter waiter = {.fiber = fiber_current(), .connection = connection};
    list_append(&durability_kind(durability, asked)->waiting, &waiter.link);
    loop_request_flush(&durability->flush);
    while (!waiter.is_over)
        loop_park(-1);
    return waiter.result;
}

/* -------------------- life -------------------- */

void redis_durability_begin(struct redis_client *client)
{
    if (client->durability != NULL)
        return;
    ENSURE(client->cluster == NULL); /* its nodes have one each */
    struct redis_durability *durability = calloc(1, sizeof(*durability));
    if (durability == NULL)
        panic("out of memory for the durability of Redis");
    struct redis_options options = client->options;
    options.counts = NULL;
    options.durability = MID_DURABLE_DEFAULT;
    options.use = "durability";
    durability->commands = client;
    durability->own = redis_client_new(&options);
    ENSURE(durability->own != NULL); /* the same address was understood before */
    durability->kinds[ON_DISK].shortage.name = "disk";
    durability->kinds[IN_REPLICAS].shortage.name = "replica";
    for (size_t i = 0; i < KINDS; i++) {
        durability->kinds[i].shortage.client = client;
        list_init(&durability->kinds[i].waiting);
    }
    list_init(&durability->round);
    client->durability = durability;
    durability_rounds_begin(durability);
}

void redis_durability_free(struct redis_durability *durability)
{
    if (durability == NULL)
        return;
    durability->is_closing = true;
    durability_rounds_end(durability);
    free(durability);
}

void redis_durability_retire(struct redis_durability *durability)
{
    if (durability != NULL)
        redis_connection_retire(durability->own);
}

void redis_durability_revive(struct redis_durability *durability)
{
    if (durability == NULL)
        return;
    redis_connection_revive(durability->own);
    durability_rounds_forget(durability);
}
