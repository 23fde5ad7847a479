/*
 * Commands in the form Redis reads them: RESP, an array of bulk strings.
 *
 *     resp_begin(&buffer, 2);
 *     resp_add(&buffer, "GET", 3);
 *     resp_add(&buffer, key, key_bytes);
 *
 * The bytes of arguments are never interpreted, so nothing in them can become another command.
 */
#ifndef REDIS_RESP_H
#define REDIS_RESP_H

#include <stddef.h>

#include "base/buffer.h"

/* Empties the buffer and begins a command of `count` arguments, its name included. */
void resp_begin(struct buffer *buffer, size_t count);

/* One argument; as many as were announced. */
void resp_add(struct buffer *buffer, const void *data, size_t bytes);
void resp_add_text(struct buffer *buffer, const char *text);

#endif
