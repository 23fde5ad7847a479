/* The worker of a process under test. See harness.h and midstream/test.h. */
#include "testing/harness.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/panic.h"
#include "fiber/loop.h"
#include "http/router.h"
#include "metrics/metrics.h"
#include "midstream/test.h"
#include "session/known_headers.h"
#include "session/new_limit.h"
#include "testing/clock.h"
#include "testing/exchange.h"
#include "testing/redis_server.h"
#include "worker/request_worker.h"

enum {
    PATIENCE_MS = 10000, /* without any progress */
    LOOK_MS = 5,         /* how long a turn waits for Redis, threads and time */
    WATCH_MS = 500,
    END_STEP_MS = 100,
    PATH_BYTES = 64,
    SETTINGS_MAX = 64,
    REASON_BYTES = 512,
};

static const struct mid_route no_routes[] = {{0}};

static struct {
    bool is_begun;
    bool is_over; /* the worker's loop has stopped */
    struct mid_app app;
    char dir[sizeof("/tmp/midstream-in-process-XXXXXX")];
    char redis_path[PATH_BYTES];
    char keys_path[PATH_BYTES];
    struct sockaddr_un address;
    struct settings settings;
    char *flags[SETTINGS_MAX];
    int flag_count;
    struct configuration *configuration;
    struct liveness *liveness;
    struct socket_set sockets;
    struct worker_options options;
    const struct worker *worker;
    pid_t redis;
} own;

/* -------------------- running -------------------- */

/* When the turn began that goes on; 0: none does. */
static _Atomic int64_t turn_began_ms;

/* On a thread: sees to it that a turn comes to its end. */
static void *watch_turns(void *arg)
{
    (void)arg;
    for (;;) {
        usleep(WATCH_MS * 1000);
        int64_t began_ms = atomic_load(&turn_began_ms);
        if (began_ms != 0 && test_clock_real_ms() - began_ms > PATIENCE_MS)
            panic("a handler has not suspended for %d ms; does it ignore MID_GONE or MID_STOPPING in a loop?",
                  PATIENCE_MS);
    }
}

static void turn(int64_t wait_ms)
{
    atomic_store(&turn_began_ms, test_clock_real_ms());
    own.is_over = own.is_over || !loop_turn(wait_ms);
    atomic_store(&turn_began_ms, 0);
}

static bool is_quiet(void)
{
    return own.is_over || (loop_is_idle() && redis_client_pending(own.worker->redis) == 0);
}

/* One step. Whether anything has moved. */
static bool step(void)
{
    bool has_moved = exchanges_serve();
    if (!has_moved && is_quiet())
        return false;
    turn(has_moved ? 0 : LOOK_MS);
    return true;
}

static void give_up(const char *awaited)
{
    panic("the worker has made no progress for %d ms; what was awaited: %s", PATIENCE_MS, awaited);
}

void harness_run(void)
{
    int64_t end_ms = test_clock_real_ms() + PATIENCE_MS;
    while (step())
        if (test_clock_real_ms() > end_ms)
            give_up("that it has nothing left to do");
}

void harness_run_until(bool (*condition)(const void *arg), const void *arg, const char *awaited)
{
    int64_t end_ms = test_clock_real_ms() + PATIENCE_MS;
    while (!condition(arg) && !own.is_over) {
        if (exchanges_serve())
            end_ms = test_clock_real_ms() + PATIENCE_MS;
        else if (test_clock_real_ms() > end_ms)
            give_up(awaited);
        else
            turn(LOOK_MS);
    }
}

void mid_test_advance_ms(int64_t ms)
{
    if (!own.is_begun)
        panic("mid_test_begin() has to be called first");
    if (ms < 0)
        panic("the clock does not go back: mid_test_advance_ms(%lld)", (long long)ms);
    harness_run();
    while (ms > 0 && !own.is_over) {
        int64_t next_ms = loop_next_timer_ms();
        int64_t step_ms = next_ms < 0 || next_ms > ms ? ms : next_ms > 0 ? next_ms : 1;
        test_clock_advance_ms(step_ms);
        ms -= step_ms;
        harness_run();
    }
}

int harness_connect(void)
{
    if (!own.is_begun)
        panic("mid_test_begin() has to be called first");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ENSURE(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&own.address, sizeof(own.address)) != 0)
        panic("cannot connect to the worker: %s", strerror(errno));
    return fd;
}

/* -------------------- set-up -------------------- */

static void add_flag(const char *name, const char *value)
{
    ENSURE(own.flag_count < SETTINGS_MAX);
    size_t bytes = strlen(name) + strlen(value) + sizeof("--=");
    char *flag = malloc(bytes);
    ENSURE(flag != NULL);
    snprintf(flag, bytes, "--%s=%s", name, value);
    own.flags[own.flag_count++] = flag;
}

static void make_directory(void)
{
    stpcpy(own.dir, "/tmp/midstream-in-process-XXXXXX");
    if (mkdtemp(own.dir) == NULL)
        panic("no directory can be made in /tmp: %s", strerror(errno));
    snprintf(own.redis_path, sizeof(own.redis_path), "%s/redis.sock", own.dir);
    snprintf(own.keys_path, sizeof(own.keys_path), "%s/keys", own.dir);
    own.address.sun_family = AF_UNIX;
    snprintf(own.address.sun_path, sizeof(own.address.sun_path), "%s/worker.sock", own.dir);
}

