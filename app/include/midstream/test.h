/*
 * Tests of handlers, in the process of the test: the library midstream-test (pkg-config --static --libs
 * midstream-test, instead of midstream).
 *
 *     mid_test_begin(&app, NULL);
 *     struct mid_test_exchange *stream = mid_test_send(&(struct mid_test_request){.target = "/countdown"});
 *     assert(mid_test_wait_for(stream, "3\n"));
 *     mid_test_advance_ms(2000);
 *     assert(mid_test_finish(stream) && strcmp(mid_test_body(stream, NULL), "3\n2\n1\n") == 0);
 *     mid_test_end();
 *
 * A worker runs in the calling thread, and only during the calls of this header: between them nothing happens, so a
 * test can set a breakpoint in a handler and look at its own variables without locks. The test plays the web server
 * over a real FastCGI connection. Sessions and tasks are kept in a Redis server that is started for the test and ended
 * with it (redis-server has to be installed). Tasks can be added, but not processed.
 *
 * SIGPIPE is ignored from mid_test_begin() on. Misuse, a worker that makes no progress for 10 seconds, and a handler
 * that does not suspend for 10 seconds (it may ignore MID_GONE in a loop) end the process by abort(3) with a message.
 */
#ifndef MIDSTREAM_TEST_H
#define MIDSTREAM_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "midstream/app.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Starts the application, including its on_start, as `serve` does. `settings` are "name=value" (see
 * midstream-settings(5)) with NULL at the end; NULL: none. `app` and the strings must outlive mid_test_end(). Once per
 * process; test frameworks that run each test in its own process, such as Criterion, can call it in every test.
 */
MID_PUBLIC void mid_test_begin(const struct mid_app *app, const char *const settings[]);

/* Ends all requests as if their clients had left, then the worker, with on_stop. Frees exchanges that were not freed.
 */
MID_PUBLIC void mid_test_end(void);

/*
 * Advances the clock that timeouts, sleeps and heartbeats use, and runs the worker until nothing is left to do at that
 * time. Timers that are due on the way fire in their order, at their time. The clock does not stop otherwise. Redis's
 * clock, which session lifetimes and delayed tasks use, is not affected.
 */
MID_PUBLIC void mid_test_advance_ms(int64_t ms);

/* -------------------- visitors -------------------- */

/* A browser: it keeps the cookies that it receives, and sends them. */
struct mid_test_visitor;
MID_PUBLIC struct mid_test_visitor *mid_test_visitor_new(void);
MID_PUBLIC void mid_test_visitor_free(struct mid_test_visitor *visitor); /* NULL is fine */

/* A cookie's value, which belongs to the visitor until the next response; NULL: there is none. */
MID_PUBLIC const char *mid_test_visitor_cookie(const struct mid_test_visitor *visitor, const char *name);

/* -------------------- requests and responses -------------------- */

struct mid_test_request {
    const char *method;               /* NULL: GET, or POST if there is a body */
    const char *target;               /* path and query, percent-encoded */
    const char *const *headers;       /* "Name: value", NULL at the end; or NULL. Content-Type is content_type. */
    const char *content_type;         /* NULL: application/x-www-form-urlencoded, if there is a body */
    const void *body;                 /* NULL: none */
    size_t bytes;                     /* 0: the body is a string */
    struct mid_test_visitor *visitor; /* NULL: without cookies */
    bool is_stalled;                  /* as mid_test_stall(), from the beginning */
};

/*
 * A request and its response. It is sent as by a page of the site: Host is "localhost", and an unsafe method has the
 * header Sec-Fetch-Site: same-origin, unless the headers contain Origin or Sec-Fetch-Site. Returns when the worker has
 * nothing left to do but to wait. To be freed by mid_test_exchange_free().
 */
struct mid_test_exchange;
MID_PUBLIC struct mid_test_exchange *mid_test_send(const struct mid_test_request *request);

/* Runs the worker until the response has ended, or contains the text behind what an earlier call has found. False: the
 * response was cut (mid_test_finish()), or ended without the text (mid_test_wait_for()). A stream that goes on without
 * end, and without the text, is waited for without end: advance the clock instead. */
MID_PUBLIC bool mid_test_finish(struct mid_test_exchange *exchange);
MID_PUBLIC bool mid_test_wait_for(struct mid_test_exchange *exchange, const char *text);

/* What has arrived so far: the status (0: nothing yet), a header field by its name (the first; NULL: none), and the
 * content, NUL-terminated. They belong to the exchange until the next call that runs the worker. */
MID_PUBLIC int mid_test_status(const struct mid_test_exchange *exchange);
MID_PUBLIC const char *mid_test_header(const struct mid_test_exchange *exchange, const char *name);
MID_PUBLIC const char *mid_test_body(const struct mid_test_exchange *exchange, size_t *bytes); /* `bytes` may be NULL */

/* Whether the response has ended; it may have been cut. */
MID_PUBLIC bool mid_test_is_over(const struct mid_test_exchange *exchange);

/* The client disconnects, and the worker runs until it has nothing left to do but to wait. */
MID_PUBLIC void mid_test_leave(struct mid_test_exchange *exchange);

/* The client stops reading; or reads again. */
MID_PUBLIC void mid_test_stall(struct mid_test_exchange *exchange, bool is_stalled);

/* Disconnects if the response has not ended. NULL is fine. */
MID_PUBLIC void mid_test_exchange_free(struct mid_test_exchange *exchange);

/* Short forms: the whole response. */
MID_PUBLIC struct mid_test_exchange *mid_test_get(const char *target, struct mid_test_visitor *visitor);
MID_PUBLIC struct mid_test_exchange *mid_test_post(const char *target, const char *form,
                                                   struct mid_test_visitor *visitor);

#ifdef __cplusplus
}
#endif

#endif
