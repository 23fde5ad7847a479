/*
 * What the fault tests share: how long they run, how a server is hurt and brought back, and what is measured.
 *
 * FAULT_LONG=1 in the environment chooses the long form.
 */
#ifndef FAULT_FAULT_H
#define FAULT_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crowd.h"
#include "integration/site.h"

/*
 * The bound on the 99th percentile of lateness of streams that have nothing to do with a fault. Undisturbed it is some
 * milliseconds; a stream that waited for the fault's end would be late by the whole of it, which is a second or more in
 * every test. In between lies what a busy machine and ASan cost: 516 ms beside two other runs of all tests.
 */
enum { LATENESS_MAX_US = 800 * 1000 };

/* The number of the short form, or of the long one. */
size_t fault_scale(size_t in_short, size_t in_long);

/* -------------------- workers -------------------- */

/* Waits until there are so many workers and `gone` is none of them. Returns after how many milliseconds; -1: never. */
int64_t fault_await_workers(const struct site *site, size_t count, pid_t gone, int timeout_ms);

/* Processor time that the process has used. */
int64_t fault_cpu_ms(pid_t pid);

/* -------------------- Redis -------------------- */

/* Ends Redis at once (SIGKILL), and starts another on the data it has left. The site's probe is opened anew. */
void fault_kill_redis(struct site *site);
void fault_start_redis(struct site *site);

/* A number in the session of the cookie, as Redis has it; 0: there is none. */
int64_t fault_stored_number(const struct site *site, const char *cookie, const char *field);

/* How often that session was committed. It has to be there. */
int64_t fault_stored_revision(const struct site *site, const char *cookie);

/* How many of the first `streams` of a crowd of /events have not committed each of their events exactly once. */
size_t fault_count_miscommitted(const struct site *site, struct crowd *crowd, size_t streams, int64_t events);

/* Waits until a request with a session succeeds again. */
bool fault_await_sessions(struct site *site);

#endif
