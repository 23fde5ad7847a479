/* The cookies of a visitor. See visitor.h. */
#include "testing/visitor.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/panic.h"

struct cookie {
    struct list link;
    size_t name_length;
    char text[]; /* "name=value" */
};

struct mid_test_visitor {
    struct list cookies;
};

struct mid_test_visitor *mid_test_visitor_new(void)
{
    struct mid_test_visitor *visitor = malloc(sizeof(*visitor));
    ENSURE(visitor != NULL);
    list_init(&visitor->cookies);
    return visitor;
}

void mid_test_visitor_free(struct mid_test_visitor *visitor)
{
    struct list *link;
    while (visitor != NULL && (link = list_take_first(&visitor->cookies)) != NULL)
        free(LIST_ELEMENT(link, struct cookie, link));
    free(visitor);
}

static struct cookie *find(const struct mid_test_visitor *visitor, const char *name, size_t length)
{
    for (struct list *link = visitor->cookies.next; link != &visitor->cookies; link = link->next) {
        struct cookie *cookie = LIST_ELEMENT(link, struct cookie, link);
        if (cookie->name_length == length && memcmp(cookie->text, name, length) == 0)
            return cookie;
    }
    return NULL;
}

const char *mid_test_visitor_cookie(const struct mid_test_visitor *visitor, const char *name)
{
    const struct cookie *cookie = find(visitor, name, strlen(name));
    return cookie != NULL ? cookie->text + cookie->name_length + 1 : NULL;
}

void visitor_put_cookies(const struct mid_test_visitor *visitor, struct buffer *out)
{
    if (visitor == NULL)
        return;
    for (struct list *link = visitor->cookies.next; link != &visitor->cookies; link = link->next) {
        if (link != visitor->cookies.next)
            buffer_append_text(out, "; ");
        buffer_append_text(out, LIST_ELEMENT(link, struct cookie, link)->text);
    }
}

void visitor_take_cookie(struct mid_test_visitor *visitor, const char *set_cookie)
{
    size_t length = strcspn(set_cookie, ";");
    const char *equals = memchr(set_cookie, '=', length);
    ENSURE(equals != NULL);
    struct cookie *old = find(visitor, set_cookie, (size_t)(equals - set_cookie));
    if (old != NULL) {
        list_remove(&old->link);
        free(old);
    }
    if (strstr(set_cookie + length, "; Max-Age=0") != NULL)
        return;
    struct cookie *cookie = malloc(sizeof(*cookie) + length + 1);
    ENSURE(cookie != NULL);
    cookie->name_length = (size_t)(equals - set_cookie);
    memcpy(cookie->text, set_cookie, length);
    cookie->text[length] = '\0';
    list_append(&visitor->cookies, &cookie->link);
}
