/*
 * What the tests of durable streams share: where a stream of the visitor's session is in Redis, and what the act
 * "log-fill" writes into one.
 */
#ifndef INTEGRATION_DURABLE_STREAMS_H
#define INTEGRATION_DURABLE_STREAMS_H

#include "integration/stage.h"
#include "journal/journal.h"

void stream_key(const struct stage *stage, const char *name, char key[static JOURNAL_KEY_BYTES]);

/* "000001002...": so many numbers. The caller's to free. */
char *numbers_until(int end);

#endif
