/* The writers. See writers.h. */
#include "writers.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/panic.h"
#include "integration/site.h"
#include "notes.h"
#include "scenario.h"
#include "support/http.h"
#include "visitor.h"

enum {
    VISITORS = 8,
    LANES = 8,
    RUNS_STEP = 2 * VISITORS * LANES, /* between two runs of a lane: one for a request, one for its task */
    TRIES_MAX = 6,
    PAUSE_MS = 100, /* after a failure */
    REST_MS = 50,   /* at most, after a request that went well */
    TASK_WAIT_MS = 60000,
    LOOK_EVERY_MS = 10,
    LOOK_MARKS = 50, /* of the log's, which holds some 200 */
    TASK_ID_BYTES = 68,
};

/* One in so many runs of a request. */
enum {
    LOGIN_EVERY = 30,
    RENEW_EVERY = 40,
    LOGOUT_EVERY = 80,
    OLD_COOKIE_EVERY = 50,
    TASK_LOGOUT_EVERY = 20,
    LEAVE_EVERY = 8
};

struct lane {
    struct writers *writers;
    struct visitor *visitor;
    unsigned number; /* of the visitor's */
    unsigned long next_run;
    int patience_ms; /* after which the client leaves; 0: he stays */
    enum scenario_kind kind;
    struct random random; /* of the run */
    pthread_t thread;
};

struct writers {
    struct writers_options options;
    struct visitor visitors[VISITORS];
    pthread_mutex_t making[VISITORS]; /* of a session */
    struct lane lanes[VISITORS * LANES];
    pthread_t looker;
    atomic_bool is_stopped;
    atomic_size_t lanes_left;
    atomic_size_t runs[SCENARIO_KINDS];
    atomic_size_t sessions, logins, logins_repeated, logins_found, logouts, tasks_left;
};

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* -------------------- one run -------------------- */

/* What became of it. */
struct outcome {
    const char *verdict;
    enum heard heard;
    struct cookie cookie;
    bool is_accepted; /* its handler went well, as far as it was told */
};

static void read_cookie(const struct http_response *response, struct cookie *cookie)
{
    OWNED char *field = http_response_header(response, "Set-Cookie", 0);
    *cookie = cookie_none();
    if (field != NULL && strncmp(field, "mid=", 4) == 0)
        cookie_read(cookie, field + 4);
}

static bool is_whole_stream(const struct http_response *response)
{
    return response->curl_code == 0 && response->status == 200 && text_ends(response->body.data, "{\"end\":true}\n");
}

static const char *verdict_of(const struct http_response *response)
{
    if (response->curl_code != 0)
        return response->status == 200 ? "cut" : "unknown";
    if (response->status == 204 || is_whole_stream(response))
        return "ok";
    return response->status == 409   ? "ended"
           : response->status == 422 ? "refused"
           : response->status == 403 ? "failed"
           : response->status == 200 ? "cut"
                                     : "unknown";
}

static struct outcome send_run(struct lane *lane, unsigned long run, const char *kind, const struct cookie *cookie,
                               const char *script)
{
    struct outcome outcome;
    struct http_response response;
    OWNED char *url = text_printf("%s/run", lane->writers->options.url);
    OWNED char *field = text_printf("Cookie: mid=%s", cookie->value);
    const char *const headers[] = {"Sec-Fetch-Site: same-origin", cookie->value[0] != '\0' ? field : NULL, NULL};
    visitor_count_marks(lane->visitor, text_count(script, "app:log"));
    note_sent(run, kind, cookie);
    http_send(
        &(struct http_request){
            .method = "POST", .url = url, .headers = headers, .body = script, .timeout_ms = lane->patience_ms},
        &response);
    read_cookie(&response, &outcome.cookie);
    outcome.verdict = verdict_of(&response);
    note_heard(run, outcome.verdict, &outcome.cookie);
    outcome.is_accepted = strcmp(outcome.verdict, "ok") == 0;
    outcome.heard = outcome.is_accepted ? HEARD_OK : strcmp(outcome.verdict, "ended") == 0 ? HEARD_ENDED : HEARD_OTHER;
    http_response_fini(&response);
    return outcome;
}

