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
        if (setting->title != NULL)
            fprintf(out, "\n %s:\n", setting->title);
        fprintf(out, "  --%s %s\n        %s\n        default %s", setting->name, setting->form, setting->help,
                setting->fallback != NULL ? setting->fallback : "none");
        if (setting->type == SETTING_NUMBER)
            fprintf(out, ", from %" PRId64 " to %" PRId64, setting->min, setting->max);
        fprintf(out, "; environment %s\n", variable);
    }
}

static void print_section(FILE *out, const struct setting *setting)
{
    char variable[SETTING_VARIABLE_BYTES];
    setting_variable(setting, variable);
    if (setting->title != NULL)
        fprintf(out, "\n## %s\n", setting->title);
    fprintf(out, "\n### `%s`\n\n%c%s.%s%s\n\n", setting->name, toupper((unsigned char)setting->help[0]),
            setting->help + 1, setting->more != NULL ? " " : "", setting->more != NULL ? setting->more : "");
    if (setting->type == SETTING_NUMBER)
        fprintf(out, "- Value: a whole number from %" PRId64 " to %" PRId64 "%s%s\n", setting->min, setting->max,
                setting->form[0] != '\0' ? ", " : "", setting->form);
    else
        fprintf(out, "- Value: `%s`\n", setting->form);
    if (setting->fallback != NULL)
        fprintf(out, "- Default: `%s`\n", setting->fallback);
    else
        fprintf(out, "- Default: none\n");
    fprintf(out, "- Flag `--%s`, environment `%s`\n", setting->name, variable);
    if (setting->needs_restart)
        fprintf(out, "- A change needs a restart\n");
}

void settings_print_markdown(FILE *out)
{
    fprintf(out,
            "# Settings\n\n"
            "<!-- Made by `midstream settings > docs/settings.md`; a test compares. -->\n\n"
            "A setting can be given as a flag, in the environment, and in the settings file (`--config FILE`). A flag "
            "takes\n"
            "precedence over the environment, the environment over the file, and the file over the default. The file "
            "has lines of\n"
            "the form `name = value`; a line that begins with `#` is a comment. An unknown setting, a value out of "
            "range, or a\n"
            "setting that occurs twice in the file is an error, and the program does not start. `midstream check` "
            "verifies all\n"
            "settings without starting.\n\n"
            "SIGHUP reloads the file, the environment of the start, the flags, and the files they name: new workers "
            "start with\n"
            "the new settings, and the old ones finish their requests. If a file cannot be read, or a setting that "
            "needs a restart\n"
            "has changed, nothing changes and the reason is logged.\n\n"
            "Secrets are not settings themselves: `keys` and `redis-password-file` name files.\n");
    for (size_t i = 0; i < settings_table_count; i++)
        print_section(out, &settings_table[i]);
}
