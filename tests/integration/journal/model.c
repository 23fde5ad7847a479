/* A durable stream in memory. See model.h. */
#include "model.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

const char *model_producer_name(int number)
{
    static const char *const names[MODEL_PRODUCERS] = {"a", "a b 1", "{%s}"};
    return names[number];
}

int64_t model_tail(const struct model *model)
{
    return (int64_t)model->data.length;
}

/* Of 16 bytes each, so many entries have room; and 64 in any case. */
static size_t entries_most(const struct model *model)
{
    return model->bytes_max / 16 > 64 ? (size_t)model->bytes_max / 16 : 64;
}

/* The beginning of the first entry that is kept is the end of the last one that is not. */
int64_t model_start(const struct model *model)
{
    return model->first == 0 ? 0 : model->ends[model->first - 1];
}

static void add_entry(struct model *model, const void *data, size_t bytes, const char *event)
{
    cr_assert_lt(model->entries, MODEL_ENTRIES_MAX);
    buffer_append(&model->data, data, bytes);
    model->ends[model->entries] = model_tail(model);
    model->events[model->entries++] = event != NULL ? event : "";
    while (model->trims && (model_tail(model) - model_start(model) > model->bytes_max ||
                            model->entries - model->first > entries_most(model)))
        model->first++;
}

enum journal_verdict model_create(struct model *model, const struct journal_creation *creation)
{
    if (model->is_there) {
        bool is_same = strcmp(model->type, creation->type) == 0 && model->is_closed == creation->is_closed &&
                       model->ttl_ms == creation->ttl_ms && model->until_ms == creation->until_ms;
        return is_same ? JOURNAL_EXISTS : JOURNAL_CONFLICT;
    }
    if ((int64_t)creation->bytes > creation->bytes_max)
        return JOURNAL_FULL;
    struct buffer data = model->data;
    data.length = 0;
    *model = (struct model){.is_there = true,
                            .is_closed = creation->is_closed,
                            .trims = creation->trims,
                            .type = creation->type,
                            .ttl_ms = creation->ttl_ms,
                            .until_ms = creation->until_ms,
                            .bytes_max = creation->bytes_max,
                            .data = data};
    if (creation->bytes > 0)
        add_entry(model, creation->data, creation->bytes, NULL);
    return JOURNAL_OK;
}

/* 5.2.1, Validation Logic. */
static enum journal_verdict check_producer(const struct model_producer *known, const struct journal_append *append)
{
    if (known->is_known && append->epoch < known->epoch)
        return JOURNAL_STALE;
    if (append->number == JOURNAL_UNNUMBERED)
        return JOURNAL_OK;
    if (!known->is_known)
        return append->number == 0 ? JOURNAL_OK : JOURNAL_GAP;
    if (append->epoch > known->epoch)
        return append->number == 0 ? JOURNAL_OK : JOURNAL_NEW_EPOCH;
    if (append->number <= known->number)
        return JOURNAL_DUPLICATE;
    return append->number == known->number + 1 ? JOURNAL_OK : JOURNAL_GAP;
}

static enum journal_verdict append_to_closed(const struct model *model, const struct journal_append *append,
                                             int producer)
{
    const struct model_producer *known = producer >= 0 ? &model->producers[producer] : NULL;
    if (known != NULL && known->is_known && append->epoch < known->epoch)
        return JOURNAL_STALE;
    if (known == NULL || append->number == JOURNAL_UNNUMBERED)
        return append->bytes == 0 ? JOURNAL_DUPLICATE : JOURNAL_CLOSED;
    bool is_the_closing_one = model->was_closed_by_producer && model->closer == producer &&
                              model->closed_at.epoch == append->epoch && model->closed_at.number == append->number;
    return is_the_closing_one ? JOURNAL_DUPLICATE : JOURNAL_CLOSED;
}

static enum journal_verdict check_append(const struct model *model, const struct journal_append *append, int producer)
{
    if (!model->is_there)
        return JOURNAL_MISSING;
    if (model->is_closed)
        return append_to_closed(model, append, producer);
    if (append->bytes > 0 && append->type != NULL && strcmp(append->type, model->type) != 0)
        return JOURNAL_TYPE;
    enum journal_verdict verdict = producer >= 0 ? check_producer(&model->producers[producer], append) : JOURNAL_OK;
    if (verdict != JOURNAL_OK)
        return verdict;
    if (append->order != NULL && model->order[0] != '\0' && strcmp(append->order, model->order) <= 0)
        return JOURNAL_ORDER;
    bool is_crowded = !model->trims && append->bytes > 0 && model->entries - model->first >= entries_most(model);
    int64_t kept = model->trims || append->bytes == 0 ? 0 : model_tail(model) - model_start(model);
    return is_crowded || kept + (int64_t)append->bytes > model->bytes_max ? JOURNAL_FULL : JOURNAL_OK;
}

enum journal_verdict model_append(struct model *model, const struct journal_append *append, int producer)
{
    enum journal_verdict verdict = check_append(model, append, producer);
    if (verdict != JOURNAL_OK)
        return verdict;
    if (append->bytes > 0)
        add_entry(model, append->data, append->bytes, append->event);
    if (append->order != NULL)
        snprintf(model->order, sizeof(model->order), "%s", append->order);
    struct model_producer now = {.is_known = true, .epoch = append->epoch, .number = append->number};
    bool is_numbered = producer >= 0 && append->number != JOURNAL_UNNUMBERED;
    if (is_numbered)
        model->producers[producer] = now;
    if (append->closes) {
        model->is_closed = true;
        model->was_closed_by_producer = is_numbered;
        model->closer = producer;
        model->closed_at = now;
    }
    return JOURNAL_OK;
}

enum journal_verdict model_claim(struct model *model, const struct journal_claim *claim, int producer)
{
    if (!model->is_there)
        return JOURNAL_MISSING;
    struct model_producer *known = &model->producers[producer];
    int64_t last = known->is_known ? known->epoch : -1;
    int64_t epoch = claim->epoch;
    if (epoch < last)
        return JOURNAL_STALE;
    if (model->is_closed)
        return JOURNAL_OK;
    int64_t number = epoch == last && known->number > claim->number ? known->number : claim->number;
    *known = (struct model_producer){.is_known = true, .epoch = epoch, .number = number};
    return JOURNAL_OK;
}

enum journal_verdict model_delete(struct model *model)
{
    enum journal_verdict verdict = model->is_there ? JOURNAL_OK : JOURNAL_MISSING;
    model->is_there = false;
    return verdict;
}

size_t model_entry_at(const struct model *model, int64_t offset)
{
    size_t i = model->first;
    while (i < model->entries && model->ends[i] <= offset)
        i++;
    return i;
}
