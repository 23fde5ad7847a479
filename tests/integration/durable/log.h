/*
 * What the tests of durable streams in Redis share: streams of a Redis of the test's own (redis/server.h).
 */
#ifndef INTEGRATION_DURABLE_LOG_H
#define INTEGRATION_DURABLE_LOG_H

#include "durable/durable.h"
#include "integration/redis/server.h"

enum { LIFETIME_MS = 3600 * 1000, STREAMS = 4 };

static const struct durable_terms terms = {.patience_ms = 0};

/* A client with the rights of a worker, whose streams live for LIFETIME_MS since their last use. */
MAY_SUSPEND struct redis_client *open_log(void);

/* Two of them belong to the same session, and two have the same name. */
void make_keys(char keys[static STREAMS][DURABLE_KEY_BYTES]);

/* The integer that Redis answers. */
MAY_SUSPEND long long ask_number(struct redis_client *client, const char *const words[]);

#endif
