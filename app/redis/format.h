/*
 * Commands in the form of printf, as hiredis has it ("SET %s %b").
 */
#ifndef REDIS_FORMAT_H
#define REDIS_FORMAT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "redis/client.h"

/* Splits what hiredis makes of the format into arguments, in the arena. False: the format is none. */
MID_CHECK bool redis_format(struct arena *arena, size_t *count, struct redis_argument **arguments, const char *format,
                            va_list list);

#endif
