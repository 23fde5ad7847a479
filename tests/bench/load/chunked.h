/*
 * The chunked transfer coding (RFC 9112, 7.1), decoded as the bytes come in.
 *
 *     chunked_init(&chunked);
 *     ... for every read: while (chunked_next(&chunked, &data, &bytes, &part) == CHUNKED_PART) use part ...
 */
#ifndef LOAD_CHUNKED_H
#define LOAD_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

#include "midstream.h"

enum chunked_place {
    CHUNKED_AT_SIZE,
    CHUNKED_AT_EXTENSION,
    CHUNKED_AT_DATA,
    CHUNKED_AT_DATA_END,
    CHUNKED_AT_TRAILER,
};

struct chunked {
    enum chunked_place place;
    uint64_t left_bytes;  /* of this chunk */
    unsigned size_digits; /* read so far */
    size_t line_bytes;    /* of this trailer line, or of the line break behind the data */
};

/* A run of payload; it lies in the caller's input. */
struct chunked_part {
    const char *data;
    size_t bytes;
};

enum chunked_result {
    CHUNKED_PART,   /* *part was written; call again */
    CHUNKED_MORE,   /* the input is used up */
    CHUNKED_END,    /* the last chunk and its trailer were read; what is left of the input is not ours */
    CHUNKED_BROKEN, /* not the chunked coding */
};

void chunked_init(struct chunked *chunked);

/* Gives the next run of payload, and moves *data and *bytes past what was read. */
MID_CHECK enum chunked_result chunked_next(struct chunked *chunked, const char **data, size_t *bytes,
                                           struct chunked_part *part);

#endif
