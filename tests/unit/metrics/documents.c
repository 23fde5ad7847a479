/* The table of metrics, and the documents that name them. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "metrics/layout.h"

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "re");
    cr_assert_not_null(file, "%s cannot be read; tests run in the root of the repository", path);
    struct buffer text = {0};
    size_t got;
    while ((got = fread(buffer_reserve(&text, 4096), 1, 4096, file)) > 0)
        text.length += got;
    fclose(file);
    buffer_append(&text, "", 1);
    return text.data;
}

Test(metrics_documents, names_are_unique_and_counters_end_in_total)
{
    size_t count;
    const struct metric *table = metrics_table(&count);
    for (size_t i = 0; i < count; i++) {
        const char *suffix = strrchr(table[i].name, '_');
        cr_expect_eq(table[i].type == METRIC_COUNTER, strcmp(suffix, "_total") == 0, "%s", table[i].name);
        for (size_t k = 0; k < i; k++)
            cr_expect_str_neq(table[i].name, table[k].name);
    }
}

/* The row of docs/metrics.md: | `name` | type | labels | meaning | */
static char *reference_row(const struct metric *metric)
{
    struct buffer row = {0};
    buffer_printf(&row, "| `%s` | %s | ", metric->name, metric_type_name(metric->type));
    if (metric->scope == METRIC_OF_ROUTE)
        buffer_append_text(&row, "`method` `route` ");
    if (metric->scope == METRIC_OF_QUEUE)
        buffer_append_text(&row, "`queue` ");
    for (int i = 0; i < METRIC_LABELS_MAX && metric->labels[i].name != NULL; i++)
        buffer_printf(&row, "`%s` ", metric->labels[i].name);
    buffer_printf(&row, "| %s |\n", metric->help);
    buffer_append(&row, "", 1);
    return row.data;
}

Test(metrics_documents, the_reference_has_a_row_for_each_metric_and_no_other)
{
    size_t count;
    const struct metric *table = metrics_table(&count);
    char *reference = read_whole("docs/metrics.md");
    for (size_t i = 0; i < count; i++) {
        char *row = reference_row(&table[i]);
        cr_expect_not_null(strstr(reference, row), "docs/metrics.md lacks the row:\n%s", row);
        free(row);
    }
    size_t rows = 0;
    for (const char *at = reference; (at = strstr(at, "\n| `midstream_")) != NULL; at++)
        rows++;
    cr_expect_eq(rows, count, "docs/metrics.md has %zu rows for %zu metrics", rows, count);
    free(reference);
}

Test(metrics_documents, the_reference_names_every_value_of_a_label)
{
    size_t count;
    const struct metric *table = metrics_table(&count);
    char *reference = read_whole("docs/metrics.md");
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < METRIC_LABELS_MAX && table[i].labels[k].name != NULL; k++) {
            const struct metric_label *label = &table[i].labels[k];
            if (strcmp(label->name, "status") == 0 || strcmp(label->name, "version") == 0)
                continue;
            for (size_t value = 0; value < label->count; value++) {
                char *quoted = NULL;
                cr_assert_geq(asprintf(&quoted, "`%s`", label->value(value)), 0);
                cr_expect_not_null(strstr(reference, quoted), "docs/metrics.md does not tell %s of %s", quoted,
                                   label->name);
                free(quoted);
            }
        }
    free(reference);
}

static bool is_series_of(const char *name, size_t length, const struct metric *metric)
{
    size_t base = strlen(metric->name);
    if (length < base || strncmp(name, metric->name, base) != 0)
        return false;
    if (length == base)
        return metric->type != METRIC_HISTOGRAM;
    const char *suffix = name + base;
    size_t suffix_length = length - base;
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    for (size_t i = 0; metric->type == METRIC_HISTOGRAM && i < 3; i++)
        if (strlen(suffixes[i]) == suffix_length && strncmp(suffix, suffixes[i], suffix_length) == 0)
            return true;
    return false;
}

Test(metrics_documents, the_dashboard_is_json_and_asks_only_for_what_there_is)
{
    size_t count;
    const struct metric *table = metrics_table(&count);
    bool *is_shown = calloc(count, sizeof(*is_shown));
    char *dashboard = read_whole("docs/grafana-dashboard.json");
    json_error_t error;
    json_t *parsed = json_loads(dashboard, 0, &error);
    cr_assert_not_null(parsed, "docs/grafana-dashboard.json:%d: %s", error.line, error.text);

    regex_t series;
    regmatch_t match;
    cr_assert_eq(regcomp(&series, "midstream_[a-z_]+", REG_EXTENDED), 0);
    for (const char *at = dashboard; regexec(&series, at, 1, &match, 0) == 0; at += match.rm_eo) {
        bool is_known = false;
        for (size_t i = 0; i < count; i++)
            if (is_series_of(at + match.rm_so, (size_t)(match.rm_eo - match.rm_so), &table[i]))
                is_known = is_shown[i] = true;
        cr_expect(is_known, "the dashboard asks for %.*s", (int)(match.rm_eo - match.rm_so), at + match.rm_so);
    }
    for (size_t i = 0; i < count; i++)
        cr_expect(is_shown[i], "the dashboard does not show %s", table[i].name);
    regfree(&series);
    json_decref(parsed);
    free(is_shown);
    free(dashboard);
}
