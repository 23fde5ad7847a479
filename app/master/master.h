/*
 * The master process: owns the listening sockets, keeps the workers running, replaces them when the settings change,
 * and stops them.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include "midstream.h"
#include "settings/settings.h"

/* The flags that the settings were read from: a reload reads them again. */
struct command_line {
    int argc;
    char **argv;
};

/*
 * Serves until SIGTERM or SIGINT, then lets the workers finish; a second one ends them at once. SIGHUP reads settings
 * and keys again, SIGUSR1 opens the log file again. Takes the settings. Returns the exit code; a failed start has said
 * why on standard error. The application stays the caller's; its routes are not NULL.
 */
int master_run(struct settings *settings, const struct command_line *line, const struct mid_app *app);

/* The same for workers that do tasks instead: `midstream work`. */
int master_run_tasks(struct settings *settings, const struct command_line *line, const struct mid_app *app);

/* Checks everything that a start needs, without starting. Takes the settings. Returns the exit code. */
int master_check(struct settings *settings, const struct mid_app *app);

#endif
