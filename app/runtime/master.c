/*
 * The master process. See master.h.
 *
 * It is a loop around sigtimedwait(): a signal, or the time at which a worker is to be started again. It never serves a
 * request, so nothing that a handler does can hurt it. Workers die with it (PR_SET_PDEATHSIG).
 */
#include "runtime/master.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/panic.h"
#include "http/router.h"
#include "runtime/admin.h"
#include "runtime/listen.h"
#include "runtime/metrics.h"
#include "runtime/worker.h"
#include "session/keyring.h"

enum {
    ADDRESS_BYTES = 256,
    REASON_BYTES = 512,
    PASSWORD_BYTES = 512,
    RESTART_PAUSE_MS = 100, /* after a worker that lived shortly; doubles up to the next */
    RESTART_PAUSE_MAX_MS = 5000,
    SHORT_LIFE_MS = 1000,
    KILL_AFTER_MS = 1000, /* more than the drain timeout that the workers keep themselves */
};

struct worker_process {
    pid_t pid; /* 0: not running */
    int listen_fd;
    int metrics_slot; /* while running */
    int64_t started_ms;
    int64_t start_at_ms; /* while not running */
    int64_t pause_ms;
};

static struct {
    const struct settings *settings;
    const struct mid_route *routes;
    struct keyring *keyring;
    char password[PASSWORD_BYTES];
    struct worker_process *workers;
    int count;
    sigset_t signals;
    int64_t kill_at_ms; /* -1: not stopping */
} master;

/* -------------------- start -------------------- */

/* The first line of the password file. */
static bool read_password(const char *path, char *reason, size_t reason_size)
{
    if (path == NULL)
        return true;
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(master.password, sizeof(master.password), file) == NULL) {
        snprintf(reason, reason_size, "cannot read a password from %s: %s", path,
                 file == NULL ? strerror(errno) : "it is empty");
        if (file != NULL)
            fclose(file);
        return false;
    }
    fclose(file);
    master.password[strcspn(master.password, "\r\n")] = '\0';
    return true;
}

static bool read_secrets(const struct settings *settings, char *reason, size_t reason_size)
{
    master.keyring = keyring_load(settings->keys, reason, reason_size);
    return master.keyring != NULL && read_password(settings->redis_password_file, reason, reason_size);
}

static bool open_sockets(char *reason, size_t reason_size)
{
    bool is_per_worker = listen_is_per_worker(master.settings->listen);
    for (int i = 0; i < master.count; i++) {
        char address[ADDRESS_BYTES];
        listen_address(master.settings->listen, i, address, sizeof(address));
        master.workers[i].listen_fd =
            i > 0 && !is_per_worker ? master.workers[0].listen_fd : listen_open(address, reason, reason_size);
        if (master.workers[i].listen_fd < 0)
            return false;
    }
    return true;
}

static void close_sockets(void)
{
    for (int i = 0; i < master.count; i++) {
        char address[ADDRESS_BYTES];
        listen_address(master.settings->listen, i, address, sizeof(address));
        listen_remove(address);
    }
}

static bool write_pidfile(const char *path, char *reason, size_t reason_size)
{
    if (path == NULL)
        return true;
    FILE *file = fopen(path, "we");
    if (file == NULL || fprintf(file, "%d\n", (int)getpid()) < 0 || fclose(file) != 0) {
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

/* -------------------- workers -------------------- */

_Noreturn static void become_worker(int number, pid_t master_pid)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != master_pid)
        _exit(1); /* the master died in between */
    exit(worker_run(&(struct worker_options){
        .settings = master.settings,
        .routes = master.routes,
        .keyring = master.keyring,
        .redis_password = master.password[0] != '\0' ? master.password : NULL,
        .number = number,
        .metrics_slot = master.workers[number].metrics_slot,
        .listen_fd = master.workers[number].listen_fd,
        .listen_is_shared = master.count > 1 && !listen_is_per_worker(master.settings->listen),
    }));
}

static void start_worker(int number)
{
    struct worker_process *worker = &master.workers[number];
    pid_t master_pid = getpid();
    worker->started_ms = clock_monotonic_ms();
    worker->metrics_slot = metrics_slot_take(number);
    worker->pid = fork();
    if (worker->pid == 0)
        become_worker(number, master_pid);
    if (worker->pid < 0) {
        log_event(MID_ERROR, "worker.not-started", "worker=%d reason=\"%s\"", number, strerror(errno));
        metrics_slot_retire(worker->metrics_slot);
        worker->pid = 0;
        worker->start_at_ms = worker->started_ms + RESTART_PAUSE_MAX_MS;
    }
}

/* When the dead worker is to be started again: at once, unless it lived shortly. */
static void schedule_restart(struct worker_process *worker)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - worker->started_ms >= SHORT_LIFE_MS)
        worker->pause_ms = 0;
    else if (worker->pause_ms == 0)
        worker->pause_ms = RESTART_PAUSE_MS;
    else
        worker->pause_ms = worker->pause_ms * 2 < RESTART_PAUSE_MAX_MS ? worker->pause_ms * 2 : RESTART_PAUSE_MAX_MS;
    worker->start_at_ms = now_ms + worker->pause_ms;
}

