/* Pauses before the next try. See backoff.h. */
#include "base/backoff.h"

#include <stdlib.h>

int64_t backoff_jitter(int64_t ms)
{
    int64_t half_ms = ms / 2;
    return ms - half_ms + (int64_t)arc4random_uniform((uint32_t)half_ms + 1);
}

int64_t backoff_ms(int failures, int64_t first_ms, int64_t longest_ms)
{
    int64_t ms = first_ms;
    for (int i = 1; i < failures && ms < longest_ms; i++)
        ms *= 2;
    return backoff_jitter(ms < longest_ms ? ms : longest_ms);
}
