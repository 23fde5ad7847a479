/* What a test can tell a handler, an after-response function or a task to do. See app.h. */
#include "acts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WORDS_MAX = 4,
    PATH_BYTES = 256,
    ROUND_BYTES = 8 * 1024,
    BIG_BYTES = 2 * 1024 * 1024, /* more than a commit may have */
    APPENDED_MAX = 10000,
};

/* -------------------- the stage -------------------- */

static enum mid_error gate_act(struct player *player, const char *const words[])
{
    return stage_pass_gate(player->rq, player->who, words[1], false);
}

/* The same, deaf to whatever else wakes it. */
static enum mid_error deaf_act(struct player *player, const char *const words[])
{
    return stage_pass_gate(player->rq, player->who, words[1], true);
}

/* Waits until Redis can be asked: no session is touched. */
static enum mid_error ping_act(struct player *player, const char *const words[])
{
    static const struct mid_redis_argument command[] = {{"PING", 4}};
    const struct mid_redis_value *value;
    (void)words;
    while (mid_redis_command(player->rq, 1, command, &value) != MID_OK)
        MID_TRY(mid_sleep_ms(player->rq, STAGE_LOOK_MS));
    return MID_OK;
}

/* -------------------- which session -------------------- */

static enum mid_error need_session(struct player *player)
{
    if (player->session != NULL)
        return MID_OK;
    return player->task != NULL ? mid_task_session(player->task, &player->session)
                                : mid_session_open(player->rq, &player->session);
}

/* Whether it is the one that is known already. */
static enum mid_error take_session(struct player *player, struct mid_session *session)
{
    if (player->session != NULL)
        player->value = player->session == session ? "same" : "other";
    player->session = session;
    return MID_OK;
}

static enum mid_error allow_missing_origin_act(struct player *player, const char *const words[])
{
    (void)words;
    mid_allow_missing_origin(player->rq);
    return MID_OK;
}

static enum mid_error durable_act(struct player *player, const char *const words[])
{
    bool is_replica = strcmp(words[1], "replica") == 0;
    mid_set_durability(player->rq, is_replica ? MID_DURABLE_REPLICA : MID_DURABLE_DEFAULT);
    return MID_OK;
}

static enum mid_error open_act(struct player *player, const char *const words[])
{
    struct mid_session *session;
    (void)words;
    MID_TRY(mid_session_open(player->rq, &session));
    return take_session(player, session);
}

static enum mid_error find_act(struct player *player, const char *const words[])
{
    struct mid_session *session;
    (void)words;
    MID_TRY(mid_session_find(player->rq, &session));
    return take_session(player, session);
}

static enum mid_error session_act(struct player *player, const char *const words[])
{
    struct mid_session *session;
    (void)words;
    MID_TRY(mid_task_session(player->task, &session));
    return take_session(player, session);
}

/* -------------------- reading -------------------- */

static enum mid_error get_act(struct player *player, const char *const words[])
{
    const char *value;
    MID_TRY(mid_session_get(player->session, words[1], &value));
    player->value = act_text(value);
    return MID_OK;
}

static enum mid_error refresh_act(struct player *player, const char *const words[])
{
    (void)words;
    return mid_session_refresh(player->session);
}

static enum mid_error user_act(struct player *player, const char *const words[])
{
    struct mid_session_info info;
    (void)words;
    MID_TRY(mid_session_info(player->session, &info));
    player->value = act_text(info.user);
    return MID_OK;
}

static void keep(struct player *player, const char *value)
{
    player->kept = act_text(value);
    player->kept_copy = mid_printf(player->rq, "%s", player->kept);
}

/* Keeps the pointer of the field's value... */
static enum mid_error keep_act(struct player *player, const char *const words[])
{
    const char *value;
    MID_TRY(mid_session_get(player->session, words[1], &value));
    keep(player, value);
    return MID_OK;
}

static enum mid_error keep_user_act(struct player *player, const char *const words[])
{
    struct mid_session_info info;
    (void)words;
    MID_TRY(mid_session_info(player->session, &info));
    keep(player, info.user);
    return MID_OK;
}

/* ...and looks whether the value is still there. */
static enum mid_error kept_act(struct player *player, const char *const words[])
{
    (void)words;
    player->value = strcmp(player->kept, player->kept_copy) == 0 ? "unchanged" : "changed";
    return MID_OK;
}

/* -------------------- changing -------------------- */

static enum mid_error set_act(struct player *player, const char *const words[])
{
    return mid_session_set(player->session, words[1], words[2]);
}

static enum mid_error set_for_act(struct player *player, const char *const words[])
{
    return mid_session_set_for(player->session, words[1], words[2], strtoll(words[3], NULL, 10));
}

