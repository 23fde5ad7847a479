/*
 * What the tests of the two speeds share: a Redis with an AOF, the store of sessions on it with narrow limits, and
 * records that are written by hand.
 */
#ifndef INTEGRATION_SPEEDS_STORE_H
#define INTEGRATION_SPEEDS_STORE_H

#include <hiredis/hiredis.h>

#include "fiber/loop.h"
#include "redis/client.h"
#include "session/store.h"

extern redisContext *direct; /* a connection past the session's code */

/* Starts Redis, runs the scenario with the store set up, and stops it all. */
void speeds_run(fiber_fn *scenario);
void speeds_fini(void); /* of the suite */

/* For scenarios. */
MAY_SUSPEND struct redis_client *speeds_client(void);

void speeds_new_key(char key[static STORE_KEY_BYTES]);

/* A record of format 1, as the versions before this one left it. `user` "": nobody. */
void write_format_1(const char *key, const char *user, const char *counter);

/* Fills a new record with more than the limits allow, as if they had been lowered since. */
void write_heavy(const char *key);

/* Makes `to` what `from` is, times and TTL too. */
void copy_record(const char *from, const char *to);

/* Reads the AOF anew and fails when any record is another one then. */
void expect_aof_is_the_records(void);

#endif
