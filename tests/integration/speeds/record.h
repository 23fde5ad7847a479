/*
 * A session's record as it stands in Redis, for the tests of the two speeds: read past the session's own code.
 */
#ifndef INTEGRATION_SPEEDS_RECORD_H
#define INTEGRATION_SPEEDS_RECORD_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/header.h"

struct record_field {
    const char *name;
    size_t name_bytes;
    const char *value;
    size_t bytes;
};

struct record {
    redisReply *reply;           /* the texts are its */
    struct record_field *fields; /* by name; the runtime's too */
    size_t count;
    bool has_header;
    struct header header;
};

/* A command that has to be answered without an error; the caller frees the answer. hiredis's formats. */
redisReply *redis_say(redisContext *redis, const char *format, ...);
void redis_tell(redisContext *redis, const char *format, ...); /* whose answer does not matter */

void record_read(redisContext *redis, const char *key, struct record *record);
void record_free(struct record *record);

/* NULL: there is none. */
const struct record_field *record_find(const struct record *record, const char *name, size_t name_bytes);

/* The deadline of a visitor's field by Redis's clock; 0: it has none. */
int64_t record_until_ms(const struct record *record, const struct record_field *field);
bool record_is_own(const struct record_field *field); /* the runtime's */

/* Byte for byte. */
bool record_is_equal(const struct record *a, const struct record *b);

/* But for moments, which may lie a while apart; NULL, or what differs. */
const char *record_difference(const struct record *a, const struct record *b);

/* NULL, or what the header says of the fields and is not so. */
const char *record_miscount(const struct record *record);

/* No name or value is too long for the compact form of a hash. */
bool record_is_compact(const struct record *record);

#endif
