/*
 * What the workers know of Redis's memory. What they refuse because of it is in session_bounds.c.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"

TestSuite(memory_watch_of_a_site, .timeout = 90);

static void set_maxmemory(const struct site *site, const char *bytes)
{
    free(redis_text(site->redis, "CONFIG SET maxmemory %s", bytes));
}

struct shown {
    const struct site *site;
    const char *part; /* of /metrics */
};

static bool is_shown(void *arg)
{
    const struct shown *shown = arg;
    struct http_response response;
    http_send(&(struct http_request){.url = "http://admin/metrics", .unix_socket = shown->site->stack->admin_socket},
              &response);
    bool is_there = response.status == 200 && strstr(response.body.data, shown->part) != NULL;
    http_response_fini(&response);
    return is_there;
}

static bool comes_to_show(const struct site *site, const char *part)
{
    return wait_until(is_shown, &(struct shown){site, part}, PATIENCE_MS);
}

Test(memory_watch_of_a_site, the_memory_of_redis_is_in_the_metrics)
{
    struct site site = site_open(NULL);
    set_maxmemory(&site, "123456789");
    cr_expect(comes_to_show(&site, "\nmidstream_redis_maxmemory_bytes 123456789\n"));
    cr_expect_not(is_shown(&(struct shown){&site, "\nmidstream_redis_used_memory_bytes 0\n"}));
    set_maxmemory(&site, "0");
    cr_expect(comes_to_show(&site, "\nmidstream_redis_maxmemory_bytes 0\n"));
    site_close(&site);
}

Test(memory_watch_of_a_site, filling_up_and_having_room_again_are_logged_once_each)
{
    struct site site = site_open(NULL);
    set_maxmemory(&site, "1");
    cr_expect(site_wait_log(&site, "session.store-full"));
    set_maxmemory(&site, "2");
    cr_expect(comes_to_show(&site, "\nmidstream_redis_maxmemory_bytes 2\n")); /* asked again, and nothing is new */
    set_maxmemory(&site, "0");
    cr_expect(site_wait_log(&site, "session.store-has-room"));
    OWNED char *log = site_log(&site);
    cr_expect_eq(text_count(log, "session.store-full"), 1);
    cr_expect_eq(text_count(log, "session.store-has-room"), 1);
    site_close(&site);
}

Test(memory_watch_of_a_site, where_redis_does_not_tell_it_is_logged_once_and_sessions_go_on)
{
    struct site site = site_open(NULL);
    free(redis_text(site.redis, "ACL SETUSER default -info"));
    cr_expect(site_wait_log(&site, "session.memory-unknown address="));
    site_make_session(&site);
    OWNED char *log = site_log(&site);
    cr_expect_eq(text_count(log, "session.memory-unknown"), 1);
    cr_expect_eq(text_count(log, " reason=\"NOPERM"), 2, "by the watch, and by the client: %s", log);
    cr_expect_eq(text_count(log, "session.store-full"), 0);
    site_close(&site);
}

Test(memory_watch_of_a_site, with_no_share_redis_is_not_asked)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_SESSION_MEMORY_PERCENT=0"));
    site_make_session(&site);
    OWNED char *stats =
        redis_text(site.redis, "INFO commandstats"); /* the first INFO, which does not count itself yet */
    cr_expect_null(strstr(stats, "cmdstat_info:"), "%s", stats);
    site_close(&site);
}
