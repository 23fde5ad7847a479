/* A commit that goes to two sessions, and what it comes to. See both.h. */
#include "both.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "store.h"

enum { TTL_APART_MAX_MS = 20 * 1000 };

struct world world;

void describe(void)
{
    fprintf(stderr, "two_speeds: SEED=%" PRIu64 " COUNT=%ld, commit %ld (%s) of %s:\n", world.seed, world.count,
            world.number, world.mode, world.fast_key);
    random_operations_print(&world.sent.operations);
}

/* -------------------- the handle -------------------- */

bool is_view_exact(void)
{
    return world.has_header && world.view.is_complete && world.view.revision == world.header.revision &&
           (world.header.flags & HEADER_HAS_DEADLINES) == 0 && !world.view.has_lifetimes;
}

void take_header(const struct store_finding *finding)
{
    if (!finding->has_header)
        return;
    world.header = finding->header;
    world.has_header = true;
}

void load(void)
{
    struct store_finding finding;
    int64_t created_ms;
    EXPECT(store_load(world.fast_key, &world.view, &created_ms, 0, &finding) == MID_OK, "cannot load");
    EXPECT(finding.verdict == STORE_OK, "loading finds %d", finding.verdict);
    take_header(&finding);
}

bool has_answers(const struct random_operations *operations)
{
    for (size_t i = 0; i < operations->count; i++) {
        struct operation operation = {.code = operations->items[i].code};
        if (operation_has_answer(&operation))
            return true;
    }
    return false;
}

bool has_code(const struct random_operations *operations, enum operation_code code)
{
    for (size_t i = 0; i < operations->count; i++)
        if (operations->items[i].code == code)
            return true;
    return false;
}

/* -------------------- the records -------------------- */

