/*
 * Logins and ends of all sessions of a user, step by step in every order: the steps are those that workers take in
 * Redis, and each may come between any two of the others. A session that was begun before an end of all ends or never
 * begins, one that was begun after it goes on, and the index names every session that the user has.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration/random.h"
#include "redis/server.h"
#include "session/commit_try.h"
#include "support/owned.h"
#include "support/text.h"
#include "user/index.h"

TestSuite(user_revocation, .fini = server_fini, .timeout = 120);

enum { ENDS_MAX = 8, SESSIONS = 5, LIFETIME_MS = 3600 * 1000 };

static const char user[] = "grace";

/* One session, and the login to it that is under way. */
struct session {
    char rid[USER_RID_BYTES];
    char key[STORE_KEY_BYTES];
    uint32_t generation;
    int next;          /* of its steps */
    int64_t number;    /* of the login under way */
    int64_t logged_in; /* of the last one that was carried out; 0: none */
    bool was_refused;
    bool is_used; /* after the login, so that the index names it again if it has to */
};

/* An end of all sessions, or of all but one. */
struct ending {
    int next;
    int64_t number;
    int64_t above;
    struct user_index_page page;
    const struct session *spared;
    bool lists_only;   /* it is no end, but a list, which takes names away as well */
    const char *found; /* the name of a session that is not the user's, as was just seen; NULL: none */
};

/* -------------------- the steps of a login -------------------- */

MAY_SUSPEND static void login_enter(struct session *session)
{
    struct user_entrance entrance;
    cr_assert_eq(user_index_enter(user, session->rid, 0, &(struct user_index_terms){.patience_ms = 0}, &entrance),
                 MID_OK);
    session->number = entrance.number;
}

MAY_SUSPEND static void login_renew(struct session *session)
{
    struct commit commit = {.login_number = session->number};
    struct commit_answer answer;
    operations_init(&commit.operations);
    struct operation *renewal = operations_add(&commit.operations, OPERATION_RENEW, (struct operation_text){"@user", 5},
                                               (struct operation_text){user, strlen(user)}, 0);
    renewal->does = OPERATION_RENEW;
    cr_assert_eq(
        commit_try(&commit, &(struct commit_terms){.key = session->key, .generation = session->generation}, &answer),
        MID_OK);
    session->was_refused = answer.finding.verdict != STORE_OK;
    if (answer.finding.verdict == STORE_OK) {
        session->generation = answer.finding.header.generation;
        session->logged_in = session->number;
    }
    commit_drop(&commit);
}

MAY_SUSPEND static void login_confirm(struct session *session)
{
    if (!session->was_refused)
        user_index_confirm(user, session->rid, session->number, 0);
}

/* As at a touch: the index may have to name it again. */
MAY_SUSPEND static void login_keep(struct session *session)
{
    bool is_revoked;
    struct store_summary summary;
    cr_assert_eq(store_summarize(session->key, 0, &summary), MID_OK);
    if (!summary.is_there || strcmp(summary.user, user) != 0)
        return;
    cr_assert_eq(user_index_keep(user, session->rid, summary.header.renewed_ms, 0, &is_revoked), MID_OK);
    cr_expect_not(is_revoked);
}

/* -------------------- the steps of an end -------------------- */

MAY_SUSPEND static void end_revoke(struct ending *ending)
{
    cr_assert_eq(user_index_revoke(user, ending->spared != NULL ? ending->spared->rid : "",
                                   &(struct user_index_terms){.patience_ms = 0}, &ending->number),
                 MID_OK);
}

MAY_SUSPEND static void end_read(struct ending *ending)
{
    cr_assert_eq(user_index_read(user, &(struct user_index_range){.below = ending->number}, 0, &ending->page), MID_OK);
}

/* What was seen in the step before. */
MAY_SUSPEND static void take_away(struct ending *ending)
{
    user_index_leave(user, ending->found, false, 0);
    ending->found = NULL;
}

MAY_SUSPEND static void look_at(struct ending *ending, const char *key, const char *rid)
{
    struct store_summary summary;
    cr_assert_eq(store_summarize(key, 0, &summary), MID_OK);
    if (!summary.is_there)
        user_index_forget(user, &rid, 1, 0);
    else if (strcmp(summary.user, user) != 0)
        ending->found = rid;
}

