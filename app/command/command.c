/* The program's subcommands: a table of functions. */
#include <errno.h>
#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "command/connect_command.h"
#include "command/nginx_command.h"
#include "command/session_command.h"
#include "command/task_command.h"
#include "http/router.h"
#include "master/master.h"
#include "midstream.h"
#include "keys/keyring.h"
#include "settings/settings.h"

enum { OPTIONS_MAX = 3 };

struct call {
    struct settings *settings;
    const struct command_line *line;
    const char *options[OPTIONS_MAX]; /* the values of the command's own, "" where there is none; NULL: not given */
    int word_count;                   /* words between the command and its flags */
    char **words;
    const struct mid_app *app;
};

static int serve(const struct call *call)
{
    return master_run(call->settings, call->line, call->app);
}

static int work(const struct call *call)
{
    return master_run_tasks(call->settings, call->line, call->app);
}

static int task(const struct call *call)
{
    return task_command(call->settings, call->word_count, call->words);
}

static int session(const struct call *call)
{
    return session_command(call->settings, call->word_count, call->words,
                           &(struct session_options){.user = call->options[0],
                                                     .all_of = call->options[1],
                                                     .has_json = call->options[2] != NULL});
}

static int check(const struct call *call)
{
    struct settings settings;
    char reason[512];
    int code = master_check(call->settings, call->app);
    if (code != 0 || call->options[0] == NULL)
        return code;
    if (settings_read(&settings, call->line->argc, call->line->argv, reason, sizeof(reason)))
        return connect_command(&settings);
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, reason);
    return 1;
}

static int keygen(const struct call *call)
{
    char reason[512];
    if (keyring_generate(call->settings->keys, reason, sizeof(reason)))
        return 0;
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, reason);
    return 1;
}

static int print_settings(const struct call *call)
{
    (void)call;
    settings_print_markdown(stdout);
    return 0;
}

static int print_nginx(const struct call *call)
{
    char reason[512];
    struct router *router = router_new(call->app->routes, reason, sizeof(reason));
    if (router == NULL) {
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, reason);
        return 1;
    }
    nginx_command_print(stdout, router);
    router_free(router);
    return 0;
}

static int version(const struct call *call)
{
    (void)call;
    puts("midstream " MIDSTREAM_VERSION);
    return 0;
}

/* A flag that is no setting. */
struct option {
    const char *name; /* NULL: no more */
    bool has_value;
};

static const struct command {
    const char *name;
    int (*run)(const struct call *call);
    const char *description;
    const char *help; /* behind the usage and the description; NULL: print_usage does it */
    bool has_words;
    struct option options[OPTIONS_MAX];
    void (*print_usage)(FILE *out);
} commands[] = {
    {"serve", serve, "serve requests from nginx",
     "A master process starts workers, which answer the FastCGI requests on --listen, and restarts them if they die. It stays\n"
     "in the foreground. SIGTERM and SIGINT stop it when requests in progress are done or --drain-timeout-ms has passed;\n"
     "SIGHUP reloads the settings and the files that they name; SIGUSR1 reopens --log-file.\n\n"
     "Requires a key file (keygen). Often set: --listen, --redis, --keys, --workers, --admin.\n",
     .has_words = false},
    {"work", work, "do background tasks",
     "A master process starts workers, which take tasks of --task-queues from Redis, up to --task-concurrency per queue at a\n"
     "time. They do not listen on sockets. Signals are as for serve. On SIGTERM, tasks that are not done within\n"
     "--drain-timeout-ms are returned to the queue.\n\n"
     "Often set: --redis, --keys (those of serve, for the visitors' sessions), --workers, --task-queues.\n",
     .has_words = false},
    {"task", task, "list, show, retry, cancel or delete tasks", .has_words = true,
     .print_usage = task_command_print_usage},
    {"session", session, "list, show or end sessions of users", .has_words = true,
     .options = {{"--user", true}, {"--all-of", true}, {"--json", false}}, .print_usage = session_command_print_usage},
    {"check", check, "check the settings without serving",
     "Checks the settings, the key file, the password file, addresses and routes, as serve and work do, without opening sockets\n"
     "or connecting to Redis. Exits with 0 if a start, or a reload, would accept them; otherwise prints what is wrong and exits\n"
     "with 1 or 2.\n\n"
     "With --connect, it then connects to Redis, changes nothing, and prints its version, role, TLS, memory, append-only file,\n"
     "the commands that the user may not run, and warnings. Exits with 1 if Redis cannot be used.\n",
     .options = {{"--connect", false}}},
    {"keygen", keygen, "add a new signing key to the file of --keys",
     "The new key becomes the first one. The first key signs cookies; all keys verify them. The file is created with mode 0600\n"
     "if it does not exist. serve and work use the new key after SIGHUP. Old keys can be removed after --session-absolute-ms.\n",
     .has_words = false},
    {"settings", print_settings, "print the reference of the settings, in Markdown", "It is docs/settings.md.\n",
     .has_words = false},
    {"nginx", print_nginx, "print nginx locations for routes with their own limits",
     "nginx has limits as well, and applies them first: 1 MiB for a body, 60 s without a response (nginx/site.conf). These\n"
     "locations, in application.conf, raise them for routes with a larger body_max_bytes or timeout_ms. midstream-run does this\n"
     "itself.\n",
     .has_words = false},
    {"version", version, "print the version", "", .has_words = false},
};

