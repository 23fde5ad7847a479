/*
 * What becomes of appends whose answers are lost, and of producers that are killed: each entry is stored once, in its
 * place, and together with what is recorded in the session or not at all.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "integration/proxy.h"
#include "integration/random.h"
#include "streams.h"

TestSuite(durable_doubt, .timeout = 180);

#define HASTY "MIDSTREAM_REDIS_TIMEOUT_MS=300", "MIDSTREAM_COMMIT_TIMEOUT_MS=1500"

/* -------------------- answers that are lost, at random -------------------- */

enum { STEPS = 30, FOR_EVER = 1000000 };

/* One append of the handler, alone or as a commit with the session. */
struct step {
    int64_t tail; /* behind it */
    bool is_commit;
    bool is_repetition; /* of the one before it, which got no answer */
    enum loss loss;
    bool gets_no_answer; /* not even to what is sent again */
    char text[4];
};

static void plan_step(struct step *steps, int i)
{
    struct step *step = &steps[i];
    step->is_repetition = i > 0 && steps[i - 1].gets_no_answer && random_chance(50);
    step->is_commit = step->is_repetition ? steps[i - 1].is_commit : random_chance(50);
    snprintf(step->text, sizeof(step->text), "%03d", step->is_repetition ? atoi(steps[i - 1].text) : i);
    step->tail = (i > 0 ? steps[i - 1].tail : 0) + (step->is_repetition ? 0 : (int64_t)strlen(step->text));
    bool is_lost = random_chance(60) && i + 1 < STEPS;
    step->loss = !is_lost ? LOSE_NOTHING : random_chance(50) ? LOSE_COMMIT : LOSE_ANSWER;
    step->gets_no_answer = is_lost && random_chance(40);
}

/* The acts, with a gate before each step; what the stream has in the end, and what the session's field has. */
static void write_plan(const struct step *steps, struct buffer *acts, struct buffer *stream, struct buffer *field)
{
    for (int i = 0; i < STEPS; i++) {
        const struct step *step = &steps[i];
        buffer_printf(acts, ",gate:g%d", i);
        if (step->is_commit && !step->is_repetition)
            buffer_printf(acts, ",append:told:%s", step->text);
        buffer_printf(acts, ",%s:%s", step->is_commit ? "log-commit" : "log-append", step->text);
        if (!step->is_repetition)
            buffer_append_text(stream, step->text);
        if (step->is_commit && !step->is_repetition)
            buffer_append_text(field, step->text);
    }
    buffer_append(stream, "", 1);
    buffer_append(field, "", 1);
}

static void play_step(const struct stage *stage, struct proxy *proxy, const struct step *step, int number, int *act)
{
    OWNED char *gate = text_printf("g%d", number);
    stage_await_gate(stage, "h", gate);
    proxy_lose(proxy, step->loss, step->gets_no_answer ? FOR_EVER : step->loss != LOSE_NOTHING);
    stage_open_gate(stage, "h", gate);
    *act += step->is_commit && !step->is_repetition ? 3 : 2;
    OWNED char *who = text_printf("h.%d", *act);
    OWNED char *note = stage_note(stage, who);
    proxy_lose(proxy, LOSE_NOTHING, 0);
    OWNED char *expected =
        step->gets_no_answer ? strdup(" MID_UNAVAILABLE") : text_printf(" MID_OK %d", (int)step->tail);
    cr_expect(strstr(note, expected) != NULL, "step %d, lost %d: %s and not%s", number, step->loss, note, expected);
}

