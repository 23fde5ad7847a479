/* The header that a commit will make. See foresight.h. */
#include "session/foresight.h"

#include <string.h>

enum { FIELDS_COMPARED_MAX = 16 };

/* What it does was found out on a view of the record at that very revision. */
static bool is_foreseen_at(const struct operation *operation, int64_t revision)
{
    return operation->is_foreseen && operation->foreseen_at == revision;
}

/* That it needs nothing of the record but what the worker knows. */
static bool is_plain(const struct operation *operation, int64_t revision)
{
    switch (operation->does) {
    case OPERATION_SET:
    case OPERATION_DELETE:
    case OPERATION_APPEND:
    case OPERATION_NOTHING:
        return is_foreseen_at(operation, revision);
    case OPERATION_ENTRY:
        return true;
    case OPERATION_INCREMENT: /* Redis adds, and notices if the field is a new one */
        return operation->is_foreseen || operation->foreseen_at != revision;
    default:
        return false;
    }
}

/* Operations on one field follow one another in the slow way only. */
static bool touches_again(const struct operations *operations, const struct operation *operation)
{
    for (const struct operation *other = operations->first; other != operation; other = other->next)
        if (other->field.bytes == operation->field.bytes &&
            memcmp(other->field.data, operation->field.data, other->field.bytes) == 0)
            return true;
    return false;
}

/* An increment may be refused, so it has to come first, alone; and so may an entry. */
static bool is_misplaced(const struct commit *commit, const struct operation *operation)
{
    bool is_first = operation == commit->operations.first && commit->entry == NULL;
    return operation->does == OPERATION_INCREMENT && !is_first;
}

static bool may_write(const struct commit_terms *terms)
{
    const struct header *header = terms->header;
    if (header == NULL || terms->fence != NULL || (header->flags & HEADER_HAS_DEADLINES) != 0)
        return false;
    if (terms->is_activity && store_must_touch(terms->key, header))
        return false;
    if (terms->is_cookie && (header->flags & HEADER_OWES_COOKIE) != 0)
        return false; /* it may be the first that comes with the new one */
    return terms->is_cookie ? terms->generation == header->generation : terms->generation >= header->login;
}

static bool is_within_limits(const struct header *before, const struct header *next)
{
    const struct store_settings *settings = store_settings();
    return (next->fields <= (uint32_t)settings->fields_max || next->fields <= before->fields) &&
           (next->size <= settings->size_max || next->size <= before->size);
}

/* A commit in doubt, and one whose answers rest on a revision, go the fast way only if nothing has come between. */
static bool rests_on(const struct commit *commit, const struct header *header)
{
    bool needs_revision = commit->is_in_doubt || commit->must_hold;
    return !needs_revision || (commit->knows_revision && commit->revision == header->revision);
}

bool foresee(const struct commit *commit, const struct commit_terms *terms, struct header *next)
{
    if (!may_write(terms) || !rests_on(commit, terms->header) || commit->is_asked_there ||
        commit->operations.count > FIELDS_COMPARED_MAX)
        return false;
    int64_t fields = terms->header->fields;
    int64_t size = terms->header->size;
    for (const struct operation *operation = commit->operations.first; operation != NULL; operation = operation->next) {
        if (!is_plain(operation, terms->header->revision) || touches_again(&commit->operations, operation) ||
            is_misplaced(commit, operation) || operation->longest > (size_t)store_settings()->value_bytes_max)
            return false;
        if (is_foreseen_at(operation, terms->header->revision)) { /* otherwise it is an increment, and Redis looks
                                                                     whether its field is a new one */
            fields += operation->fields_change;
            size += operation->size_change;
        }
    }
    if (fields < 0 || fields > UINT16_MAX || size < 0 || size > UINT32_MAX)
        return false;
    *next = *terms->header;
    next->fields = (uint32_t)fields;
    next->size = (uint32_t)size;
    next->revision++;
    memmove(next->commits[1], next->commits[0], sizeof(next->commits) - HEADER_COMMIT_BYTES);
    memcpy(next->commits[0], commit->id, HEADER_COMMIT_BYTES);
    return is_within_limits(terms->header, next);
}
