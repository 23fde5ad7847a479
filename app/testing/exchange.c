/* Requests and responses of a test. See exchange.h and midstream/test.h. */
#include "testing/exchange.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/panic.h"
#include "fcgi/record_filter.h"
#include "http/origin.h"
#include "testing/harness.h"
#include "testing/visitor.h"

enum { RECORD_CONTENT_MAX = 65535, PIECE_BYTES = 65536, ROLE_RESPONDER = 1, SHORT_LENGTH_MAX = 127 };

struct mid_test_exchange {
    struct list link;
    struct mid_test_visitor *visitor;
    char *name; /* "GET /path", for messages */
    int fd;     /* -1: closed */
    struct buffer out;
    size_t sent_bytes;
    struct buffer records; /* received, not taken apart yet */
    struct buffer content; /* head and body */
    size_t head_bytes;     /* with the empty line; 0: it is not whole */
    char *fields;          /* a line each, with a NUL behind; the last one is empty. NULL: the head is not whole */
    size_t searched;       /* of the body, by mid_test_wait_for() */
    int status;
    bool is_stalled;
    bool is_over;
    bool is_whole;
    const char *wanted; /* by mid_test_wait_for() */
    struct arena arena;
};

static struct list exchanges = {&exchanges, &exchanges};

/* -------------------- a request, in records (FastCGI 1.0, 3.3) -------------------- */

static void put_record(struct buffer *out, int type, const void *content, size_t bytes)
{
    const unsigned char header[RECORD_HEADER_BYTES] = {1, (unsigned char)type,         0,
                                                       1, (unsigned char)(bytes >> 8), (unsigned char)bytes};
    buffer_append(out, header, sizeof(header));
    buffer_append(out, content, bytes);
}

/* With the empty record behind it. */
static void put_stream(struct buffer *out, int type, const char *data, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += RECORD_CONTENT_MAX)
        put_record(out, type, data + at, bytes - at < RECORD_CONTENT_MAX ? bytes - at : RECORD_CONTENT_MAX);
    put_record(out, type, NULL, 0);
}

static void put_length(struct buffer *out, size_t length)
{
    const unsigned char bytes[] = {(unsigned char)(0x80 | length >> 24), (unsigned char)(length >> 16),
                                   (unsigned char)(length >> 8), (unsigned char)length};
    if (length <= SHORT_LENGTH_MAX)
        buffer_append(out, bytes + 3, 1);
    else
        buffer_append(out, bytes, sizeof(bytes));
}

static void put_param(struct buffer *params, const char *name, const char *value, size_t value_bytes)
{
    put_length(params, strlen(name));
    put_length(params, value_bytes);
    buffer_append_text(params, name);
    buffer_append(params, value, value_bytes);
}

