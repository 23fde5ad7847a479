/*
 * What of a connection's bytes may reach libfcgi: the records of one responder request, in order, within limits.
 *
 * libfcgi overflows a stack buffer on repeated FCGI_GET_VALUES, allocates whatever a parameter's length field says, and
 * takes a malformed stream for end of file. nginx sends none of that, but whoever can open the socket could. The filter
 * checks bytes in front of libfcgi, without copying or changing them. FastCGI 1.0, sections 3.3 (records), 3.4
 * (name-value pairs), 5.1 to 5.4.
 */
#ifndef FCGI_RECORD_FILTER_H
#define FCGI_RECORD_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECORD_HEADER_BYTES = 8 };

enum record_type {
    RECORD_BEGIN_REQUEST = 1,
    RECORD_ABORT_REQUEST = 2,
    RECORD_END_REQUEST = 3,
    RECORD_PARAMS = 4,
    RECORD_STDIN = 5,
    RECORD_STDOUT = 6,
    RECORD_STDERR = 7,
};

enum record_filter_verdict {
    RECORDS_PASS,      /* so far so good; the request goes on */
    RECORDS_END,       /* the empty STDIN record has passed: the request is complete */
    RECORDS_ABORT,     /* the web server gave the request up (ABORT_REQUEST) */
    RECORDS_MALFORMED, /* end the connection */
};

struct record_filter {
    enum { FILTER_BEGIN, FILTER_PARAMS, FILTER_STDIN, FILTER_END } phase;
    uint16_t request_id;
    uint8_t header[RECORD_HEADER_BYTES];
    size_t header_length; /* of it collected */
    size_t content_left;
    size_t padding_left;
    size_t params_bytes; /* seen so far */
    size_t params_max;
    /* Inside a name-value pair: the length fields being collected, then the bytes to pass over. */
    uint8_t length_field[8];
    size_t length_field_length;
    size_t pair_left;
    const char *reason; /* of RECORDS_MALFORMED, for the log */
};

/* Ready for the first byte of a request whose parameters may have `params_max` bytes. */
void record_filter_begin(struct record_filter *filter, size_t params_max);

/* No byte of the request has come yet. */
bool record_filter_is_fresh(const struct record_filter *filter);

/*
 * Checks the next bytes. *passed_bytes tells how many of them belong to this request and may be handed on: all of them,
 * unless the verdict is not RECORDS_PASS.
 */
enum record_filter_verdict record_filter_feed(struct record_filter *filter, const uint8_t *bytes, size_t length,
                                              size_t *passed_bytes);

#endif