static unsigned long take_run(struct lane *lane)
{
    unsigned long run = lane->next_run;
    lane->next_run += RUNS_STEP;
    return run;
}

/* -------------------- sessions -------------------- */

/* The visitor's session; if he has none, he gets one. False: not now. */
static bool have_session(struct lane *lane, struct cookie *cookie)
{
    struct writers *writers = lane->writers;
    pthread_mutex_t *making = &writers->making[lane->visitor - writers->visitors];
    pthread_mutex_lock(making);
    *cookie = visitor_cookie(lane->visitor);
    if (cookie->value[0] == '\0') {
        unsigned long run = take_run(lane);
        OWNED char *script = scenario_write_new(run);
        struct outcome outcome = send_run(lane, run, "request", cookie, script);
        if (outcome.is_accepted && outcome.cookie.value[0] != '\0') {
            visitor_hear(lane->visitor, cookie, HEARD_OK, &outcome.cookie, NULL);
            writers->sessions++;
        }
        *cookie = visitor_cookie(lane->visitor);
    }
    pthread_mutex_unlock(making);
    return cookie->value[0] != '\0';
}

/* Now and then, one from before the last renewal: it has to be refused. */
static void choose_cookie(struct lane *lane, struct cookie *cookie)
{
    bool is_old = random_is_one_in(&lane->random, OLD_COOKIE_EVERY);
    pthread_mutex_lock(&lane->visitor->mutex);
    if (is_old && lane->visitor->before.value[0] != '\0' && strcmp(lane->visitor->before.rid, cookie->rid) == 0)
        *cookie = lane->visitor->before;
    pthread_mutex_unlock(&lane->visitor->mutex);
}

/* The answer was lost: the visitor tries again, with the cookie that he has. */
static void repeat_login(struct lane *lane, const struct cookie *cookie, const char *user)
{
    struct writers *writers = lane->writers;
    for (int i = 0; i < TRIES_MAX; i++) {
        pause_ms(PAUSE_MS);
        unsigned long run = take_run(lane);
        OWNED char *script = scenario_write_login_again(run, user);
        struct outcome outcome = send_run(lane, run, "request", cookie, script);
        writers->logins_repeated++;
        visitor_hear(lane->visitor, cookie, outcome.heard, &outcome.cookie, user);
        if (outcome.is_accepted)
            writers->logins_found++;
        if (outcome.heard != HEARD_OTHER)
            return;
    }
}

/* -------------------- requests and streams -------------------- */

static enum scenario_end choose_end(struct lane *lane)
{
    bool is_login = random_is_one_in(&lane->random, LOGIN_EVERY);
    bool is_renewal = random_is_one_in(&lane->random, RENEW_EVERY);
    bool is_logout = random_is_one_in(&lane->random, LOGOUT_EVERY);
    if (lane->kind != SCENARIO_REQUEST && lane->kind != SCENARIO_AFTER)
        return END_PLAIN;
    return is_logout ? END_LOGOUT : is_login ? END_LOGIN : is_renewal ? END_RENEW : END_PLAIN;
}

static void choose_user(struct lane *lane, const struct scenario *scenario, char user[static USER_BYTES])
{
    pthread_mutex_lock(&lane->visitor->mutex);
    strcpy(user, lane->visitor->user);
    pthread_mutex_unlock(&lane->visitor->mutex);
    if (scenario->end == END_LOGIN)
        snprintf(user, USER_BYTES, "user-%lu", scenario->run);
}

static void conclude(struct lane *lane, const struct scenario *scenario, const struct cookie *cookie,
                     struct outcome *outcome)
{
    struct writers *writers = lane->writers;
    bool is_renewal = scenario->end == END_LOGIN || scenario->end == END_RENEW;
    if (scenario->end == END_LOGOUT && outcome->is_accepted) {
        outcome->heard = HEARD_LOGOUT;
        writers->logouts++;
    }
    visitor_hear(lane->visitor, cookie, outcome->heard, &outcome->cookie,
                 scenario->end == END_LOGIN ? scenario->user : NULL);
    if (is_renewal && outcome->is_accepted)
        writers->logins++;
    if (scenario->end == END_LOGIN && outcome->heard == HEARD_OTHER)
        repeat_login(lane, cookie, scenario->user);
    if (scenario->end == END_LOGOUT && outcome->heard == HEARD_OTHER)
        visitor_give_up(lane->visitor, cookie);
}

