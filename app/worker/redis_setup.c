/* What every worker process keeps in Redis. See redis_setup.h. */
#include "worker/redis_setup.h"

#include <string.h>

#include "durable/durable.h"
#include "journal/journal.h"
#include "live/live.h"
#include "metrics/layout.h"
#include "session/session.h"
#include "task/api.h"
#include "user/index.h"
#include "worker/redis_api.h"

struct redis_options redis_setup_options(const struct configuration *configuration)
{
    const struct settings *settings = &configuration->settings;
    return (struct redis_options){
        .address = settings->redis,
        .topology = configuration->is_redis_cluster ? REDIS_CLUSTER : REDIS_STANDALONE,
        .master = configuration->redis_master,
        .credentials = {settings->redis_user, configuration->password},
        .sentinel_credentials = {settings->redis_sentinel_user, configuration->sentinel_password},
        .database = (int)settings->redis_database,
        .tls = configuration->tls,
        .timeout_ms = settings->redis_timeout_ms,
        .backoff_ms = 20,
        .backoff_max_ms = 500,
        .pending_limit = (size_t)settings->fibers_max,
        .replicas = settings->commit_replicas,
    };
}

/* As browsers spell it. */
static const char *same_site(const char *choice)
{
    return strcmp(choice, "strict") == 0 ? "Strict" : strcmp(choice, "none") == 0 ? "None" : "Lax";
}

static void open_sessions(const struct configuration *configuration, struct redis_client *redis,
                          struct worker_counts *counts)
{
    const struct settings *settings = &configuration->settings;
    session_init(&(struct session_settings){
        .store = {.redis = redis,
                  .idle_ms = settings->session_idle_ms,
                  .absolute_ms = settings->session_absolute_ms,
                  .user_idle_ms = settings->session_user_idle_ms,
                  .user_absolute_ms = settings->session_user_absolute_ms,
                  .fields_max = (int)settings->session_fields_max,
                  .value_bytes_max = (int)settings->session_value_max_bytes,
                  .size_max = settings->session_max_bytes},
        .cookie = {.keyring = configuration->keyring,
                   .is_secure = settings->cookie_secure,
                   .is_persistent = settings->cookie_persistent,
                   .same_site = same_site(settings->cookie_same_site),
                   .logout_clears = settings->logout_clears},
        .head_timeout_ms = settings->redis_head_timeout_ms,
        .commit_timeout_ms = settings->commit_timeout_ms,
        .counts = &counts->session,
        .streams_max = (size_t)settings->session_streams_max,
        .on_stream = live_begin,
    });
}

static void open_index(const struct settings *settings, struct redis_client *redis)
{
    user_index_init(
        &(struct user_index_settings){.redis = redis,
                                      .lifetime_ms = settings->session_user_absolute_ms,
                                      .sessions_max = settings->user_sessions_max,
                                      .refuses_when_full = strcmp(settings->user_sessions_full, "refuse") == 0});
}

static void open_streams(const struct settings *settings, struct redis_client *redis, struct worker_counts *counts)
{
    journal_init(&(struct journal_settings){
        .redis = redis, .lifetime_ms = settings->durable_lifetime_ms, .guard = session_guard_body});
    durable_init(&(struct durable_settings){.bytes_max = settings->durable_max_bytes, .counts = &counts->durable});
}

static void open_queues(const struct settings *settings, struct redis_client *redis)
{
    task_api_init(&(struct queue_settings){.redis = redis,
                                           .tasks_max = settings->task_queue_max,
                                           .lease_ms = settings->task_lease_ms,
                                           .keep_ms = settings->task_keep_ms,
                                           .dead_keep_ms = settings->task_dead_keep_ms,
                                           .losses_max = settings->task_losses_max},
                  (int)settings->task_attempts);
}

struct redis_client *redis_setup(const struct configuration *configuration, enum mid_durability durability,
                                 struct worker_counts *counts)
{
    struct redis_options options = redis_setup_options(configuration);
    options.counts = &counts->redis;
    options.durability = durability;
    struct redis_client *redis = redis_client_new(&options);
    if (redis == NULL)
        return NULL;
    open_sessions(configuration, redis, counts);
    open_index(&configuration->settings, redis);
    open_streams(&configuration->settings, redis, counts);
    live_init(&(struct live_settings){.redis = redis, .counts = &counts->live});
    open_queues(&configuration->settings, redis);
    redis_api_init(redis);
    return redis;
}
