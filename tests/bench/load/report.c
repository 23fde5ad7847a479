/* The figures of a run, as a table and as JSON. */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

void report_init(struct report *report, struct load *load)
{
    *report = (struct report){.load = load};
    for (unsigned i = 0; i < load->options->streams; i++) {
        const struct stream *stream = &load->streams[i];
        report->by_state[stream->state]++;
        report->events += stream->received;
        report->misnumbered += stream->misnumbered;
        if (stream->state != STREAM_HELD && stream->received < load->options->expected_events)
            report->lost += load->options->expected_events - stream->received;
        if (stream->received == 0)
            continue;
        int64_t first_us = stream->first_at_us - stream->opened_at_us;
        samples_add(&report->first_event, first_us < INT32_MAX ? (int32_t)first_us : INT32_MAX);
        lateness_add_stream(&report->lateness, stream->deviation_us, stream->received);
    }
}

void report_fini(struct report *report)
{
    lateness_fini(&report->lateness);
    samples_fini(&report->first_event);
}

static double opening_s(const struct load *load)
{
    return load->all_open_at_us == 0 ? 0 : (double)(load->all_open_at_us - load->started_at_us) / 1e6;
}

static double ms(int32_t us)
{
    return us / 1000.0;
}

static void print_samples(const char *name, struct samples *samples)
{
    printf("  %-26s p50 %8.2f  p99 %8.2f  p999 %8.2f  max %8.2f ms\n", name, ms(samples_quantile(samples, 0.5)),
           ms(samples_quantile(samples, 0.99)), ms(samples_quantile(samples, 0.999)), ms(samples_quantile(samples, 1)));
}

static double kib_per_stream(const struct load *load, int64_t before, int64_t open)
{
    return load->memory_streams == 0 ? 0 : (double)(open - before) / 1024.0 / load->memory_streams;
}

static void print_memory(const struct load *load)
{
    const struct memory *before = &load->memory_before;
    const struct memory *open = &load->memory_open;
    printf("memory per stream, %u open\n", load->memory_streams);
    for (unsigned i = 0; i < load->options->group_count; i++)
        printf("  %-26s %8.2f KiB private, %8.2f KiB PSS\n", load->options->groups[i].name,
               kib_per_stream(load, before->groups[i].private_bytes, open->groups[i].private_bytes),
               kib_per_stream(load, before->groups[i].pss_bytes, open->groups[i].pss_bytes));
    printf("  %-26s %8.2f KiB in TCP queues\n", "kernel, both ends",
           kib_per_stream(load, before->tcp_pages_bytes, open->tcp_pages_bytes));
    printf("  %-26s %8.2f KiB slab, %.2f page tables, %.2f kernel stacks (whole machine, this client's end too)\n", "",
           kib_per_stream(load, before->slab_bytes, open->slab_bytes),
           kib_per_stream(load, before->page_table_bytes, open->page_table_bytes),
           kib_per_stream(load, before->kernel_stack_bytes, open->kernel_stack_bytes));
}

void report_print(struct report *report)
{
    struct load *load = report->load;
    printf(
        "streams %u: %u complete, %u truncated, %u ended, %u failed, %u held; at most %u open at once, opened in %.1f s\n",
        load->options->streams, report->by_state[STREAM_COMPLETE], report->by_state[STREAM_TRUNCATED],
        report->by_state[STREAM_ENDED], report->by_state[STREAM_FAILED], report->by_state[STREAM_HELD], load->most_open,
        opening_s(load));
    printf("events %" PRIu64 ": %" PRIu64 " lost, %" PRIu64 " with an id out of order\n", report->events, report->lost,
           report->misnumbered);
    print_samples("late, from first event", &report->lateness.from_first);
    print_samples("late, best-fitting offset", &report->lateness.best_fit);
    print_samples("late, gap to predecessor", &report->lateness.gap);
    print_samples("interval drift per event", &report->lateness.drift);
    print_samples("connect to first event", &report->first_event);
    if (load->options->acts > 0) {
        printf("acts %u: %u refused, %" PRIu64 " not seen\n", load->acts.begun, load->acts.refused, load->acts.lost);
        print_samples("answered", &load->acts.answered);
        print_samples("seen by a stream", &load->acts.seen);
    }
    if (load->has_memory)
        print_memory(load);
}

