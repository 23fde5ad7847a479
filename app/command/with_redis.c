/* For commands that ask Redis. See with_redis.h. */
#include "command/with_redis.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/panic.h"
#include "fiber/loop.h"
#include "metrics/layout.h"
#include "worker/redis_setup.h"

/* The connection's own limits end before ours does, and say why: also when all Sentinels but the last are away. */
enum { REASON_BYTES = 1024, FIBERS_MAX = 8, LONGER_MS = 1000, SENTINELS_MS = 10000 };

static struct {
    const struct with_redis *commands;
    const struct configuration *configuration;
    struct redis_client *redis;
    int code;
} own;

static void run(void *arg)
{
    (void)arg;
    int64_t longer_ms = own.configuration->redis_master != NULL ? SENTINELS_MS : LONGER_MS;
    bool is_ready = redis_client_wait_ready(own.redis, own.configuration->settings.redis_timeout_ms + longer_ms);
    own.code =
        is_ready ? own.commands->run(own.redis, own.configuration) : own.commands->fail(own.redis, own.configuration);
    loop_stop();
}

static int run_with(const struct with_redis *commands, const struct configuration *configuration)
{
    static struct worker_counts counts;
    signal(SIGPIPE, SIG_IGN);
    log_init(LOG_TEXT, MID_ERROR);
    fiber_init((size_t)configuration->settings.stack_kib * 1024 * 4, FIBERS_MAX);
    loop_init();
    own.commands = commands;
    own.configuration = configuration;
    own.redis = redis_setup(configuration, MID_DURABLE_MEMORY, &counts);
    ENSURE(own.redis != NULL && loop_spawn(run, NULL));
    if (commands->prepare != NULL)
        commands->prepare(own.redis);
    loop_run();
    if (loop_has_threads()) { /* a resolver that takes its time */
        fflush(NULL);
        _exit(own.code);
    }
    redis_client_free(own.redis);
    loop_fini();
    fiber_fini();
    return own.code;
}

int with_redis_run(const struct with_redis *commands, struct settings *settings)
{
    char reason[REASON_BYTES];
    struct configuration *configuration = configuration_new(settings, SECRETS_OF_REDIS, reason, sizeof(reason));
    if (configuration == NULL) {
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, reason);
        return 1;
    }
    int code = run_with(commands, configuration);
    configuration_free(configuration);
    return code;
}
