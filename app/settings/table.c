/* What can be done with a setting. See table.h. */
#include "settings/table.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "http/origin.h"

const struct setting *setting_find(const char *name, size_t length)
{
    for (size_t i = 0; i < settings_table_count; i++)
        if (strncmp(settings_table[i].name, name, length) == 0 && settings_table[i].name[length] == '\0')
            return &settings_table[i];
    return NULL;
}

void setting_variable(const struct setting *setting, char name[static SETTING_VARIABLE_BYTES])
{
    snprintf(name, SETTING_VARIABLE_BYTES, "MIDSTREAM_%s", setting->name);
    for (char *c = name; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

/* Whether `value` is one of "a|b|c". */
static bool is_choice(const char *choices, const char *value)
{
    size_t length = strcspn(value, "|"); /* "a|b" is none of them */
    if (value[length] != '\0')
        return false;
    for (const char *choice = choices; choice != NULL; choice = strchr(choice, '|')) {
        choice += *choice == '|';
        if (strncmp(choice, value, length) == 0 && (choice[length] == '|' || choice[length] == '\0'))
            return length > 0;
    }
    return false;
}

bool setting_store(struct settings *settings, const struct setting *setting, const char *value)
{
    char *at = (char *)settings + setting->offset;
    int64_t number;
    switch (setting->type) {
    case SETTING_NUMBER:
        if (!number_parse(value, &number) || number < setting->min || number > setting->max)
            return false;
        memcpy(at, &number, sizeof(number));
        return true;
    case SETTING_YES_NO:
        if (!is_choice(setting->form, value))
            return false;
        *(bool *)(void *)at = strcmp(value, "yes") == 0;
        return true;
    case SETTING_CHOICE:
        if (!is_choice(setting->form, value))
            return false;
        memcpy(at, &value, sizeof(value));
        return true;
    case SETTING_ORIGINS:
        if (!origin_list_is_valid(value))
            return false;
        memcpy(at, &value, sizeof(value));
        return true;
    case SETTING_TEXT:
        if (value[0] == '\0')
            return false;
        memcpy(at, &value, sizeof(value));
        return true;
    }
    return false;
}

void setting_describe(const struct setting *setting, char *text, size_t size)
{
    if (setting->type == SETTING_NUMBER)
        snprintf(text, size, "a whole number from %" PRId64 " to %" PRId64 "%s%s", setting->min, setting->max,
                 setting->form[0] != '\0' ? " " : "", setting->form);
    else if (setting->type == SETTING_TEXT)
        snprintf(text, size, "%s, not empty", setting->form);
    else
        snprintf(text, size, "one of %s", setting->form);
}

static const char *text_at(const struct settings *settings, size_t offset)
{
    const char *text;
    memcpy(&text, (const char *)settings + offset, sizeof(text));
    return text;
}

bool setting_is_equal(const struct setting *setting, const struct settings *a, const struct settings *b)
{
    if (setting->type == SETTING_NUMBER)
        return memcmp((const char *)a + setting->offset, (const char *)b + setting->offset, sizeof(int64_t)) == 0;
    if (setting->type == SETTING_YES_NO)
        return memcmp((const char *)a + setting->offset, (const char *)b + setting->offset, sizeof(bool)) == 0;
    const char *text_a = text_at(a, setting->offset);
    const char *text_b = text_at(b, setting->offset);
    return text_a == text_b || (text_a != NULL && text_b != NULL && strcmp(text_a, text_b) == 0);
}
