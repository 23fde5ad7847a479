/*
 * A hash for tables whose keys nobody can choose.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

/* FNV-1a. */
static inline uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

#endif
