/*
 * The metrics as Prometheus reads them: its text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * Routes that have had no request, and statuses that they have not answered, have no lines, nor have queues of which
 * nothing is known lately; everything else is there from the start, so that a rate can be computed of the first
 * increment.
 */
#include <stdio.h>
#include <inttypes.h>
#include <string.h>

#include "metrics/layout.h"

/* -------------------- labels -------------------- */

void metrics_append_label_value(struct buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            buffer_append(out, "\\", 1);
        if (*text == '\n')
            buffer_append_text(out, "\\n");
        else
            buffer_append(out, text, 1);
    }
}

/* `labels` is what stands between the braces of a line. */
static void labels_add(struct buffer *labels, const char *name, const char *value)
{
    if (labels->length > 0)
        buffer_append_text(labels, ",");
    buffer_append_text(labels, name);
    buffer_append_text(labels, "=\"");
    metrics_append_label_value(labels, value);
    buffer_append_text(labels, "\"");
}

/* `word` numbers the combinations of the metric's labels, the last label fastest. */
static void labels_add_combination(struct buffer *labels, const struct metric *metric, size_t word)
{
    size_t below = metric_words(metric);
    for (int i = 0; i < METRIC_LABELS_MAX && metric->labels[i].name != NULL; i++) {
        const struct metric_label *label = &metric->labels[i];
        below /= label->count;
        labels_add(labels, label->name, label->value(word / below % label->count));
    }
}

static void labels_add_route(struct buffer *labels, const struct metrics_sum *sum, size_t route)
{
    bool is_known = route < sum->route_count;
    labels_add(labels, "method", is_known ? sum->routes[route].method : "any");
    labels_add(labels, "route", is_known ? sum->routes[route].pattern : "none");
}

/* -------------------- lines -------------------- */

static void append_line(struct buffer *out, const char *name, const char *suffix, const struct buffer *labels,
                        const char *value)
{
    buffer_append_text(out, name);
    buffer_append_text(out, suffix);
    if (labels->length > 0) {
        buffer_append_text(out, "{");
        buffer_append(out, labels->data, labels->length);
        buffer_append_text(out, "}");
    }
    buffer_append_text(out, " ");
    buffer_append_text(out, value);
    buffer_append_text(out, "\n");
}

static void append_count(struct buffer *out, const char *name, const char *suffix, const struct buffer *labels,
                         uint64_t count)
{
    char value[24];
    snprintf(value, sizeof(value), "%" PRIu64, count);
    append_line(out, name, suffix, labels, value);
}

/* A whole number, or one with as many decimals as it is kept with. */
static void append_value(struct buffer *out, const char *name, const char *suffix, const struct buffer *labels,
                         uint64_t value, int64_t per_unit)
{
    char text[48];
    int decimals = per_unit == 1 ? 0 : per_unit == 1000 ? 3 : 6;
    uint64_t unit = (uint64_t)per_unit;
    int length = snprintf(text, sizeof(text), "%" PRIu64, value / unit);
    if (decimals > 0)
        snprintf(text + length, sizeof(text) - (size_t)length, ".%0*" PRIu64, decimals, value % unit);
    append_line(out, name, suffix, labels, text);
}

static void append_bucket(struct buffer *out, const char *name, struct buffer *labels, int bucket, uint64_t count)
{
    char bound[24] = "+Inf";
    if (bucket < HISTOGRAM_BUCKETS - 1)
        snprintf(bound, sizeof(bound), "%g", (double)histogram_bounds_us[bucket] / 1e6);
    size_t length = labels->length;
    labels_add(labels, "le", bound);
    append_count(out, name, "_bucket", labels, count);
    labels->length = length;
}

static void append_histogram(struct buffer *out, const char *name, struct buffer *labels,
                             const struct histogram *histogram)
{
    uint64_t count = 0;
    for (int bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        count += histogram->buckets[bucket];
        append_bucket(out, name, labels, bucket, count);
    }
    append_value(out, name, "_sum", labels, histogram->sum_us, 1000000);
    append_count(out, name, "_count", labels, count);
}

/* -------------------- metrics -------------------- */

static bool is_zero(const uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (words[i] != 0)
            return false;
    return true;
}

/* All lines of a metric in one scope. `labels` are the scope's own, which come first; zeros have no lines if it is
 * sparse. */
static void append_scope(struct buffer *out, const struct metric *metric, const void *scope, struct buffer *labels,
                         bool is_sparse)
{
    const uint64_t *words = (const uint64_t *)(const void *)((const char *)scope + metric->offset);
    size_t count = metric_words(metric);
    size_t step = metric->type == METRIC_HISTOGRAM ? count : 1;
    size_t own_length = labels->length;
    for (size_t word = 0; word < count; word += step) {
        if (is_sparse && is_zero(words + word, step))
            continue;
        labels->length = own_length;
        labels_add_combination(labels, metric, word);
        if (metric->type == METRIC_HISTOGRAM)
            append_histogram(out, metric->name, labels, (const struct histogram *)(const void *)words);
        else
            append_value(out, metric->name, "", labels, words[word], metric->per_unit);
    }
}

static void append_routes(struct buffer *out, const struct metric *metric, const struct metrics_sum *sum,
                          struct buffer *labels)
{
    for (size_t route = 0; route <= sum->route_count; route++) {
        labels->length = 0;
        labels_add_route(labels, sum, route);
        append_scope(out, metric, &sum->workers->routes[route], labels, true);
    }
}

static void append_queues(struct buffer *out, const struct metric *metric, const struct metrics_sum *sum,
                          struct buffer *labels)
{
    for (size_t i = 0; i < sum->queue_count; i++) {
        labels->length = 0;
        labels_add(labels, "queue", sum->queues[i].name);
        append_scope(out, metric, &sum->queues[i], labels, false);
    }
}

static void append_metric(struct buffer *out, const struct metric *metric, const struct metrics_sum *sum)
{
    struct buffer labels = {0};
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
                  metric_type_name(metric->type));
    switch (metric->scope) {
    case METRIC_OF_POOL:
        append_scope(out, metric, &sum->pool, &labels, false);
        break;
    case METRIC_OF_WORKER:
        append_scope(out, metric, sum->workers, &labels, false);
        break;
    case METRIC_OF_ROUTE:
        append_routes(out, metric, sum, &labels);
        break;
    case METRIC_OF_QUEUE:
        append_queues(out, metric, sum, &labels);
        break;
    }
    buffer_fini(&labels);
}

void metrics_format(const struct metrics_sum *sum, struct buffer *out)
{
    size_t count;
    const struct metric *table = metrics_table(&count);
    for (size_t i = 0; i < count; i++)
        append_metric(out, &table[i], sum);
}
