/* Cookies of the application, over TLS. Without it: tests/integration/answers.c. */
#include <criterion/criterion.h>
#include <string.h>

#include "http/request.h"

#define X64  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LONG X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 /* 1024 bytes */

static const char *set_cookie(struct mid_request *rq, const struct mid_cookie *cookie)
{
    request_init(&(struct request_settings){.cookie_is_secure = true});
    request_init_detached(rq, "test");
    rq->response.phase = RESPONSE_NONE;
    return mid_set_cookie(rq, cookie) == MID_OK ? rq->response.fields->value : NULL;
}

Test(set_cookie, over_tls_cookies_are_secure)
{
    static const struct {
        struct mid_cookie cookie;
        const char *field; /* NULL: refused */
    } rows[] = {
        {{.name = "a", .value = "1"}, "a=1; Path=/; HttpOnly; Secure; SameSite=Lax"},
        {{.name = "a", .value = "1", .same_site = MID_SAME_SITE_NONE}, "a=1; Path=/; HttpOnly; Secure; SameSite=None"},
        {{.name = "__Host-a", .value = "1"}, "__Host-a=1; Path=/; HttpOnly; Secure; SameSite=Lax"},
        {{.name = "__Host-a", .value = "1", .path = "/x"}, NULL},
        {{.name = "__host-a", .value = "1", .domain = "example.org"}, NULL},
        {{.name = "__Secure-a", .value = "1", .path = "/x", .domain = "example.org"},
         "__Secure-a=1; Path=/x; Domain=example.org; HttpOnly; Secure; SameSite=Lax"},
        {{.name = "__Host-mid", .value = "1"}, NULL},
        {{.name = "__Http-a", .value = "1"}, "__Http-a=1; Path=/; HttpOnly; Secure; SameSite=Lax"},
        {{.name = "__Http-a", .value = "1", .is_readable = true}, NULL},
        {{.name = "__Host-Http-a", .value = "1", .is_readable = true}, NULL},
        {{.name = "a", .value = "1", .domain = ""}, NULL},
        {{.name = "a", .value = "1", .domain = "example org"}, NULL},
        {{.name = "a", .value = "1", .path = "/a b"}, NULL},
        {{.name = "a", .value = "1", .path = "x"}, NULL},
        {{.name = "a", .value = "1", .path = "/" LONG}, NULL},
        {{.name = "a"}, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mid_request rq;
        const char *field = set_cookie(&rq, &rows[i].cookie);
        bool is_right = rows[i].field == NULL ? field == NULL : field != NULL && strcmp(field, rows[i].field) == 0;
        cr_expect(is_right, "%s: %s", rows[i].cookie.name, field != NULL ? field : "refused");
        request_finish(&rq);
    }
}

Test(set_cookie, one_of_the_same_name_takes_its_place)
{
    struct mid_request rq;
    set_cookie(&rq, &(struct mid_cookie){.name = "a", .value = "1"});
    cr_expect_eq(mid_set_cookie(&rq, &(struct mid_cookie){.name = "a", .value = "2"}), MID_OK);
    cr_expect_null(rq.response.fields->next);
    cr_expect_str_eq(rq.response.fields->value, "a=2; Path=/; HttpOnly; Secure; SameSite=Lax");
    request_finish(&rq);
}
