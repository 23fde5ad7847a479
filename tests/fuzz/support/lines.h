/*
 * An input as texts: its lines, one after another; those that are missing are empty.
 */
#ifndef FUZZ_LINES_H
#define FUZZ_LINES_H

#include "../fuzz.h"

/* Cuts the text (of fuzz_text()) at its line feeds, in place; the last line keeps what is left. */
static inline void fuzz_lines(char *text, size_t count, char *lines[])
{
    for (size_t i = 0; i < count; i++) {
        lines[i] = text;
        char *end = i + 1 < count ? strchr(text, '\n') : NULL;
        if (end != NULL)
            *end = '\0';
        text = end != NULL ? end + 1 : text + strlen(text);
    }
}

#endif
