/*
 * The log: one line per event on standard error or in a file, as text or JSON.
 *
 *     2026-11-22T14:23:01.120Z info worker.start pid=4711 index=0
 *     {"time":"2026-11-22T14:23:01.120Z","level":"info","event":"worker.start","detail":"pid=4711 index=0"}
 *
 * Warnings and errors that repeat are summarised: of one event, LOG_BURST lines leave in LOG_WINDOW_MS, and then one
 * that says how many more there were ("repeated=37 in_ms=10000").
 *
 * One thread of a process logs; a line takes no memory of a fiber's stack.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

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

/* Writes the summaries that are due: to be called every now and then. Writes all of them: before the process ends. */
void log_tick(void);
void log_flush(void);

/* Writes one line. Line breaks and other control characters in the detail are escaped: one event stays one line. */
void log_event(enum mid_level level, const char *event, const char *format, ...) MID_FORMAT(3, 4);
void log_vevent(enum mid_level level, const char *event, const char *request_id, const char *format, va_list arguments)
    MID_FORMAT(4, 0);

#endif
