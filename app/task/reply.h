/*
 * Redis's answers, read without fear: what is not there, or of another type, is NULL, "" or 0.
 */
#ifndef TASK_REPLY_H
#define TASK_REPLY_H

#include <stddef.h>
#include <stdint.h>

struct redisReply;

/* `reply` may be NULL. What is returned belongs to it. */
const struct redisReply *reply_element(const struct redisReply *reply, size_t index);
size_t reply_count(const struct redisReply *reply);
const char *reply_text(const struct redisReply *reply);
size_t reply_bytes(const struct redisReply *reply);
int64_t reply_integer(const struct redisReply *reply);

#endif