/* RFC 9110, 5.1 and 5.5: what a web server passes on. */
static bool is_header(const char *line)
{
    size_t name = strspn(line, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return name > 0 && line[name] == ':' && strpbrk(line, "\r\n") == NULL;
}

/* "Name: value" as HTTP_NAME. */
static void put_header(struct buffer *params, const char *line)
{
    const char *colon = strchr(line, ':');
    if (!is_header(line))
        panic("a header is \"Name: value\", not \"%s\"", line);
    if (strncasecmp(line, "Content-Type:", strlen("Content-Type:")) == 0 ||
        strncasecmp(line, "Content-Length:", strlen("Content-Length:")) == 0)
        panic("\"%s\" belongs into content_type or bytes of struct mid_test_request", line);
    struct buffer name = {0};
    buffer_append_text(&name, "HTTP_");
    for (const char *at = line; at < colon; at++) {
        char c = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
        buffer_append(&name, &c, 1);
    }
    buffer_append(&name, "", 1);
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t value_bytes = strlen(value);
    while (value_bytes > 0 && strchr(" \t", value[value_bytes - 1]) != NULL)
        value_bytes--;
    put_param(params, name.data, value, value_bytes);
    buffer_fini(&name);
}

static bool has_header(const struct mid_test_request *request, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
        if (strncasecmp(request->headers[i], name, length) == 0 && request->headers[i][length] == ':')
            return true;
    return false;
}

static void put_headers(struct buffer *params, const struct mid_test_request *request, const char *method)
{
    struct buffer cookies = {0};
    if (!has_header(request, "Host"))
        put_header(params, "Host: localhost");
    if (origin_matters(method) && !has_header(request, "Origin") && !has_header(request, "Sec-Fetch-Site"))
        put_header(params, "Sec-Fetch-Site: same-origin");
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
        put_header(params, request->headers[i]);
    visitor_put_cookies(request->visitor, &cookies);
    if (cookies.length > 0)
        put_param(params, "HTTP_COOKIE", cookies.data, cookies.length);
    buffer_fini(&cookies);
}

static void put_body(struct buffer *params, const struct mid_test_request *request, size_t bytes)
{
    const char *type = request->content_type;
    char length[24];
    if (type == NULL)
        type = "application/x-www-form-urlencoded";
    snprintf(length, sizeof(length), "%zu", bytes);
    put_param(params, "CONTENT_LENGTH", length, strlen(length));
    put_param(params, "CONTENT_TYPE", type, strlen(type));
}

static void put_request(struct buffer *out, const struct mid_test_request *request, const char *method)
{
    const unsigned char begin[] = {0, ROLE_RESPONDER, 0, 0, 0, 0, 0, 0};
    size_t bytes = request->body != NULL && request->bytes == 0 ? strlen(request->body) : request->bytes;
    struct buffer params = {0};
    put_param(&params, "REQUEST_METHOD", method, strlen(method));
    put_param(&params, "REQUEST_URI", request->target, strlen(request->target));
    put_param(&params, "REMOTE_ADDR", "127.0.0.1", strlen("127.0.0.1"));
    put_headers(&params, request, method);
    if (request->body != NULL)
        put_body(&params, request, bytes);
    put_record(out, RECORD_BEGIN_REQUEST, begin, sizeof(begin));
    put_stream(out, RECORD_PARAMS, params.data, params.length);
    put_stream(out, RECORD_STDIN, request->body, bytes);
    buffer_fini(&params);
}

/* -------------------- a response -------------------- */

/* Behind the content stands a NUL that does not count. */
static void terminate(struct buffer *content)
{
    *buffer_reserve(content, 1) = '\0';
}

static const char *value_of(const char *line, const char *name)
{
    size_t length = strlen(name);
    bool is_it = strncasecmp(line, name, length) == 0 && line[length] == ':';
    return is_it ? line + length + 1 + strspn(line + length + 1, " ") : NULL;
}

static const char *next_line(const char *line)
{
    return line + strlen(line) + 1;
}

/* Keeps the head's lines, with a NUL for each CRLF. */
static void split_fields(struct mid_test_exchange *exchange)
{
    char *to = exchange->fields = arena_alloc(&exchange->arena, exchange->head_bytes);
    for (size_t i = 0; i < exchange->head_bytes; i++)
        if (exchange->content.data[i] != '\n')
            *to++ = exchange->content.data[i] == '\r' ? '\0' : exchange->content.data[i];
}

static void take_head(struct mid_test_exchange *exchange)
{
    const char *end = strstr(exchange->content.data, "\r\n\r\n");
    if (end == NULL)
        return;
    exchange->head_bytes = (size_t)(end - exchange->content.data) + 4;
    exchange->status = 200; /* RFC 3875, 6.3.3 */
    split_fields(exchange);
    for (const char *line = exchange->fields; *line != '\0'; line = next_line(line)) {
        const char *status = value_of(line, "Status");
        const char *cookie = value_of(line, "Set-Cookie");
        if (status != NULL)
            exchange->status = atoi(status);
        if (cookie != NULL && exchange->visitor != NULL)
            visitor_take_cookie(exchange->visitor, cookie);
    }
}

static void end(struct mid_test_exchange *exchange, bool is_whole)
{
    if (exchange->fd >= 0)
        close(exchange->fd);
    exchange->fd = -1;
    exchange->is_over = true;
    exchange->is_whole = is_whole;
}

static void take_record(struct mid_test_exchange *exchange, const unsigned char *record, size_t bytes)
{
    if (record[0] != 1) /* how a worker says that it has cut the response */
        end(exchange, false);
    else if (record[1] == RECORD_END_REQUEST)
        end(exchange, true);
    else if (record[1] == RECORD_STDOUT) {
        buffer_append(&exchange->content, record + RECORD_HEADER_BYTES, bytes);
        terminate(&exchange->content);
        if (exchange->head_bytes == 0)
            take_head(exchange);
    }
}

static void take_records(struct mid_test_exchange *exchange)
{
    struct buffer *records = &exchange->records;
    size_t at = 0;
    while (!exchange->is_over && records->length - at >= RECORD_HEADER_BYTES) {
        const unsigned char *record = (const unsigned char *)records->data + at;
        size_t bytes = (size_t)record[4] << 8 | record[5];
        if (records->length - at < RECORD_HEADER_BYTES + bytes + record[6])
            break;
        take_record(exchange, record, bytes);
        at += RECORD_HEADER_BYTES + bytes + record[6];
    }
    if (at > 0)
        memmove(records->data, records->data + at, records->length - at);
    records->length -= at;
}

/* -------------------- the connection -------------------- */

/* Whether anything has moved. */
static bool send_more(struct mid_test_exchange *exchange)
{
    size_t left = exchange->out.length - exchange->sent_bytes;
    if (left == 0)
        return false;
    ssize_t sent = send(exchange->fd, exchange->out.data + exchange->sent_bytes, left, MSG_NOSIGNAL);
    if (sent > 0)
        exchange->sent_bytes += (size_t)sent;
    return sent > 0;
}

static bool receive_more(struct mid_test_exchange *exchange)
{
    ssize_t got = recv(exchange->fd, buffer_reserve(&exchange->records, PIECE_BYTES), PIECE_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got > 0) {
        exchange->records.length += (size_t)got;
        take_records(exchange);
    } else
        end(exchange, false);
    return true;
}

bool exchanges_serve(void)
{
    bool has_moved = false;
    for (struct list *link = exchanges.next; link != &exchanges; link = link->next) {
        struct mid_test_exchange *exchange = LIST_ELEMENT(link, struct mid_test_exchange, link);
        if (exchange->fd >= 0 && send_more(exchange))
            has_moved = true;
        if (exchange->fd >= 0 && !exchange->is_stalled && receive_more(exchange))
            has_moved = true;
    }
    return has_moved;
}

/* -------------------- what a test calls -------------------- */

struct mid_test_exchange *mid_test_send(const struct mid_test_request *request)
{
    const char *method = request->method != NULL ? request->method : request->body != NULL ? "POST" : "GET";
    if (request->target == NULL || request->target[0] != '/' || method[0] == '\0')
        panic("a request needs a method and a target that begins with '/'");
    struct mid_test_exchange *exchange = calloc(1, sizeof(*exchange));
    ENSURE(exchange != NULL);
    arena_init(&exchange->arena);
    exchange->name = arena_printf(&exchange->arena, "%s %s", method, request->target);
    exchange->visitor = request->visitor;
    exchange->is_stalled = request->is_stalled;
    exchange->fd = harness_connect();
    terminate(&exchange->content);
    put_request(&exchange->out, request, method);
    list_append(&exchanges, &exchange->link);
    harness_run();
    return exchange;
}

static bool is_over(const void *arg)
{
    const struct mid_test_exchange *exchange = arg;
    return exchange->is_over;
}

static bool is_over_or_found(const void *arg)
{
    const struct mid_test_exchange *exchange = arg;
    const char *body = mid_test_body(exchange, NULL);
    return exchange->is_over || strstr(body + exchange->searched, exchange->wanted) != NULL;
}

bool mid_test_finish(struct mid_test_exchange *exchange)
{
    harness_run_until(is_over, exchange, arena_printf(&exchange->arena, "the end of %s", exchange->name));
    return exchange->is_whole;
}

bool mid_test_wait_for(struct mid_test_exchange *exchange, const char *text)
{
    exchange->wanted = text;
    harness_run_until(is_over_or_found, exchange, arena_printf(&exchange->arena, "\"%s\" in %s", text, exchange->name));
    const char *body = mid_test_body(exchange, NULL);
    const char *found = strstr(body + exchange->searched, text);
    if (found != NULL)
        exchange->searched = (size_t)(found - body) + strlen(text);
    return found != NULL;
}

int mid_test_status(const struct mid_test_exchange *exchange)
{
    return exchange->status;
}

const char *mid_test_header(const struct mid_test_exchange *exchange, const char *name)
{
    const char *line = exchange->fields != NULL ? exchange->fields : "";
    while (*line != '\0' && value_of(line, name) == NULL)
        line = next_line(line);
    return *line != '\0' ? value_of(line, name) : NULL;
}

const char *mid_test_body(const struct mid_test_exchange *exchange, size_t *bytes)
{
    size_t head = exchange->head_bytes;
    if (bytes != NULL)
        *bytes = head > 0 ? exchange->content.length - head : 0;
    return head > 0 ? exchange->content.data + head : "";
}

bool mid_test_is_over(const struct mid_test_exchange *exchange)
{
    return exchange->is_over;
}

void mid_test_leave(struct mid_test_exchange *exchange)
{
    if (!exchange->is_over)
        end(exchange, false);
    harness_run();
}

void mid_test_stall(struct mid_test_exchange *exchange, bool is_stalled)
{
    exchange->is_stalled = is_stalled;
    harness_run();
}

void mid_test_exchange_free(struct mid_test_exchange *exchange)
{
    if (exchange == NULL)
        return;
    mid_test_leave(exchange);
    list_remove(&exchange->link);
    buffer_fini(&exchange->out);
    buffer_fini(&exchange->records);
    buffer_fini(&exchange->content);
    arena_fini(&exchange->arena);
    free(exchange);
}

void exchanges_end(void)
{
    while (!list_is_empty(&exchanges))
        mid_test_exchange_free(LIST_ELEMENT(exchanges.next, struct mid_test_exchange, link));
}

struct mid_test_exchange *mid_test_get(const char *target, struct mid_test_visitor *visitor)
{
    struct mid_test_exchange *exchange =
        mid_test_send(&(struct mid_test_request){.target = target, .visitor = visitor});
    mid_test_finish(exchange);
    return exchange;
}

struct mid_test_exchange *mid_test_post(const char *target, const char *form, struct mid_test_visitor *visitor)
{
    struct mid_test_exchange *exchange =
        mid_test_send(&(struct mid_test_request){.target = target, .body = form, .visitor = visitor});
    mid_test_finish(exchange);
    return exchange;
}
