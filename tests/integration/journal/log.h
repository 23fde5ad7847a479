/*
 * What the tests of durable streams in Redis share: streams of a Redis of the test's own, or of a cluster.
 */
#ifndef INTEGRATION_JOURNAL_LOG_H
#define INTEGRATION_JOURNAL_LOG_H

#include "journal/journal.h"
#include "integration/redis/server.h"

enum { LIFETIME_MS = 3600 * 1000, STREAMS = 4 };

/* For as long as a test plays. */
extern struct log_site {
    struct redis_client *client; /* with the rights of a worker; its streams live LIFETIME_MS since their last use */
    struct redis_client *all;    /* may do everything; of a cluster NULL */
    char keys[STREAMS][JOURNAL_KEY_BYTES]; /* two of them belong to one session, and two have the same name */
} log_site;

extern const struct journal_terms terms;

/* Starts a Redis, or a cluster, and plays on a fiber. What is started ends with the test. */
void log_play(void (*play)(void));
void log_play_on_cluster(void (*play)(void));
void log_end(void);

/* The integer that Redis answers. */
MAY_SUSPEND long long ask_number(struct redis_client *client, const char *const words[]);

#endif
