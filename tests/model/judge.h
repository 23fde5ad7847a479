/*
 * What each call did, as far as its answer tells: applied, not applied, or perhaps.
 *
 *     MID_OK                               applied, between its two lines
 *     MID_ENDED, MID_UNPROCESSABLE...      not applied (before a logout, perhaps: see judge.c)
 *     MID_UNAVAILABLE, MID_FAILED, and no answer (its worker was killed): perhaps. It may be applied at once or later,
 *     but not after a later commit of the same handle was answered MID_OK, since commits of a handle leave in their
 *     order; and not when its handle has been closed for so long that nothing can be under way any more
 *
 * What was answered MID_UNAVAILABLE stays recorded, as midstream.h says, and the next commit takes it along: if that is
 * answered MID_OK, the earlier is promised too. Not so when a handler has ended in between, or a commit was refused or
 * failed, and not for operations with an answer.
 */
#ifndef MODEL_JUDGE_H
#define MODEL_JUDGE_H

#include "history.h"

/* After a handle is closed: the longest that a proxy may hold commands, and the longest that a commit is repeated,
 * twice over. */
enum { UNDER_WAY_MS = 15000 };

/* Judges the calls of all handles of the record's runs. */
void judge(const struct history *history, const struct record *record);

/* Whether the call changes the session, if it is applied. */
bool call_is_change(const struct call *call);

/* Whether it has an operation that has to be refused. */
bool call_is_refusable(const struct call *call);

/* Whether the call's handle has met a session, by a change or by seeing something in it, before the line. */
bool call_is_in_contact(const struct call *call, size_t line);

/* A question that was given up: what was sent may be carried out long after, behind later commits. Redis had answered
 * it, after it was overtaken too often, and the answer was lost; it is not sent twice, and nobody can take it back. */
bool call_may_come_late(const struct call *call);

bool call_is_answered(const struct call *call, const char *error);

#endif
