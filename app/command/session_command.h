/*
 * `midstream session`: lists, shows and ends sessions, for who looks after the site.
 */
#ifndef COMMAND_SESSION_COMMAND_H
#define COMMAND_SESSION_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "settings/settings.h"

void session_command_print_usage(FILE *out);

struct session_options {
    const char *user;   /* of --user; NULL: not given */
    const char *all_of; /* of --all-of; NULL: not given */
    bool has_json;      /* --json */
};

/*
 * The words are those behind `session`: list, show ID, end ID, end. Takes the settings. Returns the exit code: 0, 1
 * when it could not be done, 2 for words that make no sense.
 */
int session_command(struct settings *settings, int word_count, char **words, const struct session_options *options);

#endif