static void print_usage(const char *program)
{
    printf("Usage: %s COMMAND [--SETTING VALUE]...\n       %s COMMAND --help\n\nCommands:\n", program, program);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].description);
    printf("\nSettings:\n");
    settings_print_help(stdout);
}

static void print_help_of(const struct command *command, const char *program)
{
    if (command->print_usage != NULL) {
        command->print_usage(stdout);
        return;
    }
    printf("Usage: %s %s [--SETTING VALUE]...\n\n%c%s.\n%s%s\nSettings: %s --help\n", program, command->name,
           toupper(command->description[0]), command->description + 1, command->help[0] != '\0' ? "\n" : "",
           command->help, program);
}

/* An error is one line, and a hint. */
static int refuse(const char *program, const char *sentence)
{
    fprintf(stderr, "%s: %s; see '%s --help'\n", program_invocation_short_name, sentence, program);
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

/* Of "COMMAND --help" or "help COMMAND"; of the whole program where no command is named. */
static void print_help(int argc, char **argv)
{
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 && argc > 2)
        name = argv[2];
    const struct command *command = find_command(name);
    if (command != NULL)
        print_help_of(command, argv[0]);
    else
        print_usage(argv[0]);
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

/* Takes an option that is no setting out of the arguments, as "--name value" or "--name=value". Its value, "" without
 * one; NULL: it was not there. */
static const char *take_option(int *argc, char **argv, const struct option *option)
{
    size_t length = strlen(option->name);
    for (int i = 2; i < *argc; i++) {
        bool has_own = option->has_value && strncmp(argv[i], option->name, length) == 0 && argv[i][length] == '=';
        if (!has_own && strcmp(argv[i], option->name) != 0)
            continue;
        const char *value = has_own ? argv[i] + length + 1 : "";
        int taken = 1;
        if (option->has_value && !has_own && i + 1 < *argc && strncmp(argv[i + 1], "--", 2) != 0) {
            value = argv[i + 1];
            taken = 2;
        }
        memmove(argv + i, argv + i + taken, (size_t)(*argc - i - taken + 1) * sizeof(*argv)); /* with the NULL */
        *argc -= taken;
        return value;
    }
    return NULL;
}

static int run(int argc, char **argv, const struct mid_app *app)
{
    if (asks_for_help(argc, argv)) {
        print_help(argc, argv);
        return 0;
    }
    const struct command *command = command_of(argc, argv);
    if (command == NULL)
        return 2;
    struct call call = {.words = argv + 2, .app = app};
    for (int i = 0; i < OPTIONS_MAX && command->options[i].name != NULL; i++)
        call.options[i] = take_option(&argc, argv, &command->options[i]);
    int word_count = 0;
    while (command->has_words && 2 + word_count < argc && argv[2 + word_count][0] != '-')
        word_count++;
    const struct command_line line = {.argc = argc - 2 - word_count, .argv = argv + 2 + word_count};
    struct settings settings;
    char reason[512];
    if (!settings_read(&settings, line.argc, line.argv, reason, sizeof(reason))) {
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, reason);
        return 2;
    }
    if (sodium_init() < 0) {
        fprintf(stderr, "%s: libsodium cannot be initialized\n", program_invocation_short_name);
        return 1;
    }
    call.settings = &settings;
    call.line = &line;
    call.word_count = word_count;
    int code = command->run(&call);
    settings_fini(&settings);
    return code;
}

int mid_run(int argc, char **argv, const struct mid_app *app)
{
    static const struct mid_route no_routes[] = {{0}};
    struct mid_app whole = *app;
    if (whole.routes == NULL)
        whole.routes = no_routes;
    if (whole.tasks != NULL)
        mid_task_register(whole.tasks);
    return run(argc, argv, &whole);
}

int mid_main(int argc, char **argv, const struct mid_route *routes)
{
    return mid_run(argc, argv, &(struct mid_app){.routes = routes});
}

const char *mid_version(void)
{
    return MIDSTREAM_VERSION;
}
