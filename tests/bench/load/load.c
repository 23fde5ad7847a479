/* The loop: open what is due, read what came, look at memory once, stop. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/panic.h"

enum {
    EVENTS_PER_TURN = 256,
    TURN_MAX_MS = 100,
    OPENING_MAX = 512,             /* connections without a first event: a slow server slows the opening down */
    STREAMS_PER_SOURCE = 20000,    /* of the 28,232 ports of one address, some are in use or in TIME_WAIT */
    SETTLE_US = 2000000,           /* allocators, kernel batches and subscriptions come to rest */
    SILENCE_MAX_US = 30 * 1000000, /* beyond the schedule */
};

/* Among the indices of streams: the connection of the acts. */
static const uint32_t acts_index = UINT32_MAX;

void load_init(struct load *load, const struct options *options, const struct cookies *cookies)
{
    *load = (struct load){.options = options, .cookies = cookies};
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ENSURE(load->epoll_fd >= 0);
    load->streams = calloc(options->streams, sizeof(struct stream));
    ENSURE(load->streams != NULL || options->streams == 0);
    acts_init(&load->acts, options, cookies);
    for (unsigned i = 0; i < options->streams; i++)
        stream_init(&load->streams[i], options->interval_us);
}

void load_fini(struct load *load)
{
    for (unsigned i = 0; i < load->options->streams; i++)
        stream_fini(&load->streams[i]);
    acts_fini(&load->acts);
    free(load->streams);
    close(load->epoll_fd);
}

static const char *stream_cookie(const struct load *load, unsigned index)
{
    return load->cookies->count > 0 ? load->cookies->texts[index % load->cookies->count] : NULL;
}

/* The loop waits for writability once, which is the connection; from then on for bytes. */
static void watch(struct load *load, unsigned index, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = index};
    ENSURE(epoll_ctl(load->epoll_fd, how, load->streams[index].fd, &event) == 0);
}

static void note_change(struct load *load, const struct stream *stream, enum stream_state before)
{
    if (before != STREAM_OPEN && stream->state == STREAM_OPEN)
        load->now_open++;
    if (before == STREAM_OPEN && stream->state != STREAM_OPEN)
        load->now_open--;
    if (load->now_open > load->most_open)
        load->most_open = load->now_open;
    if (stream_is_over(stream))
        load->over++;
}

static unsigned still_opening(const struct load *load)
{
    return load->opened - load->over - load->now_open;
}

static void open_due(struct load *load, int64_t now_us)
{
    int64_t due = 1 + (now_us - load->started_at_us) * load->options->opens_per_second / 1000000;
    while (load->opened < load->options->streams && load->opened < due && still_opening(load) < OPENING_MAX) {
        unsigned index = load->opened++;
        struct stream *stream = &load->streams[index];
        stream_open(stream, &load->options->address, 1 + index / STREAMS_PER_SOURCE, now_us);
        if (stream_is_over(stream)) {
            load->over++;
            acts_cut_off(&load->acts);
        } else {
            watch(load, index, EPOLL_CTL_ADD, EPOLLOUT);
        }
    }
}

static void handle(struct load *load, const struct epoll_event *event)
{
    unsigned index = event->data.u32;
    if (index == acts_index) {
        acts_read(&load->acts, clock_monotonic_us());
        return;
    }
    struct stream *stream = &load->streams[index];
    if (stream_is_over(stream))
        return;
    enum stream_state before = stream->state;
    int64_t last_event_at_us = stream->event_at_us;
    if ((event->events & EPOLLOUT) != 0) {
        stream_request(stream, load->options->path, stream_cookie(load, index));
        if (!stream_is_over(stream))
            watch(load, index, EPOLL_CTL_MOD, EPOLLIN);
    } else {
        stream_read(stream, clock_monotonic_us());
    }
    if (stream->event_at_us != last_event_at_us)
        acts_see(&load->acts, index, stream->event_at_us);
    note_change(load, stream, before);
    if (stream_is_over(stream) && stream->state != STREAM_ENDED)
        acts_cut_off(&load->acts);
}

