/*
 * The master process. See master.h.
 *
 * It is a loop around sigtimedwait(): a signal, or the time at which the pool wants to be looked at. It never serves a
 * request, so nothing that a handler does can hurt it. Workers die with it (PR_SET_PDEATHSIG).
 *
 *     SIGTERM, SIGINT   drain and end; again: end at once      SIGHUP    new workers with the settings as they are now
 *     SIGCHLD           a worker has ended                     SIGUSR1   open the log file again
 */
#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/panic.h"
#include "http/router.h"
#include "master/admin.h"
#include "master/listen.h"
#include "master/notify.h"
#include "master/pool.h"
#include "master/sockets.h"
#include "master/system_call_filter.h"
#include "metrics/metrics.h"
#include "session/known_headers.h"
#include "session/new_limit.h"
#include "settings/configuration.h"
#include "task/task.h"
#include "worker/request_worker.h"
#include "worker/task_worker.h"

enum { REASON_BYTES = 1024, TURN_MS = 500, PIDFILE_MODE = 0644 };

static struct {
    const struct command_line *line;
    const struct worker_kind *kind; /* of its workers */
    struct configuration *configuration;
    char admin[256]; /* the admin listener's address: outlives the configuration that it comes from */
    sigset_t signals;
    bool is_stopping;
    bool is_starting; /* or reloading: until the workers serve */
} master;

/* -------------------- start -------------------- */

static bool write_pidfile(const char *path, char *reason, size_t reason_size)
{
    if (path == NULL)
        return true;
    /* Whatever the umask: nobody else may put another pid into it. */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, PIDFILE_MODE);
    bool is_open = fd >= 0 && fchmod(fd, PIDFILE_MODE) == 0;
    bool is_written = is_open && dprintf(fd, "%d\n", (int)getpid()) > 0;
    if (fd >= 0 && close(fd) != 0)
        is_written = false;
    if (!is_written) {
        snprintf(reason, reason_size, "cannot write the pidfile %s: %s", path, strerror(errno));
        return false;
    }
    return true;
}

/* Each connection and each stream is a descriptor: ask for all that we may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_event(MID_WARN, "master.descriptors", "reason=\"%s\"", strerror(errno));
}

/* Before the first process is forked: all have it then. A kernel without it is no reason not to serve. */
static void filter_system_calls(void)
{
    if (master.configuration->settings.system_call_filter && !system_call_filter_install())
        log_event(MID_WARN, "master.system-call-filter", "reason=\"%s\" consequence=\"there is none\"",
                  strerror(errno));
}

/*
 * Before anything can be asked of this process, but after its log is open, which /proc/self is needed for. Memory holds
 * keys, the password of Redis, and what visitors have sent: it goes into no core file, and no other process of the user
 * may look at it (prctl(2), PR_SET_DUMPABLE).
 */
static void keep_memory_private(void)
{
    static const struct rlimit none = {0, 0};
    if (master.configuration->settings.core_files)
        return;
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        log_event(MID_WARN, "master.core-files", "reason=\"%s\"", strerror(errno));
#if !defined(__SANITIZE_ADDRESS__) /* which looks for leaks from another process */
    ENSURE(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
#endif
}

static void block_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
    sigemptyset(&master.signals);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&master.signals, numbers[i]);
    ENSURE(sigprocmask(SIG_BLOCK, &master.signals, NULL) == 0);
    signal(SIGPIPE, SIG_IGN);
}

/* -------------------- configuration -------------------- */

/* As configuration_new(), and sees whether the sockets can be what the settings say, without opening any. */
static struct configuration *check_configuration(struct settings *settings, char *reason, size_t reason_size)
{
    struct configuration *configuration = configuration_new(settings, SECRETS_OF_ALL, reason, reason_size);
    if (configuration == NULL)
        return NULL;
    const char *admin = configuration->settings.admin;
    int workers = configuration_workers(configuration);
    if ((admin == NULL || listen_check(admin, reason, reason_size)) &&
        sockets_check(&configuration->settings, workers, reason, reason_size))
        return configuration;
    configuration_free(configuration);
    return NULL;
}

