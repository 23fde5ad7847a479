/* Acts of durable streams. See acts.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "acts.h"

enum { TINY_BYTES = 10, MINUTE_MS = 60 * 1000, NUMBER_BYTES = 3, READ_BYTES = 1000, TOLD_MAX = 10000 };

static struct mid_durable_options options_of(const char *const words[])
{
    struct mid_durable_options options = {.owner = MID_OWNER_SESSION};
    const char *option = words[2];
    if (strcmp(option, "user") == 0)
        options.owner = MID_OWNER_USER;
    else if (strcmp(option, "public") == 0)
        options.owner = MID_OWNER_PUBLIC;
    else if (strcmp(option, "json") == 0)
        options.content_type = "application/json";
    else if (strcmp(option, "minute") == 0)
        options.lifetime_ms = MINUTE_MS;
    else if (strcmp(option, "as") == 0)
        options.producer = words[3];
    else if (strcmp(option, "tiny") == 0 || strcmp(option, "trims") == 0)
        options.bytes_max = TINY_BYTES;
    else if (option[0] != '\0')
        abort();
    options.trims = strcmp(option, "trims") == 0;
    return options;
}

static enum mid_error tell_state(struct player *player)
{
    player->value = mid_printf(player->rq, "%" PRId64 " %" PRId64 "%s", mid_durable_tail(player->log),
                               mid_durable_start(player->log), mid_durable_is_closed(player->log) ? " closed" : "");
    return MID_OK;
}

/* What a step says, and the tail then. */
static enum mid_error tell_tail(struct player *player, enum mid_error error)
{
    if (error == MID_OK)
        player->value = mid_printf(player->rq, "%" PRId64, mid_durable_tail(player->log));
    return error;
}

enum mid_error log_create_act(struct player *player, const char *const words[])
{
    const struct mid_durable_options options = options_of(words);
    MID_TRY(mid_durable_create(player->rq, words[1], &options, &player->log));
    return tell_state(player);
}

enum mid_error log_find_act(struct player *player, const char *const words[])
{
    const struct mid_durable_options options = options_of(words);
    MID_TRY(mid_durable_find(player->rq, words[1], &options, &player->log));
    return tell_state(player);
}

enum mid_error log_state_act(struct player *player, const char *const words[])
{
    (void)words;
    return tell_state(player);
}

enum mid_error log_append_act(struct player *player, const char *const words[])
{
    return tell_tail(player, mid_durable_append(player->log, words[1], strlen(words[1])));
}

enum mid_error log_append_event_act(struct player *player, const char *const words[])
{
    return tell_tail(player, mid_durable_append_event(player->log, words[1], words[2]));
}

enum mid_error log_commit_act(struct player *player, const char *const words[])
{
    const struct mid_durable_entry entry = {.data = words[1], .bytes = strlen(words[1])};
    return tell_tail(player, mid_durable_commit(player->log, &entry));
}

enum mid_error log_end_act(struct player *player, const char *const words[])
{
    const struct mid_durable_entry entry = {.data = words[1], .bytes = strlen(words[1]), .closes = true};
    return tell_tail(player, mid_durable_commit(player->log, &entry));
}

enum mid_error log_close_act(struct player *player, const char *const words[])
{
    (void)words;
    return mid_durable_close(player->log);
}

enum mid_error log_read_act(struct player *player, const char *const words[])
{
    struct mid_durable_piece piece = {.next = strtoll(words[1], NULL, 10)};
    const char *all = "";
    while (!piece.is_at_end) {
        MID_TRY(mid_durable_read(player->log, piece.next, READ_BYTES, &piece));
        all = mid_printf(player->rq, "%s%s", all, (const char *)piece.data);
    }
    player->value = all;
    return MID_OK;
}

enum mid_error log_delete_act(struct player *player, const char *const words[])
{
    (void)words;
    return mid_durable_delete(player->log);
}

enum mid_error log_wait_act(struct player *player, const char *const words[])
{
    return tell_tail(player, mid_durable_wait(player->log, strtoll(words[1], NULL, 10), strtoll(words[2], NULL, 10)));
}

enum mid_error log_follow_act(struct player *player, const char *const words[])
{
    struct mid_durable_piece piece = {.next = 0};
    (void)words;
    while (!piece.is_at_end || !mid_durable_is_closed(player->log)) {
        MID_TRY(mid_durable_wait(player->log, piece.next, -1));
        MID_TRY(mid_durable_read(player->log, piece.next, READ_BYTES, &piece));
        MID_TRY(mid_stream_write(player->rq, piece.data, piece.bytes));
    }
    return tell_state(player);
}

static enum mid_error append_number(struct player *player, const char *number)
{
    return mid_durable_append(player->log, number, NUMBER_BYTES);
}

static enum mid_error commit_number(struct player *player, const char *number)
{
    const struct mid_durable_entry entry = {.data = number, .bytes = NUMBER_BYTES};
    MID_TRY(mid_session_append(player->session, "told", number, TOLD_MAX));
    return mid_durable_commit(player->log, &entry);
}

static enum mid_error fill(struct player *player, const char *goal,
                           enum mid_error (*add)(struct player *player, const char *number))
{
    int64_t i;
    while ((i = mid_durable_tail(player->log) / NUMBER_BYTES) < strtoll(goal, NULL, 10)) {
        MID_TRY(add(player, mid_printf(player->rq, "%03" PRId64, i)));
        MID_TRY(mid_sleep_ms(player->rq, 1)); /* so that it can be killed in the middle */
    }
    return tell_tail(player, MID_OK);
}

enum mid_error log_fill_act(struct player *player, const char *const words[])
{
    MID_TRY(fill(player, words[1], append_number));
    return strcmp(words[2], "close") == 0 ? mid_durable_close(player->log) : MID_OK;
}

enum mid_error log_tell_act(struct player *player, const char *const words[])
{
    return fill(player, words[1], commit_number);
}

enum mid_error log_many_act(struct player *player, const char *const words[])
{
    int kept = 0;
    int refused = 0;
    for (long i = 0; i < strtol(words[1], NULL, 10); i++) {
        const struct mid_durable_entry entry = {.data = mid_printf(player->rq, "%03ld", i), .bytes = NUMBER_BYTES};
        enum mid_error error = mid_durable_commit(player->log, &entry);
        kept += error == MID_UNAVAILABLE;
        refused += error == MID_OVERLOADED;
    }
    player->value = mid_printf(player->rq, "%d kept and %d refused", kept, refused);
    return MID_OK;
}
