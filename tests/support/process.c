/* Other programs, as the tests start, watch and end them. See process.h. */
#include "support/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/panic.h"
#include "support/owned.h"

enum { WAIT_STEP_MS = 5 };

static void step(void)
{
    nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_MS * 1000000L}, NULL);
}

/* In the child, between fork and exec. */
_Noreturn static void become(const char *const argv[], const struct process_options *options, pid_t caller)
{
    /* The caller may have ended before this took effect. */
    if (!options->outlives_caller && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != caller))
        _exit(127);
    int input = options->input_fd > 0 ? options->input_fd : open("/dev/null", O_RDONLY);
    dup2(input, STDIN_FILENO);
    if (options->output_fd > 0)
        dup2(options->output_fd, STDOUT_FILENO);
    if (options->has_errors_in_output)
        dup2(STDOUT_FILENO, STDERR_FILENO);
    /* A descriptor of the test that a daemon kept would hold its pipes and sockets open for ever. */
    for (int fd = STDERR_FILENO + 1; fd < (int)sysconf(_SC_OPEN_MAX) && fd < 4096; fd++)
        close(fd);
    for (const char *const *pair = options->environment; pair && *pair; pair++)
        putenv(strdup(*pair));
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

pid_t process_spawn(const char *const argv[], const struct process_options *options)
{
    static const struct process_options nothing_special;
    fflush(NULL);
    pid_t caller = getpid();
    pid_t pid = fork();
    if (pid < 0)
        panic("fork: %s", strerror(errno));
    if (pid == 0)
        become(argv, options ? options : &nothing_special, caller);
    return pid;
}

int process_wait(pid_t pid, int timeout_ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        int status;
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got < 0 && errno != EINTR)
            panic("waitpid %d: %s", (int)pid, strerror(errno));
        if (got == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (clock_monotonic_ms() >= deadline_ms)
            return -1;
        step();
    }
}

int process_run(const char *const argv[], const char *const *environment, struct buffer *output, int timeout_ms)
{
    /* A file, not a pipe: a daemon that the program leaves behind may hold its end of a pipe open. */
    FILE *file = tmpfile();
    if (!file)
        panic("temporary file: %s", strerror(errno));
    pid_t pid = process_spawn(
        argv,
        &(struct process_options){.environment = environment, .output_fd = fileno(file), .has_errors_in_output = true});
    int code = process_wait(pid, timeout_ms);
    if (code < 0) {
        process_signal(pid, SIGKILL);
        process_wait(pid, 1000);
    }
    rewind(file);
    size_t got;
    while ((got = fread(buffer_reserve(output, 4096), 1, 4096, file)) > 0)
        output->length += got;
    fclose(file);
    return code;
}

/* The state letter and the parent from /proc/PID/stat (proc(5)); false when there is no such process. */
static bool read_stat(pid_t pid, char *state, pid_t *parent)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    OWNED char *text = file_read(path, NULL);
    if (!text)
        return false;
    /* The second field is the program's name in parentheses, and may itself hold anything. */
    const char *after_name = strrchr(text, ')');
    int parent_read;
    bool is_read = after_name && sscanf(after_name + 1, " %c %d", state, &parent_read) == 2;
    if (is_read)
        *parent = parent_read;
    return is_read;
}

bool process_is_alive(pid_t pid)
{
    char state;
    pid_t parent;
    return read_stat(pid, &state, &parent) && state != 'Z' && state != 'X';
}

void process_signal(pid_t pid, int signal_number)
{
    ENSURE(pid > 1);
    if (kill(pid, signal_number) < 0 && errno != ESRCH)
        panic("kill %d: %s", (int)pid, strerror(errno));
}

static int compare_pids(const void *left, const void *right)
{
    const pid_t *a = left;
    const pid_t *b = right;
    return (*a > *b) - (*a < *b);
}

size_t process_children(pid_t parent, pid_t *children, size_t limit)
{
    DIR *directory = opendir("/proc");
    ENSURE(directory != NULL);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        char state;
        pid_t of;
        if (pid <= 0 || !read_stat(pid, &state, &of) || of != parent || state == 'Z')
            continue;
        if (count < limit)
            children[count] = pid;
        count++;
    }
    closedir(directory);
    qsort(children, count < limit ? count : limit, sizeof(*children), compare_pids);
    return count;
}

bool wait_until(bool (*condition)(void *arg), void *arg, int timeout_ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    while (!condition(arg)) {
        if (clock_monotonic_ms() >= deadline_ms)
            return false;
        step();
    }
    return true;
}

char *file_read(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    struct buffer text = {0};
    size_t got;
    while ((got = fread(buffer_reserve(&text, 4096), 1, 4096, file)) > 0)
        text.length += got;
    fclose(file);
    buffer_append(&text, "", 1);
    if (bytes)
        *bytes = text.length - 1;
    return text.data;
}