/* The configuration as files, environment and flags are now, if it can replace the present one; NULL with a reason. */
static struct configuration *read_configuration(char *reason, size_t reason_size)
{
    const struct settings *present = &master.configuration->settings;
    struct settings settings;
    if (!settings_read(&settings, master.line->argc, master.line->argv, reason, reason_size))
        return NULL;
    const char *fixed = settings_find_fixed_change(present, &settings);
    if (fixed == NULL && sockets_are_per_worker(present) && settings.workers != present->workers)
        fixed = "workers (with a socket for each)";
    if (fixed != NULL) {
        snprintf(reason, reason_size, "a change of the setting %s needs a restart", fixed);
        settings_fini(&settings);
        return NULL;
    }
    struct configuration *configuration = check_configuration(&settings, reason, reason_size);
    if (configuration == NULL || configuration_apply_log(&configuration->settings, reason, reason_size))
        return configuration;
    configuration_free(configuration);
    return NULL;
}

/* -------------------- reload -------------------- */

static void reload(void)
{
    char reason[REASON_BYTES];
    if (master.is_stopping)
        return;
    notify_reloading();
    struct configuration *configuration = read_configuration(reason, sizeof(reason));
    metrics_count_reload(configuration != NULL);
    if (configuration == NULL) {
        log_event(MID_ERROR, "master.reload-refused", "reason=\"%s\" consequence=\"nothing has changed\"", reason);
        notify_send("READY=1");
        return;
    }
    log_event(MID_INFO, "master.reload", "workers=%d", configuration_workers(configuration));
    struct configuration *before = master.configuration;
    master.configuration = configuration;
    pool_configure(configuration);
    configuration_free(before); /* its workers have copies */
    master.is_starting = true;
}

/* -------------------- signals -------------------- */

static void on_stop_signal(int signal_number)
{
    if (master.is_stopping) {
        log_event(MID_WARN, "master.stop-now", "signal=%s", sigabbrev_np(signal_number));
        pool_signal(SIGKILL);
        return;
    }
    log_event(MID_INFO, "master.stop", "signal=%s", sigabbrev_np(signal_number));
    notify_send("STOPPING=1");
    metrics_set_stopping();
    master.is_stopping = true;
    sockets_stop();
    pool_stop(master.configuration->settings.drain_timeout_ms);
}

static void reopen_log(void)
{
    bool is_open = log_reopen();
    log_event(is_open ? MID_INFO : MID_ERROR, "master.log-reopened", "result=\"%s\"",
              is_open ? "done" : strerror(errno));
    pool_signal(SIGUSR1);
}

static void on_signal(int signal_number)
{
    switch (signal_number) {
    case SIGTERM:
    case SIGINT:
        on_stop_signal(signal_number);
        break;
    case SIGHUP:
        reload();
        break;
    case SIGUSR1:
        reopen_log();
        break;
    default: /* SIGCHLD, or the time was over */
        break;
    }
}

/* -------------------- the loop -------------------- */

static void tell_when_ready(void)
{
    if (!master.is_starting || master.is_stopping || !pool_has_taken_over())
        return;
    master.is_starting = false;
    notify_send("READY=1");
    log_event(MID_INFO, "master.ready", "pid=%d processes=%d", (int)getpid(), pool_process_count());
}

static void reap_children(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (!pool_note_end(pid, status))
            admin_note_end(pid, status);
}