static void json_samples(FILE *file, const char *name, struct samples *samples)
{
    fprintf(file, "  \"%s\": {\"count\": %zu, \"p50\": %.3f, \"p99\": %.3f, \"p999\": %.3f, \"max\": %.3f},\n", name,
            samples->count, ms(samples_quantile(samples, 0.5)), ms(samples_quantile(samples, 0.99)),
            ms(samples_quantile(samples, 0.999)), ms(samples_quantile(samples, 1)));
}

static void json_memory(FILE *file, const struct load *load)
{
    const struct memory *before = &load->memory_before;
    const struct memory *open = &load->memory_open;
    fprintf(file, "  \"memory_kib_per_stream\": {\n");
    for (unsigned i = 0; i < load->options->group_count; i++)
        fprintf(file, "    \"%s\": {\"private\": %.3f, \"pss\": %.3f},\n", load->options->groups[i].name,
                kib_per_stream(load, before->groups[i].private_bytes, open->groups[i].private_bytes),
                kib_per_stream(load, before->groups[i].pss_bytes, open->groups[i].pss_bytes));
    fprintf(file,
            "    \"kernel\": {\"tcp_queues\": %.3f, \"slab\": %.3f, \"page_tables\": %.3f, \"kernel_stacks\": %.3f},\n"
            "    \"streams\": %u\n  },\n",
            kib_per_stream(load, before->tcp_pages_bytes, open->tcp_pages_bytes),
            kib_per_stream(load, before->slab_bytes, open->slab_bytes),
            kib_per_stream(load, before->page_table_bytes, open->page_table_bytes),
            kib_per_stream(load, before->kernel_stack_bytes, open->kernel_stack_bytes), load->memory_streams);
}

bool report_write_json(struct report *report, const char *path)
{
    struct load *load = report->load;
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    fprintf(file,
            "{\n  \"streams\": %u, \"complete\": %u, \"truncated\": %u, \"ended\": %u, \"failed\": %u, \"held\": %u,\n"
            "  \"most_open\": %u, \"opening_s\": %.3f, \"run_s\": %.3f,\n"
            "  \"events\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"misnumbered\": %" PRIu64 ",\n",
            load->options->streams, report->by_state[STREAM_COMPLETE], report->by_state[STREAM_TRUNCATED],
            report->by_state[STREAM_ENDED], report->by_state[STREAM_FAILED], report->by_state[STREAM_HELD],
            load->most_open, opening_s(load), (double)(load->ended_at_us - load->started_at_us) / 1e6, report->events,
            report->lost, report->misnumbered);
    json_samples(file, "late_from_first_ms", &report->lateness.from_first);
    json_samples(file, "late_best_fit_ms", &report->lateness.best_fit);
    json_samples(file, "late_gap_ms", &report->lateness.gap);
    json_samples(file, "drift_per_event_ms", &report->lateness.drift);
    json_samples(file, "first_event_ms", &report->first_event);
    if (load->options->acts > 0) {
        fprintf(file, "  \"acts\": %u, \"acts_refused\": %u, \"acts_not_seen\": %" PRIu64 ",\n", load->acts.begun,
                load->acts.refused, load->acts.lost);
        json_samples(file, "answered_ms", &load->acts.answered);
        json_samples(file, "seen_ms", &load->acts.seen);
    }
    if (load->has_memory)
        json_memory(file, load);
    fprintf(file, "  \"interval_ms\": %" PRId64 "\n}\n", load->options->interval_us / 1000);
    return fclose(file) == 0;
}