static void note_end(int number, int status)
{
    struct worker_process *worker = &master.workers[number];
    bool is_stopping = master.kill_at_ms >= 0;
    metrics_slot_retire(worker->metrics_slot);
    if (!is_stopping)
        metrics_count_restart(WIFSIGNALED(status) ? WORKER_RESTART_SIGNAL : WORKER_RESTART_EXIT);
    schedule_restart(worker);
    if (WIFSIGNALED(status))
        log_event(MID_ERROR, "worker.killed", "worker=%d pid=%d signal=%s restart_in_ms=%lld", number, (int)worker->pid,
                  sigabbrev_np(WTERMSIG(status)), (long long)worker->pause_ms);
    else
        log_event(is_stopping ? MID_INFO : MID_ERROR, "worker.exit", "worker=%d pid=%d code=%d", number,
                  (int)worker->pid, WEXITSTATUS(status));
    worker->pid = 0;
}

static void reap_workers(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int i = 0; i < master.count && !admin_note_end(pid, status); i++)
            if (master.workers[i].pid == pid)
                note_end(i, status);
}

static int running_count(void)
{
    int count = 0;
    for (int i = 0; i < master.count; i++)
        count += master.workers[i].pid > 0;
    return count;
}

static void signal_workers(int signal_number)
{
    for (int i = 0; i < master.count; i++)
        if (master.workers[i].pid > 0)
            kill(master.workers[i].pid, signal_number);
}

/* The admin process has no use for what is secret. */
static void forget_secrets(void)
{
    keyring_free(master.keyring);
    explicit_bzero(master.password, sizeof(master.password));
}

/* Starts what is due; the time until the next one is. */
static int64_t start_due(void)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t next_ms = admin_start_due(forget_secrets);
    for (int i = 0; i < master.count; i++) {
        struct worker_process *worker = &master.workers[i];
        if (worker->pid == 0 && worker->start_at_ms <= now_ms)
            start_worker(i);
        if (worker->pid == 0 && worker->start_at_ms - now_ms < next_ms)
            next_ms = worker->start_at_ms - now_ms;
    }
    return next_ms;
}

/* -------------------- stop -------------------- */

static void on_stop_signal(int signal_number)
{
    if (master.kill_at_ms >= 0) {
        log_event(MID_WARN, "master.stop-now", "signal=%s", sigabbrev_np(signal_number));
        signal_workers(SIGKILL);
        return;
    }
    log_event(MID_INFO, "master.stop", "signal=%s", sigabbrev_np(signal_number));
    metrics_set_stopping();
    master.kill_at_ms = clock_monotonic_ms() + master.settings->drain_timeout_ms + KILL_AFTER_MS;
    signal_workers(SIGTERM);
}

/* Waits for a signal, for the time at most, and acts on it. */
static void wait_for_signal(int64_t timeout_ms)
{
    struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000};
    int signal_number = sigtimedwait(&master.signals, NULL, &timeout);
    if (signal_number == SIGTERM || signal_number == SIGINT)
        on_stop_signal(signal_number);
    reap_workers();
}

static void supervise(void)
{
    while (master.kill_at_ms < 0)
        wait_for_signal(start_due());
    while (running_count() > 0) {
        int64_t left_ms = master.kill_at_ms - clock_monotonic_ms();
        if (left_ms <= 0)
            signal_workers(SIGKILL);
        wait_for_signal(left_ms > 0 ? left_ms : 100);
    }
}

/* -------------------- the interface -------------------- */

static int fail_start(const char *reason)
{
    fprintf(stderr, "midstream: %s\n", reason);
    return 1;
}

static void block_signals(void)
{
    sigemptyset(&master.signals);
    sigaddset(&master.signals, SIGTERM);
    sigaddset(&master.signals, SIGINT);
    sigaddset(&master.signals, SIGCHLD);
    ENSURE(sigprocmask(SIG_BLOCK, &master.signals, NULL) == 0);
    signal(SIGPIPE, SIG_IGN);
}

int master_run(const struct settings *settings, const struct mid_route *routes)
{
    char reason[REASON_BYTES];
    master.settings = settings;
    master.routes = routes;
    master.kill_at_ms = -1;
    master.count = settings->workers > 0 ? (int)settings->workers : (int)sysconf(_SC_NPROCESSORS_ONLN);
    master.workers = calloc((size_t)master.count, sizeof(*master.workers));
    if (master.workers == NULL)
        return fail_start("out of memory");
    block_signals();
    raise_descriptor_limit();
    metrics_create(routes);
    metrics_set_workers(master.count);
    if (!read_secrets(settings, reason, sizeof(reason)) || !open_sockets(reason, sizeof(reason)) ||
        !admin_open(settings->admin, reason, sizeof(reason)) ||
        !write_pidfile(settings->pidfile, reason, sizeof(reason)))
        return fail_start(reason);

    log_event(MID_INFO, "master.start", "version=%s pid=%d workers=%d listen=%s", MIDSTREAM_VERSION, (int)getpid(),
              master.count, settings->listen);
    supervise();

    admin_close();
    close_sockets();
    if (settings->pidfile != NULL)
        unlink(settings->pidfile);
    log_event(MID_INFO, "master.end", "pid=%d", (int)getpid());
    keyring_free(master.keyring);
    free(master.workers);
    metrics_destroy();
    return 0;
}

int master_check(const struct settings *settings, const struct mid_route *routes)
{
    char reason[REASON_BYTES];
    router_free(router_new(routes));
    if (!read_secrets(settings, reason, sizeof(reason)))
        return fail_start(reason);
    keyring_free(master.keyring);
    puts("The settings are good.");
    return 0;
}
