/* What this room answers by itself. See answer.h. */
#include "fcgi/answer.h"

#include <stdio.h>
#include <string.h>

enum { END_REQUEST_BODY_BYTES = 8, VALUE_DIGITS = 20 };

static void put_header(uint8_t *header, enum record_type type, uint16_t id, size_t content)
{
    const uint8_t bytes[RECORD_HEADER_BYTES] = {1,           (uint8_t)type,           (uint8_t)(id >> 8),
                                                (uint8_t)id, (uint8_t)(content >> 8), (uint8_t)content};
    memcpy(header, bytes, sizeof(bytes));
}

MAY_SUSPEND static enum mid_error send_bytes(struct connection *connection, const void *bytes, size_t length)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
    return connection_send(connection, &part, 1);
}

/* -------------------- management records -------------------- */

/* Adds a pair whose name and value are short. */
static size_t put_pair(uint8_t *out, const char *name, size_t value)
{
    char text[VALUE_DIGITS + 1];
    size_t name_length = strlen(name);
    size_t value_length = (size_t)snprintf(text, sizeof(text), "%zu", value);
    out[0] = (uint8_t)name_length;
    out[1] = (uint8_t)value_length;
    memcpy(out + 2, name, name_length);
    memcpy(out + 2 + name_length, text, value_length);
    return 2 + name_length + value_length;
}

/* A length field at `at`; false: it is not whole. */
static bool read_length(const struct record_filter *filter, size_t *at, size_t *length)
{
    const uint8_t *field = filter->values + *at;
    size_t left = filter->values_length - *at;
    size_t size = left > 0 && field[0] >= 0x80 ? 4 : 1;
    if (left < size)
        return false;
    *length = size == 1 ? field[0]
                        : (size_t)(field[0] & 0x7f) << 24 | (size_t)field[1] << 16 | (size_t)field[2] << 8 | field[3];
    *at += size;
    return true;
}

/* The next name; false: there is none any more that is whole. */
static bool next_name(const struct record_filter *filter, size_t *at, const uint8_t **name, size_t *length)
{
    size_t value_length;
    if (!read_length(filter, at, length) || !read_length(filter, at, &value_length))
        return false;
    size_t left = filter->values_length - *at;
    if (*length > left || value_length > left - *length)
        return false;
    *name = filter->values + *at;
    *at += *length + value_length;
    return true;
}

enum mid_error answer_values(struct connection *connection, size_t requests_max)
{
    const struct {
        const char *name;
        size_t value;
    } known[] = {{"FCGI_MAX_CONNS", requests_max}, {"FCGI_MAX_REQS", requests_max}, {"FCGI_MPXS_CONNS", 0}};
    uint8_t record[RECORD_HEADER_BYTES + 3 * (2 + sizeof("FCGI_MPXS_CONNS") + VALUE_DIGITS)];
    size_t length = RECORD_HEADER_BYTES;
    bool is_told[3] = {false}; /* a name that is repeated is told once */
    const uint8_t *name;
    size_t name_length;
    for (size_t at = 0; next_name(&connection->filter, &at, &name, &name_length);) {
        for (size_t i = 0; i < 3; i++) {
            if (is_told[i] || strlen(known[i].name) != name_length || memcmp(known[i].name, name, name_length) != 0)
                continue;
            length += put_pair(record + length, known[i].name, known[i].value);
            is_told[i] = true;
        }
    }
    put_header(record, RECORD_GET_VALUES_RESULT, 0, length - RECORD_HEADER_BYTES);
    return send_bytes(connection, record, length);
}

enum mid_error answer_unknown_type(struct connection *connection)
{
    uint8_t record[RECORD_HEADER_BYTES + 8] = {0};
    put_header(record, RECORD_UNKNOWN_TYPE, 0, 8);
    record[RECORD_HEADER_BYTES] = connection->filter.unknown_type;
    return send_bytes(connection, record, sizeof(record));
}

/* -------------------- requests -------------------- */

static void put_end(uint8_t *record, uint16_t id, uint8_t protocol_status)
{
    memset(record, 0, RECORD_HEADER_BYTES + END_REQUEST_BODY_BYTES);
    put_header(record, RECORD_END_REQUEST, id, END_REQUEST_BODY_BYTES);
    record[RECORD_HEADER_BYTES + 4] = protocol_status;
}

enum mid_error answer_refused(struct connection *connection, uint8_t protocol_status)
{
    uint8_t record[RECORD_HEADER_BYTES + END_REQUEST_BODY_BYTES];
    put_end(record, connection->filter.refused_id, protocol_status);
    return send_bytes(connection, record, sizeof(record));
}

enum mid_error answer_status(struct connection *connection, const char *status, const char *sentence)
{
    char text[512];
    uint8_t header[RECORD_HEADER_BYTES];
    uint8_t end[2 * RECORD_HEADER_BYTES + END_REQUEST_BODY_BYTES];
    uint16_t id = connection->filter.request_id;
    int length =
        snprintf(text, sizeof(text),
                 "Status: %s\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n\r\n%s: %s\n",
                 status, status, sentence);
    put_header(header, RECORD_STDOUT, id, (size_t)length);
    put_header(end, RECORD_STDOUT, id, 0);
    put_end(end + RECORD_HEADER_BYTES, id, 0);
    struct iovec parts[] = {{.iov_base = header, .iov_len = sizeof(header)},
                            {.iov_base = text, .iov_len = (size_t)length},
                            {.iov_base = end, .iov_len = sizeof(end)}};
    return connection_send(connection, parts, 3);
}
