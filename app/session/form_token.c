/*
 * Tokens for forms: base64url, without padding, of: key id 1 B | MAC 32 B. The MAC is crypto_auth under the cookie key
 * over a purpose string of its own, the session's identifier and its generation, so that a token ends with the login it
 * was made under.
 */
#include <sodium.h>
#include <string.h>

#include "http/request.h"
#include "session/session.h"

enum { FORM_TOKEN_BYTES = 1 + crypto_auth_BYTES, FORM_TOKEN_LENGTH = 44 };

static const char purpose[] = "midstream form token v1";

static void form_mac(const struct mid_session *session, const uint8_t *key, uint8_t mac[static crypto_auth_BYTES])
{
    uint8_t message[sizeof(purpose) + TOKEN_RID_BYTES + sizeof(uint32_t)];
    memcpy(message, purpose, sizeof(purpose));
    memcpy(message + sizeof(purpose), session->rid, TOKEN_RID_BYTES);
    uint32_t generation = session->cookie_generation;
    for (size_t i = 0; i < sizeof(generation); i++)
        message[sizeof(message) - 1 - i] = (uint8_t)(generation >> (8 * i));
    crypto_auth(mac, message, sizeof(message), key);
}

enum mid_error mid_form_token(struct mid_session *session, const char **token)
{
    if (session->state == SESSION_ENDED)
        return MID_ENDED;
    const struct keyring *keyring = session_keyring();
    uint8_t bytes[FORM_TOKEN_BYTES];
    bytes[0] = keyring_signing_id(keyring);
    form_mac(session, keyring_cookie_key(keyring, bytes[0]), bytes + 1);
    char *text = arena_alloc(&session->rq->arena, FORM_TOKEN_LENGTH + 1);
    sodium_bin2base64(text, FORM_TOKEN_LENGTH + 1, bytes, sizeof(bytes), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    *token = text;
    return MID_OK;
}

static enum mid_error refuse(struct mid_session *session)
{
    return mid_fail(session->rq, MID_FORBIDDEN, "the form's token is not one of this session");
}

enum mid_error mid_form_token_check(struct mid_session *session, const char *token)
{
    uint8_t bytes[FORM_TOKEN_BYTES];
    uint8_t mac[crypto_auth_BYTES];
    size_t length = 0;
    if (token == NULL || strlen(token) != FORM_TOKEN_LENGTH ||
        sodium_base642bin(bytes, sizeof(bytes), token, FORM_TOKEN_LENGTH, NULL, &length, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        length != sizeof(bytes))
        return refuse(session);
    const uint8_t *key = keyring_cookie_key(session_keyring(), bytes[0]);
    if (key == NULL)
        return refuse(session);
    form_mac(session, key, mac);
    return sodium_memcmp(mac, bytes + 1, sizeof(mac)) == 0 ? MID_OK : refuse(session);
}
