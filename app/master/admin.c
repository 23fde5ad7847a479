/* The admin process, as the master sees it. See admin.h; what it does is in admin_http.c. */
#include "master/admin.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/admin_http.h"
#include "master/listen.h"

enum { RESTART_PAUSE_MS = 500 };

static struct {
    const char *address; /* NULL: none is wanted */
    int listen_fd;
    pid_t pid; /* 0: does not run */
    int64_t start_at_ms;
} admin;

bool admin_open(const char *address, char *reason, size_t reason_size)
{
    if (address == NULL)
        return true;
    admin.listen_fd = listen_open(address, NULL, reason, reason_size);
    if (admin.listen_fd < 0)
        return false;
    admin.address = address;
    return true;
}

_Noreturn static void become_admin(pid_t master_pid, void (*forget)(void))
{
    log_after_fork();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "midstream-admin"); /* tells it from the workers, in ps and in tests */
    if (getppid() != master_pid)
        _exit(1); /* the master died in between */
    forget();
    admin_serve(admin.listen_fd);
}

int64_t admin_start_due(void (*forget)(void))
{
    int64_t now_ms = clock_monotonic_ms();
    if (admin.address == NULL || admin.pid > 0)
        return INT32_MAX;
    if (now_ms < admin.start_at_ms)
        return admin.start_at_ms - now_ms;

    pid_t master_pid = getpid();
    admin.pid = fork();
    if (admin.pid == 0)
        become_admin(master_pid, forget);
    if (admin.pid > 0) {
        log_event(MID_INFO, "admin.start", "pid=%d listen=%s", (int)admin.pid, admin.address);
        return INT32_MAX;
    }
    log_event(MID_ERROR, "admin.not-started", "reason=\"%s\"", strerror(errno));
    admin.pid = 0;
    admin.start_at_ms = now_ms + RESTART_PAUSE_MS;
    return RESTART_PAUSE_MS;
}

bool admin_note_end(pid_t pid, int status)
{
    if (admin.pid == 0 || pid != admin.pid)
        return false;
    log_event(MID_ERROR, "admin.end", "pid=%d signal=%d code=%d restart_in_ms=%d", (int)pid,
              WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
              RESTART_PAUSE_MS);
    admin.pid = 0;
    admin.start_at_ms = clock_monotonic_ms() + RESTART_PAUSE_MS;
    return true;
}

void admin_leave(void)
{
    if (admin.address != NULL)
        close(admin.listen_fd);
    admin.address = NULL;
}

void admin_close(void)
{
    if (admin.address == NULL)
        return;
    if (admin.pid > 0) {
        kill(admin.pid, SIGKILL); /* it holds nothing */
        waitpid(admin.pid, NULL, 0);
    }
    close(admin.listen_fd);
    listen_remove(admin.address);
    admin.address = NULL;
    admin.pid = 0;
}
