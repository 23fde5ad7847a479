/*
 * HTTP from a test. See http.h.
 *
 * DESIGN: every exchange is a stream on a thread of its own with a curl multi handle, so that it can be woken and left
 * at any time; http_send() waits for its end. The thread owns the curl handles; `mutex` guards everything that both
 * sides read. A visitor's jar has a lock of its own.
 */
#include "support/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/panic.h"
#include "support/owned.h"

enum {
    DEFAULT_TIMEOUT_MS = 30000,
    POLL_MS = 1000,
};

struct http_stream {
    /* read-only after the thread has started */
    CURL *easy;
    CURLM *multi;
    struct curl_slist *headers;
    struct cookie_jar *jar; /* the visitor's, or NULL */
    http_on_piece *on_piece;
    void *on_piece_arg;
    int64_t start_us;
    pthread_t thread;

    /* both threads, under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct http_response response;
    struct buffer pieces; /* of struct http_piece */
    bool has_head;
    bool has_ended;
    bool is_leaving;
};

/* libcurl is set up once per process, before there is a second thread. */
static void set_up_once(void)
{
    static bool is_done;
    if (!is_done)
        ENSURE(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    is_done = true;
}

/* -------------------- the stream's thread -------------------- */

/* The NUL behind the bytes is kept up to date, and not counted. */
static void append_terminated(struct buffer *buffer, const char *data, size_t bytes)
{
    buffer_append(buffer, data, bytes);
    *buffer_reserve(buffer, 1) = '\0';
}

static size_t take_head(char *data, size_t size, size_t count, void *arg)
{
    struct http_stream *stream = arg;
    size_t bytes = size * count;
    pthread_mutex_lock(&stream->mutex);
    struct http_response *response = &stream->response;
    if (bytes >= 5 && memcmp(data, "HTTP/", 5) == 0)
        response->head.length = 0;
    append_terminated(&response->head, data, bytes);
    if (stream->jar)
        cookie_jar_take(stream->jar, data, bytes);
    if (bytes <= 2) {
        long status = 0;
        curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
        response->status = (int)status;
        /* 100 Continue is followed by the head itself. */
        stream->has_head = status >= 200;
        pthread_cond_broadcast(&stream->changed);
    }
    pthread_mutex_unlock(&stream->mutex);
    return bytes;
}

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct http_stream *stream = arg;
    struct http_piece piece = {.bytes = size * count, .at_us = clock_monotonic_us() - stream->start_us};
    pthread_mutex_lock(&stream->mutex);
    piece.offset = stream->response.body.length;
    append_terminated(&stream->response.body, data, piece.bytes);
    buffer_append(&stream->pieces, &piece, sizeof(piece));
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->mutex);
    if (stream->on_piece)
        stream->on_piece(&piece, data, stream->on_piece_arg);
    return piece.bytes;
}

static bool is_leaving(struct http_stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    bool answer = stream->is_leaving;
    pthread_mutex_unlock(&stream->mutex);
    return answer;
}

/* Drives the transfer to its end. Returns the curl code. */
static CURLcode transfer(struct http_stream *stream)
{
    int running = 1;
    while (running > 0) {
        if (is_leaving(stream))
            return CURLE_ABORTED_BY_CALLBACK;
        CURLMcode code = curl_multi_perform(stream->multi, &running);
        if (code == CURLM_OK && running > 0)
            code = curl_multi_poll(stream->multi, NULL, 0, POLL_MS, NULL);
        if (code != CURLM_OK)
            panic("curl: %s", curl_multi_strerror(code));
    }
    int left;
    CURLMsg *message = curl_multi_info_read(stream->multi, &left);
    ENSURE(message != NULL && message->msg == CURLMSG_DONE);
    return message->data.result;
}

static void note_end(struct http_stream *stream, CURLcode code)
{
    long version = 0;
    curl_off_t first_us = 0;
    curl_off_t total_us = 0;
    curl_easy_getinfo(stream->easy, CURLINFO_HTTP_VERSION, &version);
    curl_easy_getinfo(stream->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
    curl_easy_getinfo(stream->easy, CURLINFO_TOTAL_TIME_T, &total_us);
    pthread_mutex_lock(&stream->mutex);
    stream->response.curl_code = (int)code;
    stream->response.error = curl_easy_strerror(code);
    stream->response.http_version = version == CURL_HTTP_VERSION_2_0 ? 20 : version == CURL_HTTP_VERSION_1_1 ? 11 : 10;
    stream->response.first_byte_us = first_us;
    stream->response.total_us = total_us;
    stream->has_ended = true;
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->mutex);
}

