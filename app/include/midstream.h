/*
 * Midstream: web applications that stream, in C.
 *
 * This header and those that it includes are the complete API. A handler is a plain function that runs on its own
 * fiber: it is straight-line code, and calls that "may suspend" let other requests run. Nothing here may be called from
 * another thread.
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
 * Memory. Returned strings belong to the request and live until its last after-response function has returned, except
 * for session values, whose lifetime is described there. Strings passed to the runtime are copied if they are needed
 * later.
 *
 * Errors. Results are returned through out-parameters, which are written only if the call returns MID_OK. If a handler
 * returns an error before the head is sent, the error becomes the response, with the HTTP status of the table in
 * midstream/error.h: as text ("403 Forbidden: the detail of mid_fail()"), or, if the Accept header prefers
 * application/json, as {"error":"MID_FORBIDDEN","status":403,"detail":"..."}. Afterwards the response is truncated so
 * that the client can detect it. Errors of nginx itself, such as a body above its limit, are always JSON.
 */
#ifndef MIDSTREAM_H
#define MIDSTREAM_H

#include "midstream/app.h"
#include "midstream/durable.h"
#include "midstream/error.h"
#include "midstream/log.h"
#include "midstream/redis.h"
#include "midstream/request.h"
#include "midstream/response.h"
#include "midstream/session.h"
#include "midstream/stream.h"
#include "midstream/task.h"
#include "midstream/user.h"
#include "midstream/wait.h"

#endif
