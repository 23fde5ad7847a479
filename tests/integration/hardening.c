/* What a handler cannot do, whoever has taken it over: system calls that no web handler needs. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fastcgi.h"
#include "master.h"
#include "site.h"

#define FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_status(pid_t pid, const char *line)
{
    OWNED char *path = text_printf("/proc/%d/status", (int)pid);
    OWNED char *status = file_read(path, NULL);
    cr_assert_not_null(status);
    cr_expect_not_null(strstr(status, line), "process %d: %s", (int)pid, status);
}

/* How each system call of the tests' application has ended; with a NUL behind. */
static struct fastcgi_answer ask_system_calls(const struct master *master)
{
    struct buffer request = {0};
    fastcgi_get(&request, "/system-calls", NULL, 0);
    int fd = fastcgi_connect(master->socket);
    fastcgi_write(fd, &request);
    struct fastcgi_answer answer = fastcgi_read_answer(fd);
    cr_assert(answer.has_end);
    close(fd);
    buffer_fini(&request);
    return answer;
}

Test(hardening, system_calls_that_no_handler_needs_are_refused_in_every_process)
{
    struct master master = master_open(&(struct master_options){.is_app = true});
    pid_t children[STACK_WORKERS_MAX + 1];
    size_t count = process_children(master.pid, children, STACK_WORKERS_MAX);
    cr_assert_geq(count, 2);
    children[count] = master.pid;
    for (size_t i = 0; i <= count; i++) {
        expect_status(children[i], "\nNoNewPrivs:\t1\n");
        expect_status(children[i], "\nSeccomp:\t2\n");
    }
    struct fastcgi_answer answer = ask_system_calls(&master);
    cr_expect_not_null(strstr(answer.out.data, "request_key=EPERM kcmp=EPERM unshare=EPERM setns=EPERM "
                                               "process_vm_readv=EPERM spawn=done\n"),
                       "%s", answer.out.data);
    fastcgi_answer_fini(&answer);
    master_close(&master);
}

Test(hardening, a_setting_leaves_the_system_calls_as_they_are)
{
    struct master master =
        master_open(&(struct master_options){.is_app = true, .flags = FLAGS("--system-call-filter", "no")});
    struct fastcgi_answer answer = ask_system_calls(&master);
    cr_expect_not_null(
        strstr(answer.out.data, " kcmp=done unshare=done setns=EBADF process_vm_readv=done spawn=done\n"), "%s",
        answer.out.data);
    fastcgi_answer_fini(&answer);
    master_close(&master);
}

static void expect_core_limit(pid_t pid, const char *line)
{
    OWNED char *path = text_printf("/proc/%d/limits", (int)pid);
    OWNED char *limits = file_read(path, NULL);
    cr_assert_not_null(limits);
    cr_expect_not_null(strstr(limits, line), "process %d: %s", (int)pid, limits);
}

Test(hardening, no_process_leaves_a_core_file)
{
    struct master master = master_open(&(struct master_options){.is_app = true});
    pid_t children[STACK_WORKERS_MAX + 1];
    size_t count = process_children(master.pid, children, STACK_WORKERS_MAX);
    cr_assert_geq(count, 2);
    children[count] = master.pid;
    for (size_t i = 0; i <= count; i++)
        expect_core_limit(children[i], "\nMax core file size        0                    0  ");
    master_close(&master);
}
