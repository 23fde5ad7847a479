/* A cookie's value lies inside of its line, has no delimiter, and stands behind its name. */
#include "fuzz.h"

#include "http/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = fuzz_text(data, size);
    const char *value = NULL;
    size_t length = 0;
    int count = cookie_find(line, "mid", &value, &length);
    CLAIM(count >= 0 && (count == 0) == (value == NULL));
    if (count > 0) {
        CLAIM(value >= line + strlen("mid=") && value + length <= line + strlen(line));
        CLAIM(memchr(value, ';', length) == NULL);
        CLAIM(strstr(line, "mid") != NULL && strstr(line, "mid") < value);
    }
    free(line);
    return 0;
}
