/* The program's subcommands: a table of functions. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "midstream.h"
#include "runtime/master.h"
#include "runtime/settings.h"
#include "runtime/task_command.h"
#include "session/keyring.h"

struct call {
    struct settings *settings;
    const struct command_line *line;
    int word_count; /* words between the command and its flags */
    char **words;
    const struct mid_route *routes;
};

static int serve(const struct call *call)
{
    return master_run(call->settings, call->line, call->routes);
}

static int work(const struct call *call)
{
    return master_run_tasks(call->settings, call->line, call->routes);
}

static int task(const struct call *call)
{
    return task_command(call->settings, call->word_count, call->words);
}

static int check(const struct call *call)
{
    return master_check(call->settings, call->routes);
}

static int keygen(const struct call *call)
{
    char reason[512];
    if (keyring_generate(call->settings->keys, reason, sizeof(reason)))
        return 0;
    fprintf(stderr, "midstream: %s\n", reason);
    return 1;
}

static int print_settings(const struct call *call)
{
    (void)call;
    settings_print_markdown(stdout);
    return 0;
}

static int version(const struct call *call)
{
    (void)call;
    puts("midstream " MIDSTREAM_VERSION);
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(const struct call *call);
    const char *description;
    bool has_words;
} commands[] = {
    {"serve", serve, "serve requests from nginx", false},
    {"work", work, "do background tasks", false},
    {"task", task, "list, show, retry, cancel or delete tasks", true},
    {"check", check, "check the settings without serving", false},
    {"keygen", keygen, "add a new signing key in front of the file of --keys", false},
    {"settings", print_settings, "print the reference of the settings, in Markdown", false},
    {"version", version, "print the version", false},
};

static void print_usage(const char *program)
{
    printf("Usage: %s COMMAND [--SETTING VALUE]...\n\nCommands:\n", program);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].description);
    printf("\nSettings:\n");
    settings_print_help(stdout);
}

/* An error is one line, and a hint. */
static int refuse(const char *program, const char *sentence)
{
    fprintf(stderr, "midstream: %s; see '%s --help'\n", sentence, program);
    return 2;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 || (i == 1 && strcmp(argv[i], "help") == 0))
            return true;
    return false;
}

/* NULL: there is none; the reason has been printed. */
static const struct command *command_of(int argc, char **argv)
{
    char sentence[256];
    if (argc < 2) {
        refuse(argv[0], "a command is missing");
        return NULL;
    }
    const struct command *command = find_command(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
    if (command == NULL) {
        snprintf(sentence, sizeof(sentence), "there is no command \"%.100s\"", argv[1]);
        refuse(argv[0], sentence);
    }
    return command;
}

int mid_main(int argc, char **argv, const struct mid_route *routes)
{
    if (asks_for_help(argc, argv)) {
        print_usage(argv[0]);
        return 0;
    }
    const struct command *command = command_of(argc, argv);
    if (command == NULL)
        return 2;
    int word_count = 0;
    while (command->has_words && 2 + word_count < argc && argv[2 + word_count][0] != '-')
        word_count++;
    const struct command_line line = {.argc = argc - 2 - word_count, .argv = argv + 2 + word_count};
    struct settings settings;
    char reason[512];
    if (!settings_read(&settings, line.argc, line.argv, reason, sizeof(reason))) {
        fprintf(stderr, "midstream: %s\n", reason);
        return 2;
    }
    if (sodium_init() < 0) {
        fprintf(stderr, "midstream: libsodium cannot be used on this machine\n");
        return 1;
    }
    int code = command->run(&(struct call){
        .settings = &settings, .line = &line, .word_count = word_count, .words = argv + 2, .routes = routes});
    settings_fini(&settings);
    return code;
}
