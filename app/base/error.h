/*
 * Whether a number is an error of midstream.h. An application's handler may return any.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

#include "midstream.h"

bool error_is_valid(enum mid_error error);

#endif
