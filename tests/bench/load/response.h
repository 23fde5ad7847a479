/*
 * An HTTP/1.1 response, read as it comes in: the head, then a body that is chunked or has a Content-Length.
 *
 * A body of any other length (until the connection closes) is refused: with it, a cut could not be told from an end.
 */
#ifndef LOAD_RESPONSE_H
#define LOAD_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chunked.h"

enum { RESPONSE_LINE_MAX = 512 }; /* longer field lines are read, but only this much of them is told */

/* One field of the head; both texts live during the call. */
typedef void response_field_fn(const char *name, const char *value, void *arg);
/* A run of the body. */
typedef void response_body_fn(const char *data, size_t bytes, void *arg);

struct response_reader {
    response_field_fn *on_field;
    response_body_fn *on_body;
};

enum response_place { RESPONSE_AT_STATUS, RESPONSE_AT_FIELDS, RESPONSE_AT_BODY, RESPONSE_AT_END };

struct response {
    enum response_place place;
    int status; /* 0 before it was read */
    bool is_chunked;
    bool has_length;
    uint64_t left_bytes; /* of a body with a Content-Length */
    struct chunked chunked;
    size_t line_length;
    char line[RESPONSE_LINE_MAX];
};

enum response_result { RESPONSE_MORE, RESPONSE_COMPLETE, RESPONSE_BROKEN };

void response_init(struct response *response);

/* Reads the bytes and calls the reader with what they say. Bytes behind a complete response are RESPONSE_BROKEN. */
MID_CHECK enum response_result response_feed(struct response *response, const char *data, size_t bytes,
                                             const struct response_reader *reader, void *arg);

#endif