Test(durable_doubt, what_is_appended_is_there_once_and_in_its_place_whatever_answers_are_lost)
{
    struct step steps[STEPS] = {{0}};
    struct buffer acts = {0}, stream = {0}, field = {0};
    int act = 3;
    random_begin("durable_doubt::what_is_appended_is_there_once_and_in_its_place_whatever_answers_are_lost");
    for (int i = 0; i < STEPS; i++)
        plan_step(steps, i);
    buffer_append_text(&acts, "log-create:a:as:p,open,begin:bytes");
    write_plan(steps, &acts, &stream, &field);
    buffer_append(&acts, "", 1);

    struct stage stage = stage_open(SETTINGS(HASTY));
    struct proxy *proxy = proxy_open(&stage.site);
    stage_act(&stage, "ping,set:old:x,commit&who=m", NULL);
    struct http_stream *handler = stage_stream(&stage, acts.data);
    for (int i = 0; i < STEPS; i++)
        play_step(&stage, proxy, &steps[i], i, &act);
    http_stream_close(handler, NULL);
    stage_act(&stage, "log-find:a,log-read:0,get:told&who=n", NULL);
    OWNED char *read = text_printf("log-read:0 MID_OK %s", stream.data);
    OWNED char *told = text_printf("get:told MID_OK %s", field.length > 1 ? field.data : "nothing");
    EXPECT_NOTE(&stage, "n.2", read);
    EXPECT_NOTE(&stage, "n.3", told);
    proxy_close(proxy);
    stage_close(&stage);
    buffer_fini(&acts), buffer_fini(&stream), buffer_fini(&field);
}

/* -------------------- producers that are killed -------------------- */

struct tail_wish {
    const struct stage *stage;
    char key[JOURNAL_KEY_BYTES];
    int64_t tail;
};

static bool has_tail(void *arg)
{
    const struct tail_wish *wish = arg;
    return stored_number(&wish->stage->site, wish->key, "tail") >= wish->tail;
}

/* Of the session's stream of that name. */
static void await_tail(const struct stage *stage, const char *name, int64_t tail)
{
    struct tail_wish wish = {.stage = stage, .tail = tail};
    stream_key(stage, name, wish.key);
    cr_assert(wait_until(has_tail, &wish, 2 * PATIENCE_MS), "%s", wish.key);
}

struct attempt_wish {
    const struct stage *stage;
    int number;
};

static bool has_begun(void *arg)
{
    const struct attempt_wish *wish = arg;
    OWNED char *path = text_printf("%s/begun.%d", wish->stage->dir, wish->number);
    return access(path, F_OK) == 0;
}

static void await_attempt(const struct stage *stage, int number)
{
    struct attempt_wish wish = {.stage = stage, .number = number};
    cr_assert(wait_until(has_begun, &wish, 2 * PATIENCE_MS), "attempt %d", number);
}

/* A task that writes numbers is killed again and again, wherever it is, while answers are lost. */
static void expect_continued(const char *act, bool is_told)
{
    enum { NUMBERS = 1000, KILLS = 5 };
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_TASK_LEASE_MS=600", "MIDSTREAM_WATCHDOG_MS=0",
                                             "MIDSTREAM_TASK_BACKOFF_MS=20", "MIDSTREAM_TASK_LOSSES_MAX=1000"));
    struct proxy *proxy = proxy_open(&stage.site);
    stage_act(&stage, "ping,set:old:x,commit&who=m", NULL);
    OWNED char *path = text_printf("/act-task?attempts=10&acts=log-create:a,%s:%d,return", act, NUMBERS);
    cr_assert_eq(site_send(&stage.site, "POST", path, "", NULL), 202);
    for (int i = 0; i < KILLS; i++) {
        await_attempt(&stage, i + 1);
        usleep((useconds_t)(30000 + random_below(80000)));
        proxy_lose(proxy, random_chance(50) ? LOSE_ANSWER : LOSE_COMMIT, 1);
        usleep((useconds_t)random_below(20000));
        process_signal(stage_task_worker(&stage), SIGKILL);
    }
    proxy_lose(proxy, LOSE_NOTHING, 0);
    await_attempt(&stage, KILLS + 1);
    await_tail(&stage, "a", 3 * NUMBERS);
    stage_act(&stage, "log-find:a,log-read:0,get:told&who=n", NULL);
    OWNED char *numbers = numbers_until(NUMBERS);
    OWNED char *read = text_printf("log-read:0 MID_OK %s", numbers);
    OWNED char *told = text_printf("get:told MID_OK %s", is_told ? numbers : "nothing");
    EXPECT_NOTE(&stage, "n.2", read);
    EXPECT_NOTE(&stage, "n.3", told);
    proxy_close(proxy);
    stage_close(&stage);
}

