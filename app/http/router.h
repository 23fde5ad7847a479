/*
 * Which route answers a request.
 *
 * A path is split at its '/' first and decoded afterwards, so that an encoded "%2F" stays inside of its segment. A
 * parameter matches one segment that is not empty; where several patterns match, the one with a literal at the first
 * segment in which they differ wins, among those that have the method. A last parameter "{name...}" matches all
 * segments that are left, and comes behind all others; in these, an encoded "%2F" is refused, because it could not be
 * told from the '/' between them. Segments "." and ".." are refused: nginx has resolved them when it chose its
 * location, and what it checked has to be what is answered.
 */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include <stddef.h>

#include "base/arena.h"
#include "midstream.h"

struct router;

enum { ROUTE_PARAMS_MAX = 8 };

struct route_param {
    const char *name;  /* the router's */
    const char *value; /* decoded, in the arena */
};

struct route_match {
    const struct mid_route *route;
    size_t param_count;
    struct route_param params[ROUTE_PARAMS_MAX];
    const char *allow; /* only with MID_METHOD: the value of the Allow field, "GET, HEAD, POST", in the arena */
};

/*
 * Reads a table that ends with an all-zero row; it stays the caller's and has to outlive the router. NULL with a reason
 * that names the route: it is malformed, or there twice. HEAD has no routes of its own: those of GET answer it.
 */
struct router *router_new(const struct mid_route routes[], char *reason, size_t reason_size);
void router_free(struct router *router); /* NULL is fine */

/*
 * `path_raw` is the path as the client wrote it; it ends at its NUL or at a '?', so that REQUEST_URI may be given as it
 * is. A route without parameters whose path is spelled plainly costs one look into a table and no memory.
 * MID_BAD_REQUEST: malformed percent-encoding, a NUL, bytes that are not UTF-8, a segment "." or "..".
 * MID_NOT_FOUND; MID_METHOD: the path has routes, but for other methods.
 */
MID_CHECK enum mid_error router_match(const struct router *router, const char *method, const char *path_raw,
                                      struct route_match *match, struct arena *arena);

/* The routes in the order in which they are tried, beginning with 0; NULL behind the last one. */
const struct mid_route *router_route(const struct router *router, size_t number);

/* The value of a parameter; NULL: the pattern does not have it. */
const char *route_match_param(const struct route_match *match, const char *name);

#endif
