/* Renewals without a cookie of their own. See renewals.h. */
#include "renewals.h"

#include <criterion/criterion.h>
#include <string.h>

char *renewal_in_stream(const struct stage *stage, const char *user)
{
    static int count;
    OWNED char *acts = text_printf("open,begin:bytes,renew:%s&who=late%d", user, ++count);
    OWNED char *number = text_printf("late%d.3", count);
    struct http_stream *stream = stage_stream(stage, acts);
    char *note = stage_note(stage, number);
    http_stream_close(stream, NULL);
    return note;
}

bool renewal_changes_cookie(const struct stage *stage, const char *acts)
{
    OWNED char *before = browser_cookie(stage);
    OWNED char *value = play(stage, acts);
    OWNED char *after = browser_cookie(stage);
    cr_expect_neq(strncmp(value, "status", strlen("status")), 0, "%s: %s", acts, value);
    return strcmp(before, after) != 0;
}

void renewal_store(const struct stage *stage, const char *key, struct header *header)
{
    uint8_t bytes[HEADER_BYTES];
    header->revision++;
    memmove(header->commits[1], header->commits[0], sizeof(header->commits) - HEADER_COMMIT_BYTES);
    memset(header->commits[0], 0x77, HEADER_COMMIT_BYTES);
    header_pack(header, bytes);
    redis_int(stage->site.redis, "HSET %s @ %b", key, bytes, sizeof(bytes));
}

void renewal_elsewhere(const struct stage *stage, const char *key)
{
    struct header header = stored_header(&stage->site, key);
    header.flags |= HEADER_OWES_COOKIE;
    header.generation++;
    renewal_store(stage, key, &header);
}
