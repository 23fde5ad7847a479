/* Entries of durable streams in the commits of the two speeds. See entries.h. */
#include "entries.h"

#include <stdio.h>
#include <string.h>

#include "both.h"
#include "journal/journal.h"
#include "store.h"

enum { STREAM_BYTES_MAX = 300 };

static struct {
    int64_t tail; /* of both */
    bool is_closed;
} expected;

static void key_of(const char *session_key, char key[static JOURNAL_KEY_BYTES])
{
    char rid[2 * TOKEN_RID_BYTES + 1];
    snprintf(rid, sizeof(rid), "%s", session_key + strlen("mid:s:{"));
    journal_key(key, rid, NULL, "x", 1);
}

void entries_begin(void)
{
    char key[JOURNAL_KEY_BYTES];
    struct journal_state state;
    const struct journal_creation creation = {
        .type = "text/plain", .ttl_ms = -1, .until_ms = -1, .bytes_max = STREAM_BYTES_MAX, .trims = random_chance(50)};
    const char *const sessions[] = {world.fast_key, world.slow_key};
    for (size_t i = 0; i < 2; i++) {
        key_of(sessions[i], key);
        EXPECT(journal_create(key, &creation, &(struct journal_terms){0}, &state) == MID_OK, "no stream");
    }
    expected.tail = 0;
    expected.is_closed = false;
}

struct random_entry entry_at_random(void)
{
    struct random_entry entry = {.closes = random_chance(1)};
    size_t bytes = random_chance(70) ? 0 : 1 + random_below(sizeof(entry.data) - 1);
    for (size_t i = 0; i < bytes; i++)
        entry.data[i] = (char)('a' + random_below(26));
    return entry;
}

void entry_add(struct operations *operations, const char *session_key, const struct random_entry *entry)
{
    char key[JOURNAL_KEY_BYTES];
    struct buffer value = {0};
    if (entry->data[0] == '\0' && !entry->closes)
        return;
    key_of(session_key, key);
    operation_entry_pack(&value,
                         &(struct journal_append){.event = "token", .data = entry->data, .bytes = strlen(entry->data)});
    operations_add(operations, OPERATION_ENTRY, (struct operation_text){key, strlen(key)},
                   (struct operation_text){value.data, value.length}, entry->closes);
    buffer_fini(&value);
}

static void expect_stream(const char *session_key)
{
    char key[JOURNAL_KEY_BYTES];
    key_of(session_key, key);
    redisReply *state = redis_say(direct, "HMGET %s tail closed", key);
    redisReply *last = redis_say(direct, "XREVRANGE %s:log + - COUNT 1", key);
    EXPECT(atoll(state->element[0]->str) == expected.tail, "the tail is %s, and not %lld", state->element[0]->str,
           (long long)expected.tail);
    EXPECT((state->element[1]->type == REDIS_REPLY_STRING) == expected.is_closed, "it is closed, or is not");
    long long end = last->elements > 0 ? atoll(last->element[0]->element[0]->str) : 0;
    EXPECT(end == expected.tail, "the last entry ends at %lld, and not %lld", end, (long long)expected.tail);
    freeReplyObject(state);
    freeReplyObject(last);
}

void entries_expect(const struct commit *commit, const struct random_entry *entry, enum store_verdict verdict)
{
    if (verdict == STORE_OK && commit->entry != NULL) {
        bool is_end_again = expected.is_closed && entry->data[0] == '\0';
        EXPECT(!expected.is_closed || is_end_again, "a closed stream has taken an entry");
        expected.tail += (int64_t)strlen(entry->data);
        expected.is_closed = expected.is_closed || entry->closes;
        EXPECT(commit->entry_state.verdict == (is_end_again ? JOURNAL_DUPLICATE : JOURNAL_OK) &&
                   commit->entry_state.tail == expected.tail,
               "the tail that was told is %lld, and not %lld", (long long)commit->entry_state.tail,
               (long long)expected.tail);
    }
    EXPECT(verdict != STORE_STREAM || commit->entry != NULL, "a commit without an entry was refused by a stream");
    expect_stream(world.fast_key);
    expect_stream(world.slow_key);
}
