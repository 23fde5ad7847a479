/*
 * What writers put down in the history: what they have sent, before they send it, and what they have heard.
 */
#ifndef MODEL_NOTES_H
#define MODEL_NOTES_H

#include "visitor.h"

void note_sent(unsigned long run, const char *kind, const struct cookie *cookie);
void note_heard(unsigned long run, const char *verdict, const struct cookie *cookie);

/* The visitor has got another session between two tries: the task may have been added with the one or the other. */
void note_unclear(unsigned long run, const struct cookie *cookie);

#endif
