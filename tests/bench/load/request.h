/* Requests, as a browser's own page sends them. */
#ifndef LOAD_REQUEST_H
#define LOAD_REQUEST_H

#include <netinet/in.h>
#include <stdbool.h>

#include "midstream.h"

struct request {
    const char *method;
    const char *path;
    const char *cookie; /* "name=value"; NULL: none is sent */
    const char *form;   /* the body, as application/x-www-form-urlencoded; NULL: none */
};

/* A connection whose reads give up after ten seconds. Blocks; -1: there is none. */
MID_CHECK int request_connect(const struct sockaddr_in *server);

/* Sends it whole: a connection that waits for nothing else takes so few bytes, or is none any more (false). */
MID_CHECK bool request_send(int fd, const struct request *request);

#endif
