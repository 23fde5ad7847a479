/* Several browsers of one site. See browsers.h. */
#include "browsers.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "user/index.h"

struct stage browser_beside(const struct stage *stage)
{
    struct stage other = *stage;
    other.site.visitor = cookie_jar_new();
    return other;
}

void browser_leave(struct stage *browser)
{
    cookie_jar_free(browser->site.visitor);
}

char *browser_cookie(const struct stage *browser)
{
    return cookie_jar_get(browser->site.visitor, "mid");
}

struct stage browser_with_same_cookie(const struct stage *browser)
{
    struct stage other = browser_beside(browser);
    OWNED char *cookie = browser_cookie(browser);
    cookie_jar_set(other.site.visitor, "mid", cookie);
    return other;
}

char *play(const struct stage *stage, const char *acts)
{
    struct http_response response;
    OWNED char *all = text_printf("%s,return", acts);
    int status = stage_act(stage, all, &response);
    char *value = status == 200 ? text_printf("%s", response.body.data) : text_printf("status %d", status);
    http_response_fini(&response);
    return value;
}

void log_in(const struct stage *stage, const char *user, const char *address)
{
    OWNED char *acts = text_printf("describe:%s:Browser,renew:%s,user", address, user);
    EXPECT_PLAY(stage, acts, user);
}

char *index_key(const char *user)
{
    char hash[USER_HASH_BYTES];
    user_hash(user, hash);
    return text_printf("mid:u:{%s}", hash);
}

long long named(const struct stage *stage, const char *user)
{
    OWNED char *key = index_key(user);
    return redis_int(stage->site.redis, "ZCARD %s", key);
}
