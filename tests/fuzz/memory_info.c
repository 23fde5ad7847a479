/* The input is Redis's answer to INFO memory: two figures are found or none, and other lines change nothing. */
#include "fuzz.h"

#include "session/memory_info.h"

static bool parse(const char *text, struct memory_figures *figures)
{
    *figures = (struct memory_figures){-7, -7};
    bool is_good = memory_info_parse(text, strlen(text), figures);
    CLAIM(is_good ? figures->used_bytes >= 0 && figures->max_bytes >= 0
                  : figures->used_bytes == -7 && figures->max_bytes == -7);
    return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char prefix[] = "# Memory\r\nused_memory_human:1M\r\n";
    struct memory_figures figures;
    struct memory_figures again;
    char *text = fuzz_text(data, size);
    bool is_good = parse(text, &figures);
    if (is_good)
        CLAIM(strstr(text, "used_memory:") != NULL && strstr(text, "maxmemory:") != NULL);

    char *longer = malloc(sizeof(prefix) + strlen(text));
    CLAIM(longer != NULL);
    strcpy(longer, prefix);
    strcat(longer, text);
    CLAIM(parse(longer, &again) == is_good);
    CLAIM(again.used_bytes == figures.used_bytes && again.max_bytes == figures.max_bytes);
    free(longer);
    free(text);
    return 0;
}
