/*
 * Which process a connection leads to: the run_id of INFO server, which every start of a Redis chooses anew.
 */
#ifndef REDIS_IDENTITY_H
#define REDIS_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

struct redisReply;
struct redis_client;

enum { REDIS_RUN_ID_BYTES = 48 };

/* Zeroed: not known. */
struct redis_identity {
    uint64_t connection;             /* that this was asked on */
    char run_id[REDIS_RUN_ID_BYTES]; /* "": it was not told */
};

/* Whether it is that of the connection that the client has now. */
bool redis_identity_is_known(const struct redis_identity *identity, const struct redis_client *client);

/* Takes the answer of INFO server on the connection that the client has now. */
void redis_identity_take(struct redis_identity *identity, const struct redis_client *client,
                         const struct redisReply *reply);

/* False also where one of them was not told. */
bool redis_identity_is_same(const struct redis_identity *a, const struct redis_identity *b);

#endif
