/* The first line of the input is a parameter's name, the rest a query; also a path, and a number. */
#include "fuzz.h"

#include <inttypes.h>

#include "base/number.h"
#include "base/utf8.h"
#include "http/query.h"

static void check_number(const char *text)
{
    int64_t value;
    char again[24];
    if (!number_parse(text, &value))
        return;
    snprintf(again, sizeof(again), "%" PRId64, value);
    CLAIM(strcmp(text, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *input = fuzz_text(data, size);
    char *query = strchr(input, '\n');
    if (query != NULL)
        *query++ = '\0';

    struct arena arena;
    arena_init(&arena);
    const char *value = query_find(query, input, &arena);
    if (value != NULL) {
        CLAIM(utf8_is_valid(value, strlen(value)));
        check_number(value);
    }
    check_number(input);

    char *decoded;
    if (percent_decode_path((const char *)data, size, &arena, &decoded)) {
        CLAIM(strlen(decoded) <= size);
        CLAIM(utf8_is_valid(decoded, strlen(decoded)));
    }
    arena_fini(&arena);
    free(input);
    return 0;
}
