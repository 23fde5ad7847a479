/*
 * A site under test: a stack, one visitor of it, and a look into its Redis.
 *
 * What a test asks of the site and does not get (a transport error, a session that is not there) ends the test, unless
 * the function says otherwise. Texts that are returned are the caller's to free.
 */
#ifndef INTEGRATION_SITE_H
#define INTEGRATION_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include "session/header.h"
#include "support/http.h"
#include "support/process.h"
#include "support/redis.h"
#include "support/stack.h"
#include "support/text.h"

enum { PATIENCE_MS = 15000 }; /* how long a condition is awaited before the test fails */

struct site {
    struct stack *stack;
    struct cookie_jar *visitor;
    struct redis_probe *redis; /* NULL where MIDSTREAM_REDIS names another one, until the test opens it */
};

#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Starts the demonstration application with one worker. `settings` are "MIDSTREAM_NAME=value", NULL at the end; or
 * NULL. */
struct site site_open(const char *const settings[]);

/* The same with the tests' own application (app/main.c). */
struct site site_open_app(const char *const settings[]);
struct site site_open_with(const struct stack_options *options);
void site_close(struct site *site);

/* Stops the stack in an orderly way and starts it again in its directory. */
void site_restart(struct site *site);

/* Sends a request of the visitor and returns the status. `response` may be NULL; otherwise it is the caller's. */
int site_send(const struct site *site, const char *method, const char *path, const char *body,
              struct http_response *response);

/* The body of a GET that has to succeed. */
char *site_get(const struct site *site, const char *path);

/* A visitor with a session: counter is 1. */
void site_make_session(const struct site *site);

struct http_stream *site_stream(const struct site *site, const char *path);

/* The one worker of the site. */
pid_t site_worker(const struct site *site);

/* Waits until the site's one worker is another than that one. */
void site_wait_new_worker(const struct site *site, pid_t old);

/*
 * Starts a pool beside the site's, with its Redis and keys and one more flag ("--name=value" or NULL). Its master is
 * the test's child, because only a parent sees an exit code. Its socket may not accept yet: fastcgi_connect() waits for
 * that.
 */
pid_t site_start_pool(const struct site *site, const char *name, const char *flag, char **socket_path);

/* The site's log of the workers, and whether it has, or gets, that text. */
char *site_log(const struct site *site);
bool site_wait_log(const struct site *site, const char *text);

/* -------------------- its Redis -------------------- */

/* For a test of which a cluster could not be the Redis (REDIS_CLUSTER=1): it ends here, skipped. */
void site_needs_one_redis(const struct site *site);

/* To its process, or to all of the cluster. */
void site_signal_redis(const struct site *site, int signal_number);

/* Stops Redis where it stands (SIGSTOP): what it is sent from now on it will carry out when it goes on, and what it has
 * answered before survives a kill. */
void site_stop_redis(const struct site *site);

/* Lets it go on, and returns when it has carried out what it was sent meanwhile. */
void site_resume_redis(const struct site *site);

/* Waits until what it has answered is written, so that a kill does not lose it: while the disk is busy, Redis puts that
 * off for up to two seconds (appendfsync everysec). */
void site_await_written(const struct site *site);

/* Kills it, so that what it was sent and has not carried out is lost; starts it again, with what it had stored. */
void site_kill_redis(struct site *site);
void site_start_redis(struct site *site);

/* -------------------- the visitor's session -------------------- */

/* The key of the session that the visitor's cookie names. */
char *site_key(const struct site *site);

/* A field as another request of the visitor sees it (GET /api/session); NULL: no session, or no such field. */
char *site_field(const struct site *site, const char *name);

/* The same as a number; -1 where there is none. */
int64_t site_number(const struct site *site, const char *name);

/* Waits until the field, as Redis has it, is at least that number. `key` is site_key(). */
bool stored_reaches(const struct site *site, const char *key, const char *field, int64_t at_least);

/* Waits until the field is stored, and returns it. */
char *stored_wait(const struct site *site, const char *key, const char *field);
int64_t stored_number(const struct site *site, const char *key, const char *field); /* -1: none */

/* The header of the session's record, which has to be there. */
struct header stored_header(const struct site *site, const char *key);

/* As if its last renewal had been at that time. */
void date_renewal(const struct site *site, const char *key, int64_t ms);

/* How many sessions Redis has. */
size_t stored_sessions(const struct site *site);

/* -------------------- what the kernel knows -------------------- */

/* Memory of a process that is in RAM. */
int64_t resident_kib(pid_t pid);

/* A connected socket to the site's HTTP port, over which a request has been sent as it stands. */
int raw_request(const struct site *site, const char *request);

/* Reads to the end of the connection. */
char *raw_rest(int fd);

#endif
