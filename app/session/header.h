/*
 * The header of a session's record: the field `@`, 64 bytes, in which the runtime keeps what it has to know of a
 * session besides the visitor's fields. docs/session-format.md is its specification; record.lua reads and writes it on
 * the server.
 */
#ifndef SESSION_HEADER_H
#define SESSION_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HEADER_VERSION = 2,
    HEADER_BYTES = 64, /* with a longer value Redis gives up the compact form of a hash */
    HEADER_COMMITS_KEPT = 4,
    HEADER_COMMIT_BYTES = 6,
    HEADER_NUMBER_BYTES = 20, /* the longest whole number of 64 bits */
};

enum header_flag {
    HEADER_HAS_USER = 1,      /* somebody is logged in */
    HEADER_HAS_DEADLINES = 2, /* there are fields with a lifetime of their own */
    HEADER_HAS_ABOUT = 4,     /* there is a field "@about" */
    HEADER_OWES_COOKIE = 8,   /* it was renewed when no cookie could be sent: the one of the generation before is
                                 exchanged for a new one, until that has come back */
};

/*
 * The upper four bits of the flags: until when commits are published, because somebody waits for them (live/). Time is
 * counted in units of four minutes, modulo 15; the number is that of the last unit, plus 1; 0: nobody waits. A mark
 * that nobody renews is one of the past when its unit is, and would be one of now again an hour later, if no commit and
 * no visitor took it away.
 */
enum { HEADER_WATCH_SHIFT = 4, HEADER_WATCH_UNIT_MS = 4 * 60 * 1000, HEADER_WATCH_UNITS = 15 };

struct header {
    uint8_t flags;
    uint32_t generation;                                       /* raised by every renewal: which cookies are current */
    uint32_t login;                                            /* the generation with which the user last changed */
    int64_t revision;                                          /* raised by every commit */
    int64_t touched_ms;                                        /* when the idle lifetime was last renewed */
    int64_t expires_ms;                                        /* the absolute end */
    int64_t renewed_ms;                                        /* when it was last renewed by who could send a cookie */
    uint32_t fields;                                           /* the visitor's */
    uint32_t size;                                             /* the sum of their header_field_size() */
    uint8_t commits[HEADER_COMMITS_KEPT][HEADER_COMMIT_BYTES]; /* identifiers of the last ones, newest first */
};

/* False: the bytes are no header of this version, and *header is not written. */
bool header_parse(const void *bytes, size_t length, struct header *header);

void header_pack(const struct header *header, uint8_t bytes[static HEADER_BYTES]);

/* Whether a cookie of that generation is exchanged for one of the record's. */
bool header_exchanges(const struct header *header, uint32_t generation);

/* Whether it is marked as watched, and when the last unit of the mark begins, in which it has to be renewed; 0: there
 * is no mark. By Redis's clock. */
bool header_is_watched(const struct header *header, int64_t now_ms);
int64_t header_watch_last_ms(const struct header *header, int64_t now_ms);

/* What a field counts in the record's size: so much that a number, however it changes, never changes it. */
uint32_t header_field_size(size_t name_bytes, size_t value_bytes);

/* Big-endian, of so many bytes. */
void header_put_number(uint8_t *at, size_t bytes, uint64_t number);

#endif
