/*
 * `midstream task`: looks at the queues of tasks, and does to a task what an operator has to do.
 */
#ifndef COMMAND_TASK_COMMAND_H
#define COMMAND_TASK_COMMAND_H

#include <stdio.h>

#include "settings/settings.h"

void task_command_print_usage(FILE *out);

/*
 * The words are those behind `task`: list [STATE], stats, types, show ID, retry ID, cancel ID, delete ID. Takes the
 * settings. Returns the exit code: 0, 1 when it could not be done, 2 for words that make no sense.
 */
int task_command(struct settings *settings, int word_count, char **words);

#endif
