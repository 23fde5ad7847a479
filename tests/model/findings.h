/*
 * What was found: claims that the history does not bear out. The first few of each kind are kept with the lines that
 * tell of them.
 */
#ifndef MODEL_FINDINGS_H
#define MODEL_FINDINGS_H

#include <stdarg.h>

#include "history.h"

struct findings {
    struct row kinds;
    size_t count;
};

/* What a finding is about; whatever is NULL does not matter. */
struct about {
    const char *rule; /* "ok-not-stored" */
    const struct record *record;
    const char *field;
    const struct call *call;
    const struct call *other;
    const struct sight *sight;
};

void findings_add(struct findings *findings, const struct history *history, const struct about *about,
                  const char *format, va_list arguments) __attribute__((format(printf, 4, 0)));

/* As a text for people; the caller frees it. */
char *findings_text(const struct findings *findings);

/* How many there are of the rule. */
size_t findings_count(const struct findings *findings, const char *rule);
void findings_fini(struct findings *findings);

#endif
