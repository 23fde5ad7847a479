/*
 * A listening socket: accepts connections and opens them.
 */
#ifndef FCGI_LISTENER_H
#define FCGI_LISTENER_H

#include <stdbool.h>

/*
 * Begins to accept on a listening, non-blocking socket, which stays the caller's. With `is_shared`, other processes
 * accept on it too: one connection is taken at a time, so that the others get theirs. False with errno.
 */
bool listener_start(int fd, bool is_shared);

/*
 * Takes the connections that wait already, then stops accepting on all listening sockets: the kernel may have woken
 * this process for them and no other.
 */
void listeners_stop(void);

#endif
