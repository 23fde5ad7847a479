/* Metrics: counting, adding up, the text for Prometheus, and that the documents name what there is. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "metrics/layout.h"

static enum mid_error no_handler(struct mid_request *rq)
{
    (void)rq;
    return MID_OK;
}

static const struct mid_route routes[] = {
    MID_GET("/a", no_handler),
    MID_PUT("/b/{\"quoted\"}", no_handler),
    {0},
};

static void set_up(void)
{
    metrics_create(routes);
}

TestSuite(metrics, .init = set_up, .fini = metrics_destroy);

/* -------------------- helpers -------------------- */

static char *text_now(void)
{
    struct buffer text = {0};
    cr_assert(metrics_write(&text));
    buffer_append(&text, "", 1);
    return text.data;
}

/* The value behind `series`, as it stands at the beginning of a line; NULL: there is none. */
static char *value_in(const char *text, const char *series)
{
    size_t length = strlen(series);
    for (const char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, length) == 0 && line[length] == ' ')
            return strndup(line + length + 1, strcspn(line + length + 1, "\n"));
    }
    return NULL;
}

static void expect_value(const char *series, const char *expected)
{
    char *text = text_now();
    char *value = value_in(text, series);
    if (expected == NULL)
        cr_expect_null(value, "%s is %s", series, value);
    else
        cr_expect(value != NULL && strcmp(value, expected) == 0, "%s is %s, not %s", series,
                  value != NULL ? value : "not there", expected);
    free(value);
    free(text);
}

/* -------------------- histograms -------------------- */

Test(histogram, a_bound_belongs_to_its_bucket_and_what_is_longer_to_the_next)
{
    struct histogram histogram = {0};
    histogram_record(&histogram, 100);
    histogram_record(&histogram, 101);
    cr_expect_eq(histogram.buckets[0], 1);
    cr_expect_eq(histogram.buckets[1], 1);
    cr_expect_eq(histogram.sum_us, 201);
}

Test(histogram, what_is_longer_than_every_bound_is_in_the_last_bucket)
{
    struct histogram histogram = {0};
    histogram_record(&histogram, INT64_MAX);
    cr_expect_eq(histogram.buckets[HISTOGRAM_BUCKETS - 1], 1);
}

Test(histogram, a_clock_that_went_back_takes_nothing_off_the_sum)
{
    struct histogram histogram = {0};
    histogram_record(&histogram, -5);
    cr_expect_eq(histogram.buckets[0], 1);
    cr_expect_eq(histogram.sum_us, 0);
}

Test(histogram, bounds_rise)
{
    for (int i = 1; i < HISTOGRAM_BUCKETS - 1; i++)
        cr_expect_gt(histogram_bounds_us[i], histogram_bounds_us[i - 1]);
}

Test(metrics, buckets_are_cumulative_and_end_with_the_count)
{
    metrics_enter(metrics_slot_take(0));
    metrics_count_request(&routes[0], 200, 90, 90);
    metrics_count_request(&routes[0], 200, 90, 2000000);
    metrics_count_request(&routes[0], 200, 90, 3600000000);
    expect_value("midstream_request_duration_seconds_bucket{method=\"GET\",route=\"/a\",le=\"0.0001\"}", "1");
    expect_value("midstream_request_duration_seconds_bucket{method=\"GET\",route=\"/a\",le=\"1\"}", "1");
    expect_value("midstream_request_duration_seconds_bucket{method=\"GET\",route=\"/a\",le=\"2.5\"}", "2");
    expect_value("midstream_request_duration_seconds_bucket{method=\"GET\",route=\"/a\",le=\"+Inf\"}", "3");
    expect_value("midstream_request_duration_seconds_count{method=\"GET\",route=\"/a\"}", "3");
    expect_value("midstream_request_duration_seconds_sum{method=\"GET\",route=\"/a\"}", "3602.000090");
    expect_value("midstream_request_first_byte_seconds_sum{method=\"GET\",route=\"/a\"}", "0.000270");
}

/* -------------------- requests -------------------- */

Test(metrics, requests_are_counted_by_route_and_status)
{
    metrics_enter(metrics_slot_take(0));
    metrics_count_request(&routes[0], 200, 1, 1);
    metrics_count_request(&routes[0], 200, 1, 1);
    metrics_count_request(&routes[0], 503, 1, 1);
    metrics_count_request(NULL, 404, 1, 1);
    expect_value("midstream_requests_total{method=\"GET\",route=\"/a\",status=\"200\"}", "2");
    expect_value("midstream_requests_total{method=\"GET\",route=\"/a\",status=\"503\"}", "1");
    expect_value("midstream_requests_total{method=\"any\",route=\"none\",status=\"404\"}", "1");
}

