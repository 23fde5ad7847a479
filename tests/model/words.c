/* The words of a journal's lines. See words.h. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

#include "base/panic.h"

static const char *const way_names[] = {
    [WAY_COMMIT] = "commit",   [WAY_STEP] = "step",       [WAY_ASK] = "ask",           [WAY_RENEW] = "renew",
    [WAY_DESTROY] = "destroy", [WAY_ENQUEUE] = "enqueue", [WAY_IMPLICIT] = "implicit", [WAY_DROP] = "drop",
    [WAY_READ] = "read",       [WAY_PEEK] = "peek",
};

static const char *const code_names[] = {
    [CODE_SET] = "set",           [CODE_BYTES] = "bytes",         [CODE_DELETE] = "del",  [CODE_INCREMENT] = "inc",
    [CODE_APPEND] = "app",        [CODE_TAIL] = "tail",           [CODE_GET] = "get",     [CODE_TAKE] = "take",
    [CODE_SET_IF_ABSENT] = "sia", [CODE_COMPARE_AND_SET] = "cas", [CODE_RENEW] = "renew", [CODE_AGAIN] = "again",
    [CODE_REFUSED] = NULL,
};

enum way way_of(const char *word)
{
    for (size_t i = 0; i < sizeof(way_names) / sizeof(way_names[0]); i++)
        if (strcmp(word, way_names[i]) == 0)
            return (enum way)i;
    panic("the journal knows a way to end called %s", word);
}

struct operation operation_of(char *word)
{
    struct operation operation = {.code = CODE_REFUSED, .field = ""};
    char *field = strchr(word, ':');
    if (field != NULL)
        *field++ = '\0';
    for (size_t i = 0; i < sizeof(code_names) / sizeof(code_names[0]); i++)
        if (code_names[i] != NULL && strcmp(word, code_names[i]) == 0)
            operation.code = (enum code)i;
    if (field == NULL)
        return operation;
    char *more = strchr(field, ':');
    if (more != NULL)
        *more++ = '\0';
    operation.field = field;
    operation.expected = more;
    operation.by = more != NULL ? strtoll(more, NULL, 10) : 0;
    return operation;
}
