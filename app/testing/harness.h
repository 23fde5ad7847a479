/*
 * The worker of a process under test: begun and ended by the test, and run only while the test waits.
 */
#ifndef TESTING_HARNESS_H
#define TESTING_HARNESS_H

#include <stdbool.h>

/* A connection to the worker; not blocking. Panics where there is no worker. */
int harness_connect(void);

/* Runs the worker until it has nothing left to do but to wait for time, or for a client. */
void harness_run(void);

/* Runs it until `condition` holds. Panics with what was awaited when nothing has moved for 10 s. */
void harness_run_until(bool (*condition)(const void *arg), const void *arg, const char *awaited);

#endif
