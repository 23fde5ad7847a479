/* Records of another form: those of format 1 become ours at the first touch, and foreign ones stay as they are. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"
#include "random.h"
#include "record.h"
#include "session/commit_try.h"
#include "store.h"

TestSuite(two_speeds_forms, .fini = speeds_fini, .timeout = 60);

static const struct operation_text field = {"a", 1};
static const struct operation_text value = {"new", 3};

static struct store_fence fence_of_now(void)
{
    return (struct store_fence){
        .task = "t", .generation = 1, .until_ms = clock_unix_ms() + LIFETIME_LONG_MS, .session_generation = 1000};
}

/* One commit; `header` NULL: nothing is believed. */
MAY_SUSPEND static enum mid_error commit(const char *key, enum operation_code code, const struct header *header,
                                         struct view *view, struct store_finding *finding)
{
    struct commit made = {.knows_revision = header != NULL, .revision = header != NULL ? header->revision : 0};
    struct commit_answer answer;
    struct commit_terms terms = {.key = key, .generation = 3, .header = header};
    struct operation_text by = {"1", 1};
    operations_init(&made.operations);
    operations_add(&made.operations, code, field, code == OPERATION_INCREMENT ? by : value, 0);
    operations_preview(&made.operations, view);
    enum mid_error error = commit_try(&made, &terms, &answer);
    *finding = answer.finding;
    commit_drop(&made);
    return error;
}

/* -------------------- format 1 -------------------- */

enum first_touch { BY_COMMIT, BY_COMMIT_OF_A_READER, BY_TOUCH, BY_CLAIM, FIRST_TOUCHES };

MAY_SUSPEND static void touch_first(const char *key, enum first_touch how)
{
    struct view view = {.revision = -1};
    struct store_finding finding = {0};
    struct store_fence fence = fence_of_now();
    enum mid_error error = MID_OK;
    int64_t created_ms;
    switch (how) {
    case BY_COMMIT:
        error = commit(key, OPERATION_SET, NULL, &view, &finding);
        break;
    case BY_COMMIT_OF_A_READER:
        cr_assert(store_load(key, &view, &created_ms, 0, &finding) == MID_OK && finding.verdict == STORE_OK);
        error = commit(key, OPERATION_SET, &finding.header, &view, &finding);
        break;
    case BY_TOUCH:
        error = store_touch(key, 0, &finding);
        break;
    case BY_CLAIM:
    case FIRST_TOUCHES:
        error = store_claim(key, &fence, &finding);
        break;
    }
    cr_assert_eq(error, MID_OK);
    cr_assert_eq(finding.verdict, STORE_OK, "touch %d finds %d", how, finding.verdict);
    view_fini(&view);
}

/* `then_committed`: commits once more what a touch has turned into ours, so that all are at the same. */
MAY_SUSPEND static void convert(const char *user, enum first_touch how, struct record *record)
{
    char key[STORE_KEY_BYTES];
    struct record before;
    speeds_new_key(key);
    write_format_1(key, user, "41");
    record_read(direct, key, &before);
    touch_first(key, how);
    if (how == BY_TOUCH || how == BY_CLAIM)
        touch_first(key, BY_COMMIT);
    record_read(direct, key, record);
    const struct record_field *created = record_find(record, "@created", 8);
    const struct record_field *was_created = record_find(&before, "@created", 8);
    cr_assert(created != NULL && strcmp(created->value, was_created->value) == 0);
    cr_assert_null(record_miscount(record));
    record_free(&before);
}

static void convert_in_all_ways(void *arg)
{
    (void)arg;
    static const char *const users[] = {"", "ada"};
    for (size_t i = 0; i < 2; i++) {
        struct record first;
        convert(users[i], BY_COMMIT, &first);
        cr_expect_eq(first.header.revision, 18);
        cr_expect_eq(first.header.generation, 3);
        cr_expect_eq(first.header.login, i == 0 ? 1 : 3);
        cr_expect_eq(first.header.fields, 3);
        cr_expect_eq(first.count, i == 0 ? 5 : 6); /* "@", "@created", perhaps "@user", and the visitor's three */
        memset(first.header.commits, 0, sizeof(first.header.commits));
        for (enum first_touch how = BY_COMMIT_OF_A_READER; how < FIRST_TOUCHES; how++) {
            struct record other;
            convert(users[i], how, &other);
            memset(other.header.commits, 0, sizeof(other.header.commits));
            const char *difference = record_difference(&first, &other);
            cr_expect_null(difference, "first touched in the way %d, it has another %s", how, difference);
            record_free(&other);
        }
        record_free(&first);
    }
    expect_aof_is_the_records();
}

