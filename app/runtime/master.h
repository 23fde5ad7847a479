/*
 * The master process: owns the listening sockets, keeps the workers running, and stops them.
 */
#ifndef RUNTIME_MASTER_H
#define RUNTIME_MASTER_H

#include "midstream.h"
#include "runtime/settings.h"

/*
 * Serves until SIGTERM or SIGINT, then lets the workers finish; a second signal ends them at once. Returns the exit
 * code; a failed start has said why on standard error.
 */
int master_run(const struct settings *settings, const struct mid_route *routes);

/* Checks everything that a start needs, without starting: keys, password file, address. Returns the exit code. */
int master_check(const struct settings *settings, const struct mid_route *routes);

#endif
