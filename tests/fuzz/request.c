/*
 * Whole requests, as a web server sends them to a worker, through libfcgi and the dispatcher to handlers and back.
 *
 * The first byte of the input says whether the rest is the connection's bytes as they are, or what a well-formed
 * request is made of: lines "NAME=value" of parameters, an empty line, and the body. To that there is exactly one
 * answer, with a status; and what handlers are shown has the form that midstream.h promises.
 */
#include "fuzz.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/utf8.h"
#include "fcgi/request.h"
#include "http/field.h"
#include "http/request.h"
#include "metrics/layout.h"
#include "metrics/metrics.h"
#include "stream/stream.h"
#include "worker/dispatch.h"
#include "worker/liveness.h"

enum {
    STACK_BYTES = 512 * 1024,
    FIBERS = 32,
    PARAMS_MAX = 8192,
    ANSWER_MAX = 1 << 20,
    ANSWER_MS = 5000, /* to a whole request */
    LOOK_MS = 1,      /* for an answer to what may be none */
    KEEP = 1,
};

/* -------------------- handlers -------------------- */

static void check_text(const char *text)
{
    CLAIM(text == NULL || utf8_is_valid(text, strlen(text)));
}

static enum mid_error look(struct mid_request *rq)
{
    int64_t number;
    CLAIM(mid_method(rq)[0] != '\0' && mid_path(rq)[0] == '/');
    check_text(mid_path(rq));
    check_text(mid_query(rq, "a"));
    CLAIM(strlen(mid_request_id(rq)) >= 1 && strlen(mid_request_id(rq)) <= 64);
    const char *parent = mid_trace_parent(rq);
    CLAIM(parent == NULL || strlen(parent) >= 55);
    if (mid_query_int(rq, "n", -5, 5, 0, &number) == MID_OK)
        CLAIM(number >= -5 && number <= 5);
    const char *accept = mid_header(rq, "Accept");
    return mid_respond_json(rq, 200, "{\"accept\":%d}\n", accept != NULL);
}

static enum mid_error take_form(struct mid_request *rq)
{
    const char *value;
    MID_TRY(mid_form(rq, "a", &value));
    check_text(value);
    return mid_respond_text(rq, 200, value != NULL ? value : "none");
}

static enum mid_error take_body(struct mid_request *rq)
{
    char piece[7];
    size_t got;
    size_t sum = 0;
    do {
        MID_TRY(mid_body_read(rq, piece, sizeof(piece), &got));
        CLAIM(got <= sizeof(piece));
        sum += got;
    } while (got > 0);
    return mid_respond_text(rq, 200, mid_printf(rq, "%zu", sum));
}

static enum mid_error echo(struct mid_request *rq)
{
    const char *value = mid_param(rq, "value");
    CLAIM(value[0] != '\0');
    check_text(value);
    enum mid_error error = mid_set_header(rq, "X-Echo", value);
    CLAIM((error == MID_OK) == field_value_is_valid(value));
    return mid_respond_text(rq, 200, value);
}

static enum mid_error send_events(struct mid_request *rq)
{
    const char *data = mid_query(rq, "a");
    MID_TRY(mid_events_begin(rq));
    return mid_event_send(rq, &(struct mid_event){.id = "1", .data = data != NULL ? data : ""});
}

static const struct mid_route routes[] = {
    MID_GET("/", look),
    MID_GET("/a", look),
    MID_POST("/form", take_form),
    MID_POST("/body", take_body),
    MID_PUT("/body", look),
    MID_GET("/echo/{value}", echo),
    MID_GET("/events", send_events),
    {0},
};

/* -------------------- the web server's side -------------------- */

static struct {
    const uint8_t *data;
    size_t size;
} input;

static void put_record(struct buffer *out, uint8_t type, const void *content, size_t length)
{
    const uint8_t header[RECORD_HEADER_BYTES] = {1, type, 0, 1, (uint8_t)(length >> 8), (uint8_t)length};
    buffer_append(out, header, sizeof(header));
    buffer_append(out, content, length);
}

static void put_length(struct buffer *out, size_t length)
{
    const uint8_t bytes[] = {(uint8_t)(length >> 24 | 0x80), (uint8_t)(length >> 16), (uint8_t)(length >> 8),
                             (uint8_t)length};
    if (length < 0x80)
        buffer_append(out, bytes + 3, 1);
    else
        buffer_append(out, bytes, 4);
}

static void put_pair(struct buffer *out, const char *line, size_t length)
{
    const char *sign = memchr(line, '=', length);
    size_t name = sign != NULL ? (size_t)(sign - line) : length;
    size_t value = sign != NULL ? length - name - 1 : 0;
    put_length(out, name);
    put_length(out, value);
    buffer_append(out, line, name);
    buffer_append(out, line + length - value, value);
}

