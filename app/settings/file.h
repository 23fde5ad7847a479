/*
 * The lines of a settings file: `name = value`, with spaces or without. Empty lines and lines that begin with '#' say
 * nothing. A value goes to the end of its line, and there are no quotes. This file knows no setting.
 */
#ifndef SETTINGS_FILE_H
#define SETTINGS_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum { SETTINGS_FILE_BYTES_MAX = 64 * 1024 };

struct settings_file {
    char *rest;
    char *end;
    int line; /* of what settings_file_next() has given last, from 1 */
};

enum settings_line { SETTINGS_LINE, SETTINGS_LINE_BAD, SETTINGS_END };

/* `text` has room for a NUL at text[length]; it is changed, and names and values point into it. */
void settings_file_init(struct settings_file *file, char *text, size_t length);

/* The next line that says something. SETTINGS_LINE_BAD: *name is a sentence that says what is wrong with it. */
enum settings_line settings_file_next(struct settings_file *file, const char **name, const char **value);

#endif
