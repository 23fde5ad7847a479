/*
 * One listening socket: opened from its address, or taken over from whoever started the process.
 *
 *     unix:PATH           mode 0660; a socket that nobody listens on any more is replaced, a live one is not
 *     HOST:PORT, :PORT    TCP over IPv4 or IPv6; [::]:PORT listens on both
 *     fd:N                the descriptor N, which has to be a listening socket (fd:0: as spawn-fcgi and lighttpd hand
 * over)
 */
#ifndef MASTER_LISTEN_H
#define MASTER_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Opens a non-blocking listening socket, with a backlog of 4096: nginx's connect() to a full one fails at once. `group`
 * is who may connect to a unix socket, besides its owner; NULL: the process's group. -1 with a sentence in `reason`.
 */
int listen_open(const char *address, const char *group, char *reason, size_t reason_size);

/* Makes a descriptor that was handed over ready for listening on. False with a reason: it is not a listening socket. */
bool listen_take_over(int fd, const char *address, char *reason, size_t reason_size);

/* Removes the socket's file, if it is one. */
void listen_remove(const char *address);

/* The path of a unix socket's address, or NULL. */
const char *listen_unix_path(const char *address);

/* Whether the address is one, without opening it. */
bool listen_check(const char *address, char *reason, size_t reason_size);
bool listen_check_group(const char *group, char *reason, size_t reason_size);

#endif
