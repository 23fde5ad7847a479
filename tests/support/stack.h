/*
 * A whole Midstream for one test: Redis, the worker pool and nginx, started by scripts/run in a directory of its own.
 *
 * Start it in the test, and stop it as the test's last step: a stack whose test ends before stack_stop() (a failed
 * assertion, a crash) is ended all the same, by a shell that watches over it, which then prints the ends of its logs
 * and keeps the directory. Tests of several processes may run at once.
 *
 * With REDIS_CLUSTER=1 in the environment of the tests, a Redis Cluster of three masters and three replicas takes the
 * place of the Redis.
 */
#ifndef SUPPORT_STACK_H
#define SUPPORT_STACK_H

#include <stddef.h>
#include <sys/types.h>

enum { STACK_WORKERS_MAX = 64 };

struct stack_options {
    int workers;                    /* 0: what scripts/run takes by itself */
    const char *midstream;          /* the program; NULL: $MIDSTREAM, or build/asan/midstream */
    const char *const *environment; /* "NAME=value" pairs added to the environment, NULL at the end; or NULL */
};

struct stack {
    char *dir;          /* holds the logs, too */
    char *url;          /* without a slash at the end */
    char *url_h2;       /* the same for HTTP/2 without TLS (prior knowledge) */
    char *redis_socket; /* the path of its unix socket; nothing is there with a cluster */
    char *redis_url;    /* as the setting redis takes it */
    char *admin_socket; /* the same, of the admin listener */
    pid_t master;
    pid_t nginx;
    pid_t redis;                         /* 0: it is the test's, which MIDSTREAM_REDIS names */
    struct redis_cluster_nodes *cluster; /* NULL: a single Redis */
    /* the stack's own */
    int guard_fd;
    pid_t guard;
};

/* Never NULL: a stack that does not start ends the test, with its logs. `options` may be NULL. */
struct stack *stack_start(const struct stack_options *options);

/* Ends all of its processes, removes its directory and frees it. */
void stack_stop(struct stack *stack);

/* The worker processes as they are now, by rising pid. Returns how many. */
size_t stack_workers(const struct stack *stack, pid_t workers[static STACK_WORKERS_MAX]);

/* The same of any master. */
size_t workers_of(pid_t master, pid_t workers[static STACK_WORKERS_MAX]);

/* stack->url and the path, as a new string for the caller to free. */
char *stack_url(const struct stack *stack, const char *path);

#endif
