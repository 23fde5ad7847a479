/* The words that stand for calls in a journal's lines. */
#ifndef MODEL_WORDS_H
#define MODEL_WORDS_H

#include "history.h"

/* "commit"... What is no way to end ends the test. */
enum way way_of(const char *word);

/* CODE:FIELD:REST, whose parts the operation points to from now on. A code of no name is what has to be refused. */
struct operation operation_of(char *word);

#endif
