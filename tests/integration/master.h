/*
 * A master of the test's own: started with the flags that the test wants, without nginx, and without Redis unless the
 * test names one. For what scripts/run does not do: other listening sockets, signals, exit codes.
 *
 * A master whose test ends before master_close() is killed by a shell that watches over it.
 */
#ifndef INTEGRATION_MASTER_H
#define INTEGRATION_MASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct master {
    char *dir;    /* holds everything of it: keys, socket, log */
    char *socket; /* where it listens, unless the flags say something else */
    pid_t pid;    /* 0: it has ended */
    int guard_fd;
    pid_t guard;
};

struct master_options {
    const char *const *flags;       /* "--name", "value", NULL at the end; or NULL */
    const char *const *environment; /* "NAME=value", NULL at the end; or NULL */
    const char *wrapper;            /* a shell script that execs "$@"; NULL: none is needed */
    int input_fd;                   /* its descriptor 0; 0: /dev/null */
    bool is_app;                    /* the tests' own application (app/main.c) */
    bool fails;                     /* it is not waited for until it serves */
};

/* A directory with keys; then a master in it that is ready. `options` may be NULL. */
struct master master_prepare(void);
void master_start(struct master *master, const struct master_options *options);
struct master master_open(const struct master_options *options);

/* Signals the master and waits for its end; its exit code, or 128 plus the signal. */
int master_end(struct master *master, int signal_number);

/* Ends it with SIGTERM, if that is still to do (exit code 0 is expected then), and removes the directory. */
void master_close(struct master *master);

/* The log, and whether it has, or gets, that text so many times. */
char *master_log(const struct master *master);
bool master_wait_log(const struct master *master, const char *text, size_t times);

/* "DIR/NAME", for the caller to free. */
char *master_path(const struct master *master, const char *name);

/* Asks for a path over the connection, and closes it; true when the answer is whole and begins with "Status: 200". */
bool master_answers(int fd, const char *path);

/* The processes of its workers, by rising pid; ends the test when there are not so many. */
void master_workers(const struct master *master, pid_t workers[], size_t count);

#endif
