/* Where the key of a command is. */
#include "redis/command_key.h"

#include <criterion/criterion.h>
#include <string.h>

enum { WORDS_MAX = 12 };

Test(redis_command_key, the_first_key_is_found)
{
    static const struct {
        const char *words[WORDS_MAX];
        int at; /* -1: none */
    } rows[] = {
        {{"GET", "a"}, 1},
        {{"get", "a"}, 1},
        {{"HSET", "a", "b", "c"}, 1},
        {{"DEL", "a", "b"}, 1},
        {{"EVAL", "return 1", "1", "a"}, 3},
        {{"evalsha", "0", "2", "a", "b"}, 3},
        {{"EVAL", "return 1", "0", "a"}, -1},
        {{"EVAL", "return 1", "0"}, -1},
        {{"FCALL", "f", "1", "a"}, 3},
        {{"XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "a", ">"}, 7},
        {{"XREAD", "COUNT", "1", "streams", "a", "b", "0", "0"}, 4},
        {{"XREADGROUP", "GROUP", "streams", "STREAMS", "NOACK", "STREAMS", "a", ">"}, 6},
        {{"XREADGROUP", "GROUP"}, -1},
        {{"XREAD", "COUNT", "1"}, -1},
        {{"XREAD", "COUNT", "1", "STREAMS"}, -1},
        {{"XGROUP", "CREATE", "a", "g", "0"}, 2},
        {{"XINFO", "STREAM", "a"}, 2},
        {{"OBJECT", "ENCODING", "a"}, 2},
        {{"MEMORY", "USAGE", "a"}, 2},
        {{"MEMORY", "DOCTOR"}, -1},
        {{"BITOP", "AND", "a", "b"}, 2},
        {{"ZUNION", "2", "a", "b"}, 2},
        {{"PING"}, -1},
        {{"PING", "hello"}, -1},
        {{"INFO", "memory"}, -1},
        {{"TIME"}, -1},
        {{"PUBLISH", "c", "m"}, -1},
        {{"SCAN", "0"}, -1},
        {{"DBSIZE"}, -1},
        {{"WHATEVER", "a"}, 1},
        {{"WHATEVER"}, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_argument arguments[WORDS_MAX];
        size_t count = 0;
        for (; count < WORDS_MAX && rows[i].words[count] != NULL; count++)
            arguments[count] = REDIS_TEXT(rows[i].words[count]);
        const struct redis_argument *key = redis_command_key(count, arguments);
        int at = key != NULL ? (int)(key - arguments) : -1;
        cr_expect_eq(at, rows[i].at, "%s %s: %d", rows[i].words[0], count > 1 ? rows[i].words[1] : "", at);
    }
    cr_expect_null(redis_command_key(0, NULL));
}
