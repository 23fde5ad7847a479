/*
 * Settings that contradict each other: each is within its bounds, but together they cannot work.
 */
#ifndef RUNTIME_SETTINGS_CHECK_H
#define RUNTIME_SETTINGS_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/settings.h"

/* False with a reason that names both of them. */
bool settings_agree(const struct settings *settings, char *reason, size_t reason_size);

#endif
