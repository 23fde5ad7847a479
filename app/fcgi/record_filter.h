/*
 * What of a connection's bytes reaches libfcgi: the records of one responder request, in order, within limits, and
 * without padding. Everything else that FastCGI 1.0 allows is taken out here: management records, requests of other
 * roles or of another id, records of a request that is not active any more.
 *
 * libfcgi overflows a stack buffer on repeated FCGI_GET_VALUES, never answers a BEGIN_REQUEST with padding, allocates
 * whatever a parameter's length field says, and takes a malformed stream for end of file. FastCGI 1.0, sections 3.3
 * (records), 3.4 (name-value pairs), 4 (management records), 5.1 to 5.5.
 */
#ifndef FCGI_RECORD_FILTER_H
#define FCGI_RECORD_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RECORD_HEADER_BYTES = 8,
    BEGIN_BODY_BYTES = 8,
    /* What the filter may hold back: by so many bytes more than a piece brings can it give. */
    RECORD_FILTER_HELD_MAX = RECORD_HEADER_BYTES + BEGIN_BODY_BYTES,
    VALUES_BYTES_MAX = 512, /* of a FCGI_GET_VALUES that are read; real ones have 48 */
};

enum record_type {
    RECORD_BEGIN_REQUEST = 1,
    RECORD_ABORT_REQUEST = 2,
    RECORD_END_REQUEST = 3,
    RECORD_PARAMS = 4,
    RECORD_STDIN = 5,
    RECORD_STDOUT = 6,
    RECORD_STDERR = 7,
    RECORD_GET_VALUES = 9,
    RECORD_GET_VALUES_RESULT = 10,
    RECORD_UNKNOWN_TYPE = 11,
};

enum record_filter_verdict {
    RECORDS_PASS,         /* so far so good; the request goes on */
    RECORDS_END,          /* the empty STDIN record has passed: the request is complete */
    RECORDS_ABORT,        /* the web server gave the request up (ABORT_REQUEST, 5.4) */
    RECORDS_MALFORMED,    /* end the connection; `reason` says why */
    RECORDS_TOO_LARGE,    /* more parameters than allowed: answer the request, and end the connection */
    RECORDS_VALUES,       /* FCGI_GET_VALUES (4.1): answer it, and feed what follows. Its content is in `values`. */
    RECORDS_UNKNOWN,      /* a management record of the type `unknown_type` (4.2): the same */
    RECORDS_UNKNOWN_ROLE, /* a request, `refused_id`, of a role other than responder (5.5): the same */
    RECORDS_MULTIPLEXED,  /* a request, `refused_id`, inside of another (5.5): the same */
};

struct record_filter {
    enum { FILTER_BEGIN, FILTER_PARAMS, FILTER_STDIN, FILTER_END } phase;
    uint16_t request_id;
    bool closes_connection;               /* FCGI_KEEP_CONN is not set (5.1) */
    uint8_t held[RECORD_FILTER_HELD_MAX]; /* a header, and the body of a BEGIN_REQUEST, until they are whole */
    size_t held_length;
    size_t content_left;
    size_t padding_left;
    enum { CONTENT_PASSES, CONTENT_IS_DROPPED, CONTENT_IS_VALUES } fate;
    size_t params_bytes; /* seen so far */
    size_t params_max;
    /* Inside a name-value pair: the length fields being collected, then the bytes to pass over. */
    uint8_t length_field[8];
    size_t length_field_length;
    size_t pair_left;
    uint8_t values[VALUES_BYTES_MAX];
    size_t values_length;
    bool is_management; /* the present record */
    uint8_t unknown_type;
    uint16_t refused_id;
    bool refused_closes; /* the refused request wanted the connection to be closed behind it */
    const char *reason;  /* of RECORDS_MALFORMED, for the log */
};

/* Ready for the first byte of a request whose parameters may have `params_max` bytes. A zeroed filter before that. */
void record_filter_begin(struct record_filter *filter, size_t params_max);

/* No byte of the request, or of a management record, has come yet. */
bool record_filter_is_fresh(const struct record_filter *filter);

/*
 * Takes the next bytes, of which *consumed_bytes belong to this request or to what is before it: all of them, unless
 * the verdict is not RECORDS_PASS. Writes to `out` what libfcgi is to read, *passed_bytes: at most
 * RECORD_FILTER_HELD_MAX more than were consumed. `out` may overlap `bytes` if it begins at least so many bytes before.
 */
enum record_filter_verdict record_filter_feed(struct record_filter *filter, const uint8_t *bytes, size_t length,
                                              uint8_t *out, size_t *consumed_bytes, size_t *passed_bytes);

/* Whether the bytes, which follow a complete request, have the ABORT_REQUEST of it among their whole records. Changes
 * nothing. */
bool record_filter_finds_abort(const struct record_filter *filter, const uint8_t *bytes, size_t length);

#endif
