/* Reading a request from its connection, through the record filter. See reading.h and, for connection_read(),
 * connection.h. */
#include "fcgi/reading.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/panic.h"
#include "fcgi/answer.h"

enum {
    DISCARD_BYTES = 16 * 1024,
    UNREAD_BYTES_MAX = 4 * 1024, /* that an idle connection may leave in the kernel */
    AHEAD_BYTES = 16 * 1024,
    BODY_RATE_MIN = 1024, /* bytes of body a second, for which there is time beyond the deadline */
};

/* -------------------- what stays in the socket -------------------- */

static char discarded[DISCARD_BYTES]; /* never looked at */

ssize_t reading_discard(struct connection *connection)
{
    return recv(connection->watch.fd, discarded, sizeof(discarded), MSG_DONTWAIT);
}

/* Takes out of the socket what connection_read() has handed on. */
void reading_take_away(struct connection *connection)
{
    while (connection->unread_bytes > 0 && !connection->is_gone) {
        size_t step = connection->unread_bytes < sizeof(discarded) ? connection->unread_bytes : sizeof(discarded);
        ssize_t got = recv(connection->watch.fd, discarded, step, MSG_DONTWAIT);
        if (got > 0)
            connection->unread_bytes -= (size_t)got;
        else if (got == 0 || errno != EINTR)
            connection->is_gone = true;
    }
}

/* What was read stays in the socket as long as that is cheap, and the next look begins behind it. */
void connection_read_away(struct connection *connection)
{
    if (!connection->peeks_onward || connection->unread_bytes > UNREAD_BYTES_MAX)
        reading_take_away(connection);
}

/* Lets the next look begin behind what was handed on. */
static void look_again(struct connection *connection)
{
    const int offset = (int)connection->unread_bytes;
    if (connection->peeks_onward)
        setsockopt(connection->watch.fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset));
}

/* Nobody reads while a complete request is answered; but the web server may give it up (ABORT_REQUEST, 5.4). */
bool reading_finds_abort(struct connection *connection)
{
    static uint8_t ahead[AHEAD_BYTES];
    ssize_t got = recv(connection->watch.fd, ahead, sizeof(ahead), MSG_PEEK | MSG_DONTWAIT);
    look_again(connection);
    size_t known = connection->peeks_onward ? 0 : connection->unread_bytes;
    return got > (ssize_t)known && record_filter_finds_abort(&connection->filter, ahead + known, (size_t)got - known);
}

/* -------------------- the next bytes -------------------- */

static void broken(struct connection *connection, uint64_t *count, const char *event, const char *reason)
{
    counter_add(count, 1);
    log_event(MID_WARN, event, "reason=\"%s\"", reason);
    connection->is_gone = true;
}

/* The request is answered without a handler; what is left of it is not read any more. */
MAY_SUSPEND static void refuse_request(struct connection *connection, const char *status, const char *sentence)
{
    if (answer_status(connection, status, sentence) != MID_OK)
        connection->is_gone = true;
    connection->is_ending = true;
}

MAY_SUSPEND static void refuse_params(struct connection *connection)
{
    char sentence[128];
    counter_add(&connection_counts()->malformed, 1);
    log_event(MID_WARN, "connection.params-too-large", "params_max_bytes=%zu setting=params-max-bytes",
              connection_settings()->params_max);
    snprintf(sentence, sizeof(sentence), "the fields of the request are limited to %zu bytes",
             connection_settings()->params_max);
    refuse_request(connection, "431 Request Header Fields Too Large", sentence);
}

MAY_SUSPEND static void answer_other(struct connection *connection, enum record_filter_verdict verdict)
{
    enum mid_error error = verdict == RECORDS_VALUES    ? answer_values(connection, connection_settings()->requests_max)
                           : verdict == RECORDS_UNKNOWN ? answer_unknown_type(connection)
                           : verdict == RECORDS_UNKNOWN_ROLE ? answer_refused(connection, ANSWER_UNKNOWN_ROLE)
                                                             : answer_refused(connection, ANSWER_CANT_MPX_CONN);
    if (error != MID_OK)
        connection->is_gone = true;
    else if (verdict == RECORDS_UNKNOWN_ROLE && connection->filter.refused_closes)
        connection->is_ending = true;
}