Test(metrics, a_status_without_a_reason_phrase_is_counted_as_other)
{
    metrics_enter(metrics_slot_take(0));
    metrics_count_request(&routes[0], 299, 1, 1);
    expect_value("midstream_requests_total{method=\"GET\",route=\"/a\",status=\"other\"}", "1");
}

Test(metrics, a_status_that_never_happened_has_no_line)
{
    metrics_enter(metrics_slot_take(0));
    metrics_count_request(&routes[0], 200, 1, 1);
    expect_value("midstream_requests_total{method=\"GET\",route=\"/a\",status=\"500\"}", NULL);
}

Test(metrics, what_a_pattern_may_hold_is_escaped)
{
    metrics_enter(metrics_slot_take(0));
    metrics_count_request(&routes[1], 204, 1, 1);
    expect_value("midstream_requests_total{method=\"PUT\",route=\"/b/{\\\"quoted\\\"}\",status=\"204\"}", "1");
}

Test(metrics, backslash_quote_and_line_feed_are_escaped_in_labels)
{
    struct buffer out = {0};
    metrics_append_label_value(&out, "a\\b\"c\nd");
    buffer_append(&out, "", 1);
    cr_expect_str_eq(out.data, "a\\\\b\\\"c\\nd");
    buffer_fini(&out);
}

/* -------------------- workers that live and die -------------------- */

Test(metrics, workers_add_up)
{
    metrics_enter(metrics_slot_take(0));
    metrics_count_request(&routes[0], 200, 1, 1);
    metrics_publish(&(struct worker_gauges){.connections = 3}, 1);
    metrics_enter(metrics_slot_take(1));
    metrics_count_request(&routes[0], 200, 1, 1);
    metrics_publish(&(struct worker_gauges){.connections = 4}, 1);
    expect_value("midstream_requests_total{method=\"GET\",route=\"/a\",status=\"200\"}", "2");
    expect_value("midstream_connections_open", "7");
}

Test(metrics, what_a_killed_process_has_counted_stays)
{
    int slot = metrics_slot_take(0);
    pid_t child = fork();
    if (child == 0) {
        metrics_enter(slot);
        metrics_count_request(&routes[0], 200, 1, 1);
        metrics_publish(&(struct worker_gauges){.fibers = 5}, 1);
        raise(SIGKILL);
    }
    cr_assert_eq(waitpid(child, NULL, 0), child);
    expect_value("midstream_fibers", "5");
    metrics_slot_retire(slot);
    expect_value("midstream_requests_total{method=\"GET\",route=\"/a\",status=\"200\"}", "1");
    expect_value("midstream_fibers", "0");
}

Test(metrics, a_slot_that_is_used_again_goes_on_where_the_dead_worker_was)
{
    int slot = metrics_slot_take(0);
    metrics_enter(slot);
    metrics_count_request(&routes[0], 200, 1, 1);
    metrics_slot_retire(slot);
    cr_assert_eq(metrics_slot_take(0), slot);
    metrics_enter(slot);
    metrics_count_request(&routes[0], 200, 1, 1);
    expect_value("midstream_requests_total{method=\"GET\",route=\"/a\",status=\"200\"}", "2");
}

Test(metrics, streams_are_open_from_their_begin_to_their_end)
{
    struct worker_counts *counts = metrics_enter(metrics_slot_take(0));
    counter_add(&counts->stream.begun, 3);
    metrics_count_stream_end(STREAM_COMPLETE);
    expect_value("midstream_streams_open", "2");
    metrics_count_open_streams_as(STREAM_DRAINED);
    expect_value("midstream_streams_open", "0");
    expect_value("midstream_streams_ended_total{reason=\"drained\"}", "2");
}

Test(metrics, the_open_streams_of_a_dead_worker_have_crashed)
{
    int slot = metrics_slot_take(0);
    struct worker_counts *counts = metrics_enter(slot);
    counter_add(&counts->stream.begun, 3);
    metrics_count_stream_end(STREAM_CLIENT_LEFT);
    metrics_slot_retire(slot);
    expect_value("midstream_streams_open", "0");
    expect_value("midstream_streams_ended_total{reason=\"crashed\"}", "2");
    expect_value("midstream_streams_ended_total{reason=\"client_left\"}", "1");
}

Test(metrics, a_worker_without_a_slot_counts_unseen)
{
    int last = 0;
    for (int i = 0; last >= 0; i++)
        last = metrics_slot_take(i);
    metrics_enter(last);
    metrics_count_request(&routes[0], 200, 1, 1);
    metrics_slot_retire(last);
    expect_value("midstream_requests_total{method=\"GET\",route=\"/a\",status=\"200\"}", NULL);
}

/* -------------------- queues -------------------- */

