/* hiredis on our loop. See adapter.h. */
#include "redis/adapter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/counter.h"
#include "base/panic.h"
#include "redis/unasked.h"

enum { READ_EVENTS = EPOLLIN | EPOLLRDHUP };

static void set_write_watched(struct redis_adapter *adapter, bool is_watched)
{
    if (adapter->is_write_watched == is_watched)
        return;
    adapter->is_write_watched = is_watched;
    ENSURE(watch_change(&adapter->watch, READ_EVENTS | (is_watched ? (uint32_t)EPOLLOUT : 0u)));
}

/* -------------------- what hiredis asks for -------------------- */

static void on_add_write(void *data)
{
    struct redis_adapter *adapter = data;
    if (adapter->is_connecting || adapter->is_write_watched)
        return;
    if (adapter->is_flushing)
        set_write_watched(adapter, true);
    else
        loop_request_flush(&adapter->flush);
}

static void on_del_write(void *data)
{
    struct redis_adapter *adapter = data;
    if (!adapter->is_connecting)
        set_write_watched(adapter, false);
}

static void on_cleanup(void *data)
{
    struct redis_adapter *adapter = data;
    redisAsyncContext *context = adapter->context;
    if (context == NULL)
        return;

    /* Detached here and not later: hiredis closes the descriptor next. The watch's memory stays, so that an event of
     * this turn that has already been taken out of the set still finds it, and no context. */
    watch_stop(&adapter->watch);
    list_remove(&adapter->flush.link);
    adapter->context = NULL;

    const char *reason = adapter->close_reason;
    if (adapter->was_unasked)
        reason = "Redis sent an answer that nobody had asked for";
    if (reason == NULL)
        reason = context->err != 0 && context->errstr[0] != '\0' ? context->errstr : "the connection was closed";
    adapter->close_reason = NULL;
    adapter->on_gone(adapter->owner, reason);
}

/* -------------------- what the loop reports -------------------- */

static void write_commands(struct redis_adapter *adapter)
{
    counter_add(adapter->writes, 1);
    adapter->is_flushing = true;
    redisAsyncHandleWrite(adapter->context);
    adapter->is_flushing = false;
}

static void on_flush(void *arg)
{
    struct redis_adapter *adapter = arg;
    if (adapter->context != NULL && !adapter->is_connecting && !adapter->is_write_watched)
        write_commands(adapter);
}

static void on_event(struct watch *watch, uint32_t events)
{
    struct redis_adapter *adapter = LIST_ELEMENT(watch, struct redis_adapter, watch);
    if (adapter->context == NULL)
        return;

    adapter->is_connecting = false;
    if (events & ~(uint32_t)EPOLLOUT)
        redisAsyncHandleRead(adapter->context);
    if (adapter->context != NULL && (events & EPOLLOUT))
        write_commands(adapter);
}

/* -------------------- life -------------------- */

void redis_adapter_init(struct redis_adapter *adapter, redis_gone_fn *on_gone, void *owner, uint64_t *writes)
{
    *adapter = (struct redis_adapter){.on_gone = on_gone, .owner = owner, .writes = writes};
    flush_init(&adapter->flush, on_flush, adapter);
}

static bool attach(struct redis_adapter *adapter, redisAsyncContext *context)
{
    int fd = context->c.fd;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || !watch_start(&adapter->watch, fd, READ_EVENTS | EPOLLOUT, on_event))
        return false;

    adapter->context = context;
    adapter->is_connecting = true;
    adapter->is_write_watched = true;
    context->ev.data = adapter;
    context->ev.addWrite = on_add_write;
    context->ev.delWrite = on_del_write;
    context->ev.cleanup = on_cleanup;
    redis_unasked_refuse(context, &adapter->was_unasked);
    return true;
}

bool redis_adapter_open(struct redis_adapter *adapter, const struct redis_address *address, char *reason,
                        size_t reason_size)
{
    ENSURE(adapter->context == NULL);
    redisAsyncContext *context =
        address->is_unix ? redisAsyncConnectUnix(address->host) : redisAsyncConnect(address->host, address->port);
    if (context == NULL)
        panic("out of memory for a connection to Redis");

    if (context->err != 0) {
        snprintf(reason, reason_size, "%s", context->errstr);
        redisAsyncFree(context);
        return false;
    }
    if (!attach(adapter, context)) {
        snprintf(reason, reason_size, "cannot watch the connection: %s", strerror(errno));
        redisAsyncFree(context);
        return false;
    }
    if (!address->is_unix)
        redisEnableKeepAlive(&context->c); /* best effort: an idle peer that vanished is noticed before it is needed */
    return true;
}

void redis_adapter_close(struct redis_adapter *adapter, const char *reason)
{
    if (adapter->context == NULL)
        return;
    adapter->close_reason = reason;
    redisAsyncFree(adapter->context);
}
