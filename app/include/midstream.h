/*
 * Midstream: web applications that stream, in C.
 *
 * This header is the whole contract between the runtime and an application. A handler is a plain function that runs on
 * a fiber of its own: it reads as straight-line code, and the calls marked "may suspend" let other requests run
 * meanwhile. Nothing here may be called from another thread.
 *
 *     static enum mid_error hello(struct mid_request *rq)
 *     {
 *         return mid_respond_text(rq, 200, "Hello\n");
 *     }
 *
 *     static const struct mid_route routes[] = {MID_GET("/hello", hello), {0}};
 *
 *     int main(int argc, char **argv)
 *     {
 *         return mid_main(argc, argv, routes);
 *     }
 *
 * Memory. Strings that the runtime returns belong to the request and live until its last after-response function has
 * returned, but for the values of a session, which say how long. Strings passed to the runtime are copied where they
 * are needed later.
 *
 * Errors. Results come through out-parameters, which are written only when the call returns MID_OK. An error that a
 * handler returns before the head has left becomes the response, with the HTTP status of the table below; after the
 * head, the response is cut so that the client can tell that it is not complete.
 */
#ifndef MIDSTREAM_H
#define MIDSTREAM_H

#include "midstream/app.h"
#include "midstream/error.h"
#include "midstream/log.h"
#include "midstream/redis.h"
#include "midstream/request.h"
#include "midstream/response.h"
#include "midstream/session.h"
#include "midstream/stream.h"
#include "midstream/task.h"
#include "midstream/wait.h"

#endif