static enum mid_error increment_act(struct player *player, const char *const words[])
{
    return mid_session_increment(player->session, words[1], 1);
}

static enum mid_error append_act(struct player *player, const char *const words[])
{
    return mid_session_append(player->session, words[1], words[2], APPENDED_MAX);
}

static enum mid_error delete_act(struct player *player, const char *const words[])
{
    return mid_session_delete(player->session, words[1]);
}

static enum mid_error big_act(struct player *player, const char *const words[])
{
    static char big[BIG_BYTES];
    return mid_session_set_bytes(player->session, words[1], big, sizeof(big));
}

/* More operations than a commit may have: "many:300". */
static enum mid_error many_act(struct player *player, const char *const words[])
{
    for (long i = strtol(words[1], NULL, 10); i > 0; i--)
        MID_TRY(mid_session_increment(player->session, "many", 1));
    return MID_OK;
}

static void delete_visited(const char *field, const char *value, size_t bytes, void *arg)
{
    (void)value;
    (void)bytes;
    if (mid_session_delete(arg, field) != MID_OK)
        abort();
}

static enum mid_error clear_act(struct player *player, const char *const words[])
{
    (void)words;
    return mid_session_each(player->session, delete_visited, player->session);
}

static enum mid_error kept_if_absent_act(struct player *player, const char *const words[])
{
    bool was_set;
    MID_TRY(mid_session_set_if_absent(player->session, words[1], player->kept, &was_set));
    player->value = was_set ? "set" : "not set";
    return MID_OK;
}

static enum mid_error commit_act(struct player *player, const char *const words[])
{
    (void)words;
    return mid_session_commit(player->session);
}

static enum mid_error step_act(struct player *player, const char *const words[])
{
    bool was_applied;
    MID_TRY(mid_task_commit(player->task, words[1], &was_applied));
    player->value = was_applied ? "applied" : "skipped";
    return MID_OK;
}

static enum mid_error take_act(struct player *player, const char *const words[])
{
    const char *value;
    MID_TRY(mid_session_take(player->session, words[1], &value));
    player->value = act_text(value);
    return MID_OK;
}

static enum mid_error set_if_absent_act(struct player *player, const char *const words[])
{
    bool was_set;
    MID_TRY(mid_session_set_if_absent(player->session, words[1], words[2], &was_set));
    player->value = was_set ? "set" : "not set";
    return MID_OK;
}

static enum mid_error compare_and_set_act(struct player *player, const char *const words[])
{
    bool was_set;
    MID_TRY(mid_session_compare_and_set(player->session, words[1], words[2], words[3], &was_set));
    player->value = was_set ? "set" : "not set";
    return MID_OK;
}

/* So often: read a long value, write another one, commit. */
static enum mid_error rounds_act(struct player *player, const char *const words[])
{
    static char value[ROUND_BYTES];
    memset(value, 'v', sizeof(value) - 1);
    for (long i = strtol(words[1], NULL, 10); i > 0; i--) {
        const char *before;
        MID_TRY(mid_session_get(player->session, "value", &before));
        value[0] = before != NULL && before[0] == 'a' ? 'b' : 'a';
        MID_TRY(mid_session_set(player->session, "value", value));
        MID_TRY(mid_session_commit(player->session));
    }
    return MID_OK;
}

/* -------------------- login, logout, forms -------------------- */

static enum mid_error renew_act(struct player *player, const char *const words[])
{
    return mid_session_renew(player->session, words[1]);
}

static enum mid_error destroy_act(struct player *player, const char *const words[])
{
    (void)words;
    return mid_session_destroy(player->session);
}

static enum mid_error token_act(struct player *player, const char *const words[])
{
    (void)words;
    return mid_form_token(player->session, &player->value);
}

static enum mid_error check_act(struct player *player, const char *const words[])
{
    return mid_form_token_check(player->session, words[1]);
}

/* -------------------- responses -------------------- */

static enum mid_error begin_act(struct player *player, const char *const words[])
{
    MID_TRY(strcmp(words[1], "events") == 0 ? mid_events_begin(player->rq)
                                            : mid_stream_begin(player->rq, 200, "text/plain"));
    player->has_begun = true;
    return MID_OK;
}

/* Sends for as long as it may, and never waits but for the client. */
static enum mid_error chatter_act(struct player *player, const char *const words[])
{
    (void)words;
    for (;;) {
        const struct mid_redis_value *value;
        MID_TRY(mid_stream_printf(player->rq, "and another line\n"));
        MID_TRY(mid_redis(player->rq, &value, "PING")); /* which a stream that only waits would not ask */
    }
}

static enum mid_error sleep_act(struct player *player, const char *const words[])
{
    return mid_sleep_ms(player->rq, strtoll(words[1], NULL, 10));
}

