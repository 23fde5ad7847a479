/* How many sessions one address may begin within a minute. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/request.h"
#include "session/new_limit.h"

enum { MINUTE_MS = 60 * 1000, NOW_MS = 7 * MINUTE_MS + 1234 };

static void set_up(void)
{
    new_limit_create();
    new_limit_init(3);
}

TestSuite(new_limit, .init = set_up, .fini = new_limit_destroy);

/* How many of so many are admitted. */
static int admitted(const char *address, int tries, int64_t now_ms)
{
    int count = 0;
    for (int i = 0; i < tries; i++)
        count += new_limit_admits(address, now_ms);
    return count;
}

Test(new_limit, an_address_may_begin_so_many_within_a_minute_and_again_in_the_next)
{
    cr_expect_eq(admitted("192.0.2.1", 5, NOW_MS), 3);
    cr_expect_eq(admitted("192.0.2.1", 5, 8 * MINUTE_MS - 1), 0);
    cr_expect_eq(admitted("192.0.2.1", 5, 8 * MINUTE_MS), 3);
    cr_expect_eq(admitted("192.0.2.1", 5, 100 * MINUTE_MS), 3);
}

Test(new_limit, addresses_are_counted_apart)
{
    cr_expect_eq(admitted("192.0.2.1", 5, NOW_MS), 3);
    cr_expect_eq(admitted("192.0.2.2", 5, NOW_MS), 3);
    cr_expect_eq(admitted("2001:db8::1", 5, NOW_MS), 3);
}

Test(new_limit, ipv6_is_counted_by_its_64)
{
    cr_expect_eq(admitted("2001:db8:0:1::1", 2, NOW_MS), 2);
    cr_expect_eq(admitted("2001:db8:0:1:ffff:ffff:ffff:ffff", 2, NOW_MS), 1);
    cr_expect_eq(admitted("2001:db8:0:2::1", 5, NOW_MS), 3);
}

Test(new_limit, an_ipv4_address_is_the_same_in_the_form_of_ipv6)
{
    cr_expect_eq(admitted("192.0.2.1", 2, NOW_MS), 2);
    cr_expect_eq(admitted("::ffff:192.0.2.1", 2, NOW_MS), 1);
    cr_expect_eq(admitted("::ffff:192.0.2.2", 5, NOW_MS), 3);
}

Test(new_limit, what_is_no_address_is_not_limited)
{
    static const char *const texts[] = {"", "unix:", "192.0.2", "192.0.2.1:80", "localhost", "2001:db8::1::"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_expect_eq(admitted(texts[i], 10, NOW_MS), 10, "%s", texts[i]);
}

Test(new_limit, zero_is_any_number_and_so_is_no_table)
{
    new_limit_init(0);
    cr_expect_eq(admitted("192.0.2.1", 10, NOW_MS), 10);
    new_limit_init(1);
    new_limit_destroy();
    cr_expect_eq(admitted("192.0.2.1", 10, NOW_MS), 10);
}

Test(new_limit, a_full_table_refuses_nobody_and_forgets_no_address_that_has_begun_many)
{
    enum { ADDRESSES = 200 * 1000, MANY = 50 };
    char address[32];
    new_limit_init(MANY);
    cr_expect_eq(admitted("198.51.100.1", MANY, NOW_MS), MANY);
    for (int i = 0; i < ADDRESSES; i++) {
        snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        cr_assert(new_limit_admits(address, NOW_MS), "%s", address);
    }
    cr_expect_eq(admitted("198.51.100.1", 1, NOW_MS), 0);
}

/* -------------------- processes -------------------- */

/* As an exit code. */
static pid_t try_elsewhere(int tries)
{
    pid_t child = fork();
    if (child == 0)
        _exit(admitted("192.0.2.1", tries, NOW_MS));
    return child;
}

static int code_of(pid_t child)
{
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(new_limit, processes_count_together)
{
    enum { PROCESSES = 4, MOST = 200 };
    pid_t children[PROCESSES];
    int sum = 1;
    new_limit_init(MOST);
    cr_assert(new_limit_admits("192.0.2.1", NOW_MS));
    for (int i = 0; i < PROCESSES; i++)
        children[i] = try_elsewhere(MOST);
    for (int i = 0; i < PROCESSES; i++)
        sum += code_of(children[i]);
    cr_expect_eq(sum, MOST);
    cr_expect_not(new_limit_admits("192.0.2.1", NOW_MS));
}

/* -------------------- requests -------------------- */

Test(new_limit, a_request_is_told_which_limit_it_is_and_when_to_come_again)
{
    struct mid_request rq;
    char param[] = "REMOTE_ADDR=192.0.2.1";
    char *params[] = {param, NULL};
    request_init_detached(&rq, "test");
    rq.params = params;
    new_limit_init(1);
    enum mid_error error = MID_OK;
    for (int i = 0; i < 3 && error == MID_OK; i++) /* a minute may end in between */
        error = new_limit_enter(&rq);
    cr_expect_eq(error, MID_TOO_MANY);
    cr_expect_str_eq(rq.error_detail, "this address has created 1 sessions within a minute, which is the maximum");
    cr_expect(rq.retry_after_s >= 1 && rq.retry_after_s <= 60, "%d", rq.retry_after_s);
    request_finish(&rq);
}

Test(new_limit, a_request_without_an_address_is_not_limited)
{
    struct mid_request rq;
    request_init_detached(&rq, "test");
    for (int i = 0; i < 10; i++)
        cr_expect_eq(new_limit_enter(&rq), MID_OK);
    request_finish(&rq);
}