static void run_request(struct lane *lane, const struct cookie *cookie)
{
    static const char *const kinds[] = {"request", "request", "stream", "task"};
    char user[USER_BYTES];
    struct scenario scenario = {.kind = lane->kind, .lane = lane->number, .run = take_run(lane), .user = user};
    scenario.end = choose_end(lane);
    choose_user(lane, &scenario, user);
    OWNED char *script = scenario_write(&scenario, &lane->random);
    if (scenario.end == END_LOGOUT)
        look_at(lane->writers->options.glass, cookie->rid); /* nobody can later */
    visitor_set_login(lane->visitor, scenario.end == END_LOGIN || scenario.end == END_RENEW);
    if (lane->kind == SCENARIO_STREAM && random_is_one_in(&lane->random, LEAVE_EVERY))
        lane->patience_ms = (int)random_between(&lane->random, 30, 400);
    struct outcome outcome = send_run(lane, scenario.run, kinds[lane->kind], cookie, script);
    lane->patience_ms = 0;
    conclude(lane, &scenario, cookie, &outcome);
    visitor_set_login(lane->visitor, false);
    if (strcmp(outcome.verdict, "unknown") == 0)
        pause_ms(PAUSE_MS);
    else if (lane->kind != SCENARIO_STREAM)
        pause_ms(random_below(&lane->random, REST_MS)); /* or streams and tasks would have too small a share */
}

/* -------------------- tasks -------------------- */

struct task_wish {
    struct look_glass *glass;
    const char *id;
    bool is_accepted;
    char state[16]; /* "": there is none of that id */
};

/* What nobody has accepted and is not there will not come. */
static bool has_ended(void *arg)
{
    struct task_wish *wish = arg;
    char *state = look_task_state(wish->glass, wish->id);
    snprintf(wish->state, sizeof(wish->state), "%s", state != NULL ? state : "");
    free(state);
    return wish->state[0] == '\0' ? !wish->is_accepted
                                  : strcmp(wish->state, "done") == 0 || strcmp(wish->state, "dead") == 0 ||
                                        strcmp(wish->state, "cancelled") == 0;
}

static void await_task(struct lane *lane, unsigned long run, const char *id, bool is_accepted, bool is_logout,
                       const struct cookie *cookie)
{
    struct task_wish wish = {.glass = lane->writers->options.glass, .id = id, .is_accepted = is_accepted};
    struct cookie none = cookie_none();
    if (!wait_until(has_ended, &wish, TASK_WAIT_MS)) {
        lane->writers->tasks_left++;
        printf("model: the task %s of run %lu is still %s\n", id, run, wish.state);
    }
    bool is_done = strcmp(wish.state, "done") == 0;
    note_heard(run, is_done ? "ok" : "unknown", &none);
    if (is_done && is_logout) {
        lane->writers->logouts++;
        visitor_give_up(lane->visitor, cookie);
    }
}

static void make_task_id(struct lane *lane, char id[static TASK_ID_BYTES])
{
    unsigned char bytes[16];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)random_next(&lane->random);
    sodium_bin2hex(stpcpy(id, "default."), 33, bytes, sizeof(bytes));
}

/* Repeats with the same id until the task is accepted or refused. */
static void run_task(struct lane *lane, const struct cookie *cookie)
{
    char id[TASK_ID_BYTES];
    struct outcome outcome = {0};
    struct scenario scenario = {.kind = SCENARIO_TASK, .lane = lane->number, .task_id = id, .user = ""};
    bool is_logout = random_is_one_in(&lane->random, TASK_LOGOUT_EVERY);
    make_task_id(lane, id);
    scenario.end = is_logout ? END_LOGOUT : END_PLAIN;
    scenario.task = lane->next_run + 1;
    note_sent(scenario.task, "task", cookie);
    struct random random = lane->random; /* each try is of the same script */
    int tries = 0;
    while (tries++ < TRIES_MAX) {
        scenario.run = take_run(lane);
        lane->random = random;
        OWNED char *script = scenario_write(&scenario, &lane->random);
        outcome = send_run(lane, scenario.run, "request", cookie, script);
        visitor_hear(lane->visitor, cookie, outcome.heard, &outcome.cookie, NULL);
        if (outcome.heard != HEARD_OTHER)
            break;
        pause_ms(PAUSE_MS);
    }
    bool has_moved = outcome.cookie.value[0] != '\0' && strcmp(outcome.cookie.rid, cookie->rid) != 0;
    if (has_moved && tries > 1)
        note_unclear(scenario.task, &outcome.cookie);
    else if (has_moved)
        note_heard(scenario.task, "unknown", &outcome.cookie);
    await_task(lane, scenario.task, id, outcome.is_accepted, is_logout, cookie);
}

