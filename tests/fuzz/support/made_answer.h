/*
 * Answers of Redis made out of a few bytes of the input: always whole, of any shape, and often of words that mean
 * something.
 */
#ifndef FUZZ_MADE_ANSWER_H
#define FUZZ_MADE_ANSWER_H

#include "../fuzz.h"

#include "base/buffer.h"

/* What is left of the input. */
struct bytes {
    const uint8_t *at;
    size_t left;
};

/* 0 behind the end. */
uint8_t bytes_take(struct bytes *bytes);

/* Appends one answer. */
void make_answer(struct buffer *out, struct bytes *bytes);

void make_text(struct buffer *out, const void *text, size_t length);

#endif
