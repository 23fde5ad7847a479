/* A settings file: any bytes are either settings or a reason, and what is stored lies in the file's text. */
#include "fuzz.h"

#include "settings/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char reason[256] = "";
    struct settings settings = {0};
    char *text = fuzz_text(data, size);
    if (!settings_parse(&settings, "fuzz", text, size, reason, sizeof(reason))) {
        CLAIM(strncmp(reason, "fuzz:", 5) == 0);
    } else if (settings.redis != NULL) {
        CLAIM(settings.redis > text && settings.redis + strlen(settings.redis) <= text + size);
    }
    free(text);
    return 0;
}