/* Passes bytes through the filter to `out`, in front of them, and does what it says. Returns how many libfcgi gets. */
MAY_SUSPEND static size_t filter_bytes(struct connection *connection, const uint8_t *bytes, size_t length, uint8_t *out)
{
    size_t at = 0;
    size_t given = 0;
    enum record_filter_verdict verdict = RECORDS_PASS;
    while (at < length && verdict != RECORDS_END && !connection->is_gone && !connection->is_ending) {
        size_t consumed;
        size_t passed;
        verdict = record_filter_feed(&connection->filter, bytes + at, length - at, out + given, &consumed, &passed);
        at += consumed;
        given += passed;
        if (verdict == RECORDS_MALFORMED)
            broken(connection, &connection_counts()->malformed, "connection.malformed", connection->filter.reason);
        else if (verdict == RECORDS_ABORT)
            connection->is_gone = true;
        else if (verdict == RECORDS_TOO_LARGE)
            refuse_params(connection);
        else if (verdict != RECORDS_PASS && verdict != RECORDS_END)
            answer_other(connection, verdict);
    }
    connection->unread_bytes += at;
    counter_add(&connection_counts()->received_bytes, at);
    if (at < length) { /* padding, or another request, which has to wait for our END_REQUEST; or this one is given up */
        connection->has_news = true;
        if (verdict == RECORDS_END && record_filter_finds_abort(&connection->filter, bytes + at, length - at))
            connection->is_gone = true;
        look_again(connection);
    }
    if (connection->filter.phase != FILTER_PARAMS && connection->deadline_ms >= 0)
        connection->deadline_ms += (int64_t)given * 1000 / BODY_RATE_MIN;
    return connection->is_gone || connection->is_ending ? 0 : given;
}

/* How long to wait for the next bytes. */
static int64_t patience_ms(const struct connection *connection)
{
    int64_t read_ms = connection_settings()->read_timeout_ms;
    if (connection->deadline_ms < 0)
        return read_ms;
    int64_t left_ms = connection->deadline_ms - loop_now_ms();
    return left_ms < read_ms ? (left_ms > 0 ? left_ms : 0) : read_ms;
}

/* A body that does not come is its reader's business; a head has none. */
MAY_SUSPEND static void time_out(struct connection *connection)
{
    counter_add(&connection_counts()->read_timeouts, 1);
    log_event(MID_WARN, "connection.read-timeout", "reason=\"the request was not complete in time\"");
    connection->has_timed_out = true;
    if (connection->filter.phase == FILTER_BEGIN)
        connection->is_gone = true;
    else if (connection->filter.phase == FILTER_PARAMS)
        refuse_request(connection, "408 Request Timeout", "the request did not arrive in time");
    else
        connection->is_ending = true;
}

size_t connection_read(struct connection *connection, void *buffer, size_t size)
{
    ENSURE(size > RECORD_FILTER_HELD_MAX);
    uint8_t *bytes = (uint8_t *)buffer + RECORD_FILTER_HELD_MAX;
    connection_read_away(connection);
    while (!connection->is_ending && !connection->is_gone) {
        ssize_t got = recv(connection->watch.fd, bytes, size - RECORD_FILTER_HELD_MAX, MSG_PEEK | MSG_DONTWAIT);
        if (got > 0) {
            size_t given = filter_bytes(connection, bytes, (size_t)got, buffer);
            if (given > 0)
                return given;
            connection_read_away(connection);
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            connection->is_gone = true;
        } else if (errno == EAGAIN) {
            if (record_filter_is_fresh(&connection->filter))
                return 0;                  /* the news were of bytes that the last request has read */
            reading_take_away(connection); /* over TCP a few unread bytes can hold up the whole window */
            if (!connection->is_gone && !connection_wait(connection, patience_ms(connection)))
                time_out(connection);
        }
    }
    return 0;
}
