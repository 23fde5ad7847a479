/*
 * AUTH, without leaving copies of the password behind.
 */
#ifndef REDIS_AUTH_H
#define REDIS_AUTH_H

#include <stdbool.h>

#include "redis/socket.h"

/* Who asks, and the proof. Both are the caller's, and outlive whoever has this; `password` NULL: nobody. */
struct redis_credentials {
    const char *username; /* NULL: the user default */
    const char *password;
};

/* Sends it, if there is a password; false: there is none, or no connection. `request` is the caller's buffer; nothing
 * of the password stays in it. The socket wipes what it has sent first. */
bool redis_auth_send(struct redis_socket *socket, struct buffer *request, const struct redis_credentials *credentials,
                     redis_answer_fn *fn, void *arg);

#endif
