/* Visitors that never rest. See hammer.h. */
#include "hammer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"
#include "fault.h"

struct visitor {
    struct hammer *hammer;
    struct cookie_jar *visitor;
    char *key;
    pthread_t thread;
    struct hammer_sum sum;
};

struct hammer {
    struct site *site;
    char *get_url;
    char *post_url;
    atomic_bool is_over;
    atomic_size_t requests;
    size_t count;
    struct visitor visitors[];
};

static void judge(struct visitor *visitor, const struct http_response *response)
{
    struct hammer_sum *sum = &visitor->sum;
    sum->requests++;
    if (response->curl_code == 0 && response->status == 200)
        sum->acknowledged++;
    else if (response->curl_code == 0 && response->status == 503 && strstr(response->head.data, "\r\nRetry-After: "))
        sum->unavailable++;
    else if (sum->failed++ == 0)
        snprintf(sum->first_failure, sizeof(sum->first_failure), "status %d, curl %d %s: %.80s", response->status,
                 response->curl_code, response->error ? response->error : "", response->body.data);
    atomic_fetch_add(&visitor->hammer->requests, 1);
}

static void send_one(struct visitor *visitor)
{
    struct http_response response;
    bool is_post = visitor->sum.requests % 2 == 1;
    http_send(&(struct http_request){.method = is_post ? "POST" : "GET",
                                     .url = is_post ? visitor->hammer->post_url : visitor->hammer->get_url,
                                     .visitor = visitor->visitor},
              &response);
    judge(visitor, &response);
    http_response_fini(&response);
}

static void *work(void *arg)
{
    struct visitor *visitor = arg;
    while (!atomic_load(&visitor->hammer->is_over))
        send_one(visitor);
    return NULL;
}

static char *key_of(const struct site *site, struct cookie_jar *visitor)
{
    struct site own = *site;
    own.visitor = visitor;
    return site_key(&own);
}

struct hammer *hammer_start(struct site *site, size_t visitors)
{
    struct hammer *hammer = calloc(1, sizeof(*hammer) + visitors * sizeof(hammer->visitors[0]));
    ENSURE(hammer != NULL);
    hammer->site = site;
    hammer->get_url = stack_url(site->stack, "/counter");
    hammer->post_url = stack_url(site->stack, "/api/session/counter/increment");
    hammer->count = visitors;
    for (size_t i = 0; i < visitors; i++) {
        struct visitor *visitor = &hammer->visitors[i];
        *visitor = (struct visitor){.hammer = hammer, .visitor = cookie_jar_new()};
        send_one(visitor);
        visitor->key = key_of(site, visitor->visitor);
    }
    for (size_t i = 0; i < visitors; i++)
        ENSURE(pthread_create(&hammer->visitors[i].thread, NULL, work, &hammer->visitors[i]) == 0);
    return hammer;
}

const char *hammer_key(const struct hammer *hammer, size_t visitor)
{
    return hammer->visitors[visitor].key;
}

size_t hammer_requests(struct hammer *hammer)
{
    return atomic_load(&hammer->requests);
}

static void add_visitor(struct hammer *hammer, const struct visitor *visitor, struct hammer_sum *sum)
{
    OWNED char *cookie = cookie_jar_get(visitor->visitor, "mid");
    size_t stored = cookie != NULL ? (size_t)fault_stored_number(hammer->site, cookie, "counter") : 0;
    sum->requests += visitor->sum.requests;
    sum->acknowledged += visitor->sum.acknowledged;
    sum->unavailable += visitor->sum.unavailable;
    if (sum->failed == 0)
        memcpy(sum->first_failure, visitor->sum.first_failure, sizeof(sum->first_failure));
    sum->failed += visitor->sum.failed;
    if (stored < visitor->sum.acknowledged)
        sum->lost += visitor->sum.acknowledged - stored;
    if (stored > visitor->sum.acknowledged + visitor->sum.unavailable)
        sum->beyond += stored - visitor->sum.acknowledged - visitor->sum.unavailable;
}

struct hammer_sum hammer_stop(struct hammer *hammer)
{
    struct hammer_sum sum = {0};
    atomic_store(&hammer->is_over, true);
    for (size_t i = 0; i < hammer->count; i++)
        pthread_join(hammer->visitors[i].thread, NULL);
    for (size_t i = 0; i < hammer->count; i++) {
        add_visitor(hammer, &hammer->visitors[i], &sum);
        cookie_jar_free(hammer->visitors[i].visitor);
        free(hammer->visitors[i].key);
    }
    free(hammer->get_url);
    free(hammer->post_url);
    free(hammer);
    return sum;
}
