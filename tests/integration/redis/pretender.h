/*
 * What takes itself for a Redis, at the path where the test's was: for answers that none gives.
 */
#ifndef INTEGRATION_REDIS_PRETENDER_H
#define INTEGRATION_REDIS_PRETENDER_H

#include <pthread.h>
#include <stddef.h>

/* In an answer: what follows is sent a little later. */
#define PRETENDER_CUT "\x01"

/* Writes the answer to a request, which came in one piece. Runs on the pretender's thread. */
typedef void pretender_fn(const char *request, char *reply, size_t size);

struct pretender {
    int listen_fd;
    pretender_fn *answer;
    pthread_t thread;
};

void pretender_start(struct pretender *pretender, pretender_fn *answer);

/* The same at a port of 127.0.0.1, which is returned. */
int pretender_start_tcp(struct pretender *pretender, pretender_fn *answer);

/* Once the client has gone. */
void pretender_stop(struct pretender *pretender);

#endif
