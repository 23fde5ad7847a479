/* Uploads: read while they arrive, in bounded memory, and what becomes of a connection afterwards. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fastcgi.h"
#include "site.h"

TestSuite(uploads, .timeout = 90);

/* -------------------- uploads -------------------- */

enum { UPLOAD_BYTES = 50 * 1000 * 1000 };

static char *upload_bytes(void)
{
    char *bytes = malloc(UPLOAD_BYTES);
    cr_assert_not_null(bytes);
    for (size_t i = 0; i < UPLOAD_BYTES; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    return bytes;
}

static int begin_upload(const struct site *site, const char *framing)
{
    OWNED char *cookie = cookie_jar_get(site->visitor, "mid");
    char *head =
        text_printf("POST /upload HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nConnection: close\r\n"
                    "Cookie: mid=%s\r\n%s\r\n\r\n",
                    cookie, framing);
    int fd = raw_request(site, head);
    free(head);
    return fd;
}

static void send_all(int fd, const char *bytes, size_t count)
{
    fastcgi_write(fd, &(struct buffer){.data = (char *)(uintptr_t)bytes, .length = count});
}

Test(uploads, an_upload_is_read_as_it_comes_and_its_progress_is_seen_meanwhile)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    OWNED char *key = site_key(&site);
    OWNED char *bytes = upload_bytes();
    OWNED char *framing = text_printf("Content-Length: %d", UPLOAD_BYTES);
    int64_t before_kib = resident_kib(site_worker(&site));
    int fd = begin_upload(&site, framing);
    send_all(fd, bytes, UPLOAD_BYTES / 2);
    cr_assert(stored_reaches(&site, key, "uploaded", 1), "no progress is stored");
    cr_expect_lt(site_number(&site, "uploaded"), UPLOAD_BYTES);
    int64_t grown_kib = resident_kib(site_worker(&site)) - before_kib;
    cr_expect_lt(grown_kib, 16 * 1024, "the worker has grown by %lld KiB", (long long)grown_kib);
    send_all(fd, bytes + UPLOAD_BYTES / 2, UPLOAD_BYTES - UPLOAD_BYTES / 2);
    OWNED char *response = raw_rest(fd);

    unsigned char hash[crypto_generichash_BYTES];
    char hex[2 * crypto_generichash_BYTES + 1];
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)bytes, UPLOAD_BYTES, NULL, 0);
    sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    OWNED char *expected = text_printf("\r\n\r\n{\"bytes\":%d,\"blake2b\":\"%s\"}\n", UPLOAD_BYTES, hex);
    cr_expect(text_ends(response, expected), "%s", response);
    cr_expect_eq(site_number(&site, "uploaded"), UPLOAD_BYTES);
    close(fd);
    site_close(&site);
}

Test(uploads, an_upload_in_chunks_has_the_same_hash)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    int fd = begin_upload(&site, "Transfer-Encoding: chunked");
    static const char chunks[] = "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n";
    send_all(fd, chunks, sizeof(chunks) - 1);
    OWNED char *response = raw_rest(fd);
    unsigned char hash[crypto_generichash_BYTES];
    char hex[2 * crypto_generichash_BYTES + 1];
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)"hello world", 11, NULL, 0);
    sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    cr_expect(strstr(response, "{\"bytes\":11,") != NULL && strstr(response, hex) != NULL, "%s", response);
    close(fd);
    site_close(&site);
}

/* The numbers of the worker's sockets, by which the kernel tells one from another. */
static void add_sockets(pid_t pid, json_t *numbers)
{
    OWNED char *path = text_printf("/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    cr_assert_not_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char target[64] = "";
        OWNED char *link = text_printf("%s/%s", path, entry->d_name);
        if (readlink(link, target, sizeof(target) - 1) > 0 && strncmp(target, "socket:", 7) == 0)
            json_object_set_new(numbers, target, json_true());
    }
    closedir(directory);
}

static size_t socket_count(pid_t pid)
{
    json_t *numbers = json_object();
    add_sockets(pid, numbers);
    size_t count = json_object_size(numbers);
    json_decref(numbers);
    return count;
}

struct socket_wish {
    pid_t pid;
    size_t at_most;
};

static bool has_few_sockets(void *arg)
{
    const struct socket_wish *wish = arg;
    return socket_count(wish->pid) <= wish->at_most;
}

Test(uploads, an_upload_that_its_client_gives_up_is_given_up)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    OWNED char *key = site_key(&site);
    OWNED char *bytes = upload_bytes();
    pid_t worker = site_worker(&site);
    size_t sockets = socket_count(worker);
    OWNED char *framing = text_printf("Content-Length: %d", UPLOAD_BYTES);
    int fd = begin_upload(&site, framing);
    send_all(fd, bytes, UPLOAD_BYTES / 10);
    cr_assert(stored_reaches(&site, key, "uploaded", 1));
    close(fd);
    cr_expect(wait_until(has_few_sockets, &(struct socket_wish){worker, sockets}, PATIENCE_MS),
              "the worker keeps the connection");
    cr_expect_lt(site_number(&site, "uploaded"), UPLOAD_BYTES);
    cr_expect_eq(site_worker(&site), worker);
    site_close(&site);
}

Test(uploads, a_connection_serves_on_after_every_kind_of_response)
{
    static const char *const rows[][3] = {
        {"GET", "/null", NULL},
        {"GET", "/stream?count=3&interval_ms=1", NULL},
        {"GET", "/events?count=2&interval_ms=1", NULL},
        {"GET", "/rows?count=0", NULL},
        {"GET", "/nowhere", NULL},
        {"POST", "/counter", "a body that nobody reads"},
        {"GET", "/after?delay_ms=50", NULL},
        {"PUT", "/api/session/%40x", "refused"},
        {"POST", "/upload", "some bytes"},
    };
    struct site site = site_open(NULL);
    pid_t worker = site_worker(&site);
    pid_t nginx_workers[64];
    size_t nginx_count = process_children(site.stack->nginx, nginx_workers, 64);
    json_t *numbers = json_object();
    add_sockets(worker, numbers);
    size_t before = json_object_size(numbers);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            site_send(&site, rows[i][0], rows[i][1], rows[i][2], NULL);
            add_sockets(worker, numbers);
        }
    }
    size_t new_count = json_object_size(numbers) - before;
    cr_expect_leq(new_count, nginx_count, "nginx has opened %zu connections for 45 requests", new_count);
    json_decref(numbers);

    /* These make nginx close the connection; the worker does so, too. */
    size_t sockets = socket_count(worker);
    for (int round = 0; round < 20; round++) {
        cr_expect_eq(site_send(&site, "PUT", "/api/session/x", "value", NULL), 204);
        cr_expect_eq(site_send(&site, "HEAD", "/events", NULL, NULL), 200);
    }
    cr_expect(wait_until(has_few_sockets, &(struct socket_wish){worker, sockets + nginx_count}, PATIENCE_MS),
              "%zu sockets", socket_count(worker));
    site_close(&site);
}