MAY_SUSPEND static void end_at(struct ending *ending, const char *key, const char *rid)
{
    struct store_ending of = {.durability = MID_DURABLE_MEMORY};
    struct store_finding finding;
    cr_assert_eq(store_end(key, user, ending->number, &of, &finding), MID_OK);
    if (finding.verdict == STORE_OTHERS)
        ending->found = rid;
    else
        user_index_forget(user, &rid, 1, 0);
}

/* One session of the page. False: there are no more. */
MAY_SUSPEND static bool end_next(struct ending *ending, size_t at)
{
    char key[STORE_KEY_BYTES];
    if (at >= ending->page.count)
        return false;
    const char *rid = ending->page.names[at].rid;
    snprintf(key, sizeof(key), "mid:s:{%s}", rid);
    if (ending->lists_only)
        look_at(ending, key, rid);
    else if (ending->spared == NULL || strcmp(ending->spared->rid, rid) != 0)
        end_at(ending, key, rid);
    return true;
}

/* True: it has done a step; false: it is over. */
MAY_SUSPEND static bool login_step(struct session *session)
{
    static void (*const steps[])(struct session *) = {login_enter, login_renew, login_confirm, login_keep};
    int count = (int)(sizeof(steps) / sizeof(steps[0])) - !session->is_used;
    if (session->next >= count)
        return false;
    steps[session->next++](session);
    return true;
}

MAY_SUSPEND static bool end_step(struct ending *ending)
{
    if (ending->found != NULL) {
        take_away(ending);
        return true;
    }
    int step = ending->next++;
    if (step == 0 && ending->lists_only)
        ending->number = USER_NUMBER_MAX;
    else if (step == 0)
        end_revoke(ending);
    else if (step == 1)
        end_read(ending);
    else
        return end_next(ending, (size_t)step - 2);
    return true;
}

/* -------------------- what has to be true at the end -------------------- */

static bool is_named(const struct session *session)
{
    struct user_index_page page;
    cr_assert_eq(
        user_index_read(user, &(struct user_index_range){.below = USER_NUMBER_MAX, .newest_first = true}, 0, &page),
        MID_OK);
    for (size_t i = 0; i < page.count; i++)
        if (strcmp(page.names[i].rid, session->rid) == 0)
            return true;
    return false;
}

static bool is_on_page(const struct ending *ending, const struct session *session)
{
    for (size_t i = 0; i < ending->page.count; i++)
        if (strcmp(ending->page.names[i].rid, session->rid) == 0)
            return true;
    return false;
}

/* A session that logs in again while an end is under way may be ended by it, or not. */
MAY_SUSPEND static void expect_truth(const struct session *session, const struct ending ends[], size_t count,
                                     const char *order)
{
    struct store_summary summary;
    cr_assert_eq(store_summarize(session->key, 0, &summary), MID_OK);
    bool has_user = summary.is_there && strcmp(summary.user, user) == 0;
    bool may_have = session->logged_in > 0;
    bool has_to = session->logged_in > 0;
    for (size_t i = 0; i < count; i++) {
        bool is_spared = ends[i].spared == session || ends[i].lists_only;
        may_have = may_have && (is_spared || session->logged_in > ends[i].number);
        has_to = has_to && (is_spared || !is_on_page(&ends[i], session));
    }
    cr_expect(may_have || !has_user, "%s: it is the user's; its login was %lld", order, (long long)session->logged_in);
    cr_expect(has_user || !has_to || !may_have, "%s: it is not the user's", order);
    cr_expect(!has_user || is_named(session), "%s: the index does not name it", order);
}

/* -------------------- sessions -------------------- */

MAY_SUSPEND static void make_session(struct session *session, unsigned number)
{
    struct store_finding finding;
    *session = (struct session){.generation = 1};
    snprintf(session->rid, sizeof(session->rid), "%08x%024x", (unsigned)random_below(1u << 31), number);
    snprintf(session->key, sizeof(session->key), "mid:s:{%s}", session->rid);
    cr_assert_eq(store_create(session->key, 0, &finding), MID_OK);
}