static void *run_stream(void *arg)
{
    struct http_stream *stream = arg;
    CURLcode code = transfer(stream);
    note_end(stream, code);
    curl_multi_remove_handle(stream->multi, stream->easy);
    curl_easy_cleanup(stream->easy);
    curl_multi_cleanup(stream->multi);
    return NULL;
}

/* -------------------- the test's side -------------------- */

static void set_body(CURL *easy, const struct http_request *request)
{
    size_t bytes = request->body_bytes > 0 ? request->body_bytes : strlen(request->body);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
}

static void set_method(CURL *easy, const struct http_request *request)
{
    const char *method = request->method ? request->method : "GET";
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else if (request->body || strcmp(method, "POST") == 0)
        set_body(easy, request->body ? request : &(struct http_request){.body = ""});
    /* Also names what the options above have implied, which is the same or less. */
    if (strcmp(method, "HEAD") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static bool has_field(const struct http_request *request, const char *name)
{
    for (const char *const *header = request->headers; header && *header; header++)
        if (strncasecmp(*header, name, strlen(name)) == 0)
            return true;
    return false;
}

/* As browsers do: an unsafe request with cookies says where it comes from. NULL: it need not, or the test says it. */
static char *origin_field(const struct http_request *request)
{
    bool is_unsafe = request->method && strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0;
    const char *host = strstr(request->url, "://");
    if (!request->visitor || !is_unsafe || !host || has_field(request, "Origin:") || has_field(request, "Sec-Fetch-"))
        return NULL;
    size_t length = (size_t)(host - request->url) + 3;
    length += strcspn(request->url + length, "/");
    char *field = NULL;
    ENSURE(asprintf(&field, "Origin: %.*s", (int)length, request->url) > 0);
    return field;
}

static CURL *easy_for(const struct http_request *request, struct http_stream *stream)
{
    CURL *easy = curl_easy_init();
    ENSURE(easy != NULL);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     request->timeout_ms > 0 ? (long)request->timeout_ms : DEFAULT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     request->has_http2 ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)request->receive_bytes_per_s);
    if (request->unix_socket)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, stream);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, stream);
    set_method(easy, request);
    for (const char *const *header = request->headers; header && *header; header++)
        stream->headers = curl_slist_append(stream->headers, *header);
    OWNED char *origin = origin_field(request);
    if (origin)
        stream->headers = curl_slist_append(stream->headers, origin);
    /* No 100-continue: a test that wants the exchange asks for it with a header of its own. */
    stream->headers = curl_slist_append(stream->headers, "Expect:");
    OWNED char *cookies = request->visitor ? cookie_jar_field(request->visitor) : NULL;
    if (cookies)
        stream->headers = curl_slist_append(stream->headers, cookies);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, stream->headers);
    return easy;
}

struct http_stream *http_stream_open(const struct http_request *request, http_on_piece *on_piece, void *arg)
{
    set_up_once();
    struct http_stream *stream = calloc(1, sizeof(*stream));
    ENSURE(stream != NULL);
    stream->on_piece = on_piece;
    stream->on_piece_arg = arg;
    stream->jar = request->visitor;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&stream->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&stream->mutex, NULL);
    append_terminated(&stream->response.head, "", 0);
    append_terminated(&stream->response.body, "", 0);
    stream->easy = easy_for(request, stream);
    stream->multi = curl_multi_init();
    ENSURE(stream->multi != NULL && curl_multi_add_handle(stream->multi, stream->easy) == CURLM_OK);
    stream->start_us = clock_monotonic_us();
    ENSURE(pthread_create(&stream->thread, NULL, run_stream, stream) == 0);
    return stream;
}

struct wish {
    size_t bytes;
    const char *text;
};

typedef bool stream_claim(const struct http_stream *stream, const struct wish *wish);

static bool has_head(const struct http_stream *stream, const struct wish *wish)
{
    (void)wish;
    return stream->has_head;
}

