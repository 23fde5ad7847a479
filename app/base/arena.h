/*
 * A request's memory: allocation moves a pointer, and one reset gives everything back.
 *
 * Running out of memory ends the process: a worker that cannot get a few KiB serves nobody, and the master starts
 * another.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "midstream.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunk; /* the newest; earlier ones hang behind it */
    char *next;
    char *end;
};

/* Takes no memory yet. */
void arena_init(struct arena *arena);

/* Never NULL; 16-byte aligned; not zeroed. */
void *arena_alloc(struct arena *arena, size_t bytes);
void *arena_zalloc(struct arena *arena, size_t bytes);

/* Copies with a NUL behind. */
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...) MID_FORMAT(2, 3);
char *arena_vprintf(struct arena *arena, const char *format, va_list arguments) MID_FORMAT(2, 0);

/* Forgets everything; keeps the first chunk for the next use. */
void arena_reset(struct arena *arena);

/* Gives all memory back; the arena may be used again. */
void arena_fini(struct arena *arena);

#endif
