/*
 * What identifies a request beyond this process: its id, and the trace that it is a part of. Both come from outside and
 * reach the log, so they are checked first.
 */
#ifndef HTTP_REQUEST_ID_H
#define HTTP_REQUEST_ID_H

#include <stdbool.h>

#include "base/arena.h"

enum { REQUEST_ID_MAX = 64, TRACE_ID_LENGTH = 32 };

/* 1 to REQUEST_ID_MAX letters, digits, '-', '_' and '.'. */
bool request_id_is_valid(const char *id);

/* An id that no other request of this machine has, in the arena. */
const char *request_id_new(struct arena *arena);

/* W3C Trace Context, 3.2.2: version, trace-id, parent-id and flags in lower-case hexadecimal digits. A later version
 * may have more behind them. */
bool trace_parent_is_valid(const char *trace_parent);

/* The trace-id of a valid one; false: `trace_parent` is NULL. */
bool trace_id_of(const char *trace_parent, char trace_id[static TRACE_ID_LENGTH + 1]);

#endif
