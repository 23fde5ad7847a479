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

static void add(struct changes *changes, const struct view_field *field)
{
    if (changes->count == changes->capacity) {
        changes->capacity = changes->capacity == 0 ? CAPACITY_MIN : 2 * changes->capacity;
        changes->before = realloc(changes->before, changes->capacity * sizeof(*changes->before));
        if (changes->before == NULL)
            panic("out of memory for a session of %zu fields", changes->count);
    }
    take_fingerprint(&changes->before[changes->count++], field);
}

void changes_note(struct changes *changes, const struct view *view)
{
    changes->count = 0;
    changes->has_begun = true;
    changes->was_complete = view->is_complete;
    for (const struct view_field *field = view->fields; field != NULL; field = field->next)
        add(changes, field);
}

/* The field's, as it was before; NULL: there is none. */
static const struct fingerprint *find(const struct changes *changes, const uint8_t name[static crypto_shorthash_BYTES])
{
    for (size_t i = 0; i < changes->count; i++)
        if (memcmp(changes->before[i].name, name, crypto_shorthash_BYTES) == 0)
            return &changes->before[i];
    return NULL;
}

bool changes_have(const struct changes *changes, const struct view *view, const char *name)
{
    struct fingerprint now = {0};
    const struct view_field *field = view_find(view, name);
    if (!changes->has_begun)
        return false;
    if (field == NULL && !view->is_complete)
        return true;
    crypto_shorthash(now.name, (const uint8_t *)name, strlen(name), hash_key());
    if (field != NULL)
        take_fingerprint(&now, field);
    const struct fingerprint *before = find(changes, now.name);
    if (before == NULL)
        return !changes->was_complete || view_has_value(field);
    return memcmp(before->value, now.value, sizeof(now.value)) != 0;
}

void changes_fini(struct changes *changes)
{
    free(changes->before);
    *changes = (struct changes){0};
}
