/*
 * Passes on the stream of another HTTP server while it comes, as one does with a language model, and notes in the
 * session how much has come: libcurl's multi interface, on mid_wait(). Both sides are bounded: while the visitor's
 * client is slow, nothing more is read from the other server.
 *
 *     cc -O2 -o proxy main.c $(pkg-config --cflags --static --libs midstream libcurl)
 *     BACKEND=http://127.0.0.1:8000/answer midstream-run ./proxy
 *     curl -N URL/answer
 */
#include <curl/curl.h>
#include <midstream.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 1000 };

struct transfer {
    struct mid_request *rq;
    struct mid_session *session;
    CURL *easy;
    CURLM *multi;
    struct curl_slist *fields;
    int fd; /* what libcurl waits for; -1: nothing but time */
    short events;
    long timeout_ms; /* -1: for no time in particular */
    int64_t bytes;
    enum mid_error error; /* of our side */
};

static void end_transfer(void *arg)
{
    struct transfer *transfer = arg;
    curl_multi_remove_handle(transfer->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    curl_multi_cleanup(transfer->multi);
    curl_slist_free_all(transfer->fields);
}

/* The session first, so that who has seen a piece finds it noted. */
static enum mid_error pass_on(struct transfer *transfer, const char *data, size_t bytes)
{
    transfer->bytes += (int64_t)bytes;
    MID_TRY(mid_session_set_int(transfer->session, "received", transfer->bytes));
    MID_TRY(mid_session_commit(transfer->session));
    return mid_stream_write(transfer->rq, data, bytes);
}

/* A callback of libcurl's, on this fiber: it may suspend. */
static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    transfer->error = pass_on(transfer, data, size * count);
    return transfer->error == MID_OK ? size * count : CURL_WRITEFUNC_ERROR;
}

/* libcurl says which socket it waits for, and for how long at most. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
    struct transfer *transfer = arg;
    (void)easy, (void)of_socket;
    transfer->fd = what == CURL_POLL_REMOVE ? -1 : fd;
    transfer->events = (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct transfer *transfer = arg;
    (void)multi;
    transfer->timeout_ms = timeout_ms;
    return 0;
}

/* Other requests run meanwhile. */
static enum mid_error wait_for_backend(struct transfer *transfer)
{
    bool is_soon = transfer->timeout_ms >= 0 && transfer->timeout_ms < WAIT_MS;
    int64_t timeout_ms = is_soon ? transfer->timeout_ms : WAIT_MS;
    if (transfer->fd < 0)
        return mid_sleep_ms(transfer->rq, timeout_ms);
    enum mid_error error = mid_wait(transfer->rq, transfer->fd, transfer->events, timeout_ms);
    return error == MID_TIMEOUT ? MID_OK : error;
}

static enum mid_error run(struct transfer *transfer)
{
    int running = 1;
    int left;
    while (running > 0) {
        MID_TRY(wait_for_backend(transfer));
        if (transfer->fd >= 0)
            curl_multi_socket_action(transfer->multi, transfer->fd, 0, &running);
        if (running > 0)
            curl_multi_socket_action(transfer->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        MID_TRY(transfer->error);
    }
    const CURLMsg *message = curl_multi_info_read(transfer->multi, &left);
    return message != NULL && message->data.result == CURLE_OK
               ? MID_OK
               : mid_fail(transfer->rq, MID_FAILED, "the backend: %s",
                          message != NULL ? curl_easy_strerror(message->data.result) : "no result");
}

static enum mid_error answer(struct mid_request *rq)
{
    struct transfer *transfer = mid_alloc(rq, sizeof(*transfer));
    const char *backend = getenv("BACKEND");
    if (backend == NULL)
        return mid_fail(rq, MID_UNAVAILABLE, "BACKEND names no server");
    *transfer = (struct transfer){.rq = rq, .easy = curl_easy_init(), .multi = curl_multi_init(), .fd = -1};
    mid_defer(rq, end_transfer, transfer);
    MID_TRY(mid_session_open(rq, &transfer->session));
    if (mid_trace_parent(rq) != NULL)
        transfer->fields = curl_slist_append(NULL, mid_printf(rq, "traceparent: %s", mid_trace_parent(rq)));
    curl_easy_setopt(transfer->easy, CURLOPT_URL, backend);
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->fields);
    curl_easy_setopt(transfer->easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(transfer->easy, CURLOPT_WRITEDATA, transfer);
    curl_multi_setopt(transfer->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(transfer->multi, CURLMOPT_SOCKETDATA, transfer);
    curl_multi_setopt(transfer->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(transfer->multi, CURLMOPT_TIMERDATA, transfer);
    curl_multi_add_handle(transfer->multi, transfer->easy);
    MID_TRY(mid_stream_begin(rq, 200, "text/plain; charset=utf-8"));
    return run(transfer);
}

static const struct mid_route routes[] = {MID_GET("/answer", answer), {0}};

/* libcurl is made ready in each worker, before it serves. */
static enum mid_error start(struct mid_request *rq, void *context)
{
    (void)context;
    return curl_global_init(CURL_GLOBAL_DEFAULT) == 0 ? MID_OK : mid_fail(rq, MID_FAILED, "libcurl cannot be used");
}

static void stop(void *context)
{
    (void)context;
    curl_global_cleanup();
}

int main(int argc, char **argv)
{
    return mid_run(argc, argv, &(struct mid_app){.routes = routes, .on_start = start, .on_stop = stop});
}
