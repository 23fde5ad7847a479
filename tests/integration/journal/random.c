/*
 * The log of durable streams, step by step against a model: what is created, appended, closed, read and deleted in
 * Redis is what the protocol says, whatever producers send twice, too late or in the wrong order.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "integration/random.h"
#include "log.h"
#include "model.h"
#include "support/owned.h"
#include "support/text.h"

TestSuite(journal_random, .fini = server_fini, .timeout = 120);

enum { PIECE_MAX = 600 };

/* -------------------- reading -------------------- */

/* What was read, put together again. */
struct copy {
    struct buffer data;
    const struct model *model;
    size_t next; /* the entry of the model that comes next */
};

static void take_entry(const struct journal_entry *entry, void *arg)
{
    struct copy *copy = arg;
    const struct model *model = copy->model;
    cr_assert_lt(copy->next, model->entries);
    cr_expect_eq(entry->end, model->ends[copy->next]);
    cr_expect_eq(entry->end - (int64_t)entry->bytes, copy->next == 0 ? 0 : model->ends[copy->next - 1]);
    cr_expect_str_eq(entry->event, model->events[copy->next]);
    copy->next++;
    buffer_append(&copy->data, entry->data, entry->bytes);
}

/* From where no entry begins, nothing can be read. */
static bool is_boundary(const struct model *model, int64_t offset)
{
    size_t i = model_entry_at(model, offset);
    return offset == model_tail(model) || offset == (i == 0 ? 0 : model->ends[i - 1]);
}

static enum journal_verdict expected_of_read(const struct model *model, int64_t from, size_t least)
{
    if (!model->is_there)
        return JOURNAL_MISSING;
    if (from >= 0 && from < model_start(model))
        return JOURNAL_TRIMMED;
    bool is_there = from < 0 || (from <= model_tail(model) && (least == 0 || is_boundary(model, from)));
    return is_there ? JOURNAL_OK : JOURNAL_LOST;
}

static void expect_state(const struct journal_state *state, const struct model *model)
{
    cr_expect_eq(state->tail, model_tail(model));
    cr_expect_eq(state->start, model_start(model));
    cr_expect_eq(state->is_closed, model->is_closed);
    cr_expect_str_eq(state->incarnation, model->incarnation);
}

/* As much as was asked for and no more than an entry above it, or all there is; and every byte is the model's. */
static void expect_copy(const struct copy *copy, const struct journal_state *state, size_t least, size_t first)
{
    const struct model *model = copy->model;
    int64_t from = first == 0 ? 0 : model->ends[first - 1];
    size_t bytes = copy->data.length;
    cr_expect_eq(state->end - from, (int64_t)bytes);
    cr_expect(bytes == 0 || memcmp(model->data.data + from, copy->data.data, bytes) == 0);
    cr_expect(bytes >= least || copy->next == model->entries || copy->next - first == MODEL_READ_MAX,
              "%zu bytes of %zu", bytes, least);
    size_t last = copy->next == first
                      ? 0
                      : (size_t)(model->ends[copy->next - 1] - (copy->next > 1 ? model->ends[copy->next - 2] : 0));
    cr_expect(bytes == 0 || bytes - last < least || bytes == last, "%zu bytes for %zu", bytes, least);
}

MAY_SUSPEND static void read_from(const char *key, const struct model *model, int64_t from, size_t least)
{
    struct journal_state state;
    int64_t at = from == JOURNAL_FROM_NOW ? model_tail(model) : from == JOURNAL_FROM_START ? model_start(model) : from;
    size_t first = model_entry_at(model, at);
    struct copy copy = {.model = model, .next = first};
    const struct journal_reading reading = {.from = from,
                                            .bytes_least = least,
                                            .on_entry = take_entry,
                                            .arg = &copy,
                                            .incarnation = random_chance(50) ? model->incarnation : NULL};
    cr_assert_eq(journal_read(key, &reading, &terms, &state), MID_OK);
    cr_assert_eq(state.verdict, expected_of_read(model, from, least), "%d from %" PRId64, state.verdict, from);
    if (state.verdict != JOURNAL_MISSING)
        expect_state(&state, model);
    if (state.verdict == JOURNAL_OK) {
        cr_expect_eq(state.begin, at);
        cr_expect_str_eq(state.type, model->type);
        if (least > 0)
            expect_copy(&copy, &state, least, first);
    }
    buffer_fini(&copy.data);
}