Test(metrics, a_queue_is_shown_as_it_was_last_told_however_many_workers_there_are)
{
    metrics_enter(metrics_slot_take(0));
    metrics_enter(metrics_slot_take(1));
    expect_value("midstream_task_depth{queue=\"mail\",state=\"waiting\"}", NULL);
    metrics_publish_queue(1, "mail", &(struct queue_stats){.waiting = 9});
    metrics_publish_queue(1, "mail", &(struct queue_stats){.waiting = 7, .oldest_waiting_ms = 1500, .done = 3});
    expect_value("midstream_task_depth{queue=\"mail\",state=\"waiting\"}", "7");
    expect_value("midstream_task_depth{queue=\"mail\",state=\"dead\"}", "0");
    expect_value("midstream_task_oldest_waiting_seconds{queue=\"mail\"}", "1.500");
    expect_value("midstream_task_events_total{queue=\"mail\",event=\"done\"}", "3");
}

/* -------------------- health -------------------- */

Test(metrics, a_worker_responds_once_its_loop_has_turned)
{
    struct worker_counts *counts = metrics_enter(metrics_slot_take(0));
    cr_expect_eq(metrics_health().responding, 0);
    expect_value("midstream_workers{state=\"starting\"}", "1");
    metrics_publish(&(struct worker_gauges){0}, 1);
    cr_expect_eq(metrics_health().responding, 1);
    cr_expect_eq(metrics_health().with_redis, 0);
    metrics_publish(&(struct worker_gauges){.is_redis_ready = 1}, 1);
    counter_set(&counts->redis.connections, 1);
    cr_expect_eq(metrics_health().with_redis, 1);
    expect_value("midstream_workers{state=\"up\"}", "1");
}

Test(metrics, a_worker_that_suspects_redis_does_not_have_it)
{
    struct worker_counts *counts = metrics_enter(metrics_slot_take(0));
    metrics_publish(&(struct worker_gauges){.is_redis_ready = 1}, 1);
    counter_set(&counts->redis.connections, 1);
    counter_set(&counts->redis.is_suspect, 1);
    cr_expect_eq(metrics_health().responding, 1);
    cr_expect_eq(metrics_health().with_redis, 0);
    expect_value("midstream_redis_connected", "1");
    expect_value("midstream_redis_suspect", "1");
    counter_set(&counts->redis.is_suspect, 0);
    cr_expect_eq(metrics_health().with_redis, 1);
    expect_value("midstream_redis_suspect", "0");
}

/* Of a cluster: the other nodes' sessions are served. */
Test(metrics, a_worker_has_redis_while_one_of_its_nodes_is_not_suspect)
{
    struct worker_counts *counts = metrics_enter(metrics_slot_take(0));
    metrics_publish(&(struct worker_gauges){.is_redis_ready = 1}, 1);
    counter_set(&counts->redis.connections, 3);
    counter_set(&counts->redis.is_suspect, 2);
    cr_expect_eq(metrics_health().with_redis, 1);
    counter_set(&counts->redis.is_suspect, 3);
    cr_expect_eq(metrics_health().with_redis, 0);
}

Test(metrics, a_dead_worker_suspects_nobody)
{
    int slot = metrics_slot_take(0);
    struct worker_counts *counts = metrics_enter(slot);
    counter_add(&counts->redis.suspicions, 2);
    counter_set(&counts->redis.is_suspect, 1);
    counter_set(&counts->redis.is_not_durable, 1);
    metrics_slot_retire(slot);
    expect_value("midstream_redis_suspect", "0");
    expect_value("midstream_redis_not_durable", "0");
    expect_value("midstream_redis_suspicions_total", "2");
}

Test(metrics, a_worker_whose_loop_has_not_turned_for_long_is_silent)
{
    struct worker_counts *counts = metrics_enter(metrics_slot_take(0));
    metrics_publish(&(struct worker_gauges){.is_redis_ready = 1}, 1);
    counts->published_ms -= 60000;
    cr_expect_eq(metrics_health().responding, 0);
    expect_value("midstream_workers{state=\"silent\"}", "1");
    char *text = text_now();
    char *silence = value_in(text, "midstream_worker_silence_seconds");
    cr_assert_not_null(silence);
    cr_expect_geq(strtod(silence, NULL), 60.0);
    free(silence);
    free(text);
}

Test(metrics, a_draining_worker_is_not_one_that_responds)
{
    int slot = metrics_slot_take(0);
    metrics_enter(slot);
    metrics_publish(&(struct worker_gauges){.is_redis_ready = 1}, 1);
    metrics_slot_drains(slot);
    cr_expect_eq(metrics_health().responding, 0);
    expect_value("midstream_workers{state=\"draining\"}", "1");
}
