/*
 * Both speeds of a commit do the same: operations at random go to two sessions, to one of them as a worker's handle
 * sends them, the fast way where that is foreseen, and to the other the slow way, in which Redis does all of it.
 *
 * SEED and COUNT in the environment: where the sequence begins, and how many commits it has.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "both.h"
#include "store.h"

enum {
    COMMITS = 5000, /* COUNT */
    SESSION_COMMITS_MAX = 90,
    AOF_EVERY = 1000,
    FAST_SHARE_MIN = 20, /* percent */
    AN_OLD_VISIT_MS = 3 * 60 * 1000,
};

/* -------------------- what comes between -------------------- */

static void new_id(uint8_t id[static HEADER_COMMIT_BYTES])
{
    for (size_t i = 0; i < HEADER_COMMIT_BYTES; i++)
        id[i] = (uint8_t)random_below(256);
}

/* Somebody else commits, in both sessions; the handle does not hear of it, or of the header alone. */
MAY_SUSPEND static void commit_foreign(const struct random_operations *operations, bool is_header_heard)
{
    struct commit commit;
    struct commit_answer answer;
    struct sent mine = world.sent;
    world.sent = (struct sent){.operations = *operations, .generation = UINT32_MAX};
    new_id(world.sent.id);
    try_slow(&world.sent, &commit, world.slow_key, &answer);
    commit_drop(&commit);
    try_slow(&world.sent, &commit, world.fast_key, &answer);
    commit_drop(&commit);
    if (is_header_heard)
        take_header(&answer.finding);
    expect_same_records();
    world.sent = mine;
}

MAY_SUSPEND static void commit_foreign_few(enum random_kind kind, bool is_header_heard)
{
    struct random_operations operations;
    size_t times = 1 + (random_chance(20) ? random_below(6) : 0);
    for (size_t i = 0; i < times; i++) {
        random_operations(kind, world.is_small, &world.record, &operations);
        commit_foreign(&operations, is_header_heard);
    }
}

/* The visitor was last there some minutes ago. */
static void age_visit(bool is_heard)
{
    uint8_t bytes[HEADER_BYTES];
    struct header header = world.record.header;
    if (!world.record.has_header)
        return;
    header.touched_ms -= AN_OLD_VISIT_MS;
    header_pack(&header, bytes);
    redis_tell(direct, "HSET %s @ %b", world.fast_key, bytes, (size_t)HEADER_BYTES);
    redis_tell(direct, "HSET %s @ %b", world.slow_key, bytes, (size_t)HEADER_BYTES);
    read_record();
    if (is_heard)
        world.header = header;
}

/* The same first touch of both, be they of an older format or not. */
MAY_SUSPEND static void touch_both(bool is_claim)
{
    struct store_finding finding;
    struct store_fence fence = {
        .task = "t", .generation = 1, .until_ms = clock_unix_ms() + LIFETIME_LONG_MS, .session_generation = 1000};
    const char *const keys[] = {world.slow_key, world.fast_key};
    for (size_t i = 0; i < 2; i++) {
        enum mid_error error = is_claim ? store_claim(keys[i], &fence, &finding) : store_touch(keys[i], 0, &finding);
        EXPECT(error == MID_OK && finding.verdict == STORE_OK, "cannot touch or claim: %d", finding.verdict);
    }
    take_header(&finding);
    expect_same_records();
}

MAY_SUSPEND static void begin_sessions(void)
{
    struct store_finding finding;
    speeds_new_key(world.fast_key);
    speeds_new_key(world.slow_key);
    world.commits_left = 20 + (int)random_below(SESSION_COMMITS_MAX);
    world.kind = random_chance(40) ? RANDOM_ANY : RANDOM_LASTING;
    world.is_small = random_chance(50);
    world.was_long = false;
    world.has_earlier = false;
    world.has_header = false;
    view_forget(&world.view);
    if (random_chance(35)) {
        write_format_1(world.fast_key, random_chance(50) ? "ada" : "", random_chance(50) ? "0" : "41");
        copy_record(world.fast_key, world.slow_key);
        if (random_chance(50))
            touch_both(random_chance(50));
    } else {
        EXPECT(store_create(world.fast_key, 0, &finding) == MID_OK && finding.verdict == STORE_OK, "cannot create");
        world.was_long = random_chance(20);
        if (world.was_long)
            write_heavy(world.fast_key);
        copy_record(world.fast_key, world.slow_key);
    }
    entries_begin();
    read_record();
    if (random_chance(70))
        load();
}