/* Milliseconds until the next stream is to be opened, or the next act, rounded up; a longer pause is not needed by
 * anybody. */
static int pause_ms(const struct load *load, int64_t now_us)
{
    bool is_opening = load->opened < load->options->streams && still_opening(load) < OPENING_MAX;
    int64_t opening_us = load->started_at_us + (int64_t)load->opened * 1000000 / load->options->opens_per_second;
    int64_t due_us = is_opening ? opening_us : acts_next_us(&load->acts);
    int64_t left_ms = (due_us - now_us + 999) / 1000;
    if (left_ms < 0)
        return 0;
    return left_ms < TURN_MAX_MS ? (int)left_ms : TURN_MAX_MS;
}

static bool wants_memory(const struct load *load, int64_t now_us)
{
    return load->options->group_count > 0 && !load->has_memory && load->all_open_at_us != 0 &&
           now_us >= load->all_open_at_us + SETTLE_US;
}

static void look_at_memory(struct load *load)
{
    load->memory_streams = load->now_open;
    load->has_memory = memory_read(&load->memory_open, load->options->groups, load->options->group_count);
    if (!load->has_memory)
        fprintf(stderr, "streams: one of the processes of --memory is gone\n");
}

static void close_all(struct load *load, enum stream_state state)
{
    for (unsigned i = 0; i < load->options->streams; i++) {
        if (stream_is_over(&load->streams[i]))
            continue;
        enum stream_state before = load->streams[i].state;
        stream_close(&load->streams[i], before == STREAM_OPEN ? state : STREAM_FAILED);
        note_change(load, &load->streams[i], before);
    }
}

static void run_acts(struct load *load, int64_t now_us)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = acts_index};
    if (load->acts.fd >= 0)
        acts_turn(&load->acts, now_us);
    else if (acts_connect(&load->acts))
        ENSURE(epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, load->acts.fd, &event) == 0);
}

static void check_time(struct load *load, int64_t now_us)
{
    const struct options *options = load->options;
    if (load->all_open_at_us == 0 && load->opened == options->streams && still_opening(load) == 0)
        load->all_open_at_us = now_us;
    if (wants_memory(load, now_us))
        look_at_memory(load);
    if (load->all_open_at_us != 0 && now_us >= load->all_open_at_us + SETTLE_US && !acts_are_over(&load->acts))
        run_acts(load, now_us);
    if (options->acts > 0 && acts_are_over(&load->acts))
        close_all(load, STREAM_HELD);
    if (load->all_open_at_us != 0 && options->hold_us >= 0 && now_us >= load->all_open_at_us + options->hold_us)
        close_all(load, STREAM_HELD);
    int64_t opening_us = (int64_t)options->streams * 1000000 / options->opens_per_second;
    int64_t schedule_us = opening_us + (int64_t)options->expected_events * options->interval_us;
    bool has_schedule = options->hold_us < 0 && (options->acts == 0 || load->all_open_at_us == 0);
    if (has_schedule && now_us > load->started_at_us + schedule_us + SILENCE_MAX_US) {
        acts_cut_off(&load->acts);
        close_all(load, STREAM_TRUNCATED);
    }
}

void load_run(struct load *load)
{
    if (load->options->group_count > 0 &&
        !memory_read(&load->memory_before, load->options->groups, load->options->group_count))
        fprintf(stderr, "streams: one of the processes of --memory cannot be looked at\n");
    load->started_at_us = clock_monotonic_us();
    while (load->over < load->options->streams || !acts_are_over(&load->acts)) {
        int64_t now_us = clock_monotonic_us();
        open_due(load, now_us);
        check_time(load, now_us);
        struct epoll_event events[EVENTS_PER_TURN];
        int count = epoll_wait(load->epoll_fd, events, EVENTS_PER_TURN, pause_ms(load, now_us));
        ENSURE(count >= 0 || errno == EINTR);
        for (int i = 0; i < count; i++)
            handle(load, &events[i]);
    }
    load->ended_at_us = clock_monotonic_us();
    if (load->options->group_count > 0 && !load->has_memory)
        fprintf(stderr, "streams: memory was not looked at: the streams were over too soon\n");
}
