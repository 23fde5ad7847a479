/* What has changed between two reads. See changes.h. */
#include "session/changes.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"

/* Keyed, so that nobody can make two values that look the same. */
struct fingerprint {
    uint8_t name[crypto_shorthash_BYTES];
    uint8_t value[crypto_shorthash_BYTES];
};

enum { CAPACITY_MIN = 8 };

static const uint8_t *hash_key(void)
{
    static uint8_t key[crypto_shorthash_KEYBYTES];
    static bool has_key;
    if (!has_key)
        crypto_shorthash_keygen(key);
    has_key = true;
    return key;
}

static void take_fingerprint(struct fingerprint *print, const struct view_field *field)
{
    crypto_shorthash(print->name, (const uint8_t *)field->name, strlen(field->name), hash_key());
    memset(print->value, 0, sizeof(print->value));
    if (view_has_value(field))
        crypto_shorthash(print->value, (const uint8_t *)field->value, field->value_bytes, hash_key());
}

static void add(struct snapshot *snapshot, const struct view_field *field)
{
    if (snapshot->count == snapshot->capacity) {
        snapshot->capacity = snapshot->capacity == 0 ? CAPACITY_MIN : 2 * snapshot->capacity;
        snapshot->fields = realloc(snapshot->fields, snapshot->capacity * sizeof(*snapshot->fields));
        if (snapshot->fields == NULL)
            panic("out of memory for a session of %zu fields", snapshot->count);
    }
    take_fingerprint(&snapshot->fields[snapshot->count++], field);
}

void changes_note(struct changes *changes, const struct view *view)
{
    struct snapshot *next = &changes->next;
    bool is_known = view->is_complete || view->is_part;
    if (next->is_taken || !is_known)
        return;
    next->count = 0;
    next->is_taken = true;
    next->was_complete = view->is_complete;
    for (const struct view_field *field = view->fields; field != NULL; field = field->next)
        add(next, field);
}

void changes_turn(struct changes *changes)
{
    struct snapshot before = changes->before;
    changes->before = changes->next;
    changes->before.is_taken = true; /* or nothing was known */
    changes->next = before;
    changes->next.is_taken = false;
    changes->next.count = 0;
    changes->next.was_complete = false;
}

/* The field's, as it was before; NULL: there is none. */
static const struct fingerprint *find(const struct snapshot *snapshot,
                                      const uint8_t name[static crypto_shorthash_BYTES])
{
    for (size_t i = 0; i < snapshot->count; i++)
        if (memcmp(snapshot->fields[i].name, name, crypto_shorthash_BYTES) == 0)
            return &snapshot->fields[i];
    return NULL;
}

bool changes_have(const struct changes *changes, const struct view *view, const char *name)
{
    struct fingerprint now = {0};
    const struct view_field *field = view_find(view, name);
    if (!changes->before.is_taken)
        return false;
    if (field == NULL && !view->is_complete)
        return true;
    crypto_shorthash(now.name, (const uint8_t *)name, strlen(name), hash_key());
    if (field != NULL)
        take_fingerprint(&now, field);
    const struct fingerprint *before = find(&changes->before, now.name);
    if (before == NULL)
        return !changes->before.was_complete || view_has_value(field);
    return memcmp(before->value, now.value, sizeof(now.value)) != 0;
}

void changes_fini(struct changes *changes)
{
    free(changes->before.fields);
    free(changes->next.fields);
    *changes = (struct changes){0};
}
