/* Newline-delimited JSON, as handlers send it. */
#include <string.h>

#include "http/json.h"
#include "stream/stream.h"

enum mid_error mid_rows_begin(struct mid_request *rq)
{
    return stream_begin(rq, 200, "application/x-ndjson", STREAM_ROWS);
}

/* Sends a row, and gives its buffer back. */
MAY_SUSPEND static enum mid_error send_row(struct mid_request *rq, struct buffer *row)
{
    enum mid_error error;
    if (row->length == 0 || memchr(row->data, '\n', row->length) != NULL ||
        memchr(row->data, '\r', row->length) != NULL) {
        error = mid_fail(rq, MID_UNPROCESSABLE, "a row is one JSON value without line breaks");
    } else {
        buffer_append(row, "\n", 1);
        error = stream_send(rq, row->data, row->length);
    }
    stream_give_buffer(row);
    return error;
}

enum mid_error mid_row_printf(struct mid_request *rq, const char *format, ...)
{
    struct buffer row = stream_take_buffer();
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&row, format, arguments);
    va_end(arguments);
    return send_row(rq, &row);
}

enum mid_error mid_row_json(struct mid_request *rq, const char *format, ...)
{
    struct buffer row = stream_take_buffer();
    va_list arguments;
    va_start(arguments, format);
    enum mid_error error = json_pack_append(rq, &row, format, arguments);
    va_end(arguments);
    if (error == MID_OK)
        return send_row(rq, &row);
    stream_give_buffer(&row);
    return error;
}
