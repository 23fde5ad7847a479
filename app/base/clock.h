/*
 * The two clocks: one that only goes forward, for durations, and the calendar's, for what is stored or shown.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_unix_ms(void);

#endif
