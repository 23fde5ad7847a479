/*
 * Redis's answers, read without fear: what is not there, or of another type, is NULL, "" or 0.
 */
#ifndef REDIS_REPLY_H
#define REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisReply;

/* `reply` may be NULL. What is returned belongs to it. */
const struct redisReply *reply_element(const struct redisReply *reply, size_t index);
size_t reply_count(const struct redisReply *reply);

/* Of a string or a status. */
const char *reply_text(const struct redisReply *reply);
size_t reply_bytes(const struct redisReply *reply);

/* False, with nothing written: it is no string. */
bool reply_string(const struct redisReply *reply, const char **text, size_t *bytes);

/* An integer, or a string that spells one. */
int64_t reply_integer(const struct redisReply *reply);

#endif