/* -------------------- at random -------------------- */

static const char *const types[] = {"text/plain", "application/json"};

/* Some streams have as many entries as they may have before they have as many bytes. */
static const char *random_piece(const struct model *model, size_t *bytes)
{
    static char piece[PIECE_MAX];
    bool are_tiny = model->bytes_max % 2 == 1;
    *bytes = 1 + random_below(are_tiny ? 4 : random_chance(10) ? PIECE_MAX : 20);
    for (size_t i = 0; i < *bytes; i++)
        piece[i] = (char)random_below(256);
    return piece;
}

/* As much as there is room for, or a byte more. */
static const char *fitting_piece(const struct model *model, size_t *bytes)
{
    const char *piece = random_piece(model, bytes);
    int64_t room = model->bytes_max - (model->trims ? 0 : model_tail(model) - model_start(model));
    int64_t wanted = room + (int64_t)random_below(2);
    if (model->trims && model->entries > model->first && random_chance(80)) /* all but the oldest entry stay */
        wanted = room - (model_tail(model) - model->ends[model->first]) + (int64_t)random_below(2);
    if (wanted > 0 && wanted <= PIECE_MAX)
        *bytes = (size_t)wanted;
    return piece;
}

MAY_SUSPEND static void create_at_random(const char *key, struct model *model)
{
    struct journal_state state;
    struct journal_creation creation = {.name = "a name",
                                        .type = types[random_chance(15)],
                                        .ttl_ms = -1,
                                        .until_ms = -1,
                                        .bytes_max = 200 + (int64_t)random_below(2000),
                                        .trims = random_chance(50),
                                        .is_closed = random_chance(5)};
    if (random_chance(30))
        creation.data = random_piece(model, &creation.bytes);
    creation.ttl_ms = random_chance(10) ? 60000 : -1;
    creation.until_ms = random_chance(10) ? 9000000000000 : -1;
    if (creation.ttl_ms >= 0)
        creation.until_ms = -1;
    enum journal_verdict expected = model_create(model, &creation);
    cr_assert_eq(journal_create(key, &creation, &terms, &state), MID_OK);
    cr_assert_eq(state.verdict, expected, "created: %d and not %d", state.verdict, expected);
    if (expected == JOURNAL_OK)
        snprintf(model->incarnation, sizeof(model->incarnation), "%s", state.incarnation);
    if (expected != JOURNAL_FULL)
        expect_state(&state, model);
}

static void expect_producer(const struct journal_state *state, const struct model_producer *known)
{
    cr_expect_eq(state->epoch, known->is_known ? known->epoch : 0);
    cr_expect_eq(state->number, known->is_known ? known->number : -1);
}

/* Mostly the next one of the producer's, and otherwise one that it has sent, has forgotten, or is too old. */
static void number_at_random(const struct model_producer *producer, struct journal_append *append)
{
    append->epoch = producer->is_known ? producer->epoch : (int64_t)random_below(3);
    append->number = producer->is_known ? producer->number + 1 : 0;
    if (random_chance(30))
        append->number = (int64_t)random_below((size_t)append->number + 3);
    if (random_chance(15))
        append->epoch = (int64_t)random_below((size_t)append->epoch + 2);
    if (random_chance(10))
        *append = (struct journal_append){.epoch = append->epoch + 1};
    if (random_chance(10))
        append->number = JOURNAL_UNNUMBERED;
}