Test(durable_doubt, a_task_that_is_killed_again_and_again_continues_its_stream_where_it_ended)
{
    random_begin("durable_doubt::a_task_that_is_killed_again_and_again_continues_its_stream_where_it_ended");
    expect_continued("log-fill", false);
}

Test(durable_doubt, a_killed_tasks_stream_and_session_say_the_same)
{
    random_begin("durable_doubt::a_killed_tasks_stream_and_session_say_the_same");
    expect_continued("log-tell", true);
}

/* -------------------- what is refused after all -------------------- */

/* A stream's handler appends or commits "lost" as a producer, and gets no answer, since Redis never sees it;
 * `meanwhile` is played by another request, and then `acts` behind it, until the note `last`. */
static void play_behind(struct stage *stage, const char *lost, const char *meanwhile, const char *acts,
                        const char *last)
{
    struct proxy *proxy = proxy_open(&stage->site);
    stage_act(stage, "ping,set:old:x,commit&who=m", NULL);
    OWNED char *all = text_printf("log-create:a:as:p,open,begin:bytes,gate:lose,%s,gate:on,%s", lost, acts);
    struct http_stream *handler = stage_stream(stage, all);
    stage_await_gate(stage, "h", "lose");
    proxy_lose(proxy, LOSE_COMMIT, FOR_EVER);
    stage_open_gate(stage, "h", "lose");
    stage_await_gate(stage, "h", "on");
    proxy_lose(proxy, LOSE_NOTHING, 0);
    stage_act(stage, meanwhile, NULL);
    stage_open_gate(stage, "h", "on");
    free(stage_note(stage, last));
    cr_expect(http_stream_wait_end(handler, PATIENCE_MS));
    http_stream_close(handler, NULL);
    proxy_close(proxy);
}

Test(durable_doubt, closing_does_not_say_ok_of_an_append_that_the_closed_stream_refuses)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    play_behind(&stage, "log-append:lost", "ping,log-find:a,log-close&who=o", "log-close,log-close,log-find:a", "h.9");
    EXPECT_NOTE(&stage, "h.5", "log-append:lost MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "o.3", "log-close MID_OK");
    EXPECT_NOTE(&stage, "h.7", "log-close MID_CLOSED");
    EXPECT_NOTE(&stage, "h.8", "log-close MID_OK");
    EXPECT_NOTE(&stage, "h.9", "log-find:a MID_OK 0 0 closed");
    stage_close(&stage);
}

Test(durable_doubt, a_commit_that_the_stream_refuses_takes_what_was_recorded_behind_it_along)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    play_behind(&stage, "set:x:1,log-commit:lost", "ping,log-find:a,log-close&who=o",
                "set:y:2,log-commit:more,get:x,get:y,set:z:3,commit,get:z", "h.14");
    EXPECT_NOTE(&stage, "h.6", "log-commit:lost MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "h.9", "log-commit:more MID_CLOSED");
    EXPECT_NOTE(&stage, "h.10", "get:x MID_OK nothing");
    EXPECT_NOTE(&stage, "h.11", "get:y MID_OK nothing");
    EXPECT_NOTE(&stage, "h.13", "commit MID_OK");
    EXPECT_NOTE(&stage, "h.14", "get:z MID_OK 3");
    stage_close(&stage);
}

Test(durable_doubt, finding_a_stream_again_settles_what_was_appended_before)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    play_behind(&stage, "log-append:one", "ping&who=o",
                "log-find:a,log-append:two,set:x:1,log-commit:three,log-find:a,log-read:0", "h.12");
    EXPECT_NOTE(&stage, "h.7", "log-find:a MID_OK 3 0");
    EXPECT_NOTE(&stage, "h.8", "log-append:two MID_OK 6");
    EXPECT_NOTE(&stage, "h.12", "log-read:0 MID_OK onetwothree");
    stage_close(&stage);
}

