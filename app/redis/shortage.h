/*
 * A durability that cannot be confirmed at the moment, as the log tells it: when it begins, when its reason changes,
 * once a minute, and when it is over.
 */
#ifndef REDIS_SHORTAGE_H
#define REDIS_SHORTAGE_H

#include "redis/client.h"
#include "redis/socket.h"

struct redis_shortage {
    const char *name;                  /* of the durability */
    const struct redis_client *client; /* the Redis that is to confirm it */
    bool is_on;
    int64_t began_ms;
    int64_t told_ms;
    char told[REDIS_REASON_SIZE];
};

/* It begins, or goes on. */
void redis_shortage_begin(struct redis_shortage *shortage, const char *reason);

/* It is over; nothing where there was none. */
void redis_shortage_end(struct redis_shortage *shortage);

#endif
