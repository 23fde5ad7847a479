/*
 * The application as a whole: its routes, its tasks, and what each worker does at its start and end.
 */
#ifndef MIDSTREAM_APP_H
#define MIDSTREAM_APP_H

#include <stdint.h>

#include "midstream/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mid_request;
struct mid_task_type;

/* The version of this header. mid_version() is that of the library. */
#define MID_VERSION_MAJOR 0
#define MID_VERSION_MINOR 1
#define MID_VERSION_PATCH 0

MID_PUBLIC const char *mid_version(void); /* "0.1.0" */

typedef enum mid_error mid_handler(struct mid_request *rq);

/*
 * A route, as a row of a table:
 *
 *     static const struct mid_route routes[] = {
 *         MID_GET("/report/{name}", report),
 *         MID_POST("/hook/{rest...}", hook, .body_max_bytes = 65536, .timeout_ms = 5000),
 *         {0},
 *     };
 *
 * The pattern is a decoded path whose segments may be parameters: "{name}" matches one segment that is not empty; as
 * the last one, "{name...}" matches all that follows, which has its '/' and is not empty. There is no '*', and no
 * pattern but "/" ends with '/': a request for "/a/" is not one for "/a". Of several patterns that match, a literal
 * segment comes before a parameter, and a parameter before "{name...}".
 *
 * A GET route also answers HEAD, and a HEAD that reaches a stream starts no work. OPTIONS is answered by the runtime,
 * with the methods of the path (RFC 9110, 9.3.7), unless there is a route for it. The table ends with an all-zero row.
 * A malformed row, or one that is there twice, is an error at the start (exit code 1), which names it; `check` finds
 * it, too. Strings and the table stay the caller's.
 */
struct mid_route {
    const char *method;
    const char *pattern;
    mid_handler *handler;

    /* Called before the handler; NULL: nothing is. An error is that of the request, and a response the request's: then
     * the handler is not called. For what several routes have in common: a login that is needed, say. May suspend. */
    mid_handler *before;

    /* The limit of the body, as by mid_body_limit(); 0: the setting body-max-bytes. */
    uint64_t body_max_bytes;

    /* The time limit, as by mid_time_limit(); 0: the setting request-timeout-ms; -1: none. */
    int64_t timeout_ms;

    /*
     * Which other sites' pages may call this route: "*", or origins with spaces between them, as in "https://a.example
     * https://b.example:8443"; NULL: those of the setting trusted-origins only, and they cannot read the response. The
     * fields of the CORS protocol are set, and preflights are answered (Fetch, 3.2). Other sites come without a
     * session: mid_session_open() returns MID_FORBIDDEN to an unsafe request of theirs, and the response of none is
     * readable to them if it was sent with cookies; but for the origins that trusted-origins names as well.
     */
    const char *cross_site;
};

/* Rows of routes: pattern, handler, and any other members by their names. */
/* clang-format off */
#define MID_GET(...)            {.method = "GET", __VA_ARGS__}
#define MID_POST(...)           {.method = "POST", __VA_ARGS__}
#define MID_PUT(...)            {.method = "PUT", __VA_ARGS__}
#define MID_PATCH(...)          {.method = "PATCH", __VA_ARGS__}
#define MID_DELETE(...)         {.method = "DELETE", __VA_ARGS__}
#define MID_ROUTE(method_, ...) {.method = (method_), __VA_ARGS__}
/* clang-format on */

/*
 * An application. Members that are absent are 0. It stays the caller's, and is the same in every process; what
 * `context` points to is copied by fork(2), so each worker has its own from then on.
 */
struct mid_app {
    const struct mid_route *routes;    /* ends with an all-zero row; NULL: none */
    const struct mid_task_type *tasks; /* what `work` can do; ends with an all-zero row; NULL: none */

    /*
     * Called in each worker, of requests and of tasks, before its first one: to open what a worker needs, such as a
     * connection to a database. `rq` is a request without a client, for mid_redis(), mid_wait(), mid_offload() and
     * mid_log(); it has no session. May suspend. An error is logged and ends the worker, which is started again after a
     * pause.
     */
    enum mid_error (*on_start)(struct mid_request *rq, void *context);

    /* Called in each worker that has started, after its last request, also when some were cut by the end of the drain
     * timeout. May not suspend. A worker that dies does not call it. */
    void (*on_stop)(void *context);

    void *context; /* mid_context() */
};

/*
 * The whole program: `serve`, `work`, `task`, `keygen`, `check`, `version`; see midstream(8). Returns the exit code.
 *
 * The master forks the workers before they have a thread. A handler may start a program by posix_spawn(3) or fork and
 * exec, and waits for it by a pidfd and mid_wait(), as examples/child shows; SIGCHLD has its default action and is not
 * to be caught, nor are SIGTERM, SIGHUP and SIGUSR1. Threads that an application starts may call nothing of this
 * library.
 */
MID_PUBLIC int mid_run(int argc, char **argv, const struct mid_app *app);

/* The same for routes alone, and the tasks of mid_task_register(). */
MID_PUBLIC int mid_main(int argc, char **argv, const struct mid_route *routes);

#ifdef __cplusplus
}
#endif

#endif
