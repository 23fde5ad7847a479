/* A session's record as it stands in Redis. See record.h. */
#include "record.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { APART_MAX_MS = 20 * 1000, COMPACT_BYTES_MAX = 64 };

static const char until_prefix[] = "@until:";

redisReply *redis_say(redisContext *redis, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(redis, format, arguments);
    va_end(arguments);
    cr_assert_not_null(reply, "redis \"%s\": %s", format, redis->errstr);
    cr_assert_neq(reply->type, REDIS_REPLY_ERROR, "redis \"%s\": %s", format, reply->str);
    return reply;
}

void redis_tell(redisContext *redis, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(redis, format, arguments);
    va_end(arguments);
    cr_assert(reply != NULL && reply->type != REDIS_REPLY_ERROR, "redis \"%s\"", format);
    freeReplyObject(reply);
}

static int compare_bytes(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int compare_names(const void *left, const void *right)
{
    const struct record_field *a = left;
    const struct record_field *b = right;
    return compare_bytes(a->name, a->name_bytes, b->name, b->name_bytes);
}

void record_read(redisContext *redis, const char *key, struct record *record)
{
    *record = (struct record){.reply = redis_say(redis, "HGETALL %s", key)};
    record->count = record->reply->elements / 2;
    record->fields = calloc(record->count + 1, sizeof(*record->fields));
    cr_assert_not_null(record->fields);
    for (size_t i = 0; i < record->count; i++) {
        const redisReply *name = record->reply->element[2 * i];
        const redisReply *value = record->reply->element[2 * i + 1];
        record->fields[i] = (struct record_field){name->str, (size_t)name->len, value->str, (size_t)value->len};
    }
    qsort(record->fields, record->count, sizeof(*record->fields), compare_names);
    const struct record_field *header = record_find(record, "@", 1);
    record->has_header = header != NULL && header_parse(header->value, header->bytes, &record->header);
}

void record_free(struct record *record)
{
    freeReplyObject(record->reply);
    free(record->fields);
    *record = (struct record){0};
}

const struct record_field *record_find(const struct record *record, const char *name, size_t name_bytes)
{
    struct record_field wanted = {.name = name, .name_bytes = name_bytes};
    return bsearch(&wanted, record->fields, record->count, sizeof(wanted), compare_names);
}

bool record_is_own(const struct record_field *field)
{
    return field->name[0] == '@';
}

static bool is_deadline(const struct record_field *field)
{
    return strncmp(field->name, until_prefix, strlen(until_prefix)) == 0;
}

int64_t record_until_ms(const struct record *record, const struct record_field *field)
{
    char name[256];
    int length = snprintf(name, sizeof(name), "%s%s", until_prefix, field->name);
    const struct record_field *deadline = record_find(record, name, (size_t)length);
    return deadline != NULL ? strtoll(deadline->value, NULL, 10) : 0;
}

static bool is_same_value(const struct record_field *a, const struct record_field *b)
{
    return compare_bytes(a->value, a->bytes, b->value, b->bytes) == 0;
}

bool record_is_equal(const struct record *a, const struct record *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (compare_names(&a->fields[i], &b->fields[i]) != 0 || !is_same_value(&a->fields[i], &b->fields[i]))
            return false;
    return true;
}

static bool is_near(int64_t a_ms, int64_t b_ms)
{
    return llabs((long long)(a_ms - b_ms)) <= APART_MAX_MS;
}

static const char *header_difference(const struct header *a, const struct header *b)
{
    if (!is_near(a->touched_ms, b->touched_ms) || !is_near(a->expires_ms, b->expires_ms) ||
        !is_near(a->renewed_ms, b->renewed_ms))
        return "a moment in the header";
    if (a->fields != b->fields || a->size != b->size)
        return "the header's fields or size";
    if (a->revision != b->revision || memcmp(a->commits, b->commits, sizeof(a->commits)) != 0)
        return "the header's revision or commits";
    if (a->flags != b->flags || a->generation != b->generation || a->login != b->login)
        return "the header's flags, generation or login";
    return NULL;
}

const char *record_difference(const struct record *a, const struct record *b)
{
    if (a->has_header != b->has_header)
        return "whether there is a header";
    const char *difference = a->has_header ? header_difference(&a->header, &b->header) : NULL;
    if (difference != NULL)
        return difference;
    if (a->count != b->count)
        return "how many fields there are";
    for (size_t i = 0; i < a->count; i++) {
        const struct record_field *field = &a->fields[i];
        const struct record_field *other = &b->fields[i];
        if (compare_names(field, other) != 0)
            return "which fields there are";
        if (a->has_header && field->name_bytes == 1 && field->name[0] == '@')
            continue;
        bool is_same = is_deadline(field) ? is_near(strtoll(field->value, NULL, 10), strtoll(other->value, NULL, 10))
                                          : is_same_value(field, other);
        if (!is_same)
            return field->name;
    }
    return NULL;
}

const char *record_miscount(const struct record *record)
{
    uint32_t fields = 0;
    uint32_t size = 0;
    bool has_deadlines = false;
    if (!record->has_header)
        return "there is no header";
    for (size_t i = 0; i < record->count; i++) {
        const struct record_field *field = &record->fields[i];
        has_deadlines = has_deadlines || is_deadline(field);
        if (record_is_own(field))
            continue;
        fields++;
        size += header_field_size(field->name_bytes, field->bytes);
    }
    if (fields != record->header.fields)
        return "the header's number of fields";
    if (size != record->header.size)
        return "the header's size";
    if (has_deadlines && (record->header.flags & HEADER_HAS_DEADLINES) == 0)
        return "a deadline without a flag";
    if ((record_find(record, "@about", 6) != NULL) != ((record->header.flags & HEADER_HAS_ABOUT) != 0))
        return "the flag for what it is about is wrong";
    if ((record_find(record, "@user", 5) != NULL) != ((record->header.flags & HEADER_HAS_USER) != 0))
        return "the flag of a user";
    return NULL;
}

bool record_is_compact(const struct record *record)
{
    for (size_t i = 0; i < record->count; i++)
        if (record->fields[i].name_bytes > COMPACT_BYTES_MAX || record->fields[i].bytes > COMPACT_BYTES_MAX)
            return false;
    return true;
}