static bool has_bytes(const struct http_stream *stream, const struct wish *wish)
{
    return stream->response.body.length >= wish->bytes;
}

static bool has_text(const struct http_stream *stream, const struct wish *wish)
{
    const struct buffer *body = &stream->response.body;
    return memmem(body->data, body->length, wish->text, strlen(wish->text)) != NULL;
}

static bool has_ended(const struct http_stream *stream, const struct wish *wish)
{
    (void)wish;
    return stream->has_ended;
}

static bool wait_for(struct http_stream *stream, stream_claim *claim, const struct wish *wish, int timeout_ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    struct timespec deadline = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};
    int error = 0;
    bool holds;
    pthread_mutex_lock(&stream->mutex);
    while (!(holds = claim(stream, wish)) && !stream->has_ended && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&stream->changed, &stream->mutex, &deadline);
    pthread_mutex_unlock(&stream->mutex);
    return holds;
}

int http_stream_wait_head(struct http_stream *stream, int timeout_ms)
{
    if (!wait_for(stream, has_head, NULL, timeout_ms))
        return 0;
    pthread_mutex_lock(&stream->mutex);
    int status = stream->response.status;
    pthread_mutex_unlock(&stream->mutex);
    return status;
}

bool http_stream_wait_text(struct http_stream *stream, const char *text, int timeout_ms)
{
    return wait_for(stream, has_text, &(struct wish){.text = text}, timeout_ms);
}

bool http_stream_wait_bytes(struct http_stream *stream, size_t bytes, int timeout_ms)
{
    return wait_for(stream, has_bytes, &(struct wish){.bytes = bytes}, timeout_ms);
}

bool http_stream_wait_end(struct http_stream *stream, int timeout_ms)
{
    return wait_for(stream, has_ended, NULL, timeout_ms);
}

size_t http_stream_piece_count(struct http_stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    size_t count = stream->pieces.length / sizeof(struct http_piece);
    pthread_mutex_unlock(&stream->mutex);
    return count;
}

struct http_piece http_stream_piece(struct http_stream *stream, size_t index)
{
    struct http_piece piece;
    ENSURE(index < http_stream_piece_count(stream));
    pthread_mutex_lock(&stream->mutex);
    memcpy(&piece, stream->pieces.data + index * sizeof(piece), sizeof(piece));
    pthread_mutex_unlock(&stream->mutex);
    return piece;
}

char *http_stream_body(struct http_stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    char *copy = strdup(stream->response.body.data);
    pthread_mutex_unlock(&stream->mutex);
    ENSURE(copy != NULL);
    return copy;
}

void http_stream_close(struct http_stream *stream, struct http_response *response)
{
    if (!stream)
        return;
    pthread_mutex_lock(&stream->mutex);
    stream->is_leaving = true;
    /* The thread frees the multi handle after has_ended, which it sets under the mutex. */
    if (!stream->has_ended)
        curl_multi_wakeup(stream->multi);
    pthread_mutex_unlock(&stream->mutex);
    pthread_join(stream->thread, NULL);
    if (response)
        *response = stream->response;
    else
        http_response_fini(&stream->response);
    curl_slist_free_all(stream->headers);
    buffer_fini(&stream->pieces);
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->mutex);
    free(stream);
}

void http_send(const struct http_request *request, struct http_response *response)
{
    struct http_stream *stream = http_stream_open(request, NULL, NULL);
    pthread_mutex_lock(&stream->mutex);
    /* The transfer has a time limit of its own. */
    while (!stream->has_ended)
        pthread_cond_wait(&stream->changed, &stream->mutex);
    pthread_mutex_unlock(&stream->mutex);
    http_stream_close(stream, response);
}

void http_response_fini(struct http_response *response)
{
    buffer_fini(&response->head);
    buffer_fini(&response->body);
    *response = (struct http_response){0};
}

char *http_response_header(const struct http_response *response, const char *name, size_t index)
{
    size_t length = strlen(name);
    for (const char *line = response->head.data; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, name, length) != 0 || line[length] != ':' || index-- > 0)
            continue;
        const char *value = line + length + 1;
        value += strspn(value, " \t");
        return strndup(value, strcspn(value, "\r\n"));
    }
    return NULL;
}
