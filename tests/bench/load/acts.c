/* One request after the other. See acts.h. */
#include "acts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/panic.h"
#include "request.h"

enum { PATIENCE_US = 20 * 1000000 }; /* longer than a heartbeat, which finds what was not heard */

void acts_init(struct acts *acts, const struct options *options, const struct cookies *cookies)
{
    *acts = (struct acts){.options = options, .cookies = cookies, .fd = -1, .next_at_us = INT64_MAX};
    acts->has_shown = calloc(options->streams + 1, sizeof(acts->has_shown[0]));
    ENSURE(acts->has_shown != NULL);
}

void acts_fini(struct acts *acts)
{
    if (acts->fd >= 0)
        close(acts->fd);
    free(acts->has_shown);
    samples_fini(&acts->answered);
    samples_fini(&acts->seen);
}

bool acts_are_over(const struct acts *acts)
{
    bool is_done = acts->begun == acts->options->acts && !acts->is_under_way;
    return is_done || acts->is_cut_off || acts->lost > 0;
}

static bool is_by_last(const struct acts *acts)
{
    return acts->cookies->count > acts->options->streams;
}

/* The cookie of the act that was begun last. */
static unsigned cookie_index(const struct acts *acts)
{
    unsigned count = acts->cookies->count;
    return is_by_last(acts) ? count - 1 : (acts->begun - 1) % count;
}

static bool is_watcher(const struct acts *acts, unsigned stream)
{
    return is_by_last(acts) || stream % acts->cookies->count == cookie_index(acts);
}

static void begin(struct acts *acts, int64_t now_us)
{
    acts->begun++;
    acts->is_under_way = true;
    acts->is_answered = false;
    acts->sent_at_us = now_us;
    acts->unseen = 0;
    for (unsigned i = 0; i < acts->options->streams; i++) {
        acts->has_shown[i] = !is_watcher(acts, i);
        acts->unseen += !acts->has_shown[i];
    }
}

static void end_if_done(struct acts *acts, int64_t now_us)
{
    if (!acts->is_answered || acts->unseen > 0)
        return;
    acts->is_under_way = false;
    acts->next_at_us = acts->sent_at_us + acts->options->act_interval_us;
    if (acts->next_at_us < now_us)
        acts->next_at_us = now_us;
}

/* Without an answer, nothing can be said of its time. */
static void answered(struct acts *acts, bool is_good, int64_t now_us)
{
    if (is_good)
        samples_add(&acts->answered, (int32_t)(now_us - acts->sent_at_us));
    else
        acts->refused++;
    acts->is_answered = true;
    end_if_done(acts, now_us);
}

static void hang_up(struct acts *acts, int64_t now_us)
{
    close(acts->fd);
    acts->fd = -1;
    if (acts->is_under_way && !acts->is_answered)
        answered(acts, false, now_us);
}

static void give_up(struct acts *acts, int64_t now_us)
{
    acts->lost += acts->unseen;
    acts->unseen = 0;
    if (acts->is_answered)
        end_if_done(acts, now_us);
    else
        hang_up(acts, now_us);
}

static void send_next(struct acts *acts, int64_t now_us)
{
    char method[16];
    const char *path = strchr(acts->options->act, ' ') + 1;
    snprintf(method, sizeof(method), "%.*s", (int)(path - 1 - acts->options->act), acts->options->act);
    begin(acts, now_us);
    const struct request request = {.method = method, .path = path, .cookie = acts->cookies->texts[cookie_index(acts)]};
    response_init(&acts->response);
    if (!request_send(acts->fd, &request))
        hang_up(acts, now_us);
}

bool acts_connect(struct acts *acts)
{
    acts->fd = request_connect(&acts->options->address);
    acts->is_cut_off = acts->fd < 0;
    acts->next_at_us = 0;
    return acts->fd >= 0;
}

int64_t acts_next_us(const struct acts *acts)
{
    return acts->is_under_way || acts_are_over(acts) ? INT64_MAX : acts->next_at_us;
}

void acts_turn(struct acts *acts, int64_t now_us)
{
    if (acts->is_under_way && now_us > acts->sent_at_us + PATIENCE_US)
        give_up(acts, now_us);
    if (!acts_are_over(acts) && !acts->is_under_way && now_us >= acts->next_at_us)
        send_next(acts, now_us);
}

void acts_read(struct acts *acts, int64_t now_us)
{
    char data[4096];
    ssize_t got = recv(acts->fd, data, sizeof(data), MSG_DONTWAIT);
    static const struct response_reader reader = {.on_body = NULL};
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 || !acts->is_under_way || acts->is_answered) {
        hang_up(acts, now_us);
        return;
    }
    switch (response_feed(&acts->response, data, (size_t)got, &reader, NULL)) {
    case RESPONSE_MORE:
        break;
    case RESPONSE_COMPLETE:
        answered(acts, acts->response.status / 100 == 2, now_us);
        break;
    case RESPONSE_BROKEN:
        hang_up(acts, now_us);
        break;
    }
}

void acts_cut_off(struct acts *acts)
{
    acts->is_cut_off = true;
}

void acts_see(struct acts *acts, unsigned stream, int64_t at_us)
{
    if (!acts->is_under_way || acts->has_shown[stream])
        return;
    acts->has_shown[stream] = true;
    acts->unseen--;
    samples_add(&acts->seen, (int32_t)(at_us - acts->sent_at_us));
    end_if_done(acts, at_us);
}
