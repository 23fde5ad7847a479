/*
 * The journal, as the application writes it: what it is about to do, and what it was told.
 *
 * One file for all processes ($MODEL_JOURNAL). A line is one write() with O_APPEND, so the order of the lines is the
 * order of things: what stands before was over before what stands behind it began. A line that is not there, because
 * somebody has killed the worker, makes nothing false: what was begun and not answered is not known.
 */
#ifndef MODEL_APP_JOURNAL_H
#define MODEL_APP_JOURNAL_H

#include <stddef.h>

struct line {
    char *text;
    size_t length;
    size_t room;
};

/* Begins a line with the time. */
void line_begin(struct line *line);
/* Adds at most 511 bytes. */
void line_printf(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bytes with everything but printable ASCII, and '%', as %XX: one word of a line. */
void line_add_bytes(struct line *line, const char *data, size_t bytes);

/* Writes the line, and gives its memory back. */
void line_write(struct line *line);

#endif
