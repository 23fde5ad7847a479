/* Sessions in Redis: what others than who has one may know of it. See store.h. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "redis/reply.h"
#include "session/store.h"

/* HMGET of "@", "@created", "@user", "@about", which is the address, a line feed, and the agent, and "@generation". */
static enum mid_error on_summary(const struct redisReply *reply, void *arg)
{
    struct store_summary *summary = arg;
    const char *bytes;
    size_t length;
    *summary = (struct store_summary){0};
    summary->is_old = reply_bytes(reply_element(reply, 4)) > 0;
    if (!reply_string(reply_element(reply, 0), &bytes, &length) || !header_parse(bytes, length, &summary->header))
        return MID_OK;
    const char *about = reply_text(reply_element(reply, 3));
    size_t address_length = strcspn(about, "\n");
    summary->is_there = true;
    summary->created_ms = reply_integer(reply_element(reply, 1));
    snprintf(summary->user, sizeof(summary->user), "%s", reply_text(reply_element(reply, 2)));
    snprintf(summary->address, sizeof(summary->address), "%.*s", (int)address_length, about);
    if (about[address_length] != '\0')
        snprintf(summary->agent, sizeof(summary->agent), "%s", about + address_length + 1);
    return MID_OK;
}

enum mid_error store_summarize(const char *key, store_patience patience_ms, struct store_summary *summary)
{
    struct redis_call call = {.on_reply = on_summary, .arg = summary, .patience_ms = patience_ms};
    const struct redis_argument words[] = {REDIS_TEXT("HMGET"),      REDIS_TEXT(key),     REDIS_TEXT("@"),
                                           REDIS_TEXT("@created"),   REDIS_TEXT("@user"), REDIS_TEXT("@about"),
                                           REDIS_TEXT("@generation")};
    return store_note_failure(key,
                              redis_command(store_settings()->redis, sizeof(words) / sizeof(words[0]), words, &call));
}

static enum mid_error on_user(const struct redisReply *reply, void *arg)
{
    snprintf(arg, STORE_USER_BYTES, "%s", reply_text(reply));
    return MID_OK;
}

enum mid_error store_find_user(const char *key, char user[static STORE_USER_BYTES])
{
    struct redis_call call = {.on_reply = on_user, .arg = user};
    const struct redis_argument words[] = {REDIS_TEXT("HGET"), REDIS_TEXT(key), REDIS_TEXT("@user")};
    return store_note_failure(key,
                              redis_command(store_settings()->redis, sizeof(words) / sizeof(words[0]), words, &call));
}
