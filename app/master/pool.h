/*
 * The worker processes: a slot for each worker, its process, and what happens when that ends, hangs or is replaced.
 *
 * A process that dies is started again, at once if it has lived for a while, otherwise after a pause that doubles up to
 * a maximum. A process whose loop does not turn any more is killed. A reload starts a new process in every slot; the
 * old one is told to finish as soon as the new one serves, so a slot may have several processes for a time.
 *
 * Only the master calls this, from its one loop; nothing here waits.
 */
#ifndef MASTER_POOL_H
#define MASTER_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "midstream.h"
#include "settings/configuration.h"
#include "worker/worker.h"

/* `kind` is what the processes do. */
void pool_init(const struct mid_app *app, const struct worker_kind *kind);
void pool_fini(void);

/* From now on processes are started with this configuration, which has to stay; those that run are replaced. */
void pool_configure(const struct configuration *configuration);

/*
 * Starts, tells and kills what is due. Returns in how many milliseconds it has to be called again, at most.
 */
int64_t pool_look(void);

/* A child of the master has ended and was waited for. False: it is none of these processes. */
bool pool_note_end(pid_t pid, int status);

/* Every slot has a process that serves, and no process waits for being told to finish. */
bool pool_has_taken_over(void);

/* At least one process serves. */
bool pool_is_serving(void);

/* Tells all processes to finish, and starts none any more. They are killed when `timeout_ms` has passed. */
void pool_stop(int64_t timeout_ms);

void pool_signal(int signal_number);
int pool_process_count(void);

#endif
