/*
 * The password of Redis is in memory where the caller has it, and nowhere else once the connection stands.
 *
 * The loader, when it resolves a function at its first call, saves the vector registers on the stack, with what
 * memcpy() has left there; so the tests are run with LD_BIND_NOW=1.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server.h"

TestSuite(redis_password, .fini = server_fini, .timeout = 60);

enum { PASSWORD_BYTES = 32, WINDOW = 64 * 1024 };

static char password[PASSWORD_BYTES + 1];

/* Redis is given the hash, so that no argument has the password. */
static void start_with_password(void)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof(hash) + 1], rule[2 * sizeof(hash) + 2];
    cr_assert_geq(sodium_init(), 0);
    for (size_t i = 0; i < PASSWORD_BYTES; i++)
        password[i] = (char)('a' + randombytes_uniform(26));
    crypto_hash_sha256(hash, (const unsigned char *)password, PASSWORD_BYTES);
    snprintf(rule, sizeof(rule), "#%s", sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash)));
    server_start((const char *const[]){"--user", "default", "on", rule, "~*", "&*", "+@all", NULL});
}

/* Is it here? Compared from behind, so that nothing that finds it makes a copy of it. */
static bool is_password(const char *bytes)
{
    size_t i = PASSWORD_BYTES;
    while (i > 0 && bytes[i - 1] == password[i - 1])
        i--;
    return i == 0;
}

/* What is read goes to a mapping of its own, which is not looked at. */
static size_t count_between(int memory, char *window, uint64_t begin, uint64_t end)
{
    size_t count = 0;
    for (uint64_t at = begin; at + PASSWORD_BYTES <= end; at += WINDOW - PASSWORD_BYTES + 1) {
        ssize_t bytes = pread(memory, window, end - at < WINDOW ? end - at : WINDOW, (off_t)at);
        for (ssize_t i = 0; i + PASSWORD_BYTES <= bytes; i++)
            count += is_password(window + i);
    }
    return count;
}

/* In all memory of this process that can be written. ASan's shadow is too large to be read, and holds no bytes. */
static size_t count_copies(void)
{
    enum { LARGE = 1 << 30 };
    char line[512];
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    char *window = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    cr_assert(maps != NULL && window != MAP_FAILED && memory >= 0);
    while (fgets(line, sizeof(line), maps) != NULL) {
        uint64_t begin, end;
        char mode[5];
        cr_assert_eq(sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, mode), 3);
        if (strncmp(mode, "rw", 2) == 0 && end - begin < LARGE && begin != (uint64_t)(uintptr_t)window)
            count += count_between(memory, window, begin, end);
    }
    fclose(maps);
    close(memory);
    munmap(window, WINDOW);
    return count;
}

static void connect_and_look(void *arg)
{
    (void)arg;
    static struct redis_script script = {.name = "long"};
    static char body[100 * 1024]; /* the output has to grow behind the password */
    memset(body, ' ', sizeof(body) - 1);
    struct redis_options options = quick_options();
    options.credentials.password = password;
    struct redis_client *client = redis_client_new(&options);
    redis_client_add_script(client, &script, REFUSED_WHEN_FULL, (const char *const[]){"return 1", body, NULL});
    cr_assert(redis_client_wait_ready(client, 10000));
    size_t with_client = count_copies();
    redis_client_free(client);
    size_t after_it = count_copies();
    cr_expect(with_client == 1 && after_it == 1, "%zu copies, and %zu after the client's end", with_client, after_it);
}

Test(redis_password, stays_where_the_caller_has_it)
{
    start_with_password();
    run_scenario(connect_and_look);
}
