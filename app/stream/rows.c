/* Newline-delimited JSON, as handlers send it. */
#include <string.h>

#include "stream/stream.h"

enum mid_error mid_rows_begin(struct mid_request *rq)
{
    return stream_begin(rq, 200, "application/x-ndjson", STREAM_ROWS);
}

enum mid_error mid_row_printf(struct mid_request *rq, const char *format, ...)
{
    struct buffer row = stream_take_buffer();
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&row, format, arguments);
    va_end(arguments);

    enum mid_error error;
    if (row.length == 0 || memchr(row.data, '\n', row.length) != NULL || memchr(row.data, '\r', row.length) != NULL) {
        error = mid_fail(rq, MID_UNPROCESSABLE, "a row is one JSON value without line breaks");
    } else {
        buffer_append(&row, "\n", 1);
        error = stream_send(rq, row.data, row.length);
    }
    stream_give_buffer(&row);
    return error;
}