/* Lines up to an empty one; what is left is the body. */
static void put_request(struct buffer *out, const char *text, size_t size)
{
    static const uint8_t begin[8] = {0, 1, KEEP};
    struct buffer params = {0};
    char length_line[48];
    buffer_reserve(&params, 1);
    while (size > 0 && text[0] != '\n') {
        const char *end = memchr(text, '\n', size);
        size_t length = end != NULL ? (size_t)(end - text) : size;
        put_pair(&params, text, length);
        text += length + (end != NULL);
        size -= length + (end != NULL);
    }
    if (size > 0) {
        text++;
        size--;
    }
    snprintf(length_line, sizeof(length_line), "CONTENT_LENGTH=%zu", size);
    put_pair(&params, length_line, strlen(length_line));
    put_record(out, RECORD_BEGIN_REQUEST, begin, sizeof(begin));
    put_record(out, RECORD_PARAMS, params.data, params.length);
    put_record(out, RECORD_PARAMS, "", 0);
    if (size > 0)
        put_record(out, RECORD_STDIN, text, size);
    put_record(out, RECORD_STDIN, "", 0);
    buffer_fini(&params);
}

/* Whether an END_REQUEST is among the records, which have to be such; what STDOUT holds is appended. */
static bool read_records(const struct buffer *answer, struct buffer *out)
{
    size_t at = 0;
    bool has_end = false;
    while (answer->length - at >= RECORD_HEADER_BYTES) {
        const uint8_t *header = (const uint8_t *)answer->data + at;
        size_t content = (size_t)header[4] << 8 | header[5];
        size_t whole = RECORD_HEADER_BYTES + content + header[6];
        if (answer->length - at < whole)
            break;
        CLAIM(header[0] == 1);
        CLAIM(header[1] == RECORD_STDOUT || header[1] == RECORD_END_REQUEST || header[1] == RECORD_STDERR ||
              header[1] == RECORD_GET_VALUES_RESULT || header[1] == RECORD_UNKNOWN_TYPE);
        if (header[1] == RECORD_STDOUT)
            buffer_append(out, header + RECORD_HEADER_BYTES, content);
        has_end = has_end || header[1] == RECORD_END_REQUEST;
        at += whole;
    }
    return has_end;
}

static void check_answer(struct buffer *out)
{
    buffer_append(out, "", 1);
    int status = 0;
    CLAIM(sscanf(out->data, "Status: %d ", &status) == 1 && status >= 200 && status <= 599);
    const char *end = strstr(out->data, "\r\n\r\n");
    CLAIM(end != NULL);
    for (const char *c = out->data; c < end; c++)
        CLAIM((unsigned char)*c >= ' ' || *c == '\r' || *c == '\n' || *c == '\t');
}

MAY_SUSPEND static void read_answer(int fd, struct buffer *answer, int64_t wait_ms, bool is_awaited)
{
    enum wake wake;
    struct buffer out = {0};
    for (;;) {
        char *room = buffer_reserve(answer, 4096);
        ssize_t got = recv(fd, room, 4096, MSG_DONTWAIT);
        if (got > 0) {
            answer->length += (size_t)got;
            CLAIM(answer->length < ANSWER_MAX);
            out.length = 0;
            if (is_awaited && read_records(answer, &out))
                break;
        } else if (got == 0 || errno != EAGAIN || !loop_wait_fd(fd, EPOLLIN, wait_ms, &wake) || wake != WAKE_READY) {
            break;
        }
    }
    buffer_fini(&out);
}

MAY_SUSPEND static void exchange(void *arg)
{
    int ends[2];
    struct buffer request = {0};
    struct buffer answer = {0};
    struct buffer out = {0};
    (void)arg;
    bool is_raw = (input.data[0] & 1) != 0;
    CLAIM(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    connection_open(ends[0]);
    if (is_raw)
        buffer_append(&request, input.data + 1, input.size - 1);
    else
        put_request(&request, (const char *)input.data + 1, input.size - 1);
    CLAIM(send(ends[1], request.data, request.length, MSG_NOSIGNAL) == (ssize_t)request.length || request.length == 0);
    read_answer(ends[1], &answer, is_raw ? LOOK_MS : ANSWER_MS, !is_raw);
    bool has_end = read_records(&answer, &out);
    CLAIM(is_raw || has_end);
    if (!is_raw)
        check_answer(&out);
    close(ends[1]);
    while (connection_count() > 0)
        loop_park(1);
    buffer_fini(&request);
    buffer_fini(&answer);
    buffer_fini(&out);
    loop_stop();
}

static void set_up(void)
{
    char reason[160];
    signal(SIGPIPE, SIG_IGN);
    CLAIM(log_open("/dev/null"));
    metrics_create(routes);
    struct worker_counts *counts = metrics_enter(metrics_slot_take(0));
    liveness_enter(liveness_new());
    fiber_init(STACK_BYTES, FIBERS);
    loop_init();
    fcgi_init();
    request_init(&(struct request_settings){.body_max_bytes = 1000});
    stream_init(&(struct stream_settings){
        .heartbeat_ms = 15000, .streams_max = 10, .reconnect_ms = 1000, .counts = &counts->stream});
    dispatch_init(&(struct dispatch_settings){
        .router = router_new(routes, reason, sizeof(reason)), .after_timeout_ms = 1000, .requests_max = 100});
    connections_init(&(struct connection_settings){.serve = dispatch,
                                                   .params_max = PARAMS_MAX,
                                                   .requests_max = 100,
                                                   .request_timeout_ms = 60000,
                                                   .read_timeout_ms = 60000,
                                                   .stall_timeout_ms = 60000,
                                                   .counts = &counts->connection});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_set_up;
    if (!is_set_up)
        set_up();
    is_set_up = true;
    if (size == 0)
        return 0;
    input.data = data;
    input.size = size;
    CLAIM(loop_spawn(exchange, NULL));
    loop_run();
    return 0;
}
