/*
 * Random numbers for tests that can be run again: the same seed gives the same numbers.
 */
#ifndef INTEGRATION_RANDOM_H
#define INTEGRATION_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seeds them with $SEED, or with another number each time; prints the seed beside the test's name, and returns it. */
uint64_t random_begin(const char *test);

size_t random_below(size_t limit); /* 0 to limit - 1 */
bool random_chance(unsigned percent);

#endif
