/* Random numbers for tests that can be run again. See random.h. */
#include "integration/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

static uint64_t state;

uint64_t random_begin(const char *test)
{
    const char *given = getenv("SEED");
    state = given != NULL && given[0] != '\0' ? strtoull(given, NULL, 10) : (uint64_t)clock_unix_ms();
    fprintf(stderr, "%s: SEED=%" PRIu64 "\n", test, state);
    return state;
}

/* splitmix64 */
static uint64_t next(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

size_t random_below(size_t limit)
{
    return (size_t)(next() % limit);
}

bool random_chance(unsigned percent)
{
    return random_below(100) < percent;
}
