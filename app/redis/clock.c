/* Redis's clock. See clock.h. */
#include "redis/clock.h"

#include <hiredis/hiredis.h>

enum { SECONDS_DIGITS_MAX = 12, MICROSECONDS_DIGITS_MAX = 6 };

static bool read_digits(const redisReply *text, size_t digits_max, int64_t *number)
{
    if (text->type != REDIS_REPLY_STRING || text->len == 0 || text->len > digits_max)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < text->len; i++) {
        if (text->str[i] < '0' || text->str[i] > '9')
            return false;
        value = value * 10 + (text->str[i] - '0');
    }
    *number = value;
    return true;
}

bool redis_clock_read(const struct redisReply *reply, int64_t *redis_ms)
{
    int64_t seconds, microseconds;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !read_digits(reply->element[0], SECONDS_DIGITS_MAX, &seconds) ||
        !read_digits(reply->element[1], MICROSECONDS_DIGITS_MAX, &microseconds))
        return false;
    *redis_ms = seconds * 1000 + microseconds / 1000;
    return true;
}

void redis_clock_set(struct redis_clock *clock, int64_t redis_ms, int64_t asked_ms, int64_t answered_ms)
{
    if (answered_ms < asked_ms)
        return; /* this machine's clock was set back meanwhile */
    int64_t half_ms = (answered_ms - asked_ms) / 2;
    int64_t offset_ms = redis_ms - (asked_ms + half_ms);
    int64_t off_by_ms = offset_ms - clock->offset_ms;
    if (off_by_ms < -half_ms - 1 || off_by_ms > half_ms + 1) /* all three times are whole milliseconds */
        clock->offset_ms = offset_ms;
}
