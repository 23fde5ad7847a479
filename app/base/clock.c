/* The two clocks. See clock.h. */
#include "base/clock.h"

#include <time.h>

#include "midstream.h"

static int64_t clock_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_ms(void)
{
    return clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_unix_ms(void)
{
    return clock_us(CLOCK_REALTIME) / 1000;
}

int64_t mid_unix_ms(void)
{
    return clock_unix_ms();
}
