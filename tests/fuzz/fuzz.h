/*
 * A fuzz target: reads any bytes, aborts (through a sanitizer or CLAIM) when something that has to hold does not.
 *
 * `make test-fuzz` runs each tests/fuzz/NAME.c under libFuzzer, beginning with tests/fuzz/corpus/NAME/. A crash is
 * copied there and stays as a regression test.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLAIM(claim)                                                                                                   \
    do {                                                                                                               \
        if (!(claim)) {                                                                                                \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #claim);                                        \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The bytes with a NUL behind, in memory of exactly that size, so that the sanitizer sees the first byte too many. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    CLAIM(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
