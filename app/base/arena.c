/* A request's memory. See arena.h. */
#include "base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"

enum {
    ALIGNMENT = 16,
    FIRST_CHUNK_BYTES = 1024, /* with its header; small, because every waiting stream holds one */
    LARGEST_CHUNK_BYTES = 64 * 1024,
};

struct arena_chunk {
    struct arena_chunk *older;
    size_t bytes; /* all of it, header included */
};

static_assert(sizeof(struct arena_chunk) % ALIGNMENT == 0, "memory behind the header has to be aligned");

static void arena_grow(struct arena *arena, size_t bytes)
{
    /* 1, 1, 2, 4... KiB: the second is no larger than the first, because many streams need just a little more than one.
     */
    size_t chunk_bytes = FIRST_CHUNK_BYTES;
    if (arena->chunk != NULL && arena->chunk->older != NULL)
        chunk_bytes = arena->chunk->bytes * 2;
    if (chunk_bytes > LARGEST_CHUNK_BYTES)
        chunk_bytes = LARGEST_CHUNK_BYTES;
    if (chunk_bytes < bytes + sizeof(struct arena_chunk))
        chunk_bytes = bytes + sizeof(struct arena_chunk);

    struct arena_chunk *chunk = malloc(chunk_bytes);
    if (chunk == NULL)
        panic("out of memory for %zu bytes of a request", chunk_bytes);
    *chunk = (struct arena_chunk){.older = arena->chunk, .bytes = chunk_bytes};
    arena->chunk = chunk;
    arena->next = (char *)(chunk + 1);
    arena->end = (char *)chunk + chunk_bytes;
}

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        panic("a request asked for %zu bytes", bytes);
    size_t rounded = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if ((size_t)(arena->end - arena->next) < rounded || arena->next == NULL)
        arena_grow(arena, rounded);
    void *memory = arena->next;
    arena->next += rounded;
    return memory;
}

void *arena_zalloc(struct arena *arena, size_t bytes)
{
    return memset(arena_alloc(arena, bytes), 0, bytes);
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    size_t room = (size_t)(arena->end - arena->next);
    int length = vsnprintf(arena->next, room, format, arguments);
    if (length < 0)
        panic("malformed format: %s", format);
    char *text = arena_alloc(arena, (size_t)length + 1);
    if ((size_t)length >= room)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = arena_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

void arena_reset(struct arena *arena)
{
    if (arena->chunk == NULL)
        return;
    while (arena->chunk->older != NULL) {
        struct arena_chunk *older = arena->chunk->older;
        free(arena->chunk);
        arena->chunk = older;
    }
    arena->next = (char *)(arena->chunk + 1);
    arena->end = (char *)arena->chunk + arena->chunk->bytes;
}

void arena_fini(struct arena *arena)
{
    while (arena->chunk != NULL) {
        struct arena_chunk *older = arena->chunk->older;
        free(arena->chunk);
        arena->chunk = older;
    }
    arena_init(arena);
}
