/*
 * Tokens for forms: base64url, without padding, of: key id 1 B | MAC 32 B. The MAC is crypto_auth under the cookie key
 * over a purpose string of its own, the session's identifier and its generation, so that a token ends with the login it
 * was made under.
 */
#include <sodium.h>
#include <string.h>

#include "base/panic.h"
#include "http/request.h"
#include "session/session.h"

enum { FORM_TOKEN_BYTES = 1 + crypto_auth_BYTES, FORM_TOKEN_LENGTH = 44 };

static const char purpose[] = "midstream form token v1";

/* False: there is no key of that id. */
static bool form_mac(const struct mid_session *session, uint8_t key_id, uint8_t mac[static KEYRING_MAC_BYTES])
{
    uint8_t message[sizeof(purpose) + TOKEN_RID_BYTES + sizeof(uint32_t)];
    memcpy(message, purpose, sizeof(purpose));
    memcpy(message + sizeof(purpose), session->rid, TOKEN_RID_BYTES);
    uint32_t generation = session->generation;
    for (size_t i = 0; i < sizeof(generation); i++)
        message[sizeof(message) - 1 - i] = (uint8_t)(generation >> (8 * i));
    return keyring_cookie_mac(session_keyring(), key_id, message, sizeof(message), mac);
}

/* What the cookie claims is compared with the record: a token ends with its session, or its renewal. */
MAY_SUSPEND static enum mid_error know_session(struct mid_session *session)
{
    if (session_is_over(session))
        return MID_ENDED;
    if (session->state == SESSION_CLAIMED)
        MID_TRY(session_load(session));
    return session->state == SESSION_ENDED ? MID_ENDED : MID_OK;
}

enum mid_error mid_form_token(struct mid_session *session, const char **token)
{
    MID_TRY(know_session(session));
    if (session->state == SESSION_ABSENT) /* a login form, say: it is to be sent back by the same visitor */
        MID_TRY(session_create(session));
    uint8_t bytes[FORM_TOKEN_BYTES] = {keyring_signing_id(session_keyring())};
    ENSURE(form_mac(session, bytes[0], bytes + 1));
    char *text = arena_alloc(&session->rq->arena, FORM_TOKEN_LENGTH + 1);
    sodium_bin2base64(text, FORM_TOKEN_LENGTH + 1, bytes, sizeof(bytes), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    *token = text;
    return MID_OK;
}

static enum mid_error refuse(struct mid_session *session)
{
    return mid_fail(session->rq, MID_FORBIDDEN, "the form's token does not belong to this session");
}

enum mid_error mid_form_token_check(struct mid_session *session, const char *token)
{
    uint8_t bytes[FORM_TOKEN_BYTES];
    uint8_t mac[KEYRING_MAC_BYTES];
    size_t length = 0;
    MID_TRY(know_session(session));
    if (token == NULL)
        return mid_fail(session->rq, MID_FORBIDDEN, "the form has no token");
    if (session->state == SESSION_ABSENT)
        return refuse(session);
    if (strlen(token) != FORM_TOKEN_LENGTH ||
        sodium_base642bin(bytes, sizeof(bytes), token, FORM_TOKEN_LENGTH, NULL, &length, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        length != sizeof(bytes))
        return refuse(session);
    char spelled[FORM_TOKEN_LENGTH + 1]; /* one spelling only */
    sodium_bin2base64(spelled, sizeof(spelled), bytes, sizeof(bytes), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    if (memcmp(spelled, token, FORM_TOKEN_LENGTH) != 0)
        return refuse(session);
    bool is_ours = form_mac(session, bytes[0], mac) && sodium_memcmp(mac, bytes + 1, sizeof(mac)) == 0;
    return is_ours ? MID_OK : refuse(session);
}
