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
 * the last one, "{name...}" matches the rest of the path, up to 256 segments with the '/' between them; it is not
 * empty. '*' is not supported, and no pattern but "/" ends with '/': "/a/" and "/a" are different paths. If several
 * patterns match, a literal segment takes precedence over a parameter, and a parameter over "{name...}".
 *
 * A GET route also answers HEAD; for a HEAD request a stream ends with its head. The runtime answers OPTIONS with the
 * methods of the path (RFC 9110, 9.3.7), unless a route handles it. The table ends with an all-zero row. A malformed or
 * duplicate row is reported at startup (exit code 1) and by `check`. The table and its strings are not copied.
 */
struct mid_route {
    const char *method;
    const char *pattern;
    mid_handler *handler;

    /* Called before the handler; may be NULL. If it returns an error or gives a response, the handler is not called.
     * Use it for what several routes have in common, such as a required login. May suspend. */
    mid_handler *before;

    /* The body limit, as set by mid_body_limit(); 0: the setting body-max-bytes. nginx has a limit of 1 MiB as well,
     * and one of 60 s for the response: `midstream nginx` prints locations that raise them, and midstream-run uses
     * these. */
    uint64_t body_max_bytes;

    /* The time limit, as set by mid_time_limit(); 0: the setting request-timeout-ms; -1: none. */
    int64_t timeout_ms;

    /*
     * The origins whose pages may call this route: "*", or a list separated by spaces, such as "https://a.example
     * https://b.example:8443". NULL: only those of the setting trusted-origins, and they cannot read the response. The
     * runtime sends the CORS headers and answers preflight requests (Fetch, 3.2). A request made by a page of another
     * site has no session: mid_session_open() returns MID_FORBIDDEN, and mid_session_find() finds none. (A link that a
     * visitor follows from there is their own request.) Origins that are listed in trusted-origins as well are exempt.
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
 * An application. Members that are not set are 0. The struct is not copied. What `context` points to is copied by
 * fork(2), so each worker has its own.
 */
struct mid_app {
    const struct mid_route *routes;    /* ends with an all-zero row; NULL: none */
    const struct mid_task_type *tasks; /* what `work` can do; ends with an all-zero row; NULL: none */

    /*
     * Called in each worker (of requests and of tasks) before its first request, to open what the worker needs, such as
     * a database connection. `rq` has no client and no session; it can be used with mid_redis(), mid_wait(),
     * mid_offload() and mid_log(). May suspend. If it returns an error, the error is logged and the worker is restarted
     * after a pause.
     */
    enum mid_error (*on_start)(struct mid_request *rq, void *context);

    /* Called in each worker after its last request, including when the drain timeout ended some requests. Must not
     * suspend. Not called if on_start was not reached or failed, or if the worker crashed. */
    void (*on_stop)(void *context);

    void *context; /* mid_context() */
};

/*
 * The whole program: `serve`, `work`, `task`, `keygen`, `check`, `version`; see midstream(8). Returns the exit code.
 *
 * Handlers may start programs with posix_spawn(3), or fork and exec, and read their output with mid_wait();
 * examples/child shows how to reset the signals that a worker blocks. Do not handle SIGCHLD, SIGTERM, SIGHUP or
 * SIGUSR1. Threads started by the application must not call this library.
 */
MID_PUBLIC int mid_run(int argc, char **argv, const struct mid_app *app);

/* Short form for an application that has only routes, and tasks registered with mid_task_register(). */
MID_PUBLIC int mid_main(int argc, char **argv, const struct mid_route *routes);

#ifdef __cplusplus
}
#endif

#endif
