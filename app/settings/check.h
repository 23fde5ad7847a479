/*
 * Settings that contradict each other: each is within its bounds, but together they cannot work.
 */
#ifndef SETTINGS_CHECK_H
#define SETTINGS_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "settings/settings.h"

/* False with a reason that names both of them. */
bool settings_agree(const struct settings *settings, char *reason, size_t reason_size);

#endif
