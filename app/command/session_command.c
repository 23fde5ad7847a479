/* `midstream session`. See session_command.h. */
#include "command/session_command.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "command/with_redis.h"
#include "http/request.h"
#include "session/user_sessions.h"

enum { ESCAPED_BYTES = 6 * STORE_AGENT_BYTES, TIME_BYTES = 32 };

static struct {
    const struct action *action;
    const char *id; /* NULL: none */
    const struct session_options *options;
    size_t printed; /* sessions */
} command;

static int fail(const struct mid_request *rq, enum mid_error error)
{
    const char *text = rq != NULL && rq->error_detail != NULL ? rq->error_detail
                       : error == MID_UNAVAILABLE             ? "Redis did not answer"
                                                              : mid_error_text(error);
    fprintf(stderr, "%s: session: %s\n", program_invocation_short_name, text);
    return 1;
}

/* -------------------- printing -------------------- */

static const char *time_text(int64_t unix_ms, char text[static TIME_BYTES])
{
    struct tm parts;
    time_t seconds = (time_t)(unix_ms / 1000);
    if (gmtime_r(&seconds, &parts) == NULL || strftime(text, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        strcpy(text, "?");
    return text;
}

static void print_json_text(const char *name, const char *text, const char *behind)
{
    char escaped[ESCAPED_BYTES];
    json_escape(escaped, sizeof(escaped), text, strlen(text));
    printf("\"%s\":\"%s\"%s", name, escaped, behind);
}

static void print_json(const struct mid_user_session *session, const char *user)
{
    printf("{");
    print_json_text("id", session->id, ",");
    if (user[0] != '\0')
        print_json_text("user", user, ",");
    printf("\"created_ms\":%" PRId64 ",\"login_ms\":%" PRId64 ",\"seen_ms\":%" PRId64 ",\"expires_ms\":%" PRId64 ",",
           session->created_ms, session->login_ms, session->seen_ms, session->expires_ms);
    print_json_text("address", session->address, ",");
    print_json_text("agent", session->agent, "}");
}

static void print_row(const struct mid_user_session *session, void *arg)
{
    char login[TIME_BYTES];
    char seen[TIME_BYTES];
    (void)arg;
    if (command.options->has_json) {
        printf("%s", command.printed > 0 ? ",\n" : "");
        print_json(session, command.options->user);
    } else {
        printf("%s\t%s\t%s\t%s\t%s\n", session->id, time_text(session->login_ms, login),
               time_text(session->seen_ms, seen), session->address, session->agent);
    }
    command.printed++;
}

/* A user's name is any bytes; a terminal would obey some. */
static void print_line(const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    printf("%s: ", name);
    for (; *text != '\0'; text++)
        putchar((unsigned char)*text >= 0x20 && *text != 0x7f ? *text : '?');
    putchar('\n');
}

static void print_time(const char *name, int64_t unix_ms)
{
    char text[TIME_BYTES];
    printf("%s: %s\n", name, time_text(unix_ms, text));
}

/* -------------------- what it does -------------------- */

MAY_SUSPEND static int list(struct mid_request *rq)
{
    if (command.options->has_json)
        printf("[");
    enum mid_error error = mid_user_sessions(rq, command.options->user, print_row, NULL);
    if (command.options->has_json)
        printf("]\n");
    return error == MID_OK ? 0 : fail(rq, error);
}

MAY_SUSPEND static int show(struct mid_request *rq)
{
    struct store_summary summary;
    enum mid_error error = user_sessions_summarize(rq, command.id, &summary);
    if (error == MID_OK && !summary.is_there)
        error = mid_fail(rq, MID_NOT_FOUND, "there is no such session; it may have ended");
    if (error != MID_OK)
        return fail(rq, error);
    const struct mid_user_session session = {.id = command.id,
                                             .created_ms = summary.created_ms,
                                             .login_ms = summary.header.renewed_ms,
                                             .seen_ms = summary.header.touched_ms,
                                             .expires_ms = summary.header.expires_ms,
                                             .address = summary.address,
                                             .agent = summary.agent};
    if (command.options->has_json) {
        print_json(&session, summary.user);
        printf("\n");
        return 0;
    }
    print_line("id", session.id);
    print_line("user", summary.user);
    print_time("created", session.created_ms);
    print_time("login", session.login_ms);
    print_time("seen", session.seen_ms);
    print_time("expires", session.expires_ms);
    print_line("address", session.address);
    print_line("agent", session.agent);
    printf("fields: %" PRIu32 "\nsize: %" PRIu32 "\n", summary.header.fields, summary.header.size);
    return 0;
}

MAY_SUSPEND static int end(struct mid_request *rq)
{
    int64_t ended = 0;
    const char *user = command.options->user;
    enum mid_error error = command.options->all_of != NULL ? mid_user_end_all(rq, command.options->all_of, &ended)
                           : user != NULL                  ? mid_user_end_session(rq, user, command.id, &ended)
                                                           : user_sessions_end_any(rq, command.id, &ended);
    if (error != MID_OK && ended > 0)
        fprintf(stderr, "%s: session: %" PRId64 " were ended before this error; try again\n",
                program_invocation_short_name, ended);
    if (error != MID_OK)
        return fail(rq, error);
    printf(command.options->has_json ? "{\"ended\":%" PRId64 "}\n" : "ended: %" PRId64 "\n", ended);
    return ended > 0 || command.options->all_of != NULL ? 0 : 1;
}

/* -------------------- the command -------------------- */

static const struct action {
    const char *name;
    MAY_SUSPEND int (*run)(struct mid_request *rq);
} actions[] = {{"list", list}, {"show", show}, {"end", end}};

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

/* Which of user, id and all-of there have to be. */
static bool make_sense(const struct session_options *options)
{
    bool has_user = options->user != NULL;
    bool has_id = command.id != NULL;
    bool has_all = options->all_of != NULL;
    if (command.action == NULL)
        return false;
    if (command.action->run == list)
        return has_user && !has_id && !has_all;
    if (command.action->run == show)
        return has_id && !has_user && !has_all;
    return has_id != has_all && !(has_user && has_all);
}

/* False: they make no sense, and this was said. */
static bool read_words(int word_count, char **words, const struct session_options *options)
{
    command.action = word_count > 0 ? find_action(words[0]) : NULL;
    command.id = word_count > 1 ? words[1] : NULL;
    command.options = options;
    if (word_count <= 2 && make_sense(options))
        return true;
    fprintf(stderr,
            "%s: expected session list --user NAME, show ID, end ID [--user NAME], or end --all-of NAME; see "
            "'%s session --help'\n",
            program_invocation_short_name, program_invocation_name);
    return false;
}

MAY_SUSPEND static int run(struct redis_client *redis, const struct configuration *configuration)
{
    struct mid_request rq;
    (void)redis;
    request_init_detached(&rq, "session");
    mid_set_durability(&rq, configuration_durability(configuration));
    int code = command.action->run(&rq);
    request_finish(&rq);
    return code;
}

static int fail_without_redis(const struct redis_client *redis, const struct configuration *configuration)
{
    (void)redis, (void)configuration;
    return fail(NULL, MID_UNAVAILABLE);
}

void session_command_print_usage(FILE *out)
{
    fputs(
        "Usage: midstream session list --user NAME [--json] [--SETTING VALUE]...\n"
        "       midstream session show ID [--json]\n"
        "       midstream session end ID [--user NAME] [--json]\n"
        "       midstream session end --all-of NAME [--json]\n\n"
        "Lists, shows and ends sessions of users who have logged in.\n\n"
        "  list           the sessions of the user, the latest login first, a line each: id, time of the login, last\n"
        "                 activity, address and agent as the application has told them\n"
        "  show           one session, without its fields\n"
        "  end ID         ends one session; with --user only if it is a session of that user\n"
        "  end --all-of   ends all sessions of the user, logins under way included\n\n"
        "With --json, the output is JSON; times are in milliseconds since 1970. Streams of a session that is ended end at\n"
        "once. Exits with 1 if Redis does not reply, or there is no such session.\n\n"
        "Settings: midstream --help. --redis is the usual one; --commit-durability says when an end counts.\n",
        out);
}

int session_command(struct settings *settings, int word_count, char **words, const struct session_options *options)
{
    if (!read_words(word_count, words, options)) {
        settings_fini(settings);
        return 2;
    }
    static const struct with_redis commands = {.run = run, .fail = fail_without_redis};
    return with_redis_run(&commands, settings);
}
