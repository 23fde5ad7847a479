/*
 * The cookies of a visitor. Paths, domains and lifetimes are not looked at, but for the end of a cookie by Max-Age=0.
 */
#ifndef TESTING_VISITOR_H
#define TESTING_VISITOR_H

#include "base/buffer.h"
#include "midstream/test.h"

/* Appends "name=value; name=value"; nothing where there is none, or no visitor. */
void visitor_put_cookies(const struct mid_test_visitor *visitor, struct buffer *out);

/* Keeps what the value of a Set-Cookie says. */
void visitor_take_cookie(struct mid_test_visitor *visitor, const char *set_cookie);

#endif
