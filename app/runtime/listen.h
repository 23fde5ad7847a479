/*
 * Listening sockets, opened by the master and inherited by its workers.
 */
#ifndef RUNTIME_LISTEN_H
#define RUNTIME_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Opens a non-blocking listening socket at "unix:PATH" (mode 0660; a socket that nobody listens on any more is
 * replaced, a live one is not) or "HOST:PORT", with a backlog of 4096: nginx's connect() to a full one fails at once.
 * -1 with a sentence in `reason`.
 */
int listen_open(const char *address, char *reason, size_t reason_size);

/* The address of one worker: each '%' becomes its number. */
void listen_address(const char *pattern, int worker, char *address, size_t size);
bool listen_is_per_worker(const char *pattern);

/* Removes the socket's file, if it is one. */
void listen_remove(const char *address);

#endif
