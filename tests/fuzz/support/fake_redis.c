/* A Redis that answers as the target likes. See fake_redis.h. */
#include "fake_redis.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"

enum { WORDS_MAX = 4096, STACK_BYTES = 512 * 1024, FIBERS = 16, READY_MS = 5000 };

struct visitor {
    struct watch watch;
    struct buffer in;
    struct list link; /* among those that are there, or have gone */
};

static struct {
    fake_answer_fn *answer;
    struct watch listener;
    struct redis_client *client;
    struct list present;
    struct list gone; /* their memory may be named by an event of the turn */
    int scripts;
    fiber_fn *scenario;
    void *arg;
} fake;

/* -------------------- reading commands -------------------- */

/* "*3\r\n" or "$3\r\n"; false: it has not come whole. Moves on. */
static bool take_number(const char **at, const char *end, size_t *number)
{
    const char *line = memchr(*at, '\n', (size_t)(end - *at));
    if (line == NULL)
        return false;
    *number = strtoul(*at + 1, NULL, 10);
    *at = line + 1;
    return true;
}

/* The bytes of a whole command at the beginning; 0: it has not come whole. */
static size_t take_command(const char *bytes, size_t length, struct fake_word words[], size_t *count)
{
    const char *at = bytes;
    const char *end = bytes + length;
    if (length == 0 || !take_number(&at, end, count))
        return 0;
    CLAIM(bytes[0] == '*' && *count >= 1 && *count <= WORDS_MAX);
    for (size_t i = 0; i < *count; i++) {
        if (at == end || !take_number(&at, end, &words[i].bytes))
            return 0;
        if ((size_t)(end - at) < words[i].bytes + 2)
            return 0;
        words[i].data = at;
        at += words[i].bytes + 2;
    }
    return (size_t)(at - bytes);
}

static bool is_word(struct fake_word word, const char *text)
{
    return word.bytes == strlen(text) && memcmp(word.data, text, word.bytes) == 0;
}

static bool answer(struct buffer *out, size_t count, const struct fake_word words[])
{
    if (is_word(words[0], "SCRIPT")) {
        buffer_printf(out, "$40\r\n%040d\r\n", ++fake.scripts);
        return true;
    }
    if (is_word(words[0], "PING")) {
        buffer_append_text(out, "+PONG\r\n");
        return true;
    }
    if (is_word(words[0], "HELLO")) {
        buffer_append_text(out, "*2\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n");
        return true;
    }
    if (is_word(words[0], "TIME")) {
        buffer_append_text(out, "*2\r\n$10\r\n1800000000\r\n$1\r\n0\r\n");
        return true;
    }
    return fake.answer(out, count, words);
}

/* -------------------- connections -------------------- */

static void say_goodbye(struct visitor *visitor)
{
    watch_stop(&visitor->watch);
    close(visitor->watch.fd);
    buffer_fini(&visitor->in);
    list_remove(&visitor->link);
    list_append(&fake.gone, &visitor->link);
}

static void free_gone(void)
{
    struct list *link;
    while ((link = list_take_first(&fake.gone)) != NULL)
        free(LIST_ELEMENT(link, struct visitor, link));
}

static void on_bytes(struct watch *watch, uint32_t events)
{
    static struct fake_word words[WORDS_MAX];
    struct visitor *visitor = LIST_ELEMENT(watch, struct visitor, watch);
    struct buffer out = {0};
    (void)events;
    char *room = buffer_reserve(&visitor->in, 65536);
    ssize_t got = recv(watch->fd, room, 65536, MSG_DONTWAIT);
    if (got <= 0) {
        say_goodbye(visitor);
        return;
    }
    visitor->in.length += (size_t)got;
    size_t taken = 0;
    size_t used = 0;
    size_t count;
    bool goes_on = true;
    while (goes_on && (used = take_command(visitor->in.data + taken, visitor->in.length - taken, words, &count)) > 0) {
        goes_on = answer(&out, count, words);
        taken += used;
    }
    visitor->in.length -= taken;
    memmove(visitor->in.data, visitor->in.data + taken, visitor->in.length);
    if (out.length > 0)
        send(watch->fd, out.data, out.length, MSG_NOSIGNAL | MSG_DONTWAIT); /* answers are small; or nobody listens */
    buffer_fini(&out);
    if (!goes_on)
        say_goodbye(visitor);
}

static void on_visitor(struct watch *watch, uint32_t events)
{
    (void)events;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct visitor *visitor = calloc(1, sizeof(*visitor));
    CLAIM(visitor != NULL && watch_start(&visitor->watch, fd, EPOLLIN, on_bytes));
    list_append(&fake.present, &visitor->link);
}

static char directory[] = "/tmp/midstream-fuzz-XXXXXX";

static void leave(void)
{
    char path[sizeof(directory) + sizeof("/redis.sock")];
    snprintf(path, sizeof(path), "%s/redis.sock", directory);
    unlink(path);
    rmdir(directory);
}

static void listen_at(struct sockaddr_un *address)
{
    CLAIM(mkdtemp(directory) != NULL);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof(address->sun_path), "%s/redis.sock", directory);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CLAIM(fd >= 0 && bind(fd, (struct sockaddr *)(void *)address, sizeof(*address)) == 0 && listen(fd, 16) == 0);
    CLAIM(watch_start(&fake.listener, fd, EPOLLIN, on_visitor));
    atexit(leave);
}

struct redis_client *fake_redis_start(fake_answer_fn *answer_fn)
{
    struct sockaddr_un address;
    char text[sizeof(address.sun_path) + 5];
    signal(SIGPIPE, SIG_IGN);
    CLAIM(log_open("/dev/null")); /* errors are what this is about */
    fiber_init(STACK_BYTES, FIBERS);
    loop_init();
    fake.answer = answer_fn;
    list_init(&fake.present);
    list_init(&fake.gone);
    listen_at(&address);
    snprintf(text, sizeof(text), "unix:%s", address.sun_path);
    fake.client = redis_client_new(&(struct redis_options){
        .address = text, .timeout_ms = 2000, .backoff_ms = 1, .backoff_max_ms = 1, .pending_limit = 100});
    CLAIM(fake.client != NULL);
    return fake.client;
}

void fake_redis_await(void)
{
    CLAIM(redis_client_wait_ready(fake.client, READY_MS));
}

static void run(void *arg)
{
    (void)arg;
    fake_redis_await();
    fake.scenario(fake.arg);
    loop_stop();
}

void fake_redis_run(fiber_fn *scenario, void *arg)
{
    free_gone();
    fake.scenario = scenario;
    fake.arg = arg;
    CLAIM(loop_spawn(run, NULL));
    loop_run();
}

bool fake_is_one_answer(const uint8_t *bytes, size_t count)
{
    redisReader *reader = redisReaderCreate();
    void *first = NULL;
    void *second = NULL;
    bool is_one = redisReaderFeed(reader, (const char *)bytes, count) == REDIS_OK &&
                  redisReaderGetReply(reader, &first) == REDIS_OK && first != NULL &&
                  redisReaderGetReply(reader, &second) == REDIS_OK && second == NULL && reader->pos == reader->len;
    if (first != NULL)
        freeReplyObject(first);
    if (second != NULL)
        freeReplyObject(second);
    redisReaderFree(reader);
    return is_one;
}