MAY_SUSPEND static void append_at_random(const char *key, struct model *model)
{
    struct journal_state state;
    struct journal_append append = {.event = NULL};
    OWNED char *order = random_chance(30) ? text_printf("%s", model->order) : text_printf("%zu", random_below(60));
    int producer = (int)random_below(2 * MODEL_PRODUCERS) - MODEL_PRODUCERS;
    if (producer >= 0)
        number_at_random(&model->producers[producer], &append);
    producer = producer < 0 ? -1 : producer;
    append.producer = producer >= 0 ? model_producer_name(producer) : NULL;
    append.closes = random_below(300) == 0;
    if (!append.closes || random_chance(50))
        append.data = random_chance(10) ? fitting_piece(model, &append.bytes) : random_piece(model, &append.bytes);
    append.event = append.bytes > 0 && random_chance(20) ? "token" : NULL;
    append.type = random_chance(20) ? types[random_chance(30)] : NULL;
    append.order = order[0] != '\0' && random_chance(10) ? order : NULL;
    enum journal_verdict expected = model_append(model, &append, producer);
    cr_assert_eq(journal_append(key, &append, &terms, &state), MID_OK);
    cr_assert_eq(state.verdict, expected, "appended: %d and not %d", state.verdict, expected);
    if (expected == JOURNAL_MISSING)
        return;
    expect_state(&state, model);
    if (producer >= 0)
        expect_producer(&state, &model->producers[producer]);
}

/* A producer comes back, in its epoch or a new one; or one that has lost it does. */
MAY_SUSPEND static void claim_at_random(const char *key, struct model *model)
{
    struct journal_state state;
    int producer = (int)random_below(MODEL_PRODUCERS);
    const struct model_producer *known = &model->producers[producer];
    int64_t last = known->is_known ? known->epoch : 0;
    const struct journal_claim claim = {.producer = model_producer_name(producer),
                                        .epoch = (int64_t)random_below((size_t)last + 3),
                                        .number = random_chance(50) ? -1 : (int64_t)random_below(4),
                                        .incarnation = random_chance(50) ? model->incarnation : NULL};
    enum journal_verdict expected = model_claim(model, &claim, producer);
    cr_assert_eq(journal_claim(key, &claim, &terms, &state), MID_OK);
    cr_assert_eq(state.verdict, expected, "claimed: %d and not %d", state.verdict, expected);
    if (expected == JOURNAL_MISSING)
        return;
    expect_state(&state, model);
    expect_producer(&state, known);
}

MAY_SUSPEND static void read_at_random(const char *key, const struct model *model)
{
    int64_t from = random_chance(20) ? JOURNAL_FROM_START : JOURNAL_FROM_NOW;
    if (random_chance(70) && model->entries > 0)
        from = random_chance(10) ? (int64_t)random_below((size_t)model_tail(model) + 100)
                                 : model->ends[random_below(model->entries)];
    read_from(key, model, from, random_chance(10) ? 0 : 1 + random_below(3000));
}

MAY_SUSPEND static void step_at_random(const char *key, struct model *model)
{
    struct journal_state state;
    size_t choice = random_below(1000);
    if (choice < 100) {
        create_at_random(key, model);
    } else if (choice < 130) {
        claim_at_random(key, model);
    } else if (choice < 650) {
        append_at_random(key, model);
    } else if (choice < (model->is_closed ? 900 : 995)) {
        read_at_random(key, model);
    } else {
        enum journal_verdict expected = model_delete(model);
        cr_assert_eq(journal_delete(key, NULL, &terms, &state), MID_OK);
        cr_assert_eq(state.verdict, expected);
    }
}

MAY_SUSPEND static void play_at_random(void)
{
    enum { STEPS = 12000 };
    static struct model models[STREAMS];
    for (int i = 0; i < STEPS; i++) {
        size_t which = random_below(STREAMS);
        step_at_random(log_site.keys[which], &models[which]);
    }
    for (int i = 0; i < STREAMS; i++)
        buffer_fini(&models[i].data);
}

Test(journal_random, a_log_is_what_the_protocol_says)
{
    random_begin("journal_random::a_log_is_what_the_protocol_says");
    log_play(play_at_random);
}

Test(journal_random, a_log_in_a_cluster_is_what_the_protocol_says)
{
    random_begin("journal_random::a_log_in_a_cluster_is_what_the_protocol_says");
    log_play_on_cluster(play_at_random);
}