/* -------------------- lanes -------------------- */

static void *run_lane(void *arg)
{
    struct lane *lane = arg;
    struct writers *writers = lane->writers;
    while (!writers->is_stopped) {
        struct cookie cookie;
        if (!have_session(lane, &cookie)) {
            pause_ms(PAUSE_MS);
            continue;
        }
        lane->random = random_of(writers->options.seed, lane->next_run);
        choose_cookie(lane, &cookie);
        writers->runs[lane->kind]++;
        if (lane->kind == SCENARIO_TASK)
            run_task(lane, &cookie);
        else
            run_request(lane, &cookie);
    }
    writers->lanes_left--;
    return NULL;
}

static void start_lane(struct writers *writers, unsigned index)
{
    static const enum scenario_kind kinds[LANES] = {SCENARIO_REQUEST, SCENARIO_REQUEST, SCENARIO_AFTER, SCENARIO_STREAM,
                                                    SCENARIO_STREAM,  SCENARIO_TASK,    SCENARIO_TASK,  SCENARIO_TASK};
    struct lane *lane = &writers->lanes[index];
    *lane = (struct lane){
        .writers = writers,
        .visitor = &writers->visitors[index / LANES],
        .number = index % LANES,
        .next_run = 2 * ((unsigned long)index + 1),
        .kind = kinds[index % LANES],
    };
    ENSURE(pthread_create(&lane->thread, NULL, run_lane, lane) == 0);
}

/* On a thread of its own, since nothing else may keep it waiting. */
static void *look_on(void *arg)
{
    struct writers *writers = arg;
    while (writers->lanes_left > 0) {
        for (size_t i = 0; i < VISITORS; i++) {
            struct cookie cookie = visitor_due(&writers->visitors[i], LOOK_MARKS);
            if (cookie.value[0] != '\0')
                look_at(writers->options.glass, cookie.rid);
        }
        pause_ms(LOOK_EVERY_MS);
    }
    return NULL;
}

struct writers *writers_start(const struct writers_options *options)
{
    struct writers *writers = calloc(1, sizeof(*writers));
    ENSURE(writers != NULL);
    writers->options = *options;
    writers->lanes_left = VISITORS * LANES;
    for (size_t i = 0; i < VISITORS; i++) {
        visitor_init(&writers->visitors[i]);
        pthread_mutex_init(&writers->making[i], NULL);
    }
    struct cookie_jar *first = cookie_jar_new(); /* libcurl has to be set up before there are threads */
    for (unsigned i = 0; i < VISITORS * LANES; i++)
        start_lane(writers, i);
    cookie_jar_free(first);
    ENSURE(pthread_create(&writers->looker, NULL, look_on, writers) == 0);
    return writers;
}

void writers_stop(struct writers *writers)
{
    writers->is_stopped = true;
}

bool writers_are_done(const struct writers *writers)
{
    return writers->lanes_left == 0;
}

struct writers_counts writers_end(struct writers *writers)
{
    for (size_t i = 0; i < VISITORS * LANES; i++)
        pthread_join(writers->lanes[i].thread, NULL);
    pthread_join(writers->looker, NULL);
    struct writers_counts counts = {
        .sessions = writers->sessions,
        .logins = writers->logins,
        .logins_repeated = writers->logins_repeated,
        .logins_found = writers->logins_found,
        .logouts = writers->logouts,
        .tasks_left = writers->tasks_left,
    };
    for (size_t i = 0; i < SCENARIO_KINDS; i++)
        counts.runs[i] = writers->runs[i];
    free(writers);
    return counts;
}
