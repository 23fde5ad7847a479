/*
 * What the admin listener answers, by the head of a request (RFC 9112, 3). The pages are listed in admin_http.h.
 */
#ifndef MASTER_ADMIN_PAGES_H
#define MASTER_ADMIN_PAGES_H

#include "base/buffer.h"

struct admin_answer {
    int status;
    const char *content_type;
    const char *allow;  /* the methods of a 405; NULL otherwise */
    struct buffer body; /* the caller's to give back */
};

/* Answers the request whose head this is, which is cut to pieces; NULL: none could be read. `answer` is zeroed before.
 */
void admin_answer(char *head, struct admin_answer *answer);

#endif
