/* `midstream task`. See task_command.h. */
#include "command/task_command.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "command/with_redis.h"
#include "task/consumer.h"

enum { ROWS_MAX = 1000 };

static const char *const states[] = {"waiting", "delayed", "running", "dead"};
enum { STATE_COUNT = sizeof(states) / sizeof(states[0]) };

static struct {
    const struct configuration *configuration;
    const struct action *action;
    const char *word; /* an id, or a state; NULL: none */
} command;

static int fail(const char *what, enum mid_error error)
{
    const char *text = error == MID_NOT_FOUND     ? "there is no such task; it may have expired"
                       : error == MID_UNAVAILABLE ? "Redis did not answer"
                                                  : mid_error_text(error);
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, text);
    return 1;
}

/* -------------------- list, stats -------------------- */

static void print_row(const struct queue_row *row, void *arg)
{
    (void)arg;
    printf("%s\t%s\t%s\t%s/%s\t%" PRId64 " s\t%s\t%s\n", row->id, row->state, row->name, row->attempt, row->attempts,
           row->age_ms / 1000, row->progress, row->error);
}

/* Calls `fn` for each queue of the setting task-queues, until one fails. */
MAY_SUSPEND static int for_each_queue(MAY_SUSPEND int (*fn)(const char *queue))
{
    char queue[QUEUE_NAME_BYTES];
    const char *queues = command.configuration->settings.task_queues;
    while (consumers_next_name(&queues, queue))
        if (fn(queue) != 0)
            return 1;
    return 0;
}

MAY_SUSPEND static int list_queue(const char *queue)
{
    for (size_t i = 0; i < STATE_COUNT; i++) {
        if (command.word != NULL && strcmp(command.word, states[i]) != 0)
            continue;
        enum mid_error error = queue_list(queue, states[i], ROWS_MAX, print_row, NULL);
        if (error != MID_OK)
            return fail(queue, error);
    }
    return 0;
}

MAY_SUSPEND static int list(void)
{
    return for_each_queue(list_queue);
}

MAY_SUSPEND static int stats_of_queue(const char *queue)
{
    struct queue_stats stats;
    enum mid_error error = queue_stats(queue, &stats);
    if (error != MID_OK)
        return fail(queue, error);
    printf("queue: %s\nwaiting: %" PRId64 "\ndelayed: %" PRId64 "\nrunning: %" PRId64 "\ndead-letters: %" PRId64
           "\noldest-waiting-ms: %" PRId64 "\n",
           queue, stats.waiting, stats.delayed, stats.running, stats.dead_letters, stats.oldest_waiting_ms);
#define PRINT_COUNT(name) printf("total-" #name ": %" PRId64 "\n", stats.name);
    QUEUE_COUNTS(PRINT_COUNT)
#undef PRINT_COUNT
    return 0;
}

MAY_SUSPEND static int stats(void)
{
    return for_each_queue(stats_of_queue);
}

/* -------------------- one task -------------------- */

/* The payload may be anything, and a secret. */
static void print_field(const char *field, const char *value, size_t bytes, void *arg)
{
    (void)arg;
    if (strcmp(field, "payload") == 0)
        printf("payload: %zu bytes\n", bytes);
    else
        printf("%s: %s\n", field, value);
}

MAY_SUSPEND static int show(void)
{
    enum mid_error error = queue_show(command.word, print_field, NULL);
    return error == MID_OK ? 0 : fail(command.word, error);
}

/* The state that it should have come to: otherwise it stays as it is, and that is told. */
MAY_SUSPEND static int change(MAY_SUSPEND enum mid_error (*fn)(const char *id, char *state), const char *wanted,
                              const char *also)
{
    char state[QUEUE_STATE_BYTES];
    enum mid_error error = fn(command.word, state);
    if (error != MID_OK)
        return fail(command.word, error);
    printf("%s\n", state);
    return strcmp(state, wanted) == 0 || strcmp(state, also) == 0 ? 0 : 1;
}

