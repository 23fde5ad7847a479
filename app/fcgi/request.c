/* One FastCGI request. See request.h; FastCGI 1.0, sections 3.3, 5.3 and 5.5. */
#include "fcgi/request.h"

#include <fcgiapp.h>
#include <stdio.h>
#include <string.h>

#include "base/panic.h"

enum { CONTENT_MAX = 65535, END_BYTES = 3 * RECORD_HEADER_BYTES + 8 };

void fcgi_init(void)
{
    ENSURE(FCGX_Init() == 0);
}

bool fcgi_request_accept(struct fcgi_request *request, struct connection *connection)
{
    request->connection = connection;
    request->has_buffers = false;
    FCGX_Request *libfcgi = connection->libfcgi;
    FCGX_InitRequest(libfcgi, -1, 0); /* -1: a broken request must not make libfcgi accept on standard input */
    libfcgi->ipcFd = connection->watch.fd;
    libfcgi->keepConnection = 1; /* or libfcgi closes the descriptor first */

    if (FCGX_Accept_r(libfcgi) != 0)
        return false;
    request->has_buffers = true;
    if (FCGX_GetError(libfcgi->in) != 0) { /* the stream may end between two parameters */
        fcgi_request_release(request);
        return false;
    }
    connection->is_last = connection->filter.closes_connection;
    return true;
}

char **fcgi_request_params(const struct fcgi_request *request)
{
    return request->connection->libfcgi->envp;
}

size_t fcgi_request_read(struct fcgi_request *request, void *buffer, size_t size)
{
    ENSURE(request->has_buffers);
    FCGX_Stream *in = request->connection->libfcgi->in;
    int first = size > 0 ? FCGX_GetChar(in) : EOF; /* may wait; FCGX_GetStr() would wait until all of it is there */
    if (FCGX_GetError(in) != 0 && !request->connection->has_timed_out)
        request->connection->is_gone = true;
    if (first == EOF)
        return 0;
    unsigned char *bytes = buffer;
    bytes[0] = (unsigned char)first;
    size_t there = (size_t)(in->stop - in->rdNext); /* of what libfcgi has read */
    size_t more = there < size - 1 ? there : size - 1;
    if (more > 0)
        FCGX_GetStr((char *)bytes + 1, (int)more, in);
    return 1 + more;
}

void fcgi_request_release(struct fcgi_request *request)
{
    if (!request->has_buffers)
        return;
    request->has_buffers = false;
    FCGX_Free(request->connection->libfcgi, 0);
}

static void put_header(uint8_t *header, enum record_type type, int request_id, size_t content)
{
    memcpy(header,
           (uint8_t[RECORD_HEADER_BYTES]){1, (uint8_t)type, (uint8_t)(request_id >> 8), (uint8_t)request_id,
                                          (uint8_t)(content >> 8), (uint8_t)content},
           RECORD_HEADER_BYTES);
}

/* The empty STDOUT record and END_REQUEST with status 0, REQUEST_COMPLETE; in the same write, the goodbye of a
 * connection that the web server must not use again. */
static struct iovec put_end(uint8_t *end, struct fcgi_request *request)
{
    int id = request->connection->libfcgi->requestId;
    size_t bytes = END_BYTES - RECORD_HEADER_BYTES;
    memset(end, 0, END_BYTES);
    put_header(end, RECORD_STDOUT, id, 0);
    put_header(end + RECORD_HEADER_BYTES, RECORD_END_REQUEST, id, 8);
    const void *goodbye = connection_take_goodbye(request->connection);
    if (goodbye != NULL) {
        memcpy(end + bytes, goodbye, RECORD_HEADER_BYTES);
        bytes += RECORD_HEADER_BYTES;
    }
    return (struct iovec){.iov_base = end, .iov_len = bytes};
}

/* Moves up to `room` bytes from the front of the parts to `out`; returns how many. */
static size_t take_content(struct iovec *parts, int count, size_t room, struct iovec *out, int *out_count)
{
    size_t taken = 0;
    for (int i = 0; i < count && taken < room; i++) {
        size_t step = parts[i].iov_len < room - taken ? parts[i].iov_len : room - taken;
        if (step == 0)
            continue;
        out[(*out_count)++] = (struct iovec){.iov_base = parts[i].iov_base, .iov_len = step};
        parts[i].iov_base = (char *)parts[i].iov_base + step;
        parts[i].iov_len -= step;
        taken += step;
    }
    return taken;
}

enum mid_error fcgi_request_send(struct fcgi_request *request, const struct iovec parts[], int count, bool is_last)
{
    ENSURE(count <= FCGI_PARTS_MAX);
    int id = request->connection->libfcgi->requestId;
    struct iovec rest[FCGI_PARTS_MAX];
    size_t rest_bytes = 0;
    for (int i = 0; i < count; i++) {
        rest[i] = parts[i];
        rest_bytes += parts[i].iov_len;
    }

    uint8_t header[RECORD_HEADER_BYTES];
    uint8_t end[END_BYTES];
    do {
        struct iovec out[FCGI_PARTS_MAX + 2];
        int out_count = 0;
        if (rest_bytes > 0) {
            size_t content = rest_bytes < CONTENT_MAX ? rest_bytes : CONTENT_MAX;
            put_header(header, RECORD_STDOUT, id, content);
            out[out_count++] = (struct iovec){.iov_base = header, .iov_len = sizeof(header)};
            rest_bytes -= take_content(rest, count, content, out, &out_count);
        }
        if (is_last && rest_bytes == 0)
            out[out_count++] = put_end(end, request);
        MID_TRY(connection_send(request->connection, out, out_count));
    } while (rest_bytes > 0);

    if (is_last)
        connection_read_away(request->connection);
    return MID_OK;
}