/* -------------------- kinds of commits -------------------- */

/* As a handle of now sends it; sometimes as one of before a login. */
static void choose_terms(void)
{
    struct sent *sent = &world.sent;
    uint32_t generation = world.record.has_header ? world.record.header.generation : 3;
    sent->generation = generation - (random_chance(3) && generation > 1);
    sent->is_without_cookie = random_chance(30);
    sent->is_cookie = random_chance(30) || (!sent->is_without_cookie && has_code(&sent->operations, OPERATION_RENEW));
    sent->is_activity = random_chance(40);
    sent->is_in_doubt = random_chance(8);
    new_id(sent->id);
}

/* As decide_who_answers() and note_revision() do. */
static void choose_revision(void)
{
    struct sent *sent = &world.sent;
    sent->knows_revision = world.has_header;
    sent->revision = world.has_header ? world.header.revision : 0;
    if (!has_answers(&sent->operations))
        return;
    sent->is_asked_there = !is_view_exact();
    sent->must_hold = !sent->is_asked_there;
}

MAY_SUSPEND static void commit_new(enum random_kind kind, bool is_overtaken, bool is_header_kept)
{
    struct commit commit;
    world.sent = (struct sent){0};
    random_operations(kind, world.is_small, &world.record, &world.sent.operations);
    world.sent.entry = entry_at_random();
    choose_terms();
    choose_revision();
    fill_commit(&commit, &world.sent, world.fast_key, &world.view);
    if (is_overtaken)
        commit_foreign_few(RANDOM_PLAIN, false);
    bool is_moved =
        world.sent.must_hold && world.record.has_header && world.record.header.revision != world.sent.revision;
    world.sent.is_believed = is_header_kept && world.has_header;
    world.sent.believed = world.header;
    enum store_verdict verdict = try_both(&commit);
    EXPECT(!is_moved || verdict != STORE_OK, "it rests on a revision that has gone, and was applied");
    commit_drop(&commit);
    if (verdict == STORE_OK && random_chance(40)) {
        world.earlier = world.sent;
        world.has_earlier = true;
    }
}

/* An earlier commit is sent once more, or an old copy of it arrives. */
MAY_SUSPEND static void commit_again(bool is_copy)
{
    struct commit commit;
    bool is_known = world.earlier.knows_revision;
    bool is_kept = false;
    if (!world.has_earlier)
        return;
    world.sent = world.earlier;
    if (!is_copy) {
        world.sent.is_in_doubt = true;
        world.sent.is_believed = world.has_header;
        world.sent.believed = world.header;
    }
    for (size_t i = 0; i < HEADER_COMMITS_KEPT; i++)
        is_kept = is_kept || memcmp(world.record.header.commits[i], world.sent.id, HEADER_COMMIT_BYTES) == 0;
    if (!is_kept && !is_known)
        return; /* the handle does not send it a second time */
    fill_commit(&commit, &world.sent, world.fast_key, &world.view);
    enum store_verdict verdict = try_both(&commit);
    EXPECT(verdict != STORE_OK, "it was applied twice");
    EXPECT((verdict == STORE_APPLIED) == is_kept, "it was applied before, and is found as %d", verdict);
    commit_drop(&commit);
}