#define HASTIEST "MIDSTREAM_REDIS_TIMEOUT_MS=300", "MIDSTREAM_COMMIT_TIMEOUT_MS=0"

/* As many as there is room for beside the one on its way; the others are told so, and nothing is lost of these. */
Test(durable_doubt, entries_that_wait_are_as_many_as_there_is_room_for_and_make_room_by_themselves)
{
    struct stage stage = stage_open(SETTINGS(HASTIEST));
    play_behind(&stage, "log-many:600", "ping&who=o", "ping,log-commit:end,log-append:ed,log-read:0", "h.10");
    EXPECT_NOTE(&stage, "h.5", "log-many:600 MID_OK 513 kept and 87 refused");
    EXPECT_NOTE(&stage, "h.8", "log-commit:end MID_OK 1542");
    EXPECT_NOTE(&stage, "h.9", "log-append:ed MID_OK 1544");
    OWNED char *numbers = numbers_until(513);
    OWNED char *read = text_printf("log-read:0 MID_OK %sended", numbers);
    EXPECT_NOTE(&stage, "h.10", read);
    stage_close(&stage);
}

Test(durable_doubt, what_is_refused_behind_entries_that_wait_does_not_take_them_along)
{
    struct stage stage = stage_open(SETTINGS(HASTIEST));
    play_behind(&stage, "log-many:250,many:250,log-commit:end,many:300", "ping&who=o",
                "ping,commit,get:many,log-read:0,commit,get:many", "h.15");
    EXPECT_NOTE(&stage, "h.5", "log-many:250 MID_OK 250 kept and 0 refused");
    EXPECT_NOTE(&stage, "h.6", "many:250 MID_OK");
    EXPECT_NOTE(&stage, "h.7", "log-commit:end MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "h.8", "many:300 MID_UNPROCESSABLE");
    EXPECT_NOTE(&stage, "h.11", "commit MID_UNPROCESSABLE");
    EXPECT_NOTE(&stage, "h.12", "get:many MID_OK 250");
    OWNED char *numbers = numbers_until(250);
    OWNED char *read = text_printf("log-read:0 MID_OK %send", numbers);
    EXPECT_NOTE(&stage, "h.13", read);
    EXPECT_NOTE(&stage, "h.14", "commit MID_OK");
    EXPECT_NOTE(&stage, "h.15", "get:many MID_OK 250");
    stage_close(&stage);
}

Test(durable_doubt, an_append_that_is_refused_fails_no_commit_of_another_stream)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    play_behind(&stage, "log-append:lost", "ping,log-find:a,log-delete&who=o",
                "log-create:b,set:x:1,log-commit:y,get:x,log-create:a,log-create:a", "h.12");
    EXPECT_NOTE(&stage, "h.9", "log-commit:y MID_OK 1");
    EXPECT_NOTE(&stage, "h.10", "get:x MID_OK 1");
    EXPECT_NOTE(&stage, "h.11", "log-create:a MID_NOT_FOUND");
    EXPECT_NOTE(&stage, "h.12", "log-create:a MID_OK 0 0");
    stage_close(&stage);
}

/* A plain append does not commit what the handler has not committed. */
Test(durable_doubt, an_append_behind_an_entry_that_waits_leaves_what_is_recorded_alone)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    play_behind(&stage, "set:x:1,log-commit:one", "ping&who=o",
                "set:y:2,log-append:two,log-read:0,refresh,get:x,fail,return", "h.13");
    EXPECT_NOTE(&stage, "h.9", "log-append:two MID_OK 6");
    EXPECT_NOTE(&stage, "h.10", "log-read:0 MID_OK onetwo");
    EXPECT_NOTE(&stage, "h.12", "get:x MID_OK 1");
    OWNED char *key = site_key(&stage.site);
    cr_expect_eq(stored_number(&stage.site, key, "y"), -1);
    stage_close(&stage);
}
