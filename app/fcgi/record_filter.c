/* What of a connection's bytes reaches libfcgi. See record_filter.h. */
#include "fcgi/record_filter.h"

#include <string.h>

enum { FCGI_VERSION = 1, FCGI_KEEP_CONN = 1, FCGI_ROLE_RESPONDER = 1 };

/* Padding of the request before may still be on its way. */
void record_filter_begin(struct record_filter *filter, size_t params_max)
{
    size_t padding_left = filter->padding_left;
    *filter = (struct record_filter){.phase = FILTER_BEGIN, .params_max = params_max, .padding_left = padding_left};
}

bool record_filter_is_fresh(const struct record_filter *filter)
{
    return filter->phase == FILTER_BEGIN && filter->held_length == 0 && filter->content_left == 0;
}

static enum record_filter_verdict refuse(struct record_filter *filter, const char *reason)
{
    filter->reason = reason;
    return RECORDS_MALFORMED;
}

static uint16_t read_16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* -------------------- name-value pairs -------------------- */

/* The value of a 1-byte or 4-byte length field (section 3.4). */
static size_t length_value(const uint8_t *field)
{
    if (field[0] < 0x80)
        return field[0];
    return (size_t)(field[0] & 0x7f) << 24 | (size_t)field[1] << 16 | (size_t)field[2] << 8 | field[3];
}

static size_t length_size(const uint8_t *field)
{
    return field[0] < 0x80 ? 1 : 4;
}

/* One byte of a pair's two length fields. When both are known, pair_left becomes what to pass over. */
static void feed_length_byte(struct record_filter *filter, uint8_t byte)
{
    filter->length_field[filter->length_field_length++] = byte;
    size_t name_size = length_size(filter->length_field);
    if (filter->length_field_length <= name_size)
        return;
    const uint8_t *value_field = filter->length_field + name_size;
    if (filter->length_field_length < name_size + length_size(value_field))
        return;
    filter->pair_left = length_value(filter->length_field) + length_value(value_field);
    filter->length_field_length = 0;
}

/* Follows the name-value pairs through the content of PARAMS records, so that libfcgi never sees a length that it
 * should not believe. */
static enum record_filter_verdict feed_params(struct record_filter *filter, const uint8_t *bytes, size_t length)
{
    filter->params_bytes += length;
    if (filter->params_bytes > filter->params_max)
        return RECORDS_TOO_LARGE;
    while (length > 0) {
        if (filter->pair_left > 0) {
            size_t over = length < filter->pair_left ? length : filter->pair_left;
            filter->pair_left -= over;
            bytes += over;
            length -= over;
            continue;
        }
        feed_length_byte(filter, *bytes);
        if (filter->pair_left > filter->params_max)
            return RECORDS_TOO_LARGE;
        bytes++;
        length--;
    }
    return RECORDS_PASS;
}

/* -------------------- headers -------------------- */

/* The verdict of a whole header; whether it passes, and its content with it, is in `fate`. */
static enum record_filter_verdict drop(struct record_filter *filter)
{
    filter->fate = CONTENT_IS_DROPPED;
    return RECORDS_PASS;
}

/* Section 4: request id 0. The verdict comes with the end of the content. */
static enum record_filter_verdict management_record(struct record_filter *filter, uint8_t type)
{
    filter->is_management = true;
    filter->unknown_type = type;
    filter->fate = type == RECORD_GET_VALUES ? CONTENT_IS_VALUES : CONTENT_IS_DROPPED;
    filter->values_length = 0;
    if (filter->content_left > 0)
        return RECORDS_PASS;
    return type == RECORD_GET_VALUES ? RECORDS_VALUES : RECORDS_UNKNOWN;
}

static enum record_filter_verdict params_record(struct record_filter *filter)
{
    if (filter->phase != FILTER_PARAMS)
        return refuse(filter, "PARAMS out of order");
    if (filter->content_left > 0)
        return RECORDS_PASS;
    if (filter->pair_left > 0 || filter->length_field_length > 0)
        return refuse(filter, "PARAMS end inside of a pair");
    filter->phase = FILTER_STDIN;
    return RECORDS_PASS;
}

static enum record_filter_verdict stdin_record(struct record_filter *filter)
{
    if (filter->phase != FILTER_STDIN)
        return refuse(filter, "STDIN out of order");
    if (filter->content_left > 0)
        return RECORDS_PASS;
    filter->phase = FILTER_END;
    return RECORDS_END;
}

static enum record_filter_verdict check_header(struct record_filter *filter)
{
    const uint8_t *header = filter->held;
    uint8_t type = header[1];
    uint16_t id = read_16(header + 2);
    filter->content_left = read_16(header + 4);
    filter->padding_left = header[6];
    filter->fate = CONTENT_PASSES;

    if (header[0] != FCGI_VERSION)
        return refuse(filter, "not FastCGI version 1");
    if (type == RECORD_BEGIN_REQUEST) {
        if (id == 0 || filter->content_left != BEGIN_BODY_BYTES)
            return refuse(filter, "malformed BEGIN_REQUEST");
        return RECORDS_PASS; /* its body says more */
    }
    if (id == 0)
        return management_record(filter, type);
    if (filter->phase == FILTER_BEGIN || id != filter->request_id)
        return drop(filter); /* of a request that is over, or was refused (3.3) */