/* A field's lifetime ends between the recording and the commit. */
MAY_SUSPEND static void commit_after_a_deadline(void)
{
    struct commit commit;
    struct random_operations operations = {.count = 1};
    random_operation(OPERATION_SET_FOR, world.is_small, &world.record, &operations.items[0]);
    operations.items[0].number = 4 * LIFETIME_SHORT_MS;
    commit_foreign(&operations, true);
    load();
    world.sent = (struct sent){0};
    random_operations(RANDOM_PLAIN, world.is_small, &world.record, &world.sent.operations);
    world.sent.operations.items[0].field = operations.items[0].field;
    choose_terms();
    choose_revision();
    fill_commit(&commit, &world.sent, world.fast_key, &world.view);
    wait_for_short_lifetimes();
    world.sent.is_believed = true;
    world.sent.believed = world.header;
    try_both(&commit);
    commit_drop(&commit);
}

MAY_SUSPEND static void commit_one(void)
{
    size_t chance = random_below(100);
    enum random_kind kind = random_chance(80) ? RANDOM_PLAIN : world.kind;
    if (chance < 70 && !is_view_exact())
        load();
    if (chance < 57) {
        world.mode = "view and header known";
        commit_new(kind, false, true);
    } else if (chance < 65) {
        world.mode = "overtaken";
        commit_new(kind, true, true);
    } else if (chance < 70) {
        world.mode = "a visit long ago";
        age_visit(random_chance(70));
        commit_new(kind, false, true);
    } else if (chance < 82) {
        world.mode = "blind";
        view_forget(&world.view);
        commit_new(random_chance(80) ? RANDOM_INCREMENTS : kind, false, true);
    } else if (chance < 88) {
        world.mode = "view out of date, header known";
        if (random_chance(80))
            load();
        commit_foreign_few(random_chance(70) ? RANDOM_INCREMENTS : RANDOM_PLAIN, true);
        commit_new(random_chance(60) ? RANDOM_INCREMENTS : kind, false, true);
    } else if (chance < 91) {
        world.mode = "nothing believed";
        commit_new(kind, false, false);
    } else if (chance < 99) {
        world.mode = "again";
        commit_again(random_chance(50));
    } else {
        world.mode = "after a deadline";
        commit_after_a_deadline();
    }
}

static void go_both_ways(void *arg)
{
    (void)arg;
    for (world.number = 0; world.number < world.count; world.number++) {
        if (world.commits_left-- == 0)
            begin_sessions();
        read_record();
        wait_for_short_lifetimes();
        commit_one();
        if (world.number % AOF_EVERY == AOF_EVERY - 1)
            expect_aof_is_the_records();
    }
    expect_aof_is_the_records();
    record_free(&world.record);
    view_fini(&world.view);
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

TestSuite(two_speeds, .fini = speeds_fini);

Test(two_speeds, random_operations_come_to_the_same_the_fast_way_and_the_slow_one)
{
    world.seed = random_begin("two_speeds");
    world.count = (long)number_of("COUNT", COMMITS);
    world.mode = "the beginning";
    world.view.revision = -1;
    speeds_run(go_both_ways);
    fprintf(stderr,
            "two_speeds: %ld commits, %ld of them the fast way (%ld %%); applied %ld, found applied %ld, moved %ld, "
            "limits %ld, not a number %ld, stale %ld, superseded %ld, another user %ld, refused by the stream %ld\n",
            world.tries, world.fast, 100 * world.fast / world.tries, world.verdicts[STORE_OK],
            world.verdicts[STORE_APPLIED], world.verdicts[STORE_MOVED], world.verdicts[STORE_LIMIT],
            world.verdicts[STORE_NOT_A_NUMBER], world.verdicts[STORE_STALE], world.verdicts[STORE_SUPERSEDED],
            world.verdicts[STORE_ANOTHER_USER], world.verdicts[STORE_STREAM]);
    cr_assert_gt(100 * world.fast, FAST_SHARE_MIN * world.tries);
    cr_expect(world.verdicts[STORE_ANOTHER_USER] > 0 || world.count < COMMITS);
    cr_expect(world.verdicts[STORE_STREAM] > 0 || world.count < COMMITS);
    for (enum store_verdict verdict = STORE_OK; verdict <= STORE_MOVED && world.count >= COMMITS; verdict++)
        cr_expect(world.verdicts[verdict] > 0 || verdict == STORE_MISSING || verdict == STORE_LOGGED_OUT,
                  "no commit ended with %d", verdict);
}
