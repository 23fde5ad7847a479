/* Ids of requests and traces. See request_id.h. */
#include "http/request_id.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

bool request_id_is_valid(const char *id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    size_t length = strnlen(id, REQUEST_ID_MAX + 1);
    return length > 0 && length <= REQUEST_ID_MAX && strspn(id, allowed) == length;
}

const char *request_id_new(struct arena *arena)
{
    static int64_t started_ms;
    static uint64_t count;
    if (started_ms == 0)
        started_ms = clock_unix_ms();
    return arena_printf(arena, "%x-%" PRIx64 "-%" PRIx64, (unsigned int)getpid(), (uint64_t)started_ms, ++count);
}

/* The positions in "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01". */
enum { TRACE_ID_AT = 3, PARENT_ID_AT = 36, PARENT_ID_LENGTH = 16, FLAGS_AT = 53, TRACE_PARENT_LENGTH = 55 };

static bool is_hex(const char *text, size_t length)
{
    return strspn(text, "0123456789abcdef") >= length;
}

static bool is_zero(const char *text, size_t length)
{
    return strspn(text, "0") >= length;
}

bool trace_parent_is_valid(const char *text)
{
    size_t length = strlen(text);
    if (length < TRACE_PARENT_LENGTH || !is_hex(text, 2) || memcmp(text, "ff", 2) == 0)
        return false;
    bool is_first_version = memcmp(text, "00", 2) == 0;
    if (length > TRACE_PARENT_LENGTH && (is_first_version || text[TRACE_PARENT_LENGTH] != '-'))
        return false;
    return text[TRACE_ID_AT - 1] == '-' && is_hex(text + TRACE_ID_AT, TRACE_ID_LENGTH) &&
           !is_zero(text + TRACE_ID_AT, TRACE_ID_LENGTH) && text[PARENT_ID_AT - 1] == '-' &&
           is_hex(text + PARENT_ID_AT, PARENT_ID_LENGTH) && !is_zero(text + PARENT_ID_AT, PARENT_ID_LENGTH) &&
           text[FLAGS_AT - 1] == '-' && is_hex(text + FLAGS_AT, 2);
}

bool trace_id_of(const char *trace_parent, char trace_id[static TRACE_ID_LENGTH + 1])
{
    if (trace_parent == NULL)
        return false;
    memcpy(trace_id, trace_parent + TRACE_ID_AT, TRACE_ID_LENGTH);
    trace_id[TRACE_ID_LENGTH] = '\0';
    return true;
}