/* The test's own come last, so that they count. */
static void read_settings(const char *const settings[])
{
    char reason[REASON_BYTES];
    char redis[PATH_BYTES + sizeof("unix:")];
    snprintf(redis, sizeof(redis), "unix:%s", own.redis_path);
    add_flag("redis", redis);
    add_flag("keys", own.keys_path);
    add_flag("cookie-secure", "no");
    add_flag("log-level", "warn");
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i++) {
        char name[PATH_BYTES];
        size_t length = strcspn(settings[i], "=");
        if (settings[i][length] != '=' || length >= sizeof(name))
            panic("a setting is \"name=value\", not \"%s\"", settings[i]);
        memcpy(name, settings[i], length);
        name[length] = '\0';
        add_flag(name, settings[i] + length + 1);
    }
    if (!keyring_generate(own.keys_path, reason, sizeof(reason)) ||
        !settings_read(&own.settings, own.flag_count, own.flags, reason, sizeof(reason)))
        panic("%s", reason);
    own.configuration = configuration_new(&own.settings, SECRETS_OF_ALL, reason, sizeof(reason));
    if (own.configuration == NULL || !configuration_apply_log(&own.configuration->settings, reason, sizeof(reason)))
        panic("%s", reason);
}

static void listen_for_exchanges(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ENSURE(fd >= 0);
    if (bind(fd, (const struct sockaddr *)&own.address, sizeof(own.address)) != 0 || listen(fd, SOMAXCONN) != 0)
        panic("cannot listen on %s: %s", own.address.sun_path, strerror(errno));
    own.sockets = (struct socket_set){.count = 1, .sockets = {{.fd = fd}}};
}

static bool serves(const void *arg)
{
    (void)arg;
    return atomic_load(&own.liveness->is_serving);
}

static void begin_worker(void)
{
    metrics_create(own.app.routes);
    known_headers_create();
    new_limit_create();
    own.liveness = liveness_new();
    ENSURE(own.liveness != NULL);
    own.options = (struct worker_options){.configuration = own.configuration,
                                          .app = &own.app,
                                          .sockets = &own.sockets,
                                          .liveness = own.liveness,
                                          .metrics_slot = metrics_slot_take(0)};
    own.worker = worker_begin(&own.options, &request_worker_kind);
    if (own.worker == NULL)
        panic("the worker does not start");
    harness_run_until(serves, NULL, "the start of the application");
    if (own.is_over)
        panic("the application does not start: on_start has failed");
}

/* Async-signal-safe. */
static void remove_directory(void)
{
    unlink(own.redis_path);
    unlink(own.keys_path);
    unlink(own.address.sun_path);
    rmdir(own.dir);
}

/* What would end the test ends it all the same, when the handler has returned; Redis has noticed by itself. */
static void on_deadly_signal(int signal_number)
{
    remove_directory();
    raise(signal_number);
}

static void catch_deadly_signals(void)
{
    static const int numbers[] = {SIGABRT, SIGTERM, SIGINT};
    const struct sigaction action = {.sa_handler = on_deadly_signal, .sa_flags = (int)SA_RESETHAND};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction before;
        ENSURE(sigaction(numbers[i], NULL, &before) == 0);
        if (before.sa_handler == SIG_DFL)
            ENSURE(sigaction(numbers[i], &action, NULL) == 0);
    }
}

void mid_test_begin(const struct mid_app *app, const char *const settings[])
{
    char reason[REASON_BYTES];
    pthread_t watcher;
    if (app == NULL)
        panic("mid_test_begin() needs an application, and got NULL");
    if (own.dir[0] != '\0')
        panic("mid_test_begin() can be called once in a process");
    ENSURE(sodium_init() >= 0);
    own.app = *app;
    if (own.app.routes == NULL)
        own.app.routes = no_routes;
    struct router *router = router_new(own.app.routes, reason, sizeof(reason));
    if (router == NULL)
        panic("%s", reason);
    router_free(router);
    if (own.app.tasks != NULL)
        mid_task_register(own.app.tasks);
    make_directory();
    read_settings(settings);
    signal(SIGPIPE, SIG_IGN);
    catch_deadly_signals();
    ENSURE(pthread_create(&watcher, NULL, watch_turns, NULL) == 0 && pthread_detach(watcher) == 0);
    listen_for_exchanges();
    own.redis = redis_server_start(own.redis_path);
    own.is_begun = true;
    begin_worker();
}

/* -------------------- the end -------------------- */

void mid_test_end(void)
{
    if (!own.is_begun)
        panic("mid_test_begin() has to be called first");
    exchanges_end();
    harness_run();
    worker_stop();
    while (!own.is_over) {
        turn(0);
        mid_test_advance_ms(END_STEP_MS); /* what waits is told to come to its end */
    }
    if (!worker_end())
        panic("a handler has not returned, though its client has left and the worker has stopped");
    own.is_begun = false;
    redis_server_end(own.redis);
    configuration_free(own.configuration);
    liveness_free(own.liveness);
    new_limit_destroy();
    metrics_destroy();
    for (int i = 0; i < own.flag_count; i++)
        free(own.flags[i]);
    remove_directory();
}
