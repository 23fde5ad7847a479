/* Accept and Content-Type are read to their end and no further; JSON is preferred only by who names it. */
#include "fuzz.h"

#include "http/field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    if (accept_prefers_json(text))
        CLAIM(strcasestr(text, "application/json") != NULL);
    if (media_type_is(text, "application/json"))
        CLAIM(strcasestr(text, "application/json") != NULL);
    if (field_name_is_valid(text))
        CLAIM(field_value_is_valid(text) && strpbrk(text, " \t:,;") == NULL);
    if (field_value_is_valid(text))
        CLAIM(strpbrk(text, "\r\n") == NULL);
    free(text);
    return 0;
}
