/*
 * The clock of a process under test: CLOCK_MONOTONIC, which libuv and we read, can be put forward.
 */
#ifndef TESTING_CLOCK_H
#define TESTING_CLOCK_H

#include <stdint.h>

void test_clock_advance_ms(int64_t ms);

/* The time that really passes, monotonic milliseconds. */
int64_t test_clock_real_ms(void);

#endif
