/*
 * Texts of the heap that are given back at the end of their block.
 */
#ifndef SUPPORT_OWNED_H
#define SUPPORT_OWNED_H

#include <stdlib.h>

/* OWNED char *url = stack_url(...); */
#define OWNED __attribute__((cleanup(owned_free)))

static inline void owned_free(char **text)
{
    free(*text);
}

#endif
