/* A durability that cannot be confirmed at the moment. See shortage.h. */
#include "redis/shortage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

enum { TELL_AGAIN_MS = 60000 };

void redis_shortage_begin(struct redis_shortage *shortage, const char *reason)
{
    char name[REDIS_NAME_BYTES];
    int64_t now_ms = loop_now_ms();
    if (!shortage->is_on)
        shortage->began_ms = now_ms;
    bool is_told = shortage->is_on && now_ms - shortage->told_ms < TELL_AGAIN_MS && strcmp(shortage->told, reason) == 0;
    shortage->is_on = true;
    if (is_told)
        return;
    shortage->told_ms = now_ms;
    snprintf(shortage->told, sizeof(shortage->told), "%s", reason);
    log_event(MID_WARN, "redis.not-durable", "address=%s durability=%s reason=\"%s\" for_ms=%" PRId64,
              redis_client_name(shortage->client, name), shortage->name, reason, now_ms - shortage->began_ms);
}

void redis_shortage_end(struct redis_shortage *shortage)
{
    char name[REDIS_NAME_BYTES];
    if (!shortage->is_on)
        return;
    shortage->is_on = false;
    log_event(MID_INFO, "redis.durable", "address=%s durability=%s after_ms=%" PRId64,
              redis_client_name(shortage->client, name), shortage->name, loop_now_ms() - shortage->began_ms);
}
