/* A key file is refused with a reason, or has a key that signs. */
#include "fuzz.h"

#include "keys/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char reason[80] = "";
    struct keyring *keyring = keyring_parse("fuzz", text, size, reason, sizeof(reason));
    if (keyring == NULL)
        CLAIM(strncmp(reason, "fuzz:", 5) == 0);
    else
        CLAIM(keyring_cookie_key(keyring, keyring_signing_id(keyring)) != NULL);
    keyring_free(keyring);
    free(text);
    return 0;
}
