/*
 * The end of the process for what must not go on: a bug, or no memory. Also in release builds.
 */
#ifndef BASE_PANIC_H
#define BASE_PANIC_H

#include "midstream.h"

/* Logs "panic" with the sentence and aborts. */
_Noreturn void panic(const char *format, ...) MID_FORMAT(1, 2);

/* States what holds here. Unlike assert(), it is checked in every build. */
#define ENSURE(claim)                                                                                                  \
    do {                                                                                                               \
        if (!(claim))                                                                                                  \
            panic("%s:%d: %s: broken: %s", __FILE__, __LINE__, __func__, #claim);                                      \
    } while (0)

#endif