Test(two_speeds_forms, a_record_of_format_1_is_turned_into_ours_by_whatever_touches_it_first)
{
    speeds_run(convert_in_all_ways);
}

/* -------------------- foreign records -------------------- */

static void expect_refused(enum mid_error error, const struct store_finding *finding, const char *what, size_t form)
{
    bool is_refused = error == MID_FAILED || (error == MID_OK && finding->verdict == STORE_FOREIGN);
    cr_expect(is_refused, "form %zu: %s is answered with %d, and finds %d", form, what, error, finding->verdict);
}

MAY_SUSPEND static void try_all_steps(const char *key, const struct header *header, size_t form)
{
    struct store_finding finding = {0};
    struct store_fence fence = fence_of_now();
    struct view exact = {.is_complete = true, .revision = header->revision};
    struct view nothing = {.revision = -1};
    struct store_ending ending = {.durability = MID_DURABLE_MEMORY};
    int64_t created_ms;
    expect_refused(commit(key, OPERATION_SET, NULL, &nothing, &finding), &finding, "the slow way", form);
    expect_refused(commit(key, OPERATION_INCREMENT, header, &nothing, &finding), &finding, "an increment", form);
    expect_refused(commit(key, OPERATION_SET, header, &exact, &finding), &finding, "the fast way", form);
    expect_refused(store_touch(key, 0, &finding), &finding, "touching", form);
    expect_refused(store_claim(key, &fence, &finding), &finding, "claiming", form);
    expect_refused(store_load(key, &nothing, &created_ms, 0, &finding), &finding, "loading", form);
    expect_refused(store_look(key, &finding), &finding, "looking", form);
    expect_refused(store_watch(key, 0, &finding), &finding, "watching", form);
    expect_refused(store_end(key, "grace", 0, &ending, &finding), &finding, "ending a user's", form);
    expect_refused(store_destroy(key, 3, true, NULL, &ending, &finding), &finding, "ending", form);
    view_fini(&exact);
    view_fini(&nothing);
}

static void meet_foreign_records(void *arg)
{
    (void)arg;
    enum { FORMS = 7 };
    uint8_t bytes[HEADER_BYTES + 1] = {0};
    struct header header = {.generation = 3, .login = 1, .revision = 5, .expires_ms = INT32_MAX, .fields = 0};
    for (size_t form = 0; form < FORMS; form++) {
        char key[STORE_KEY_BYTES];
        speeds_new_key(key);
        header_pack(&header, bytes);
        size_t length = HEADER_BYTES;
        if (form < 2)
            bytes[0] = form == 0 ? HEADER_VERSION + 1 : 0;
        else if (form < 5)
            length = form == 2 ? HEADER_BYTES + 1 : form == 3 ? HEADER_BYTES - 1 : 0;
        if (form < 5)
            redis_tell(direct, "HSET %s @ %b @created 1 a 41", key, bytes, length);
        else if (form == 5)
            redis_tell(direct, "SET %s 41", key);
        else
            redis_tell(direct, "RPUSH %s a 41", key);
        redisReply *before = redis_say(direct, "DUMP %s", key);
        try_all_steps(key, &header, form);
        redisReply *after = redis_say(direct, "DUMP %s", key);
        cr_expect(after->len == before->len && memcmp(after->str, before->str, before->len) == 0,
                  "form %zu was changed", form);
        freeReplyObject(before);
        freeReplyObject(after);
    }
}

Test(two_speeds_forms, a_foreign_record_is_refused_and_stays_as_it_is)
{
    speeds_run(meet_foreign_records);
}
