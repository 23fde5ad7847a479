/* The cookies of a visitor. See visitor.h. */
#include "testing/visitor.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"

struct cookie {
    struct cookie *next;
    size_t name_length;
    char text[]; /* "name=value" */
};

struct mid_test_visitor {
    struct cookie *first;
};

struct mid_test_visitor *mid_test_visitor_new(void)
{
    struct mid_test_visitor *visitor = calloc(1, sizeof(*visitor));
    ENSURE(visitor != NULL);
    return visitor;
}

void mid_test_visitor_free(struct mid_test_visitor *visitor)
{
    struct cookie *next;
    for (struct cookie *cookie = visitor != NULL ? visitor->first : NULL; cookie != NULL; cookie = next) {
        next = cookie->next;
        free(cookie);
    }
    free(visitor);
}

static bool has_name(const struct cookie *cookie, const char *name, size_t length)
{
    return cookie->name_length == length && memcmp(cookie->text, name, length) == 0;
}

const char *mid_test_visitor_cookie(const struct mid_test_visitor *visitor, const char *name)
{
    const struct cookie *cookie = visitor->first;
    while (cookie != NULL && !has_name(cookie, name, strlen(name)))
        cookie = cookie->next;
    return cookie != NULL ? cookie->text + cookie->name_length + 1 : NULL;
}

void visitor_put_cookies(const struct mid_test_visitor *visitor, struct buffer *out)
{
    for (const struct cookie *cookie = visitor != NULL ? visitor->first : NULL; cookie != NULL; cookie = cookie->next) {
        if (cookie != visitor->first)
            buffer_append_text(out, "; ");
        buffer_append_text(out, cookie->text);
    }
}

static bool is_deleted(const char *attributes)
{
    const char *age = strcasestr(attributes, "Max-Age=");
    return age != NULL && strtoll(age + strlen("Max-Age="), NULL, 10) <= 0; /* RFC 6265, 5.2.2 */
}

void visitor_take_cookie(struct mid_test_visitor *visitor, const char *set_cookie)
{
    size_t length = strcspn(set_cookie, ";");
    const char *equals = memchr(set_cookie, '=', length);
    ENSURE(equals != NULL);
    size_t name_length = (size_t)(equals - set_cookie);
    struct cookie **place = &visitor->first;
    while (*place != NULL && !has_name(*place, set_cookie, name_length))
        place = &(*place)->next;
    struct cookie *old = *place;
    if (old != NULL) {
        *place = old->next;
        free(old);
    }
    if (is_deleted(set_cookie + length))
        return;
    struct cookie *cookie = malloc(sizeof(*cookie) + length + 1);
    ENSURE(cookie != NULL);
    *cookie = (struct cookie){.next = *place, .name_length = name_length};
    memcpy(cookie->text, set_cookie, length);
    cookie->text[length] = '\0';
    *place = cookie;
}
