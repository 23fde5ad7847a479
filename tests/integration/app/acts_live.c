/* Acts of live sessions, and of the sessions of a user. See acts.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "acts.h"

/* -------------------- changes of others -------------------- */

enum mid_error wait_act(struct player *player, const char *const words[])
{
    return mid_session_wait(player->session, strtoll(words[1], NULL, 10));
}

enum mid_error changed_act(struct player *player, const char *const words[])
{
    player->value = mid_session_changed(player->session, words[1]) ? "yes" : "no";
    return MID_OK;
}

enum mid_error follow_act(struct player *player, const char *const words[])
{
    int64_t value;
    int64_t goal = strtoll(words[2], NULL, 10);
    int waits = 0;
    MID_TRY(mid_session_get_int(player->session, words[1], 0, &value));
    for (; value < goal; waits++) {
        MID_TRY(mid_session_wait(player->session, -1));
        MID_TRY(mid_session_get_int(player->session, words[1], 0, &value));
    }
    player->value = waits <= goal ? "followed" : "woken for nothing";
    return MID_OK;
}

/* -------------------- the sessions of a user -------------------- */

enum mid_error require_login_act(struct player *player, const char *const words[])
{
    return mid_require_login(player->rq, strtoll(words[1], NULL, 10), &player->value);
}

enum mid_error begin_login_act(struct player *player, const char *const words[])
{
    return mid_user_begin_login(player->session, words[1]);
}

enum mid_error describe_act(struct player *player, const char *const words[])
{
    return mid_session_describe(player->session, words[1], words[2][0] != '\0' ? words[2] : NULL);
}

/* What is looked for in a list, or put together from it. */
struct listing {
    struct mid_request *rq;
    const char *address; /* NULL: all */
    const char *text;
    char id[33];
};

static void add_session(const struct mid_user_session *session, void *arg)
{
    struct listing *listing = arg;
    listing->text = mid_printf(listing->rq, "%s%s%s%s", listing->text, listing->text[0] != '\0' ? " " : "",
                               session->address[0] != '\0' ? session->address : "?", session->is_this ? "*" : "");
    if (listing->address != NULL && strcmp(listing->address, session->address) == 0)
        stpncpy(listing->id, session->id, sizeof(listing->id) - 1);
}

enum mid_error sessions_act(struct player *player, const char *const words[])
{
    struct listing listing = {.rq = player->rq, .text = ""};
    MID_TRY(mid_user_sessions(player->rq, words[1], add_session, &listing));
    player->value = listing.text[0] != '\0' ? listing.text : "none";
    return MID_OK;
}

static void count_session(const struct mid_user_session *session, void *count)
{
    *(int64_t *)count += session->id[0] != '\0';
}

static enum mid_error tell_count(struct player *player, enum mid_error error, int64_t count)
{
    player->value = mid_printf(player->rq, "%" PRId64, count);
    return error;
}

enum mid_error count_sessions_act(struct player *player, const char *const words[])
{
    int64_t count = 0;
    enum mid_error error = mid_user_sessions(player->rq, words[1], count_session, &count);
    return tell_count(player, error, count);
}

enum mid_error end_session_act(struct player *player, const char *const words[])
{
    struct listing listing = {.rq = player->rq, .text = "", .address = words[2]};
    int64_t ended;
    MID_TRY(mid_user_sessions(player->rq, words[1], add_session, &listing));
    const char *id = listing.id[0] != '\0' ? listing.id : words[2];
    enum mid_error error = mid_user_end_session(player->rq, words[1], id, &ended);
    return tell_count(player, error, ended);
}

enum mid_error end_others_act(struct player *player, const char *const words[])
{
    int64_t ended;
    (void)words;
    enum mid_error error = mid_user_end_others(player->session, &ended);
    return tell_count(player, error, ended);
}

enum mid_error end_all_act(struct player *player, const char *const words[])
{
    int64_t ended;
    enum mid_error error = mid_user_end_all(player->rq, words[1], &ended);
    return tell_count(player, error, ended);
}
