/*
 * Other programs, as the tests start, watch and end them.
 *
 * Nothing here knows the test framework. What a test cannot go on without ends it with panic().
 */
#ifndef SUPPORT_PROCESS_H
#define SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buffer.h"

struct process_options {
    const char *const *environment; /* "NAME=value" pairs added to the environment, NULL at the end; or NULL */
    int input_fd;                   /* becomes standard input; 0: /dev/null */
    int output_fd;                  /* becomes standard output; 0: the caller's */
    bool has_errors_in_output;      /* standard error goes where standard output goes */
    bool outlives_caller;           /* it stays when the thread that started it ends; see process_spawn() */
};

/*
 * Starts a program, found as the shell finds it; `argv` is NULL-ended, `options` may be NULL. It inherits the three
 * standard descriptors and no others. The caller waits for it with process_wait().
 *
 * If the calling thread ends first, as it does when the test fails, the kernel kills the program (PR_SET_PDEATHSIG),
 * and with a master its workers; what that program has started otherwise is its own business.
 */
pid_t process_spawn(const char *const argv[], const struct process_options *options);

/* Waits for the end of a child. Returns its exit code, or 128 plus the signal that ended it; -1: the time is over. */
int process_wait(pid_t pid, int timeout_ms);

/* Runs a program to its end, up to `timeout_ms`; adds its output and its errors to `output`. Returns as above. */
int process_run(const char *const argv[], const char *const *environment, struct buffer *output, int timeout_ms);

/* Whether the process exists and is not a zombie. It need not be a child. */
bool process_is_alive(pid_t pid);

/* Sends a signal; a process that has gone already is no error. */
void process_signal(pid_t pid, int signal_number);

/* Writes the children of a process to `children`, at most `limit`, by rising pid. Returns how many there are. */
size_t process_children(pid_t parent, pid_t *children, size_t limit);

/* Asks `condition` every few milliseconds until it holds. Returns false when the time is over. */
bool wait_until(bool (*condition)(void *arg), void *arg, int timeout_ms);

/* Reads a whole file, with a NUL behind. Returns NULL when it cannot be read. The caller frees the text. */
char *file_read(const char *path, size_t *bytes);

#endif
