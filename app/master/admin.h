/*
 * The admin listener: /metrics, /live and /ready over HTTP, on a socket of its own that is not nginx's.
 *
 * It is served by a process that the master forks and keeps running, and that reads nothing but the shared metrics. So
 * it answers at once, whatever the workers and Redis are doing. These functions are the master's.
 */
#ifndef MASTER_ADMIN_H
#define MASTER_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens the socket, after metrics_create(). NULL as the address: there is no admin listener, and the other functions do
 * nothing. False with a sentence. */
bool admin_open(const char *address, char *reason, size_t reason_size);

/*
 * Starts the process if it does not run and is due; the milliseconds until it is due, INT32_MAX while it runs. The
 * signals of the master have to be blocked; `forget` drops, in the new process, what that one need not know.
 */
int64_t admin_start_due(void (*forget)(void));

/* Whether the child that was waited for was the admin process; it is to be started again then. */
bool admin_note_end(pid_t pid, int status);

/* In a worker that was just forked: closes the socket, which is not the worker's. */
void admin_leave(void);

/* Ends the process, waits for it, and removes the socket. */
void admin_close(void);

#endif