static enum mid_error fail_act(struct player *player, const char *const words[])
{
    (void)words;
    return mid_fail(player->rq, MID_FORBIDDEN, "as it was told");
}

/* -------------------- the play -------------------- */

static const struct act {
    const char *name;
    act_fn *fn;
    bool needs_session;
} acts_known[] = {
    {"gate", gate_act, false},
    {"deaf", deaf_act, false},
    {"ping", ping_act, false},
    {"allow-missing-origin", allow_missing_origin_act, false},
    {"open", open_act, false},
    {"find", find_act, false},
    {"session", session_act, false},
    {"durable", durable_act, false},
    {"get", get_act, true},
    {"refresh", refresh_act, true},
    {"wait", wait_act, true},
    {"changed", changed_act, true},
    {"follow", follow_act, true},
    {"describe", describe_act, true},
    {"require-login", require_login_act, false},
    {"begin-login", begin_login_act, true},
    {"sessions", sessions_act, false},
    {"count-sessions", count_sessions_act, false},
    {"end-session", end_session_act, false},
    {"end-others", end_others_act, true},
    {"end-all", end_all_act, false},
    {"user", user_act, true},
    {"keep", keep_act, true},
    {"keep-user", keep_user_act, true},
    {"kept", kept_act, false},
    {"set", set_act, true},
    {"set-for", set_for_act, true},
    {"increment", increment_act, true},
    {"append", append_act, true},
    {"delete", delete_act, true},
    {"big", big_act, true},
    {"many", many_act, true},
    {"commit", commit_act, true},
    {"clear", clear_act, true},
    {"kept-if-absent", kept_if_absent_act, true},
    {"step", step_act, false},
    {"take", take_act, true},
    {"set-if-absent", set_if_absent_act, true},
    {"compare-and-set", compare_and_set_act, true},
    {"rounds", rounds_act, true},
    {"renew", renew_act, true},
    {"destroy", destroy_act, true},
    {"token", token_act, true},
    {"check", check_act, true},
    {"begin", begin_act, false},
    {"sleep", sleep_act, false},
    {"chatter", chatter_act, false},
    {"fail", fail_act, false},
    {"log-create", log_create_act, false},
    {"log-find", log_find_act, false},
    {"log-state", log_state_act, false},
    {"log-append", log_append_act, false},
    {"log-event", log_append_event_act, false},
    {"log-commit", log_commit_act, false},
    {"log-end", log_end_act, false},
    {"log-close", log_close_act, false},
    {"log-read", log_read_act, false},
    {"log-delete", log_delete_act, false},
    {"log-wait", log_wait_act, false},
    {"log-follow", log_follow_act, false},
    {"log-fill", log_fill_act, false},
    {"log-tell", log_tell_act, true},
    {"log-many", log_many_act, false},
};

static const struct act *act_find(const char *name)
{
    for (size_t i = 0; i < sizeof(acts_known) / sizeof(acts_known[0]); i++)
        if (strcmp(acts_known[i].name, name) == 0)
            return &acts_known[i];
    fprintf(stderr, "nobody knows the act \"%s\"\n", name);
    abort();
}

static enum mid_error play_one(struct player *player, const char *text)
{
    char *rest = mid_printf(player->rq, "%s", text);
    const char *words[WORDS_MAX] = {"", "", "", ""};
    for (size_t i = 0; i < WORDS_MAX && rest != NULL; i++)
        words[i] = strsep(&rest, ":");
    const struct act *act = act_find(words[0]);
    player->value = NULL;
    if (act->needs_session)
        MID_TRY(need_session(player));
    bool is_of_log = strncmp(words[0], "log-", 4) == 0 && act->fn != log_create_act && act->fn != log_find_act;
    if (is_of_log && player->log == NULL)
        return MID_NOT_FOUND;
    return act->fn(player, words);
}

enum mid_error acts_play(struct mid_request *rq, struct mid_task *task, const char *who, const char *acts,
                         const char **answer)
{
    struct player player = {.rq = rq, .task = task, .who = who};
    enum mid_error error = MID_OK;
    enum mid_error result = MID_OK;
    const char *last = "";
    char *rest = acts[0] != '\0' ? mid_printf(rq, "%s", acts) : NULL;
    for (int number = 1; rest != NULL; number++) {
        const char *text = strsep(&rest, ",");
        if (strcmp(text, "return") == 0) {
            result = error;
            break;
        }
        error = play_one(&player, text);
        last = player.value != NULL ? player.value : last;
        stage_note(rq, mid_printf(rq, "%s.%d %s %s%s%s\n", who, number, text, mid_error_name(error),
                                  player.value != NULL ? " " : "", player.value != NULL ? player.value : ""));
    }
    *answer = player.has_begun ? NULL : last;
    return result;
}