    switch (type) {
    case RECORD_PARAMS:
        return params_record(filter);
    case RECORD_STDIN:
        return stdin_record(filter);
    case RECORD_ABORT_REQUEST:
        return RECORDS_ABORT;
    default:
        return refuse(filter, "a record type that no responder gets");
    }
}

/* BEGIN_REQUEST is whole: its body is the role, and the flags (section 5.1). */
static enum record_filter_verdict begin_request(struct record_filter *filter)
{
    uint16_t id = read_16(filter->held + 2);
    const uint8_t *body = filter->held + RECORD_HEADER_BYTES;
    bool closes_connection = (body[2] & FCGI_KEEP_CONN) == 0;
    if (filter->phase != FILTER_BEGIN && id == filter->request_id)
        return refuse(filter, "BEGIN_REQUEST of a request that has begun");
    if (filter->phase == FILTER_BEGIN && read_16(body) == FCGI_ROLE_RESPONDER) {
        filter->request_id = id;
        filter->closes_connection = closes_connection;
        filter->phase = FILTER_PARAMS;
        return RECORDS_PASS;
    }
    filter->fate = CONTENT_IS_DROPPED;
    filter->refused_id = id;
    filter->refused_closes = closes_connection;
    return filter->phase == FILTER_BEGIN ? RECORDS_UNKNOWN_ROLE : RECORDS_MULTIPLEXED;
}

/* -------------------- bytes -------------------- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A header without its padding, and what else was held back. */
static size_t give_held(struct record_filter *filter, uint8_t *out)
{
    size_t length = filter->held_length;
    filter->held_length = 0;
    if (filter->fate != CONTENT_PASSES)
        return 0;
    memcpy(out, filter->held, length);
    out[6] = 0;
    return length;
}

/* Collects a header, or the body behind that of a BEGIN_REQUEST. */
static enum record_filter_verdict feed_held(struct record_filter *filter, const uint8_t *bytes, size_t length,
                                            uint8_t *out, size_t *passed)
{
    memcpy(filter->held + filter->held_length, bytes, length);
    filter->held_length += length;
    if (filter->held_length < RECORD_HEADER_BYTES)
        return RECORDS_PASS;
    enum record_filter_verdict verdict = RECORDS_PASS;
    if (filter->held_length == RECORD_HEADER_BYTES) {
        verdict = check_header(filter);
        if (filter->held[1] == RECORD_BEGIN_REQUEST && verdict == RECORDS_PASS)
            return verdict;
    } else {
        filter->content_left -= length;
        if (filter->content_left > 0)
            return RECORDS_PASS;
        verdict = begin_request(filter);
    }
    *passed = give_held(filter, out);
    return verdict;
}

static enum record_filter_verdict feed_content(struct record_filter *filter, const uint8_t *bytes, size_t length,
                                               uint8_t *out, size_t *passed)
{
    enum record_filter_verdict verdict = RECORDS_PASS;
    filter->content_left -= length;
    if (filter->fate == CONTENT_PASSES) {
        if (filter->phase == FILTER_PARAMS)
            verdict = feed_params(filter, bytes, length);
        memmove(out, bytes, length);
        *passed = length;
        return verdict;
    }
    if (filter->fate == CONTENT_IS_VALUES) {
        size_t kept = smaller(length, sizeof(filter->values) - filter->values_length);
        memcpy(filter->values + filter->values_length, bytes, kept);
        filter->values_length += kept;
        return filter->content_left == 0 ? RECORDS_VALUES : RECORDS_PASS;
    }
    return filter->content_left == 0 && filter->is_management ? RECORDS_UNKNOWN : RECORDS_PASS;
}

/* How many bytes the header, or BEGIN_REQUEST, that is being collected still needs. */
static size_t held_wanted(const struct record_filter *filter)
{
    return filter->held_length < RECORD_HEADER_BYTES ? RECORD_HEADER_BYTES - filter->held_length
                                                     : RECORD_FILTER_HELD_MAX - filter->held_length;
}

enum record_filter_verdict record_filter_feed(struct record_filter *filter, const uint8_t *bytes, size_t length,
                                              uint8_t *out, size_t *consumed_bytes, size_t *passed_bytes)
{
    enum record_filter_verdict verdict = RECORDS_PASS;
    size_t at = 0;
    size_t given = 0;
    while (at < length && verdict == RECORDS_PASS) {
        size_t left = length - at;
        size_t step;
        size_t passed = 0;
        if (filter->held_length > 0 || (filter->content_left == 0 && filter->padding_left == 0)) {
            if (filter->held_length == 0)
                filter->is_management = false;
            step = smaller(left, held_wanted(filter));
            verdict = feed_held(filter, bytes + at, step, out + given, &passed);
        } else if (filter->content_left > 0) {
            step = smaller(left, filter->content_left);
            verdict = feed_content(filter, bytes + at, step, out + given, &passed);
        } else {
            step = smaller(left, filter->padding_left);
            filter->padding_left -= step;
        }
        at += step;
        given += passed;
    }
    *consumed_bytes = at;
    *passed_bytes = given;
    return verdict;
}

bool record_filter_finds_abort(const struct record_filter *filter, const uint8_t *bytes, size_t length)
{
    size_t at = filter->padding_left;
    while (at + RECORD_HEADER_BYTES <= length) {
        const uint8_t *header = bytes + at;
        if (header[1] == RECORD_ABORT_REQUEST && read_16(header + 2) == filter->request_id)
            return true;
        at += (size_t)RECORD_HEADER_BYTES + read_16(header + 4) + header[6];
    }
    return false;
}
