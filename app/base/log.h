/*
 * The log: one line per event on standard error, as text or JSON.
 *
 *     2026-11-22T14:23:01.120Z info worker.start pid=4711 index=0
 *     {"time":"2026-11-22T14:23:01.120Z","level":"info","event":"worker.start","detail":"pid=4711 index=0"}
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

#include "midstream.h"

enum log_form { LOG_TEXT, LOG_JSON };

/* Lines below `least` are not written. Before it is called: text, from info on. */
void log_init(enum log_form form, enum mid_level least);
bool log_is_on(enum mid_level level);

/* Writes one line. Line breaks and other control characters in the detail are escaped: one event stays one line. */
void log_event(enum mid_level level, const char *event, const char *format, ...) MID_FORMAT(3, 4);
void log_vevent(enum mid_level level, const char *event, const char *request_id, const char *format, va_list arguments)
    MID_FORMAT(4, 0);

#endif
