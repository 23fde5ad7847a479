/*
 * The settings' table, and what the files of this room that read or print settings share of it. Everybody else uses
 * settings.h.
 */
#ifndef SETTINGS_TABLE_H
#define SETTINGS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings/settings.h"

enum setting_type { SETTING_TEXT, SETTING_ORIGINS, SETTING_CHOICE, SETTING_YES_NO, SETTING_NUMBER };

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;        /* in struct settings */
    const char *fallback; /* the default, as one would write it; NULL: none */
    int64_t min;          /* of a number */
    int64_t max;
    const char *form;   /* "a|b|c", what a text is, or a number's unit */
    const char *help;   /* a phrase */
    const char *more;   /* sentences that the reference has besides; NULL: none */
    const char *title;  /* of the group that begins here; NULL: the group goes on */
    bool needs_restart; /* a reload refuses to change it: what it says was done when the master started */
};

extern const struct setting settings_table[]; /* rows.c */
extern const size_t settings_table_count;

/* The setting of that name (`length` bytes), or NULL. */
const struct setting *setting_find(const char *name, size_t length);

/* "MIDSTREAM_REDIS_USER" for redis-user. */
enum { SETTING_VARIABLE_BYTES = 64 };
void setting_variable(const struct setting *setting, char name[static SETTING_VARIABLE_BYTES]);

/* Stores a value, which settings points into from now on if it is a text. False: it is not one of this setting. */
bool setting_store(struct settings *settings, const struct setting *setting, const char *value);

/* What a value of the setting has to be: "a whole number from 0 to 256 processes". */
void setting_describe(const struct setting *setting, char *text, size_t size);

bool setting_is_equal(const struct setting *setting, const struct settings *a, const struct settings *b);

#endif