MAY_SUSPEND static int retry(void)
{
    return change(queue_retry, "waiting", "waiting");
}

MAY_SUSPEND static int cancel(void)
{
    return change(queue_cancel, "cancelled", "running");
}

MAY_SUSPEND static int delete (void)
{
    return change(queue_delete, "deleted", "deleted");
}

/* -------------------- the command -------------------- */

static const struct action {
    const char *name;
    MAY_SUSPEND int (*run)(void);
    bool needs_id;
} actions[] = {
    {"list", list, false},  {"stats", stats, false},  {"show", show, true},
    {"retry", retry, true}, {"cancel", cancel, true}, {"delete", delete, true},
};

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

/* What this program can do; nothing is asked of Redis. */
static int print_types(void)
{
    for (const struct mid_task_type *type = task_types(); type != NULL && type->name != NULL; type++)
        puts(type->name);
    return 0;
}

static bool is_state(const char *word)
{
    for (size_t i = 0; i < STATE_COUNT; i++)
        if (strcmp(states[i], word) == 0)
            return true;
    return false;
}

/* False: they make no sense, and this was said. */
static bool read_words(int word_count, char **words)
{
    char queue[QUEUE_NAME_BYTES];
    command.action = word_count > 0 ? find_action(words[0]) : NULL;
    command.word = word_count > 1 ? words[1] : NULL;
    bool has_right_count =
        command.action != NULL && word_count <= 2 && (!command.action->needs_id || command.word != NULL);
    if (!has_right_count) {
        fprintf(stderr,
                "%s: expected task list [waiting|delayed|running|dead], stats, types, or "
                "show|retry|cancel|delete ID; see '%s task --help'\n",
                program_invocation_short_name, program_invocation_name);
        return false;
    }
    bool is_good = command.word == NULL ||
                   (command.action->needs_id ? task_id_parse(command.word, queue) : is_state(command.word));
    if (!is_good)
        fprintf(stderr, "%s: \"%s\" is not a %s\n", program_invocation_short_name, command.word,
                command.action->needs_id ? "task id" : "state");
    return is_good;
}

MAY_SUSPEND static int run(struct redis_client *redis, const struct configuration *configuration)
{
    (void)redis;
    command.configuration = configuration;
    return command.action->run();
}

static int fail_without_redis(const struct redis_client *redis, const struct configuration *configuration)
{
    (void)redis, (void)configuration;
    return fail("task", MID_UNAVAILABLE);
}

void task_command_print_usage(FILE *out)
{
    fputs("Usage: midstream task list [waiting|delayed|running|dead] [--SETTING VALUE]...\n"
          "       midstream task stats\n"
          "       midstream task types\n"
          "       midstream task show|retry|cancel|delete ID\n\n"
          "Shows the queues of --task-queues in Redis, and changes single tasks.\n\n"
          "  list      the tasks, a line each: id, state, name, attempt and attempts, age, progress, error\n"
          "  stats     number of tasks in each state, and totals since the queue was created\n"
          "  types     names of the task types of this program (does not connect to Redis)\n"
          "  show      the fields of one task, without its payload\n"
          "  retry     makes a dead letter a waiting task again, with all its attempts\n"
          "  cancel    cancels a task: immediately if it is waiting; a running one is notified\n"
          "  delete    removes the record of a finished task\n\n"
          "Exits with 1 if Redis does not reply, the task does not exist, or its state does not allow the change.\n\n"
          "Settings: midstream --help\n",
          out);
}

int task_command(struct settings *settings, int word_count, char **words)
{
    if (word_count == 1 && strcmp(words[0], "types") == 0) {
        settings_fini(settings);
        return print_types();
    }
    if (!read_words(word_count, words)) {
        settings_fini(settings);
        return 2;
    }
    static const struct with_redis commands = {.run = run, .fail = fail_without_redis};
    return with_redis_run(&commands, settings);
}
