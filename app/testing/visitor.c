/* The cookies of a visitor. See visitor.h. */
#include "testing/visitor.h"

#include <stdint.h>
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

/* Where the cookie of that name hangs, or where one would. */
static struct cookie **place_of(struct mid_test_visitor *visitor, const char *name, size_t length)
{
    struct cookie **place = &visitor->first;
    while (*place != NULL && ((*place)->name_length != length || memcmp((*place)->text, name, length) != 0))
        place = &(*place)->next;
    return place;
}

const char *mid_test_visitor_cookie(const struct mid_test_visitor *visitor, const char *name)
{
    struct mid_test_visitor *own = (struct mid_test_visitor *)(uintptr_t)visitor; /* and is not changed */
    const struct cookie *cookie = *place_of(own, name, strlen(name));
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

void visitor_take_cookie(struct mid_test_visitor *visitor, const char *set_cookie)
{
    size_t length = strcspn(set_cookie, ";");
    const char *equals = memchr(set_cookie, '=', length);
    ENSURE(equals != NULL);
    struct cookie **place = place_of(visitor, set_cookie, (size_t)(equals - set_cookie));
    struct cookie *next = NULL;
    if (*place != NULL) {
        next = (*place)->next;
        free(*place);
        *place = next;
    }
    if (strstr(set_cookie + length, "; Max-Age=0") != NULL)
        return;
    struct cookie *cookie = malloc(sizeof(*cookie) + length + 1);
    ENSURE(cookie != NULL);
    cookie->next = next;
    cookie->name_length = (size_t)(equals - set_cookie);
    memcpy(cookie->text, set_cookie, length);
    cookie->text[length] = '\0';
    *place = cookie;
}
