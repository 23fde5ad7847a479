/*
 * Cookies of sessions that the server made for us: each is fetched as a visitor without a session would get it.
 */
#ifndef LOAD_COOKIES_H
#define LOAD_COOKIES_H

#include <netinet/in.h>

#include "request.h"

/* Heap; give it back with cookies_free(). */
struct cookies {
    char **texts; /* "name=value" */
    unsigned count;
};

/*
 * Sends the request `count` times, one after the other, and takes the first Set-Cookie of each answer. Blocks. False,
 * with a line on standard error, when the server did not answer 2xx with a cookie.
 */
MID_CHECK bool cookies_fetch(struct cookies *cookies, const struct sockaddr_in *address, const struct request *request,
                             unsigned count);

/* One a line. False when the file cannot be written. */
MID_CHECK bool cookies_write(const struct cookies *cookies, const char *path);

void cookies_free(struct cookies *cookies);

#endif