static void pause_ms(int64_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

void wait_for_short_lifetimes(void)
{
    int64_t longest_ms = 0;
    for (size_t i = 0; i < world.record.count; i++) {
        int64_t until_ms = record_until_ms(&world.record, &world.record.fields[i]);
        int64_t left_ms = until_ms - clock_unix_ms();
        if (until_ms != 0 && left_ms > -10 && left_ms < LIFETIME_LONG_MS / 2 && left_ms + 20 > longest_ms)
            longest_ms = left_ms + 20;
    }
    if (longest_ms > 0)
        pause_ms(longest_ms);
}

void read_record(void)
{
    record_free(&world.record);
    record_read(direct, world.fast_key, &world.record);
}

static long long ttl_ms(const char *key)
{
    redisReply *reply = redis_say(direct, "PTTL %s", key);
    long long ttl = reply->integer;
    freeReplyObject(reply);
    return ttl;
}

static void expect_compact(const char *key)
{
    redisReply *reply = redis_say(direct, "OBJECT ENCODING %s", key);
    EXPECT(strcmp(reply->str, "listpack") == 0, "%s is a %s", key, reply->str);
    freeReplyObject(reply);
}

void expect_same_records(void)
{
    struct record other;
    read_record();
    record_read(direct, world.slow_key, &other);
    const char *difference = record_difference(&world.record, &other);
    EXPECT(difference == NULL, "the records differ: %s", difference);
    const char *miscount = record_miscount(&world.record);
    EXPECT(miscount == NULL, "miscounted: %s", miscount);
    EXPECT(llabs(ttl_ms(world.fast_key) - ttl_ms(world.slow_key)) < TTL_APART_MAX_MS, "the TTLs differ");
    world.was_long = world.was_long || !record_is_compact(&world.record);
    if (!world.was_long) {
        expect_compact(world.fast_key);
        expect_compact(world.slow_key);
    }
    if (!record_is_equal(&world.record, &other))
        copy_record(world.fast_key, world.slow_key);
    record_free(&other);
}

/* A field whose lifetime is over may go at any time. */
static size_t count_visible(const struct record *record)
{
    int64_t now_ms = clock_unix_ms();
    size_t visible = 0;
    for (size_t i = 0; i < record->count; i++) {
        int64_t until_ms = record_until_ms(record, &record->fields[i]);
        visible += !record_is_own(&record->fields[i]) && (until_ms == 0 || until_ms > now_ms);
    }
    return visible;
}

/* A commit that was not applied, or before, has changed nothing: `before` against world.record. */
static void expect_unchanged(const struct record *before)
{
    const struct record *after = &world.record;
    bool is_of_format_1 = !before->has_header;
    if (!is_of_format_1 && (before->header.flags & HEADER_HAS_DEADLINES) == 0) {
        EXPECT(record_is_equal(before, after), "it was not applied, and the record is another one");
        return;
    }
    EXPECT(count_visible(before) == count_visible(after), "it was not applied, and there are other fields");
    for (size_t i = 0; i < after->count; i++) {
        const struct record_field *field = &after->fields[i];
        const struct record_field *old = record_find(before, field->name, field->name_bytes);
        if (field->name_bytes == 1 && field->name[0] == '@')
            continue;
        EXPECT(old != NULL && old->bytes == field->bytes && memcmp(old->value, field->value, field->bytes) == 0,
               "it was not applied, and %s is another one", field->name);
    }
    EXPECT(is_of_format_1 ||
               (before->header.revision == after->header.revision &&
                memcmp(before->header.commits, after->header.commits, sizeof(after->header.commits)) == 0),
           "it was not applied, and the header is another one");
}

/* The view shows the fields that are stored, if it is of this revision. */
static void expect_view_is_exact(void)
{
    const struct view *view = &world.view;
    if (!view->is_complete || view->revision != world.record.header.revision)
        return;
    wait_for_short_lifetimes();
    int64_t now_ms = clock_unix_ms();
    for (size_t i = 0; i < world.record.count; i++) {
        const struct record_field *field = &world.record.fields[i];
        const struct view_field *shown = view_find(view, field->name);
        int64_t until_ms = record_until_ms(&world.record, field);
        if (record_is_own(field) || (until_ms != 0 && until_ms <= now_ms))
            continue;
        EXPECT(view_has_value(shown), "the view does not show %s", field->name);
        EXPECT(shown->value_bytes == field->bytes && memcmp(shown->value, field->value, field->bytes) == 0,
               "the view shows another %s", field->name);
    }
    for (const struct view_field *shown = view->fields; shown != NULL; shown = shown->next)
        EXPECT(!view_has_value(shown) || record_find(&world.record, shown->name, strlen(shown->name)) != NULL,
               "the view shows %s, which is not there", shown->name);
}

/* -------------------- one commit, down both ways -------------------- */

void fill_commit(struct commit *commit, const struct sent *sent, const char *key, struct view *view)
{
    *commit = (struct commit){
        .knows_revision = sent->knows_revision,
        .revision = sent->revision,
        .must_hold = sent->must_hold,
        .is_asked_there = sent->is_asked_there,
        .is_in_doubt = sent->is_in_doubt,
        .has_id = true,
    };
    memcpy(commit->id, sent->id, sizeof(commit->id));
    operations_init(&commit->operations);
    operations_add_random(&commit->operations, &sent->operations, view);
    entry_add(&commit->operations, key, &sent->entry);
    const struct operation *last = operations_last(&commit->operations);
    commit->entry = last->code == OPERATION_ENTRY ? last : NULL;
}

static enum store_verdict without_way(enum store_verdict verdict)
{
    return verdict == STORE_DONE ? STORE_OK : verdict;
}

static void expect_same_results(const struct commit *fast, const struct commit *slow, enum store_verdict verdict)
{
    const struct operation *other = slow->operations.first;
    for (const struct operation *one = fast->operations.first; one != NULL; one = one->next, other = other->next) {
        bool is_told = one->code == OPERATION_INCREMENT || (operation_has_answer(one) && verdict == STORE_OK);
        if (!is_told)
            continue;
        EXPECT((one->result.data == NULL) == (other->result.data == NULL), "only one has an answer about %s",
               one->field.data);
        EXPECT(one->result.bytes == other->result.bytes &&
                   (one->result.bytes == 0 || memcmp(one->result.data, other->result.data, one->result.bytes) == 0),
               "the answers about %s differ: \"%.*s\" and \"%.*s\"", one->field.data, (int)one->result.bytes,
               one->result.data, (int)other->result.bytes, other->result.data);
    }
}

static bool is_same_header(const struct header *a, const struct header *b)
{
    uint8_t one[HEADER_BYTES];
    uint8_t other[HEADER_BYTES];
    header_pack(a, one);
    header_pack(b, other);
    return memcmp(one, other, HEADER_BYTES) == 0;
}

/* As settle_view() and settle() do. */
static void settle(struct commit *commit, const struct commit_answer *answer)
{
    const struct header *header = &answer->finding.header;
    struct operations later;
    bool was_next = world.view.is_complete && world.view.revision == header->revision - 1;
    bool was_surprise =
        (world.has_header && (world.header.flags & HEADER_HAS_DEADLINES) != 0) || commit->is_asked_there;
    take_header(&answer->finding);
    if (was_surprise) {
        view_forget(&world.view);
        return;
    }
    operations_init(&later);
    operations_show_results(&commit->operations, &later, &world.view);
    world.view.revision = was_next && answer->finding.verdict != STORE_APPLIED ? header->revision : -1;
}

static struct commit_terms terms_of(const struct sent *sent, const char *key)
{
    return (struct commit_terms){
        .key = key,
        .generation = sent->generation,
        .is_cookie = sent->is_cookie,
        .is_without_cookie = sent->is_without_cookie,
        .is_activity = sent->is_activity,
    };
}

void try_slow(const struct sent *sent, struct commit *commit, const char *key, struct commit_answer *answer)
{
    struct view nothing = {.revision = -1};
    struct commit_terms terms = terms_of(sent, key);
    fill_commit(commit, sent, key, &nothing);
    commit->is_asked_there = true;
    EXPECT(commit_try(commit, &terms, answer) == MID_OK, "no answer");
    EXPECT(!answer->was_fast, "nothing was believed, and yet it was fast");
    view_fini(&nothing);
}

enum store_verdict try_both(struct commit *commit)
{
    struct commit_answer fast;
    struct commit_answer slow;
    struct commit other;
    struct record before = world.record;
    struct commit_terms terms = terms_of(&world.sent, world.fast_key);
    terms.header = world.sent.is_believed ? &world.sent.believed : NULL;
    world.record = (struct record){0};
    record_free(&before);
    record_read(direct, world.fast_key, &before);
    EXPECT(commit_try(commit, &terms, &fast) == MID_OK, "no answer");
    try_slow(&world.sent, &other, world.slow_key, &slow);

    enum store_verdict verdict = without_way(fast.finding.verdict);
    world.tries++;
    world.fast += fast.was_fast;
    world.verdicts[verdict]++;
    EXPECT(verdict == without_way(slow.finding.verdict), "one finds %d, the other %d", fast.finding.verdict,
           slow.finding.verdict);
    EXPECT(verdict != STORE_FOREIGN && verdict != STORE_MISSING && verdict != STORE_NO_ANSWER, "verdict %d", verdict);
    EXPECT((fast.refused == NULL) == (slow.refused == NULL), "only one is refused with a sentence");
    EXPECT(fast.refused == NULL || strcmp(fast.refused, slow.refused) == 0, "refused: %s; and: %s", fast.refused,
           slow.refused);
    if (verdict == STORE_OK || verdict == STORE_APPLIED)
        expect_same_results(commit, &other, verdict);
    expect_same_records();
    entries_expect(commit, &world.sent.entry, verdict);
    EXPECT(!fast.finding.has_header || is_same_header(&fast.finding.header, &world.record.header),
           "the header that was told is not the one that is stored (%s)", fast.was_fast ? "fast" : "slow");
    if (verdict == STORE_OK) {
        EXPECT(world.record.header.revision == (before.has_header ? before.header.revision : 17) + 1, "the revision");
        EXPECT(memcmp(world.record.header.commits[0], world.sent.id, HEADER_COMMIT_BYTES) == 0, "the identifier");
        settle(commit, &fast);
        expect_view_is_exact();
    } else {
        expect_unchanged(&before);
        take_header(&fast.finding);
        view_forget(&world.view);
    }
    commit_drop(&other);
    record_free(&before);
    return verdict;
}
