/* Scenarios. See scenario.h; check.h says which fields there are, and what for. */
#include "scenario.h"

#include <inttypes.h>
#include <string.h>

enum { OPERATIONS_MAX = 8 };

struct writing {
    const struct scenario *scenario;
    struct random *random;
    struct buffer text;
};

static bool chance(struct writing *writing, uint32_t percent)
{
    return random_below(writing->random, 100) < percent;
}

static void add(struct writing *writing, const char *text)
{
    buffer_append_text(&writing->text, text);
}

static void add_operation(struct writing *writing, const char *operation)
{
    add(writing, " ");
    add(writing, operation);
}

static void add_increment(struct writing *writing, const char *field, uint64_t by)
{
    buffer_printf(&writing->text, " inc:%s:%" PRIu64, field, by);
}

/* So large that no two sums of some of them are the same, and that Lua's numbers do not hold the whole. */
static uint64_t large_amount(struct writing *writing)
{
    return (1ULL << 40) + (random_next(writing->random) >> 16);
}

static void begin_line(struct writing *writing, char phase, const char *way)
{
    buffer_printf(&writing->text, "%c %s", phase, way);
}

/* -------------------- operations of commits that are marked in the log -------------------- */

/* Returns how many it has added. */
static size_t add_marked(struct writing *writing)
{
    unsigned lane = writing->scenario->lane;
    switch (random_below(writing->random, 12)) {
    case 0:
    case 1:
        add_operation(writing, "set:m.x");
        add_operation(writing, "set:m.y");
        return 2;
    case 2:
        buffer_printf(&writing->text, " %s:m.l%u", chance(writing, 50) ? "set" : "bytes", lane);
        return 1;
    case 3:
        buffer_printf(&writing->text, " del:m.l%u", lane);
        return 1;
    case 4:
        add_operation(writing, chance(writing, 70) ? "set:m.shared" : "del:m.shared");
        return 1;
    case 5:
    case 6:
        add_increment(writing, "m.sum", random_between(writing->random, 1, 9));
        return 1;
    case 7:
        add_increment(writing, "m.big", large_amount(writing));
        return 1;
    case 8:
        add_operation(writing, chance(writing, 90) ? "tail:m.tail" : "del:m.tail");
        return 1;
    case 9:
        add_operation(writing, chance(writing, 10) ? "del:m.sum" : "set:m.box");
        return 1;
    case 10:
        add_increment(writing, "u.sum", random_between(writing->random, 1, 9));
        return 1;
    default:
        add_increment(writing, "u.big", large_amount(writing));
        return 1;
    }
}

static void add_all_marked(struct writing *writing, uint32_t most)
{
    uint32_t wanted = random_below(writing->random, most + 1);
    for (size_t have = 0; have < wanted;)
        have += add_marked(writing);
}

static void add_mark(struct writing *writing)
{
    add_operation(writing, "app:log");
}

/* -------------------- operations of those that are not -------------------- */

/* Each field at most once in a commit. */
static void add_unmarked(struct writing *writing)
{
    static const char *const privately[] = {"set", "bytes", "del"};
    uint32_t choice = random_between(writing->random, 1, 15);
    if (choice & 1)
        add_increment(writing, "u.sum", random_between(writing->random, 1, 9));
    if (choice & 2)
        add_increment(writing, "u.big", large_amount(writing));
    if (choice & 4) {
        buffer_printf(&writing->text, " %s:u.p%u", privately[random_below(writing->random, 3)],
                      writing->scenario->lane);
    }
    if (choice & 8) {
        add_operation(writing, "set:u.v");
        add_operation(writing, "set:u.w");
    }
}

/* -------------------- lines -------------------- */

/* A request that was not answered mostly gives up; others have time, and go on. */
static void add_stop(struct writing *writing, char phase)
{
    if (chance(writing, phase == 'h' && writing->scenario->kind != SCENARIO_STREAM ? 80 : 10))
        buffer_printf(&writing->text, "%c stop\n", phase);
}

static const char *commit_way(struct writing *writing, char phase)
{
    return phase == 't' && chance(writing, 60) ? "step" : "commit";
}

static void write_marked(struct writing *writing, char phase)
{
    begin_line(writing, phase, commit_way(writing, phase));
    add_mark(writing);
    add_all_marked(writing, OPERATIONS_MAX - 2);
    add(writing, "\n");
    add_stop(writing, phase);
}

static void write_unmarked(struct writing *writing, char phase)
{
    begin_line(writing, phase, commit_way(writing, phase));
    add_unmarked(writing);
    add(writing, "\n");
    add_stop(writing, phase);
}

static void write_question(struct writing *writing, char phase)
{
    static const char *const questions[] = {"take:%c.box", "sia:%c.box",  "cas:%c.cas",
                                            "cas:%c.cas",  "sia:%c.lock", "take:%c.lock"};
    const char *question = questions[random_below(writing->random, 6)];
    bool is_marked = chance(writing, 60);
    begin_line(writing, phase, "ask");
    if (is_marked) {
        add_mark(writing);
        add_all_marked(writing, 3);
    } else if (chance(writing, 30)) {
        add_unmarked(writing);
    }
    buffer_printf(&writing->text, " %.*s%c%s\n", (int)strcspn(question, "%"), question, is_marked ? 'm' : 'u',
                  strchr(question, '%') + 2);
    add_stop(writing, phase);
}

