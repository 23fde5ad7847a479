/* What of a connection's bytes may reach libfcgi. See record_filter.h. */
#include "fcgi/record_filter.h"

#include <string.h>

enum { FCGI_VERSION = 1, FCGI_ROLE_RESPONDER = 1, BEGIN_BODY_BYTES = 8 };

void record_filter_begin(struct record_filter *filter, size_t params_max)
{
    *filter = (struct record_filter){.phase = FILTER_BEGIN, .params_max = params_max};
}

bool record_filter_is_fresh(const struct record_filter *filter)
{
    return filter->phase == FILTER_BEGIN && filter->header_length == 0 && filter->content_left == 0;
}

static enum record_filter_verdict refuse(struct record_filter *filter, const char *reason)
{
    filter->reason = reason;
    return RECORDS_MALFORMED;
}

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
        return refuse(filter, "more parameters than allowed");
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
            return refuse(filter, "a parameter longer than allowed");
        bytes++;
        length--;
    }
    return RECORDS_PASS;
}

static enum record_filter_verdict begin_request(struct record_filter *filter, uint16_t id, size_t content)
{
    if (filter->phase != FILTER_BEGIN)
        return refuse(filter, "BEGIN_REQUEST inside of a request");
    if (id == 0 || content != BEGIN_BODY_BYTES)
        return refuse(filter, "malformed BEGIN_REQUEST");
    filter->request_id = id;
    return RECORDS_PASS;
}

static enum record_filter_verdict params_record(struct record_filter *filter, size_t content)
{
    if (filter->phase != FILTER_PARAMS)
        return refuse(filter, "PARAMS out of order");
    if (content > 0)
        return RECORDS_PASS;
    if (filter->pair_left > 0 || filter->length_field_length > 0)
        return refuse(filter, "PARAMS end inside of a pair");
    filter->phase = FILTER_STDIN;
    return RECORDS_PASS;
}

static enum record_filter_verdict stdin_record(struct record_filter *filter, size_t content)
{
    if (filter->phase != FILTER_STDIN)
        return refuse(filter, "STDIN out of order");
    if (content > 0)
        return RECORDS_PASS;
    filter->phase = FILTER_END;
    return RECORDS_END;
}

/* A whole header is there. */
static enum record_filter_verdict check_header(struct record_filter *filter)
{
    const uint8_t *header = filter->header;
    uint16_t id = (uint16_t)(header[2] << 8 | header[3]);
    filter->content_left = (size_t)(header[4] << 8 | header[5]);
    filter->padding_left = header[6];

    if (header[0] != FCGI_VERSION)
        return refuse(filter, "not FastCGI version 1");
    if (header[1] == RECORD_BEGIN_REQUEST)
        return begin_request(filter, id, filter->content_left);
    if (filter->phase == FILTER_BEGIN || id != filter->request_id)
        return refuse(filter, "a record of no request");
    if (filter->content_left == 0 && filter->padding_left > 0)
        return refuse(filter, "padding without content");

    switch (header[1]) {
    case RECORD_PARAMS:
        return params_record(filter, filter->content_left);
    case RECORD_STDIN:
        return stdin_record(filter, filter->content_left);
    case RECORD_ABORT_REQUEST:
        return RECORDS_ABORT;
    default:
        return refuse(filter, "a record type that no responder gets");
    }
}

static enum record_filter_verdict check_content(struct record_filter *filter, const uint8_t *bytes, size_t length)
{
    if (filter->phase == FILTER_PARAMS)
        return feed_params(filter, bytes, length);
    if (filter->phase != FILTER_BEGIN)
        return RECORDS_PASS;

    /* BEGIN_REQUEST's body: its first two bytes are the role (section 5.1). Bytes may come one at a time. */
    for (size_t i = 0; i < length; i++) {
        size_t position = BEGIN_BODY_BYTES - filter->content_left + i;
        if ((position == 0 && bytes[i] != 0) || (position == 1 && bytes[i] != FCGI_ROLE_RESPONDER))
            return refuse(filter, "a role other than responder");
    }
    if (filter->content_left == length)
        filter->phase = FILTER_PARAMS;
    return RECORDS_PASS;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum record_filter_verdict record_filter_feed(struct record_filter *filter, const uint8_t *bytes, size_t length,
                                              size_t *passed_bytes)
{
    enum record_filter_verdict verdict = RECORDS_PASS;
    size_t at = 0;
    while (at < length && verdict == RECORDS_PASS) {
        size_t left = length - at;
        if (filter->content_left > 0) {
            size_t step = smaller(left, filter->content_left);
            verdict = check_content(filter, bytes + at, step);
            filter->content_left -= step;
            at += step;
        } else if (filter->padding_left > 0) {
            size_t step = smaller(left, filter->padding_left);
            filter->padding_left -= step;
            at += step;
        } else {
            size_t step = smaller(left, RECORD_HEADER_BYTES - filter->header_length);
            memcpy(filter->header + filter->header_length, bytes + at, step);
            filter->header_length += step;
            at += step;
            if (filter->header_length == RECORD_HEADER_BYTES) {
                filter->header_length = 0;
                verdict = check_header(filter);
            }
        }
    }
    *passed_bytes = at;
    return verdict;
}
