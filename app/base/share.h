/*
 * Shares of a time, so that many who do the same thing do not do it at once. They follow the golden ratio: however many
 * have been taken, they lie evenly.
 */
#ifndef BASE_SHARE_H
#define BASE_SHARE_H

#include <stdint.h>

/* A fraction of 2^32, never 0. Processes begin at different places. */
uint32_t share_next(void);

static inline int64_t share_of(int64_t whole, uint32_t share)
{
    return (int64_t)(((uint64_t)whole * share) >> 32);
}

#endif