/* The admin process has no use for what is secret, nor for nginx's connections. */
static void forget(void)
{
    configuration_free(master.configuration);
    sockets_keep_only(-1);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void supervise(void)
{
    while (!master.is_stopping || pool_process_count() > 0) {
        int64_t wait_ms = least(pool_look(), notify_watchdog(clock_monotonic_ms()));
        if (!master.is_stopping)
            wait_ms = least(wait_ms, admin_start_due(forget));
        tell_when_ready();
        metrics_note_master();
        log_tick();
        wait_ms = least(wait_ms, TURN_MS);
        struct timespec timeout = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
        on_signal(sigtimedwait(&master.signals, NULL, &timeout));
        reap_children();
    }
}

/* -------------------- the interface -------------------- */

static int fail_start(const char *reason)
{
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, reason);
    return 1;
}

static bool start(char *reason, size_t reason_size)
{
    const struct settings *settings = &master.configuration->settings;
    bool serves = master.kind == &request_worker_kind;
    if (!configuration_apply_log(settings, reason, reason_size))
        return false;
    keep_memory_private();
    if (!serves && !task_worker_prepare(master.configuration, reason, reason_size))
        return false;
    if (serves && !sockets_open(settings, configuration_workers(master.configuration), reason, reason_size))
        return false;
    if (settings->admin != NULL)
        snprintf(master.admin, sizeof(master.admin), "%s", settings->admin);
    if (admin_open(settings->admin != NULL ? master.admin : NULL, reason, reason_size) &&
        write_pidfile(settings->pidfile, reason, reason_size))
        return true;
    admin_close();
    sockets_stop();
    return false;
}

/* What is wrong with it would otherwise end every worker, again and again. */
static bool application_is_valid(const struct mid_app *app, char *reason, size_t reason_size)
{
    struct router *router = router_new(app->routes, reason, reason_size);
    router_free(router);
    return router != NULL && task_types_are_valid(reason, reason_size);
}

static int run(struct settings *settings, const struct command_line *line, const struct mid_app *app,
               const struct worker_kind *kind)
{
    char reason[REASON_BYTES];
    block_signals(); /* first: one that comes early is not lost, and ends nothing */
    master.line = line;
    master.kind = kind;
    if (!application_is_valid(app, reason, sizeof(reason)))
        return fail_start(reason);
    master.configuration = check_configuration(settings, reason, sizeof(reason));
    if (master.configuration == NULL)
        return fail_start(reason);
    raise_descriptor_limit();
    notify_init();
    metrics_create(app->routes);
    metrics_enter_master();
    known_headers_create();
    new_limit_create();
    if (!start(reason, sizeof(reason))) {
        configuration_free(master.configuration);
        return fail_start(reason);
    }
    log_event(MID_INFO, "master.start", "version=%s pid=%d workers=%d listen=%s", MIDSTREAM_VERSION, (int)getpid(),
              configuration_workers(master.configuration),
              kind == &request_worker_kind ? master.configuration->settings.listen : "nothing");
    filter_system_calls();
    master.is_starting = true;
    pool_init(app, kind);
    pool_configure(master.configuration);
    supervise();

    admin_close();
    pool_fini();
    if (master.configuration->settings.pidfile != NULL)
        unlink(master.configuration->settings.pidfile);
    log_event(MID_INFO, "master.end", "pid=%d", (int)getpid());
    log_flush();
    configuration_free(master.configuration);
    new_limit_destroy();
    metrics_destroy();
    return 0;
}

int master_run(struct settings *settings, const struct command_line *line, const struct mid_app *app)
{
    return run(settings, line, app, &request_worker_kind);
}

int master_run_tasks(struct settings *settings, const struct command_line *line, const struct mid_app *app)
{
    return run(settings, line, app, &task_worker_kind);
}

int master_check(struct settings *settings, const struct mid_app *app)
{
    char reason[REASON_BYTES];
    if (!application_is_valid(app, reason, sizeof(reason)))
        return fail_start(reason);
    struct configuration *configuration = check_configuration(settings, reason, sizeof(reason));
    if (configuration == NULL)
        return fail_start(reason);
    configuration_free(configuration);
    puts("settings: ok");
    return 0;
}
