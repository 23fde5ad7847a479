/* Redis's error replies. See refusal.h. */
#include "redis/refusal.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"

enum { SAME_TEXT_PAUSE_MS = 10000, ANY_TEXT_PAUSE_MS = 1000 };

static const struct {
    const char *code;
    enum redis_refusal refusal;
} codes[] = {
    {"LOADING", REDIS_UNABLE_NOW},                                 /* reading its data after a start */
    {"READONLY", REDIS_IS_REPLICA},     {"OOM", REDIS_UNABLE_NOW}, /* maxmemory is reached */
    {"MASTERDOWN", REDIS_UNABLE_NOW},                              /* a replica without its master */
    {"CLUSTERDOWN", REDIS_UNABLE_NOW},                             /* slots without a node */
    {"TRYAGAIN", REDIS_UNABLE_NOW},                                /* a slot is moving */
    {"BUSY", REDIS_UNABLE_NOW},                                    /* a slow script runs */
    {"MISCONF", REDIS_UNABLE_NOW},                                 /* cannot save to disk, and was told to stop then */
    {"NOREPLICAS", REDIS_UNABLE_NOW},                              /* fewer than min-replicas-to-write */
    {"NOSCRIPT", REDIS_SCRIPT_MISSING},
};

enum redis_refusal redis_refusal_of(const char *text, size_t length)
{
    const char *space = memchr(text, ' ', length);
    size_t code_length = space != NULL ? (size_t)(space - text) : length;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strlen(codes[i].code) == code_length && memcmp(codes[i].code, text, code_length) == 0)
            return codes[i].refusal;
    return REDIS_MISTAKE;
}

void redis_refusal_copy(char *out, size_t size, const char *text, size_t length)
{
    static const char arguments_mark[] = ", with args";
    const char *quoted = memmem(text, length, arguments_mark, strlen(arguments_mark));
    size_t shown = quoted != NULL ? (size_t)(quoted - text) : length;
    if (shown > size - 1)
        shown = size - 1;
    memcpy(out, text, shown);
    out[shown] = '\0';
}

void redis_refusal_report(struct redis_refusal_log *log, const char *address, int64_t now_ms, const char *text,
                          size_t length)
{
    char shown[REFUSAL_TEXT_SIZE];
    redis_refusal_copy(shown, sizeof(shown), text, length);

    bool was_logged = log->text[0] != '\0';
    int64_t pause_ms = strcmp(shown, log->text) == 0 ? SAME_TEXT_PAUSE_MS : ANY_TEXT_PAUSE_MS;
    if (was_logged && now_ms - log->logged_ms < pause_ms) {
        log->suppressed++;
        return;
    }
    log_event(MID_WARN, "redis.refused", "address=%s reason=\"%s\" suppressed=%" PRIu64, address, shown,
              log->suppressed);
    memcpy(log->text, shown, sizeof(log->text));
    log->logged_ms = now_ms;
    log->suppressed = 0;
}
