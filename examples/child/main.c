/*
 * Streams what a child process prints, as events, while the session notes how far it is; and kills it when nobody
 * listens any more.
 *
 *     cc -O2 -o child main.c $(pkg-config --cflags --static --libs midstream)
 *     midstream-run ./child
 *     curl -N URL/ask?question=why
 */
#define _GNU_SOURCE /* pipe2() */
#include <errno.h>
#include <fcntl.h>
#include <midstream.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct child {
    pid_t pid;
    int output;
};

/* When the request ends, however it does: a child that still runs is killed, so it does not have to be waited for long.
 */
static void end_child(void *arg)
{
    struct child *child = arg;
    close(child->output);
    if (child->pid <= 0)
        return;
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
}

/* posix_spawn(3) with standard output to the pipe; without the signals that a worker blocks and ignores, which a child
 * would inherit. Returns an error number. */
static int spawn(const char *const argv[], int output, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, ignored;
    sigemptyset(&none);
    sigemptyset(&ignored);
    sigaddset(&ignored, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &ignored);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    int code = posix_spawnp(pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return code;
}

static enum mid_error start_child(struct mid_request *rq, const char *const argv[], struct child *child)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return mid_fail(rq, MID_FAILED, "no pipe: %s", strerror(errno));
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    int code = spawn(argv, ends[1], &child->pid);
    close(ends[1]);
    child->output = ends[0];
    if (code == 0)
        return MID_OK;
    close(ends[0]);
    return mid_fail(rq, MID_FAILED, "%s: %s", argv[0], strerror(code));
}

/* What it prints, in pieces as they come; each is an event, and noted in the session. */
static enum mid_error relay(struct mid_request *rq, struct mid_session *session, int output)
{
    for (int piece = 1;; piece++) {
        char text[4096 + 1];
        MID_TRY(mid_wait(rq, output, POLLIN, -1));
        ssize_t got = read(output, text, sizeof(text) - 1);
        if (got == 0)
            return MID_OK;
        if (got < 0 && errno == EAGAIN)
            continue;
        if (got < 0)
            return mid_fail(rq, MID_FAILED, "the child cannot be read: %s", strerror(errno));
        text[got] = '\0';
        MID_TRY(mid_event_json(rq, &(struct mid_event){.name = "piece"}, "{s:s}", "text", text));
        MID_TRY(mid_session_set_int(session, "pieces", piece));
        MID_TRY(mid_session_commit(session));
    }
}

static enum mid_error ask(struct mid_request *rq)
{
    const char *question = mid_query(rq, "question");
    struct mid_session *session;
    struct child *child = mid_alloc(rq, sizeof(*child));
    if (question == NULL)
        return mid_fail(rq, MID_BAD_REQUEST, "what is the question?");
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(start_child(rq,
                        (const char *const[]){"sh", "-c", "for w in You asked: \"$1\"; do echo \"$w\"; sleep 0.2; done",
                                              "sh", question, NULL},
                        child));
    mid_defer(rq, end_child, child);
    MID_TRY(mid_events_begin(rq));
    return relay(rq, session, child->output);
}

static const struct mid_route routes[] = {MID_GET("/ask", ask), {0}};

int main(int argc, char **argv)
{
    return mid_main(argc, argv, routes);
}
