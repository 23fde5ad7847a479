/*
 * A Redis server for one test, on a unix socket, without persistence. It ends with the process that has started it.
 */
#ifndef TESTING_REDIS_SERVER_H
#define TESTING_REDIS_SERVER_H

#include <sys/types.h>

/* Its socket will be at `path`, in a directory of the test's own. Returns when it answers; panics if it does not. */
pid_t redis_server_start(const char *path);
void redis_server_end(pid_t pid);

#endif
