/* What a start refuses, and how the command line says it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fastcgi.h"
#include "master.h"
#include "site.h"

/* -------------------- an application that is wrong -------------------- */

/* The exit code is 1, and the sentence names what is wrong; nothing was started. */
static void expect_refusal(const char *command, const char *environment, const char *sentence)
{
    struct master master = master_prepare();
    struct buffer output = {0};
    const char *app = getenv("INTEGRATION_APP");
    OWNED char *keys = master_path(&master, "keys");
    OWNED char *listen = text_printf("unix:%s", master.socket);
    int code = process_run((const char *const[]){app != NULL ? app : "build/asan/tests/integration-app", command,
                                                 "--keys", keys, "--listen", listen, "--workers", "2", NULL},
                           (const char *const[]){environment, NULL}, &output, PATIENCE_MS);
    buffer_append(&output, "", 1);
    cr_expect_eq(code, 1, "%s %s: exit code %d: %s", environment, command, code, output.data);
    cr_expect_not_null(strstr(output.data, sentence), "%s %s: %s", environment, command, output.data);
    cr_expect_null(strstr(output.data, "worker."), "%s", output.data);
    cr_expect_neq(access(master.socket, F_OK), 0);
    buffer_fini(&output);
    master_close(&master);
}

Test(command_line, a_wrong_application_is_refused_before_anything_starts)
{
    static const char *const commands[] = {"serve", "work", "check"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        expect_refusal(commands[i], "WRONG_ROUTES=1", "integration-app: route /files/*: there is no '*'");
        expect_refusal(commands[i], "WRONG_TASKS=1", "integration-app: task \"act\": it is there twice");
    }
}

/* -------------------- the command line -------------------- */

static void expect_output(const char *const words[], int code, const char *begin, size_t lines)
{
    const char *program = getenv("MIDSTREAM");
    const char *argv[8] = {program != NULL ? program : "build/asan/midstream"};
    for (size_t i = 0; words[i] != NULL; i++)
        argv[i + 1] = words[i];
    struct buffer output = {0};
    int got = process_run(argv, NULL, &output, PATIENCE_MS);
    buffer_append(&output, "", 1);
    cr_expect_eq(got, code, "%s: exit code %d: %s", words[0], got, output.data);
    cr_expect(strncmp(output.data, begin, strlen(begin)) == 0, "%s", output.data);
    if (lines > 0)
        cr_expect_eq(text_count(output.data, "\n"), lines, "%s", output.data);
    buffer_fini(&output);
}

Test(command_line, an_error_of_the_command_line_is_one_line)
{
    expect_output((const char *const[]){"--version", NULL}, 0, "midstream ", 1);
    expect_output((const char *const[]){"version", NULL}, 0, "midstream ", 1);
    expect_output((const char *const[]){NULL}, 2, "midstream: a command is missing; see '", 1);
    expect_output((const char *const[]){"sevre", NULL}, 2, "midstream: there is no command \"sevre\"; see '", 1);
    expect_output((const char *const[]){"serve", "--worker", "2", NULL}, 2, "midstream: ", 1);
    expect_output((const char *const[]){"serve", "--workers", "many", NULL}, 2, "midstream: ", 1);
    expect_output((const char *const[]){"task", "lists", NULL}, 2, "midstream: expected task list", 1);
}

Test(command_line, each_command_has_a_help_of_its_own)
{
    static const char *const commands[] = {"serve", "work",   "task",     "session",
                                           "check", "keygen", "settings", "version"};
    expect_output((const char *const[]){"--help", NULL}, 0, "Usage: ", 0);
    expect_output((const char *const[]){"help", NULL}, 0, "Usage: ", 0);
    expect_output((const char *const[]){"serv", "--help", NULL}, 0, "Usage: ", 0);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct buffer output = {0};
        const char *program = getenv("MIDSTREAM");
        const char *const argv[] = {program != NULL ? program : "build/asan/midstream", commands[i], "--help", NULL};
        cr_expect_eq(process_run(argv, NULL, &output, PATIENCE_MS), 0);
        buffer_append(&output, "", 1);
        OWNED char *usage = text_printf(" %s ", commands[i]);
        const char *first_end = strchr(output.data, '\n');
        cr_expect(strncmp(output.data, "Usage: ", 7) == 0 &&
                      memmem(output.data, (size_t)(first_end - output.data), usage, strlen(usage)) != NULL,
                  "%s", output.data);
        cr_expect_lt(text_count(output.data, "\n"), 25, "%s: %s", commands[i], output.data);
        expect_output((const char *const[]){"help", commands[i], NULL}, 0, output.data, 0);
        buffer_fini(&output);
    }
}
