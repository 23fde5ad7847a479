/* The program's subcommands: a table of functions. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "midstream.h"
#include "runtime/master.h"
#include "runtime/settings.h"
#include "session/keyring.h"

static int serve(const struct settings *settings, const struct mid_route *routes)
{
    return master_run(settings, routes);
}

static int check(const struct settings *settings, const struct mid_route *routes)
{
    return master_check(settings, routes);
}

static int keygen(const struct settings *settings, const struct mid_route *routes)
{
    char reason[512];
    (void)routes;
    if (keyring_generate(settings->keys, reason, sizeof(reason)))
        return 0;
    fprintf(stderr, "midstream: %s\n", reason);
    return 1;
}

static int version(const struct settings *settings, const struct mid_route *routes)
{
    (void)settings, (void)routes;
    puts("midstream " MIDSTREAM_VERSION);
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(const struct settings *settings, const struct mid_route *routes);
    const char *description;
} commands[] = {
    {"serve", serve, "serve requests from nginx"},
    {"check", check, "check the settings without serving"},
    {"keygen", keygen, "add a new signing key in front of the file of --keys"},
    {"version", version, "print the version"},
};

static void print_usage(FILE *out, const char *program)
{
    fprintf(out, "Usage: %s COMMAND [--SETTING VALUE]...\n\nCommands:\n", program);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].description);
    fprintf(out, "\nSettings:\n");
    settings_print(out);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static enum mid_level level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (enum mid_level level = MID_DEBUG; level < MID_ERROR; level++)
        if (strcmp(names[level], name) == 0)
            return level;
    return MID_ERROR;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 || (i == 1 && strcmp(argv[i], "help") == 0))
            return true;
    return false;
}

int mid_main(int argc, char **argv, const struct mid_route *routes)
{
    if (asks_for_help(argc, argv)) {
        print_usage(stdout, argv[0]);
        return 0;
    }
    const struct command *command = argc > 1 ? find_command(argv[1]) : NULL;
    if (command == NULL) {
        if (argc > 1)
            fprintf(stderr, "midstream: there is no command \"%s\"\n", argv[1]);
        print_usage(stderr, argv[0]);
        return 2;
    }
    struct settings settings;
    char reason[512];
    if (!settings_read(&settings, argc - 2, argv + 2, reason, sizeof(reason))) {
        fprintf(stderr, "midstream: %s\n", reason);
        return 2;
    }
    if (sodium_init() < 0) {
        fprintf(stderr, "midstream: libsodium cannot be used on this machine\n");
        return 1;
    }
    log_init(strcmp(settings.log_format, "json") == 0 ? LOG_JSON : LOG_TEXT, level_of(settings.log_level));
    return command->run(&settings, routes);
}
