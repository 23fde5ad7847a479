/* The settings' table, for people: --help and the reference in Markdown. See settings.h. */
#include <ctype.h>
#include <inttypes.h>

#include "settings/table.h"

void settings_print_help(FILE *out)
{
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        char variable[SETTING_VARIABLE_BYTES];
        setting_variable(setting, variable);
        fprintf(out, "  --%s %s\n        %s\n        default %s", setting->name, setting->unit_or_choices,
                setting->help, setting->fallback != NULL ? setting->fallback : "none");
        if (setting->type == SETTING_NUMBER)
            fprintf(out, ", from %" PRId64 " to %" PRId64, setting->min, setting->max);
        fprintf(out, "; environment %s\n", variable);
    }
}

static void print_section(FILE *out, const struct setting *setting)
{
    char variable[SETTING_VARIABLE_BYTES];
    setting_variable(setting, variable);
    fprintf(out, "\n## `%s`\n\n%c%s.\n\n", setting->name, toupper((unsigned char)setting->help[0]), setting->help + 1);
    if (setting->type == SETTING_NUMBER)
        fprintf(out, "- Value: a whole number from %" PRId64 " to %" PRId64 "%s%s\n", setting->min, setting->max,
                setting->unit_or_choices[0] != '\0' ? ", " : "", setting->unit_or_choices);
    else
        fprintf(out, "- Value: `%s`\n", setting->unit_or_choices);
    if (setting->fallback != NULL)
        fprintf(out, "- Default: `%s`\n", setting->fallback);
    else
        fprintf(out, "- Default: none\n");
    fprintf(out, "- Flag `--%s`, environment `%s`\n", setting->name, variable);
    if (setting_needs_restart(setting))
        fprintf(out, "- A change needs a restart\n");
}

void settings_print_markdown(FILE *out)
{
    fprintf(out,
            "# Settings\n\n"
            "<!-- Made by `midstream settings > docs/settings.md`; a test compares. -->\n\n"
            "A setting's value is its default, unless the settings file says otherwise, or the environment, or a "
            "flag; the later\n"
            "of these goes before the earlier. The settings file is named by `--config FILE`; it has a line "
            "`name = value` for each\n"
            "setting that it sets, and `#` begins a line of comment. A setting that does not exist, is out of its "
            "range or is set\n"
            "twice stops the start. `midstream check` reads everything without starting.\n\n"
            "SIGHUP reads file, environment and flags again, and the files that they name: new workers start with "
            "them, and the\n"
            "old ones finish what they have begun. What cannot be read, or changes a setting that needs a restart, "
            "changes nothing\n"
            "and is logged.\n\n"
            "Secrets are never settings themselves: `keys` and `redis-password-file` name files.\n");
    for (size_t i = 0; i < settings_table_count; i++)
        print_section(out, &settings_table[i]);
}