/* One that has to be refused as a whole. */
static void write_refused(struct writing *writing, char phase)
{
    static const char *const refused[] = {"bad", "long:m.shared", "nan"};
    begin_line(writing, phase, "commit");
    add_mark(writing);
    add_all_marked(writing, 2);
    add_operation(writing, refused[random_below(writing->random, 3)]);
    add_all_marked(writing, 1);
    add(writing, "\n");
}

static void write_own(struct writing *writing, char phase)
{
    buffer_printf(&writing->text, "%c %s set:u.p%u\n%c peek get:u.p%u\n", phase, commit_way(writing, phase),
                  writing->scenario->lane, phase, writing->scenario->lane);
}

static void write_read(struct writing *writing, char phase)
{
    begin_line(writing, phase, "read\n");
}

static void write_line(struct writing *writing, char phase)
{
    uint32_t choice = random_below(writing->random, 100);
    if (choice < 40)
        write_marked(writing, phase);
    else if (choice < 60)
        write_unmarked(writing, phase);
    else if (choice < 84)
        write_question(writing, phase);
    else if (choice < 90)
        write_own(writing, phase);
    else if (choice < 97)
        write_read(writing, phase);
    else
        write_refused(writing, phase);
}

static void write_lines(struct writing *writing, char phase, uint32_t least, uint32_t most)
{
    for (uint32_t left = random_between(writing->random, least, most); left > 0; left--)
        write_line(writing, phase);
}

/* What a phase leaves to the runtime: to commit it, or, if it fails, to drop it. */
static void write_last(struct writing *writing, char phase, bool may_fail)
{
    begin_line(writing, phase, may_fail && chance(writing, 12) ? "drop" : "implicit");
    if (writing->scenario->end == END_LOGOUT) {
        add(writing, "\n"); /* there is nothing more to be recorded */
        return;
    }
    bool is_silent = phase == 'a' || phase == 'b'; /* only the log tells whether it was stored */
    if (is_silent || chance(writing, 40)) {
        add_mark(writing);
        add_all_marked(writing, 4);
    } else if (chance(writing, 50)) {
        add_unmarked(writing);
    }
    add(writing, "\n");
}

/* -------------------- scenarios -------------------- */

static void write_end(struct writing *writing, char phase)
{
    const struct scenario *scenario = writing->scenario;
    if (scenario->end == END_LOGIN)
        buffer_printf(&writing->text, "%c renew app:log renew:%s\n", phase, scenario->user);
    if (scenario->end == END_RENEW)
        buffer_printf(&writing->text, "%c renew app:log again:%s\n", phase, scenario->user);
    if (scenario->end == END_LOGOUT)
        buffer_printf(&writing->text, "%c destroy\n", phase);
}

static void write_request(struct writing *writing)
{
    if (writing->scenario->end == END_LOGOUT)
        add(writing, "h need made\n"); /* no cookie would tell that it was another session that has ended */
    write_lines(writing, 'h', 1, 4);
    write_end(writing, 'h');
    write_last(writing, 'h', writing->scenario->end == END_PLAIN);
    if (writing->scenario->kind != SCENARIO_AFTER)
        return;
    write_lines(writing, 'a', 1, 3);
    write_last(writing, 'a', false);
    write_lines(writing, 'b', 1, 2);
    write_last(writing, 'b', false);
}

static void write_stream(struct writing *writing)
{
    write_lines(writing, 'h', 0, 1);
    add(writing, "h begin\n");
    for (uint32_t left = random_between(writing->random, 8, 40); left > 0; left--) {
        write_line(writing, 'h');
        if (chance(writing, 60))
            buffer_printf(&writing->text, "h nap %u\n", random_below(writing->random, 15));
    }
    write_last(writing, 'h', true);
    if (chance(writing, 30)) {
        write_lines(writing, 'a', 1, 2);
        write_last(writing, 'a', false);
    }
}

static void write_task(struct writing *writing)
{
    const struct scenario *scenario = writing->scenario;
    buffer_printf(&writing->text, "task %lu %s\nh enqueue app:log", scenario->task, scenario->task_id);
    add_all_marked(writing, 2);
    add(writing, "\nh stop\nh implicit\n"); /* the answer is whether it was accepted */
    for (uint32_t left = random_between(writing->random, 6, 24); left > 0; left--) {
        write_line(writing, 't');
        if (chance(writing, 50))
            buffer_printf(&writing->text, "t nap %u\n", random_below(writing->random, 40));
    }
    write_end(writing, 't');
    write_last(writing, 't', false);
}

char *scenario_write(const struct scenario *scenario, struct random *random)
{
    struct writing writing = {.scenario = scenario, .random = random};
    buffer_printf(&writing.text, "run %lu\n", scenario->run);
    if (scenario->kind == SCENARIO_STREAM)
        write_stream(&writing);
    else if (scenario->kind == SCENARIO_TASK)
        write_task(&writing);
    else
        write_request(&writing);
    buffer_append(&writing.text, "", 1);
    return writing.text.data;
}

char *scenario_write_new(unsigned long run)
{
    struct buffer text = {0};
    buffer_printf(&text, "run %lu\nh commit app:log set:made\nh implicit\n", run);
    buffer_append(&text, "", 1);
    return text.data;
}

char *scenario_write_login_again(unsigned long run, const char *user)
{
    struct buffer text = {0};
    buffer_printf(&text, "run %lu\nh renew renew:%s\nh implicit\n", run, user);
    buffer_append(&text, "", 1);
    return text.data;
}
