/*
 * Where log lines go. Writing never blocks: what the reader of a pipe, a socket or a terminal does not take at once
 * waits in a buffer of LOG_SINK_BYTES, and what does not fit into that is dropped and counted. A file is written
 * directly.
 *
 * DESIGN: O_NONBLOCK belongs to the open file description, which is shared with whoever else has it (the shell, other
 * containers), so it is never set on a descriptor that was given to us. A pipe or a terminal is opened a second time by
 * its name under /proc; a socket takes MSG_DONTWAIT; a pipe that may not be opened again, because another user made it,
 * gets its lines through a pipe of our own by splice(2), which can be told not to wait.
 *
 * A line of up to LOG_LINE_BYTES leaves in one piece, so that lines of several processes never mix (pipe(7), PIPE_BUF).
 */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_SINK_BYTES = 64 * 1024, LOG_LINE_BYTES = 4096 };

/* Writes to this descriptor from now on. `is_own`: it is closed when another one takes its place. */
void log_sink_use(int fd, bool is_own);

/* Writes a line, which ends with a line feed. At most LOG_LINE_BYTES. */
void log_sink_write(const char *line, size_t bytes);

/* Writes what waits, as far as that goes without blocking. True: nothing waits any more. */
bool log_sink_flush(void);

/* The same, waiting up to so long: before the process ends. */
void log_sink_drain(int timeout_ms);

/* In a new process: what waits is the parent's to write. */
void log_sink_after_fork(void);

/* How many lines were dropped since the last call. */
uint64_t log_sink_take_dropped(void);

/* Where the room counts dropped lines, from now on; NULL: nowhere. */
void log_sink_count_into(uint64_t *dropped);

/* From a signal handler: writes the text if that is possible at once. */
void log_sink_write_from_signal(const char *text, size_t bytes);

#endif
