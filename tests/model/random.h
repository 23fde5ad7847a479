/* Random numbers that are the same for the same seed. */
#ifndef MODEL_RANDOM_H
#define MODEL_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* A sequence of its own for each purpose of a seed. */
struct random random_of(uint64_t seed, uint64_t purpose);
uint64_t random_next(struct random *random);

/* From 0 to limit - 1. */
uint32_t random_below(struct random *random, uint32_t limit);
uint32_t random_between(struct random *random, uint32_t least, uint32_t most);

/* True once in so many. */
bool random_is_one_in(struct random *random, uint32_t many);

#endif
