/*
 * An input that is what Redis answers: a byte that the target has for itself, a byte of flags, and the answer, as it is
 * on the wire or as what whole answers are made of.
 */
#ifndef FUZZ_REDIS_INPUT_H
#define FUZZ_REDIS_INPUT_H

#include <stdint.h>

#include "fake_redis.h"

enum { REDIS_INPUT_HEAD = 2 };

enum redis_input_flag { IS_RAW = 1, KNOWS_HEADER = 2, IS_ASKED_THERE = 4 };
extern unsigned redis_input_flags;

/* The input is asked for by fake_redis_start()'s function from now on. */
void redis_input_take(const uint8_t *data, size_t size);
bool redis_input_answer(struct buffer *out, size_t count, const struct fake_word words[]);

/* What calls that ask Redis may return. */
void check_redis_error(enum mid_error error);
void check_redis_text(const char *text);

#endif
