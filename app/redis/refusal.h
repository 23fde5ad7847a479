/*
 * Redis's error replies: what each means for the caller.
 *
 * An error reply begins with a code in capitals ("OOM command not allowed..."); the codes below are those by which
 * Redis says that it cannot serve now and has changed nothing. Everything else is a bug or a wrong set-up.
 */
#ifndef REDIS_REFUSAL_H
#define REDIS_REFUSAL_H

#include <stddef.h>
#include <stdint.h>

enum redis_refusal {
    REDIS_UNABLE_NOW,     /* try again later: nothing was carried out */
    REDIS_IS_REPLICA,     /* the same: a failover has made it one, or will make another one the master */
    REDIS_SCRIPT_MISSING, /* NOSCRIPT: send the script's text */
    REDIS_MISTAKE,        /* any other */
};

/* `text` is the reply without its '-'; it need not be NUL-terminated. */
enum redis_refusal redis_refusal_of(const char *text, size_t length);

/* -------------------- telling it -------------------- */

enum { REFUSAL_TEXT_SIZE = 128 };

/* Repeated refusals are summarised: the same text is logged every ten seconds at most, and no more than a line per
 * second in all. Zeroed at first. */
struct redis_refusal_log {
    char text[REFUSAL_TEXT_SIZE]; /* the last one logged */
    int64_t logged_ms;
    uint64_t suppressed; /* since then */
};

/* Logs "redis.refused address=... reason=... suppressed=N", or counts. Redis quotes arguments in some errors; they are
 * left out. */
void redis_refusal_report(struct redis_refusal_log *log, const char *address, int64_t now_ms, const char *text,
                          size_t length);

/* Copies the text up to where Redis begins to quote arguments, with a NUL, cut at `size`. */
void redis_refusal_copy(char *out, size_t size, const char *text, size_t length);

#endif
