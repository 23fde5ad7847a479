/*
 * The log: one line per event on standard error or in a file, as text or JSON.
 *
 *     2026-11-22T14:23:01.120Z info worker.start worker=0 pid=4711
 *     {"time":"2026-11-22T14:23:01.120Z","level":"info","event":"worker.start","worker":0,"pid":4711}
 *
 * The format of an event names its fields (base/log_fields.h); a format that does not is a "message". Values are
 * escaped as in JSON, in both forms, so that nothing from outside can forge a field or a line.
 *
 * Logging never blocks (base/log_sink.h); lines that were dropped are counted, and told when lines leave again. Lines
 * that repeat are summarised: of one event, LOG_BURST lines leave in LOG_WINDOW_MS, and then one that says how many
 * more there were ("repeated=37 in_ms=10000"). That goes for warnings, errors, and whatever a client can cause.
 *
 * One thread of a process logs; a line takes no memory of a fiber's stack, and none of the heap.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "midstream.h"

enum log_form { LOG_TEXT, LOG_JSON };

enum { LOG_BURST = 20, LOG_WINDOW_MS = 10000 };

/* Lines below `least` are not written. Before it is called: text, from info on. */
void log_init(enum log_form form, enum mid_level least);
bool log_is_on(enum mid_level level);

/* Appends to this file from now on (NULL: to standard error). False with errno; the log stays where it was then. */
bool log_open(const char *path);

/* Opens the same file again, after somebody has moved it away. False with errno, as above. */
bool log_reopen(void);

/* Writes what waits, and the summaries that are due: to be called every now and then. Writes all of them: before the
 * process ends; waits for a reader for 200 ms at most. */
void log_tick(void);
void log_flush(void);

/* In a new process, before it logs. */
void log_after_fork(void);

/* Where dropped lines are counted from now on. */
void log_count_dropped(uint64_t *count);

/* Writes one line. */
void log_event(enum mid_level level, const char *event, const char *format, ...) MID_FORMAT(3, 4);

/* The same for what clients can cause as often as they like: limited from info on, not only from warnings on. */
void log_client_event(enum mid_level level, const char *event, const char *format, ...) MID_FORMAT(3, 4);

/* What identifies a line's request. Members may be NULL. */
struct log_request {
    const char *id;
    const char *trace_id;
};

void log_vevent(enum mid_level level, const char *event, const struct log_request *request, bool is_limited,
                const char *format, va_list arguments) MID_FORMAT(5, 0);

#endif
