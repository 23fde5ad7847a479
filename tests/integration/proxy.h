/*
 * A proxy in front of Redis that loses things: it stands where the workers look for Redis and can drop the connection
 * before a commit reaches Redis, or after Redis has carried it out and before the answer reaches the worker; or it
 * keeps what is published to itself.
 */
#ifndef INTEGRATION_PROXY_H
#define INTEGRATION_PROXY_H

#include "site.h"

enum loss {
    LOSE_NOTHING,
    LOSE_COMMIT, /* Redis never sees it */
    LOSE_ANSWER, /* Redis has carried it out */
    STOP_REDIS,  /* nothing: Redis stands still (SIGSTOP) before it reads it, until site_resume_redis() */
};

struct proxy;

/* Takes the place of the site's Redis; the workers connect through the proxy from now on. */
struct proxy *proxy_open(struct site *site);

/* Loses the next script call about a session or a durable stream, in this way. It may be asked for again and again. */
void proxy_lose_next(struct proxy *proxy, enum loss loss);

/* The same with so many of them, one after another. */
void proxy_lose(struct proxy *proxy, enum loss loss, int times);

/* Answers the next command about a session with this text, a reply in Redis's protocol that stays the caller's; Redis
 * never sees the command. */
void proxy_answer_next(struct proxy *proxy, const char *reply);

/* From now on, messages of channels do not reach the workers, whose connections go on. How many have not: below. */
void proxy_swallow_messages(struct proxy *proxy);
int proxy_swallowed(struct proxy *proxy);

/* Waits until what was asked for has happened. */
bool proxy_wait_lost(struct proxy *proxy);

void proxy_close(struct proxy *proxy);

#endif
