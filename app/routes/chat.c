/* The shape of a chat with a language model: tokens as events, and the exchange kept in the session while it grows. */
#include <string.h>

#include "routes/routes.h"

enum { PROMPT_BYTES_MAX = 1000, TRANSCRIPT_BYTES_MAX = 8000, TOKEN_INTERVAL_MS = 40 };

static const char answer[] =
    "Most frameworks save the session when the handler returns, which is before a stream has begun. "
    "Here the session is a record that can be changed at any time, so each word of this answer is already stored.";

/* One token: {"token":"..."} to the client, and the same text to the transcript. */
static enum mid_error say(struct mid_request *rq, struct mid_session *session, const char *token)
{
    MID_TRY(mid_event_json(rq, &(struct mid_event){.name = "token"}, "{s:s}", "token", token));
    MID_TRY(mid_session_append(session, "transcript", token, TRANSCRIPT_BYTES_MAX));
    return mid_session_commit(session);
}

/* The length of the next word, with the blank behind it. */
static size_t word_length(const char *text)
{
    size_t length = strcspn(text, " ");
    return text[length] == ' ' ? length + 1 : length;
}

enum mid_error chat_route(struct mid_request *rq)
{
    struct mid_session *session;
    const char *prompt = mid_query(rq, "prompt");
    if (prompt == NULL || prompt[0] == '\0' || strlen(prompt) > PROMPT_BYTES_MAX)
        return mid_fail(rq, MID_BAD_REQUEST, "the parameter \"prompt\" has to have 1 to %d bytes", PROMPT_BYTES_MAX);
    const char *question = mid_printf(rq, "You: %s\nAnswer: ", prompt);
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_append(session, "transcript", question, TRANSCRIPT_BYTES_MAX));
    MID_TRY(mid_session_commit(session));

    MID_TRY(mid_events_begin(rq));
    for (const char *at = answer; *at != '\0'; at += word_length(at)) {
        char token[64];
        size_t length = word_length(at);
        memcpy(token, at, length);
        token[length] = '\0';
        MID_TRY(say(rq, session, token));
        MID_TRY(mid_sleep_ms(rq, TOKEN_INTERVAL_MS));
    }
    MID_TRY(mid_session_append(session, "transcript", "\n", TRANSCRIPT_BYTES_MAX));
    return MID_OK;
}
