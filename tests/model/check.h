/*
 * What is checked: that the history of a session can be explained by commits that are atomic, applied once, and stored
 * when they were answered MID_OK.
 *
 * Fields are of two kinds, by their names.
 *
 * "m.": a commit that touches one of these appends its value to the field "log" as well. The log is the order in which
 * the commits were applied, as the test reads it in Redis; so the fields, and each answer, can be computed from it, and
 * every sight of the session has to agree to the letter. (order.c, replay.c)
 *
 * "u.": these are touched by commits that leave no such mark, so that those are tried as well: one set, one increment.
 * What they hold is a value that is written once, or a sum, and has to be possible between the lines of what began
 * before and of what was over. (fields.c)
 *
 * Logins, logouts, leases and MID_ENDED: endings.c.
 */
#ifndef MODEL_CHECK_H
#define MODEL_CHECK_H

#include "findings.h"
#include "history.h"
#include "judge.h"

/* Checks all there is about one session; what is not as it should be is added to the findings. sort_calls() comes
 * before. */
void check_record(const struct history *history, const struct record *record, struct findings *findings);

/* -------------------- between the files -------------------- */

struct check {
    const struct history *history;
    const struct record *record;
    struct findings *findings;
    struct row sights; /* of the record as it was, by their begin */
    struct row order;  /* calls, as they stand in the log */
};

/* ABOUT(check, "ok-not-stored", .call = call): what a finding is about. */
#define ABOUT(check, rule_name, ...)                                                                                   \
    (&(const struct about){.rule = (rule_name), .record = (check)->record, __VA_ARGS__})

void found(const struct check *check, const struct about *about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether the call stands in the log, if it is applied. */
bool call_is_marked(const struct call *call);

void check_order(struct check *check);
void check_replay(struct check *check);
void check_fields(struct check *check);
void check_endings(struct check *check);

#endif
