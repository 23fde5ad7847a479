/*
 * `midstream check --connect`: what Redis is, and whether it suits.
 */
#ifndef COMMAND_CONNECT_COMMAND_H
#define COMMAND_CONNECT_COMMAND_H

#include "settings/settings.h"

/* Prints what it finds. Takes the settings. Returns the exit code: 1 if Redis cannot be used. */
int connect_command(struct settings *settings);

#endif
