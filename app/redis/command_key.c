/* Where the key of a command is. See command_key.h. */
#include "redis/command_key.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "redis/client.h"

/* Those whose first key is not their first argument. */
static const struct {
    const char *name;
    size_t at; /* 0: there is no key */
} exceptions[] = {
    {"EVAL", 3},     {"EVALSHA", 3}, {"EVAL_RO", 3},    {"EVALSHA_RO", 3}, {"FCALL", 3},     {"FCALL_RO", 3},
    {"BITOP", 2},    {"OBJECT", 2},  {"MEMORY", 2},     {"XINFO", 2},      {"XGROUP", 2},    {"ZUNION", 2},
    {"ZINTER", 2},   {"ZDIFF", 2},   {"SINTERCARD", 2}, {"ZINTERCARD", 2}, {"LMPOP", 2},     {"ZMPOP", 2},
    {"ACL", 0},      {"CLUSTER", 0}, {"COMMAND", 0},    {"CONFIG", 0},     {"DBSIZE", 0},    {"ECHO", 0},
    {"FLUSHALL", 0}, {"FLUSHDB", 0}, {"FUNCTION", 0},   {"INFO", 0},       {"KEYS", 0},      {"LASTSAVE", 0},
    {"LATENCY", 0},  {"PING", 0},    {"PUBLISH", 0},    {"PUBSUB", 0},     {"RANDOMKEY", 0}, {"ROLE", 0},
    {"SCAN", 0},     {"SCRIPT", 0},  {"SLOWLOG", 0},    {"TIME", 0},
};

static bool is_word(const struct redis_argument *argument, const char *word)
{
    return argument->bytes == strlen(word) && strncasecmp(argument->data, word, argument->bytes) == 0;
}

/* Behind STREAMS. The names of group and consumer, which may be anything, are two and three behind XREADGROUP. */
static size_t stream_at(size_t count, const struct redis_argument arguments[])
{
    for (size_t i = is_word(&arguments[0], "XREADGROUP") ? 4 : 1; i + 1 < count; i++)
        if (is_word(&arguments[i], "STREAMS"))
            return i + 1;
    return 0;
}

static size_t key_at(size_t count, const struct redis_argument arguments[])
{
    if (is_word(&arguments[0], "XREAD") || is_word(&arguments[0], "XREADGROUP"))
        return stream_at(count, arguments);
    for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
        if (is_word(&arguments[0], exceptions[i].name))
            return exceptions[i].at;
    return 1;
}

/* A script that is said to have no keys, as in "EVAL script 0 argument". */
static bool has_no_keys(size_t at, const struct redis_argument arguments[])
{
    return at == 3 && is_word(&arguments[2], "0");
}

const struct redis_argument *redis_command_key(size_t count, const struct redis_argument arguments[])
{
    size_t at = count > 0 ? key_at(count, arguments) : 0;
    return at == 0 || at >= count || has_no_keys(at, arguments) ? NULL : &arguments[at];
}
