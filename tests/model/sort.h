/*
 * Which session each call belongs to, as far as is known now: that of the cookie that its run was sent with; or, when a
 * visitor's session was gone and he was given another, that of the cookie that came back. Where no response came,
 * nobody knows.
 */
#ifndef MODEL_SORT_H
#define MODEL_SORT_H

#include "history.h"

/* Gives each record its calls, in their order. */
void sort_calls(const struct history *history);

#endif
