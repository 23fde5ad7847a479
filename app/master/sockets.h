/*
 * The listening sockets of the pool: opened once by the master, inherited by every worker, and kept over reloads, so
 * that no connection is ever refused in between.
 */
#ifndef MASTER_SOCKETS_H
#define MASTER_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "settings/settings.h"
#include "worker/worker.h"

/*
 * Opens all sockets of the setting `listen` for that many workers. False with a sentence in `reason`, and none is open.
 */
bool sockets_open(const struct settings *settings, int workers, char *reason, size_t reason_size);

/* Whether the setting can be what it is, for that many workers, without opening anything. */
bool sockets_check(const struct settings *settings, int workers, char *reason, size_t reason_size);

/* Whether each worker has sockets of its own, whose number a reload cannot change. */
bool sockets_are_per_worker(const struct settings *settings);

/* Those that worker `number` listens on. */
const struct socket_set *sockets_of_worker(int number);

/* In a child of the master: closes the sockets that worker `number` does not listen on; all of them (-1). */
void sockets_keep_only(int number);

/*
 * Nothing more is to come: connections are refused from now on, while those that wait can still be accepted by the
 * workers. The master's copies are closed. What was handed over is only closed: its owner may go on with it.
 */
void sockets_stop(void);

#endif
