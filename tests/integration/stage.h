/*
 * A site on which a test directs what handlers do, act by act: it tells a request, what follows its response, or a
 * background task what to play (app/app.h), reads what became of each act in their notes, and holds them up at gates.
 * The notes are a file, so that they can be believed whatever happens to Redis.
 */
#ifndef INTEGRATION_STAGE_H
#define INTEGRATION_STAGE_H

#include "site.h"

struct stage {
    struct site site;
    char dir[64];
};

/* With one worker and one task worker. */
struct stage stage_open(const char *const settings[]);
void stage_close(struct stage *stage);

/* Plays acts in a POST; what is to follow the response may stand behind them: "get:a&after=set:a:1". Returns the
 * status. `response` may be NULL; otherwise it is the caller's. */
int stage_act(const struct stage *stage, const char *acts, struct http_response *response);

/* The same as a stream that is read beside the test. */
struct http_stream *stage_stream(const struct stage *stage, const char *acts);

/* Adds a task of the visitor's session that plays acts: as "t1" if it is the first that is begun on this stage. */
void stage_add_task(const struct stage *stage, const char *acts);

/* Waits until that player is at that gate; lets it pass. */
void stage_await_gate(const struct stage *stage, const char *who, const char *gate);
void stage_open_gate(const struct stage *stage, const char *who, const char *gate);

/* Waits for the note of an act, as "h.2": "take:flash MID_OK saved". The caller's to free. */
char *stage_note(const struct stage *stage, const char *number);

/* All of them, a line each, as far as they are there. The caller's to free. */
char *stage_notes(const struct stage *stage);

#define EXPECT_NOTE(stage, number, expected)                                                                           \
    do {                                                                                                               \
        char *expect_note = stage_note((stage), (number));                                                             \
        cr_expect_str_eq(expect_note, (expected), "%s %s", (number), expect_note);                                     \
        free(expect_note);                                                                                             \
    } while (0)

/* Waits until so many connections listen to the channel: "mid:ended", or the key of a session. */
void stage_await_listeners(const struct stage *stage, const char *channel, long long count);

/* Whether commits of the session are published; waits until a handler waits for them: it is subscribed, and has marked
 * the record. */
bool stage_is_watched(const struct stage *stage, const char *key);
void stage_await_wait(const struct stage *stage, const char *key);

/* The processes that do tasks: the one of the site, and another pool of them, as in another container, which is the
 * caller's to end. */
pid_t stage_task_worker(const struct stage *stage);
pid_t stage_start_task_workers(const struct stage *stage, const char *setting);

#endif