MAY_SUSPEND static struct redis_client *open_store(void)
{
    struct redis_options options = worker_options();
    options.timeout_ms = 10000;
    struct redis_client *client = redis_client_new(&options);
    store_init(&(struct store_settings){.redis = client,
                                        .idle_ms = LIFETIME_MS,
                                        .absolute_ms = LIFETIME_MS,
                                        .user_idle_ms = LIFETIME_MS,
                                        .user_absolute_ms = LIFETIME_MS,
                                        .fields_max = 64,
                                        .value_bytes_max = 16384,
                                        .size_max = 65536});
    commit_init();
    user_index_init(&(struct user_index_settings){.redis = client, .lifetime_ms = LIFETIME_MS});
    cr_assert(redis_client_wait_ready(client, 10000));
    return client;
}

/* -------------------- every order of one login and one end -------------------- */

/* A bit for each step: 1 is the end's. */
MAY_SUSPEND static void play_order(unsigned bits, int steps, bool was_logged_in)
{
    struct session session;
    struct ending ending = {0};
    char order[32];
    make_session(&session, bits);
    if (was_logged_in)
        while (login_step(&session))
            continue;
    session.next = 0;
    for (int i = 0; i < steps; i++) {
        bool is_end = (bits >> i & 1) != 0;
        order[i] = is_end ? 'E' : 'l';
        if (is_end)
            end_step(&ending);
        else
            login_step(&session);
    }
    order[steps] = '\0';
    while (login_step(&session))
        continue;
    while (end_step(&ending))
        continue;
    expect_truth(&session, &ending, 1, order);
}

static void play_all_orders(void *arg)
{
    enum { STEPS = 8 };
    (void)arg;
    struct redis_client *client = open_store();
    for (unsigned bits = 0; bits < 1u << STEPS; bits++)
        for (int was_logged_in = 0; was_logged_in < 2; was_logged_in++)
            play_order(bits, STEPS, was_logged_in != 0);
    redis_client_free(client);
}

Test(user_revocation, a_login_and_an_end_of_all_in_every_order_of_their_steps)
{
    random_begin("user_revocation::a_login_and_an_end_of_all_in_every_order_of_their_steps");
    server_start_with_users(NULL);
    run_scenario(play_all_orders);
}

/* -------------------- several of both, at random -------------------- */

/* Whoever it is does one step. */
MAY_SUSPEND static void play_round(int round)
{
    struct session sessions[SESSIONS];
    struct ending ends[ENDS_MAX] = {{0}};
    size_t end_count = 1 + random_below(5);
    OWNED char *order = text_printf("round %d", round);
    for (unsigned i = 0; i < SESSIONS; i++)
        make_session(&sessions[i], (unsigned)round * SESSIONS + i);
    for (unsigned i = 0; i < SESSIONS; i++)
        sessions[i].is_used = random_chance(50);
    for (size_t i = 0; i < end_count; i++)
        ends[i].spared = random_chance(40) ? &sessions[random_below(SESSIONS)] : NULL;
    for (size_t i = 0; i < end_count; i++)
        ends[i].lists_only = random_chance(30);
    for (int i = 0; i < 60; i++) {
        if (random_chance(40)) {
            end_step(&ends[random_below(end_count)]);
            continue;
        }
        struct session *session = &sessions[random_below(SESSIONS)];
        if (random_chance(8))
            session->next = 0; /* a login is given up, and begins anew */
        if (!login_step(session) && random_chance(30))
            session->next = 0; /* it logs in again */
    }
    for (size_t i = 0; i < end_count; i++)
        while (end_step(&ends[i]))
            continue;
    for (int i = 0; i < SESSIONS; i++)
        while (login_step(&sessions[i]))
            continue;
    for (int i = 0; i < SESSIONS; i++)
        expect_truth(&sessions[i], ends, end_count, order);
}

static void play_rounds(void *arg)
{
    enum { ROUNDS = 300 };
    (void)arg;
    struct redis_client *client = open_store();
    for (int round = 0; round < ROUNDS; round++)
        play_round(round);
    redis_client_free(client);
}

Test(user_revocation, logins_and_ends_at_random)
{
    random_begin("user_revocation::logins_and_ends_at_random");
    server_start_with_users(NULL);
    run_scenario(play_rounds);
}
