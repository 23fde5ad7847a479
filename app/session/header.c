/* The header of a session's record. See header.h. */
#include "session/header.h"

#include <assert.h>
#include <string.h>

/* Where each number stands, and how long it is. */
enum {
    VERSION_AT = 0,
    FLAGS_AT = 1,
    GENERATION_AT = 2,
    LOGIN_AT = 6,
    REVISION_AT = 10,
    TOUCHED_AT = 16,
    EXPIRES_AT = 22,
    RENEWED_AT = 28,
    FIELDS_AT = 34,
    SIZE_AT = 36,
    COMMITS_AT = 40,
    SHORT_BYTES = 2,
    WORD_BYTES = 4,
    LONG_BYTES = 6,
};

static_assert(COMMITS_AT + sizeof(((struct header *)0)->commits) == HEADER_BYTES, "the header has another length");

static uint64_t number_at(const uint8_t *at, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | at[i];
    return number;
}

void header_put_number(uint8_t *at, size_t bytes, uint64_t number)
{
    for (size_t i = bytes; i > 0; i--, number >>= 8)
        at[i - 1] = (uint8_t)number;
}

bool header_parse(const void *bytes, size_t length, struct header *header)
{
    const uint8_t *at = bytes;
    if (length != HEADER_BYTES || at[VERSION_AT] != HEADER_VERSION)
        return false;
    *header = (struct header){
        .flags = at[FLAGS_AT],
        .generation = (uint32_t)number_at(at + GENERATION_AT, WORD_BYTES),
        .login = (uint32_t)number_at(at + LOGIN_AT, WORD_BYTES),
        .revision = (int64_t)number_at(at + REVISION_AT, LONG_BYTES),
        .touched_ms = (int64_t)number_at(at + TOUCHED_AT, LONG_BYTES),
        .expires_ms = (int64_t)number_at(at + EXPIRES_AT, LONG_BYTES),
        .renewed_ms = (int64_t)number_at(at + RENEWED_AT, LONG_BYTES),
        .fields = (uint32_t)number_at(at + FIELDS_AT, SHORT_BYTES),
        .size = (uint32_t)number_at(at + SIZE_AT, WORD_BYTES),
    };
    memcpy(header->commits, at + COMMITS_AT, sizeof(header->commits));
    return true;
}

void header_pack(const struct header *header, uint8_t bytes[static HEADER_BYTES])
{
    bytes[VERSION_AT] = HEADER_VERSION;
    bytes[FLAGS_AT] = header->flags;
    header_put_number(bytes + GENERATION_AT, WORD_BYTES, header->generation);
    header_put_number(bytes + LOGIN_AT, WORD_BYTES, header->login);
    header_put_number(bytes + REVISION_AT, LONG_BYTES, (uint64_t)header->revision);
    header_put_number(bytes + TOUCHED_AT, LONG_BYTES, (uint64_t)header->touched_ms);
    header_put_number(bytes + EXPIRES_AT, LONG_BYTES, (uint64_t)header->expires_ms);
    header_put_number(bytes + RENEWED_AT, LONG_BYTES, (uint64_t)header->renewed_ms);
    header_put_number(bytes + FIELDS_AT, SHORT_BYTES, header->fields);
    header_put_number(bytes + SIZE_AT, WORD_BYTES, header->size);
    memcpy(bytes + COMMITS_AT, header->commits, sizeof(header->commits));
}

bool header_exchanges(const struct header *header, uint32_t generation)
{
    return (header->flags & HEADER_OWES_COOKIE) != 0 && header->generation == generation + 1;
}

/* How many units ahead the mark's last one is; -1: the mark is over, or there is none. One that is two ahead is of a
 * Redis whose clock is a little further. */
static int64_t watch_units_ahead(const struct header *header, int64_t now_ms)
{
    int64_t last = (header->flags >> HEADER_WATCH_SHIFT) - 1;
    int64_t now = now_ms / HEADER_WATCH_UNIT_MS % HEADER_WATCH_UNITS;
    int64_t ahead = (last - now + HEADER_WATCH_UNITS) % HEADER_WATCH_UNITS;
    return last >= 0 && ahead < 3 ? ahead : -1;
}

bool header_is_watched(const struct header *header, int64_t now_ms)
{
    return watch_units_ahead(header, now_ms) >= 0;
}

int64_t header_watch_last_ms(const struct header *header, int64_t now_ms)
{
    int64_t ahead = watch_units_ahead(header, now_ms);
    return ahead < 0 ? 0 : (now_ms / HEADER_WATCH_UNIT_MS + ahead) * HEADER_WATCH_UNIT_MS;
}

uint32_t header_field_size(size_t name_bytes, size_t value_bytes)
{
    size_t counted = value_bytes > HEADER_NUMBER_BYTES ? value_bytes : HEADER_NUMBER_BYTES;
    return (uint32_t)(name_bytes + counted);
}
